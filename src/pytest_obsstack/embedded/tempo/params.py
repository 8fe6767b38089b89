"""The parameters of Tempo's query API, with the texts of its refusals."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from pytest_obsstack.embedded.go_quote import quote
from pytest_obsstack.embedded.tempo.settings import TempoSettings
from pytest_obsstack.embedded.tempo.traceql.lexer import parse_duration

_MAX_UINT32 = 2**32 - 1
_DEFAULT_SPANS_PER_SPAN_SET = 3
_HEX = frozenset("0123456789abcdefABCDEF")
# A pair of logfmt: key, key=value, key="value with spaces".
_LOGFMT = re.compile(r'\s*([^\s="]+)(?:=(?:"((?:[^"\\]|\\.)*)"|([^\s"=]*)))?(?=\s|$)')


class BadRequest(Exception):
    """A request that Tempo refuses with 400; the text is its answer."""


@dataclass(frozen=True)
class SearchRequest:
    """``tags`` or ``query``; durations in milliseconds, 0 for none; times in Unix seconds."""

    query: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    min_duration_ms: int = 0
    max_duration_ms: int = 0
    limit: int = 20
    spans_per_span_set: int = _DEFAULT_SPANS_PER_SPAN_SET
    start_s: int = 0
    end_s: int = 0


def trace_id(text: str) -> bytes:
    """16 bytes; a shorter id is filled with zeros in front, as of systems with 64 bits."""
    for position, sign in enumerate(text, start=1):
        if sign not in _HEX:
            raise BadRequest(
                "trace IDs can only contain hex characters: "
                f"invalid character '{sign}' at position {position}"
            )
    if len(text) > 32:
        raise BadRequest("trace IDs can't be larger than 128 bits")
    return bytes.fromhex(text.rjust(32, "0"))


def search_request(given: Mapping[str, str], settings: TempoSettings) -> SearchRequest:
    """The parameters of ``/api/search``."""
    query = given.get("q", "")
    if query and given.get("tags"):
        raise BadRequest("invalid request: can't specify tags and q in the same query")
    check_query_size(query, settings)
    minimum = _duration_ms(given, "minDuration")
    maximum = _duration_ms(given, "maxDuration")
    if given.get("maxDuration") and minimum and minimum > maximum:
        raise BadRequest("invalid maxDuration: must be greater than minDuration")
    start_s, end_s = times(given)
    request = SearchRequest(
        query=query,
        tags=_tags(given.get("tags", "")),
        min_duration_ms=minimum,
        max_duration_ms=maximum,
        limit=_limit(given, settings),
        spans_per_span_set=whole_number(given, "spss", _DEFAULT_SPANS_PER_SPAN_SET),
        start_s=start_s,
        end_s=end_s,
    )
    most = settings.max_spans_per_span_set
    if request.spans_per_span_set > most:
        raise BadRequest(
            f"spans per span set exceeds {most}. received {request.spans_per_span_set}"
        )
    if end_s - start_s > settings.max_search_duration_s > 0:
        hours = settings.max_search_duration_s / 3600
        raise BadRequest(
            f"range specified by start and end exceeds {hours:g}h0m0s. "
            f"received start={start_s} end={end_s}"
        )
    return request


def check_query_size(query: str, settings: TempoSettings) -> None:
    most = settings.max_query_expression_size_bytes
    if len(query.encode()) > most:
        raise BadRequest(
            f"TraceQL expression exceeds the configured maximum size of {most} bytes, reduce the "
            "query expression size or contact your system administrator"
        )


def times(given: Mapping[str, str]) -> tuple[int, int]:
    """``start`` and ``end`` in Unix seconds; (0, 0) where they are not given."""
    start_s, end_s = whole_number(given, "start", 0), whole_number(given, "end", 0)
    if (start_s or end_s) and end_s <= start_s:
        raise BadRequest(
            f"http parameter start must be before end. received start={start_s} end={end_s}"
        )
    return start_s, end_s


def whole_number(given: Mapping[str, str], name: str, default: int) -> int:
    """An unsigned integer of 32 bits."""
    text = given.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit()):
        raise BadRequest(
            f"invalid {name}: strconv.ParseUint: parsing {quote(text)}: invalid syntax"
        )
    if int(text) > _MAX_UINT32:
        raise BadRequest(
            f"invalid {name}: strconv.ParseUint: parsing {quote(text)}: value out of range"
        )
    return int(text)


def _limit(given: Mapping[str, str], settings: TempoSettings) -> int:
    limit = whole_number(given, "limit", 0)
    if given.get("limit") and not limit:
        raise BadRequest("invalid limit: must be a positive number")
    most = settings.max_result_limit
    if most and limit > most:
        raise BadRequest(f"limit {limit} exceeds max limit {most}")
    return limit or settings.default_result_limit


def _duration_ms(given: Mapping[str, str], name: str) -> int:
    text = given.get(name, "")
    if not text or text == "0":
        return 0
    # Unlike TraceQL's own, durations of parameters know no days.
    duration_ns = parse_duration(text) if not re.search(r"[dwy]", text) else None
    if duration_ns is None:
        raise BadRequest(f"invalid {name}: time: invalid duration {quote(text)}")
    return duration_ns // 10**6


def _tags(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    position = 0
    while text[position:].strip():
        pair = _LOGFMT.match(text, position)
        if pair is None:
            raise BadRequest(f"invalid tags: unexpected character at pos {position + 1}")
        key, in_quotes, plain = pair.groups()
        if key in found:
            raise BadRequest(f"invalid tags: tag {key} has been set twice")
        value = in_quotes if in_quotes is not None else plain or ""
        found[key] = re.sub(r"\\(.)", r"\1", value)
        position = pair.end()
    return found
