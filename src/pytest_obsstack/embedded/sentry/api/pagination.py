"""Pages and Sentry's ``Link`` header (docs.sentry.io/api/pagination).

Both relations are always there; ``results`` says whether there is anything. A cursor is
``{value}:{offset}:{is previous}``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, TypeVar
from urllib.parse import urlencode

from pytest_obsstack.embedded.sentry.api.http import Api, Call, bad_request

T = TypeVar("T")
MAX_PER_PAGE = 100
_CURSOR = re.compile(r"\d+:(\d{1,9}):[01]", re.ASCII)


def paginate(
    api: Api, call: Call, items: Sequence[T], *, parameter: str = "per_page"
) -> tuple[Sequence[T], dict[str, str]]:
    """The page that ``cursor`` and ``parameter`` ask for, and the headers that go with it."""
    per_page = _per_page(call, parameter)
    offset = _offset(call)
    links = [
        _link(api, call, "previous", max(0, offset - per_page), 1, has_results=offset > 0),
        _link(api, call, "next", offset + per_page, 0, has_results=len(items) > offset + per_page),
    ]
    return items[offset : offset + per_page], {"Link": ", ".join(links), "X-Hits": str(len(items))}


def _per_page(call: Call, parameter: str) -> int:
    text = call.one(parameter)
    if text is None:
        return MAX_PER_PAGE
    if not text.isdigit() or not 1 <= int(text) <= MAX_PER_PAGE:
        raise bad_request(f"Invalid {parameter} value. Must be between 1 and {MAX_PER_PAGE}.")
    return int(text)


def _offset(call: Call) -> int:
    cursor = call.one("cursor")
    if not cursor:
        return 0
    match = _CURSOR.fullmatch(cursor)
    if match is None:
        raise bad_request("Invalid cursor parameter.")
    return int(match[1])


def _link(
    api: Api, call: Call, relation: str, offset: int, is_previous: int, *, has_results: bool
) -> str:
    cursor = f"0:{offset}:{is_previous}"
    query: list[tuple[str, Any]] = [(k, v) for k, v in call.query if k != "cursor"]
    url = f"{api.settings.public_url}{call.path}?{urlencode([*query, ('cursor', cursor)])}"
    results = "true" if has_results else "false"
    return f'<{url}>; rel="{relation}"; results="{results}"; cursor="{cursor}"'
