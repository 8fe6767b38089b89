"""Issues: lists, one issue, its status."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_obsstack.embedded.sentry.api.http import (
    Api,
    Call,
    Reply,
    bad_request,
    invalid_field,
    unsupported,
)
from pytest_obsstack.embedded.sentry.api.issue_search import find_issues
from pytest_obsstack.embedded.sentry.api.lookup import (
    WINDOW_PARAMETERS,
    issue_of,
    organization_of,
    project_of,
    times_of,
    window_of,
)
from pytest_obsstack.embedded.sentry.api.pagination import paginate
from pytest_obsstack.embedded.sentry.serialize.issue import issue_detail_json, issue_json
from pytest_obsstack.embedded.sentry.state.model import Issue, Organization
from pytest_obsstack.embedded.sentry.window import Window

_DEFAULT_SEARCH = "is:unresolved"
_STATUSES = ("resolved", "unresolved", "ignored")
_ARCHIVED = ("archived_until_escalating", "archived_forever")
# What `expand` may add; all but the first are features of Sentry that no issue here can have.
_EXPANSIONS: Mapping[str, Any] = {
    "latestEventHasAttachments": None,
    "owners": None,
    "integrationIssues": [],
    "sentryAppIssues": [],
}
_COLLAPSIBLE = {
    "unhandled": ("isUnhandled",),
    "base": (),
    "stats": (),
    "lifetime": (),
    "filtered": (),
}


def list_issues(api: Api, call: Call) -> Reply:
    call.only(
        *WINDOW_PARAMETERS,
        "query",
        "sort",
        "limit",
        "cursor",
        "expand",
        "collapse",
        "shortIdLookup",
    )
    organization = organization_of(api, call)
    return _listed(api, call, window_of(api, call, organization))


def list_project_issues(api: Api, call: Call) -> Reply:
    call.only("query", "sort", "limit", "cursor", "statsPeriod", "start", "end", "environment")
    project = project_of(api, call)
    start_ns, end_ns = times_of(api, call)
    environments = frozenset(call.all("environment")) or None
    return _listed(api, call, Window(frozenset({project.id}), environments, start_ns, end_ns))


def get_issue(api: Api, call: Call) -> Reply:
    call.only("collapse", "expand")
    issue = issue_of(api, call)
    body = issue_detail_json(issue, api.store, api.settings.public_url)
    return Reply(_expanded(api, call, issue, body))


def update_issue(api: Api, call: Call) -> Reply:
    call.only()
    issue = issue_of(api, call)
    api.ledger.change("issue.updated", {"ids": [issue.id], **_changes(call)})
    return Reply(issue_detail_json(issue, api.store, api.settings.public_url))


def delete_issue(api: Api, call: Call) -> Reply:
    call.only()
    api.ledger.change("issue.deleted", {"ids": [issue_of(api, call).id]})
    return Reply({}, 202)


def update_issues(api: Api, call: Call) -> Reply:
    """Those of ``?id=…&id=…``, or those that ``query`` finds; the answer repeats the changes."""
    ids = _selected(api, call)
    changes = _changes(call)
    if not ids:
        return Reply(status=204)
    api.ledger.change("issue.updated", {"ids": ids, **changes})
    body: dict[str, Any] = {}
    if "status" in changes:
        body |= {"status": changes["status"], "statusDetails": {}}
        if changes["substatus"] is not None:
            body["substatus"] = changes["substatus"]
    if "has_seen" in changes:
        body["hasSeen"] = changes["has_seen"]
    if "is_bookmarked" in changes:
        body["isBookmarked"] = changes["is_bookmarked"]
    return Reply(body)


def delete_issues(api: Api, call: Call) -> Reply:
    ids = _selected(api, call)
    if ids:
        api.ledger.change("issue.deleted", {"ids": ids})
    return Reply(status=204)


def _listed(api: Api, call: Call, window: Window) -> Reply:
    search = call.one("query")
    found = find_issues(
        api.store,
        _DEFAULT_SEARCH if search is None else search,
        call.one("sort") or "date",
        window,
        api.clock_ns(),
    )
    page, headers = paginate(api, call, found, parameter="limit")
    public_url = api.settings.public_url
    body = [_expanded(api, call, issue, issue_json(issue, api.store, public_url)) for issue in page]
    return Reply(body, headers=headers)


def _expanded(api: Api, call: Call, issue: Issue, body: dict[str, Any]) -> dict[str, Any]:
    for name in call.all("expand"):
        if name not in _EXPANSIONS:
            raise unsupported(f"expand={name!r} of issues")
        body[name] = _EXPANSIONS[name]
        if name == "latestEventHasAttachments":
            key = (issue.project_id, issue.latest.event_id)
            body[name] = bool(api.store.telemetry.attachments.get(key))
    for name in call.all("collapse"):
        if name not in _COLLAPSIBLE:
            raise unsupported(f"collapse={name!r} of issues")
        for member in _COLLAPSIBLE[name]:
            body.pop(member, None)
    return body


def _selected(api: Api, call: Call) -> list[int]:
    call.only("id", *WINDOW_PARAMETERS, "query")
    organization = organization_of(api, call)
    ids = call.all("id")
    if ids:
        return [_id_in(api, organization, text).id for text in ids]
    search = call.one("query")
    if search is None:
        raise bad_request("You must provide `id` or `query`; without either all would be meant.")
    window = window_of(api, call, organization)
    return [issue.id for issue in find_issues(api.store, search, "date", window, api.clock_ns())]


def _id_in(api: Api, organization: Organization, text: str) -> Issue:
    return issue_of(api, Call("", {"organization": organization.slug, "issue_id": text}, ()))


def _changes(call: Call) -> dict[str, Any]:
    body = call.fields(
        status=str, substatus=str, statusDetails=dict, hasSeen=bool, isBookmarked=bool
    )
    changes: dict[str, Any] = {}
    status = body.get("status")
    if status is not None:
        if status in ("resolvedInNextRelease", "muted"):
            raise unsupported(f"status {status!r} of issues")
        if status not in _STATUSES:
            raise invalid_field("status", f'"{status}" is not a valid choice.')
        changes["status"] = status
        changes["substatus"] = _substatus(status, body.get("substatus"))
    elif body.get("substatus") is not None:
        raise invalid_field("substatus", "A status must be given with it.")
    if body.get("statusDetails"):
        raise unsupported(f"statusDetails {sorted(body['statusDetails'])} of issues")
    for member, change in (("hasSeen", "has_seen"), ("isBookmarked", "is_bookmarked")):
        if body.get(member) is not None:
            changes[change] = body[member]
    return changes


def _substatus(status: str, wanted: str | None) -> str | None:
    allowed = {
        "resolved": (None,),
        "unresolved": ("ongoing", "new", "regressed"),
        "ignored": _ARCHIVED,
    }[status]
    if wanted is None:
        return allowed[0]
    if wanted == "archived_until_condition_met":
        raise unsupported(f"substatus {wanted!r} of issues")
    if wanted not in allowed:
        raise invalid_field("substatus", f'"{wanted}" is not a valid choice for {status}.')
    return wanted
