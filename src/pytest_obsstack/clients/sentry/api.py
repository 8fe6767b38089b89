"""Sentry's web API under ``/api/0``: requests, and lists that go on over pages.

Pagination: https://docs.sentry.io/api/pagination/. The ``Link`` header names the next page's cursor
always; whether there is anything on it is said by ``results="true"``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any, TypeVar
from urllib.parse import quote

import httpx

from pytest_obsstack.clients import fields
from pytest_obsstack.clients.http import ApiClient, QueryParams
from pytest_obsstack.errors import BackendRefused, ObsstackError

MAX_PAGE_SIZE = 100
"""What Sentry gives on one page at most."""
MAX_PAGES = 1000

T = TypeVar("T")

_LINK = re.compile(r"<([^>]*)>((?:\s*;\s*[\w-]+=\"[^\"]*\")*)")
_ATTRIBUTE = re.compile(r"([\w-]+)=\"([^\"]*)\"")


def path(*segments: str | int) -> str:
    """``/a/b/c/``, each segment percent-encoded: a release may hold ``/`` and ``@``."""
    return "/" + "".join(quote(str(segment), safe="") + "/" for segment in segments)


def is_missing(refused: BackendRefused) -> bool:
    """Whether a refusal says that the thing asked for does not exist.

    A server that does not know the *endpoint* answers 404 as well; that must not read as "none".
    """
    return refused.status == 404 and "not supported by" not in (refused.found or "")


def if_there(ask: Callable[[], T]) -> T | None:
    """What ``ask`` gives; ``None`` where the server says that there is no such thing."""
    try:
        return ask()
    except BackendRefused as refused:
        if is_missing(refused):
            return None
        raise


def next_cursor(link_header: str) -> str | None:
    """The cursor of the next page; ``None`` where there are no more results."""
    for match in _LINK.finditer(link_header):
        attributes = dict(_ATTRIBUTE.findall(match[2]))
        if attributes.get("rel") == "next" and attributes.get("results") == "true":
            cursor = attributes.get("cursor") or httpx.URL(match[1]).params.get("cursor")
            return None if cursor is None else str(cursor)
    return None


def by_link(response: httpx.Response, page: Any) -> str | None:  # noqa: ARG001 - see ``pages``
    """The cursor of the next page by the answer's ``Link``, as Sentry tells it."""
    return next_cursor(response.headers.get("link", ""))


def pages(
    api: ApiClient,
    url_path: str,
    params: QueryParams,
    following: Callable[[httpx.Response, Any], str | None] = by_link,
) -> Iterator[Any]:
    """Each page's parsed JSON, as long as the server says that there are more results.

    ``following`` takes an answer and its JSON and gives the cursor of the next page.
    """
    seen: set[str] = set()
    cursor: str | None = None
    for number in count(1):
        response = api.get(url_path, {**params, "cursor": cursor})
        page = api.json_of(response)
        yield page
        cursor = following(response, page)
        if cursor is None:
            return
        if cursor in seen or number == MAX_PAGES:
            raise ObsstackError(
                f"{api.product} pages without an end: GET {url_path}.",
                expected=f"a new cursor on each of at most {MAX_PAGES} pages",
                found=f"cursor {cursor!r} after {number} pages",
                advice="narrow the query",
            )
        seen.add(cursor)


def listed(api: ApiClient, url_path: str, params: QueryParams | None = None) -> Iterator[Any]:
    """The items of a list endpoint, over all its pages, fetched as they are asked for."""
    for page in pages(api, url_path, params or {}):
        yield from fields.items(page, f"GET {url_path}")


def rows(api: ApiClient, url_path: str, params: QueryParams) -> Iterator[Any]:
    """The rows of an explore query (``{"data": […], "meta": {…}}``), over all its pages."""
    for page in pages(api, url_path, params):
        data = fields.mapping(page, f"GET {url_path}").get("data")
        yield from fields.items(data, f"field 'data' of GET {url_path}")
