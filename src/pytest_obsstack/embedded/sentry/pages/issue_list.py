"""The list of issues: search, tabs, pages."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_obsstack.embedded.sentry.api.http import Api, ApiError, Call
from pytest_obsstack.embedded.sentry.api.issues import list_issues

DEFAULT_QUERY = "is:unresolved"
_PER_PAGE = 25
_LINK = re.compile(r'rel="(previous|next)"; results="true"; cursor="([^"]+)"')
_KEPT = ("query", "project", "environment", "sort", "statsPeriod", "start", "end")
"""Parameters that the links of the page keep."""
_TABS = (("Unresolved", "is:unresolved"), ("Resolved", "is:resolved"), ("All", ""))


@dataclass(frozen=True)
class Tab:
    """A usual search."""

    title: str
    query: Sequence[tuple[str, str]]
    is_current: bool


@dataclass(frozen=True)
class IssueList:
    """What the page shows."""

    query: str
    filters: Sequence[tuple[str, str]]
    """The other parameters, which the search form keeps."""
    tabs: Sequence[Tab]
    error: str | None
    """Why the query could not be answered; there are no issues then."""
    issues: Sequence[Mapping[str, Any]]
    total: int
    previous: Sequence[tuple[str, str]] | None
    next: Sequence[tuple[str, str]] | None
    """Parameters of the page before and after."""


def issue_list(api: Api, organization: str, parameters: Sequence[tuple[str, str]]) -> IssueList:
    """As the API answers: the page asks it, so it cannot say anything else."""
    given = [(name, value) for name, value in parameters if name in _KEPT]
    query = next((value for name, value in reversed(given) if name == "query"), DEFAULT_QUERY)
    filters = [(name, value) for name, value in given if name != "query"]
    cursor = next((value for name, value in parameters if name == "cursor"), "")
    asked = [("query", query), *filters]
    call = Call(
        path=f"/organizations/{organization}/issues/",
        params={"organization": organization},
        query=[*asked, ("limit", str(_PER_PAGE)), ("cursor", cursor)],
    )
    error, issues, total = None, [], 0
    pages: dict[str, Sequence[tuple[str, str]]] = {}
    try:
        reply = list_issues(api, call)
    except ApiError as refusal:
        if refusal.status == 404:
            raise
        error = str(refusal.body.get("detail", refusal.body))
    else:
        issues, total = reply.body, int(reply.headers["X-Hits"])
        links = _LINK.findall(reply.headers["Link"])
        pages = {relation: [*asked, ("cursor", at)] for relation, at in links}
    return IssueList(
        query=query,
        filters=filters,
        tabs=[Tab(t, [("query", text), *filters], text == query.strip()) for t, text in _TABS],
        error=error,
        issues=issues,
        total=total,
        previous=pages.get("previous"),
        next=pages.get("next"),
    )
