"""The entries of an event: exceptions, messages, requests, breadcrumbs, spans and the rest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from pytest_obsstack.embedded.sentry.state.foreign import (
    as_dict,
    as_list,
    as_text,
    pairs_of,
    values_of,
)
from pytest_obsstack.embedded.sentry.state.model import StoredEvent
from pytest_obsstack.embedded.sentry.state.titles import frames_of, logentry_of
from pytest_obsstack.embedded.sentry.times import iso_or_none, parse_timestamp, seconds

Entry = dict[str, Any]


def exception_entry(data: Mapping[str, Any]) -> Entry | None:
    values: list[dict[str, Any]] = [
        {
            "type": as_text(error.get("type")),
            "value": as_text(error.get("value")),
            "mechanism": dict(as_dict(error.get("mechanism"))) or None,
            "threadId": error.get("thread_id"),
            "module": as_text(error.get("module")),
            "stacktrace": stacktrace_json(error.get("stacktrace")),
            "rawStacktrace": stacktrace_json(error.get("raw_stacktrace")),
        }
        for error in values_of(data.get("exception"))
    ]
    if not values:
        return None
    return {
        "type": "exception",
        "data": {
            "values": values,
            "hasSystemFrames": any(_has_system_frames(value["stacktrace"]) for value in values),
            "excOmitted": None,
        },
    }


def stacktrace_entry(data: Mapping[str, Any]) -> Entry | None:
    stacktrace = stacktrace_json(data.get("stacktrace"))
    return None if stacktrace is None else {"type": "stacktrace", "data": stacktrace}


def threads_entry(data: Mapping[str, Any]) -> Entry | None:
    values = [
        {
            "id": thread.get("id"),
            "name": as_text(thread.get("name")),
            "crashed": bool(thread.get("crashed")),
            "current": bool(thread.get("current")),
            "stacktrace": stacktrace_json(thread.get("stacktrace")),
            "rawStacktrace": None,
        }
        for thread in values_of(data.get("threads"))
    ]
    return {"type": "threads", "data": {"values": values}} if values else None


def message_entry(data: Mapping[str, Any]) -> Entry | None:
    entry = logentry_of(data)
    message = as_text(entry.get("message"))
    formatted = as_text(entry.get("formatted")) or message
    if not formatted:
        return None
    params = entry.get("params")
    return {
        "type": "message",
        "data": {"message": message, "formatted": formatted, "params": params},
    }


def request_entry(data: Mapping[str, Any]) -> Entry | None:
    request = as_dict(data.get("request"))
    if not request:
        return None
    url = as_text(request.get("url"))
    query = request.get("query_string")
    if isinstance(query, str):
        query = [list(pair) for pair in parse_qsl(query.lstrip("?"), keep_blank_values=True)]
    else:
        query = _pairs(query)
    return {
        "type": "request",
        "data": {
            "apiTarget": as_text(request.get("api_target")),
            "method": as_text(request.get("method")),
            "url": url,
            "query": query,
            "fragment": as_text(request.get("fragment")) or _fragment(url),
            "data": request.get("data"),
            "headers": _pairs(request.get("headers")),
            "cookies": _cookies(request.get("cookies")),
            "env": dict(as_dict(request.get("env"))) or None,
            "inferredContentType": as_text(request.get("inferred_content_type"))
            or _header(request.get("headers"), "content-type"),
        },
    }


def breadcrumbs_entry(data: Mapping[str, Any]) -> Entry | None:
    values = [
        {
            "type": as_text(crumb.get("type")) or "default",
            "timestamp": iso_or_none(parse_timestamp(crumb.get("timestamp"))),
            "level": as_text(crumb.get("level")) or "info",
            "message": as_text(crumb.get("message")),
            "category": as_text(crumb.get("category")),
            "data": crumb.get("data"),
            "event_id": as_text(crumb.get("event_id")),
        }
        for crumb in values_of(data.get("breadcrumbs"))
    ]
    return {"type": "breadcrumbs", "data": {"values": values}} if values else None


def spans_entry(event: StoredEvent) -> Entry:
    """The child spans with times in Unix seconds, in the order in which they came."""
    found = []
    for span in map(as_dict, as_list(event.data.get("spans"))):
        start_ns = parse_timestamp(span.get("start_timestamp"))
        end_ns = parse_timestamp(span.get("timestamp"))
        found.append(
            {
                **span,
                "start_timestamp": None if start_ns is None else seconds(start_ns),
                "timestamp": None if end_ns is None else seconds(end_ns),
            }
        )
    return {"type": "spans", "data": found}


def stacktrace_json(stacktrace: Any) -> dict[str, Any] | None:
    frames = frames_of(stacktrace)
    if not frames:
        return None
    shown = [_frame_json(frame) for frame in frames]
    return {
        "frames": shown,
        "framesOmitted": as_dict(stacktrace).get("frames_omitted"),
        "registers": as_dict(stacktrace).get("registers"),
        "hasSystemFrames": any(not frame["inApp"] for frame in shown)
        and any(frame["inApp"] for frame in shown),
    }


def _frame_json(frame: Mapping[str, Any]) -> dict[str, Any]:
    line = frame.get("lineno")
    return {
        "filename": as_text(frame.get("filename")),
        "absPath": as_text(frame.get("abs_path")),
        "module": as_text(frame.get("module")),
        "package": as_text(frame.get("package")),
        "platform": as_text(frame.get("platform")),
        "instructionAddr": as_text(frame.get("instruction_addr")),
        "symbolAddr": as_text(frame.get("symbol_addr")),
        "function": as_text(frame.get("function")),
        "rawFunction": as_text(frame.get("raw_function")),
        "symbol": as_text(frame.get("symbol")),
        "context": _context_lines(frame, line) if isinstance(line, int) else [],
        "lineNo": line,
        "colNo": frame.get("colno"),
        "inApp": bool(frame.get("in_app")),
        "trust": None,
        "errors": None,
        "lock": None,
        "sourceLink": None,
        "vars": frame.get("vars"),
    }


def _context_lines(frame: Mapping[str, Any], line: int) -> list[list[Any]]:
    """``[[line number, text], …]`` around the frame's own line."""
    context_line = as_text(frame.get("context_line"))
    if context_line is None:
        return []
    before, after = as_list(frame.get("pre_context")), as_list(frame.get("post_context"))
    lines = [*before, context_line, *after]
    first = line - len(before)
    return [[first + index, text] for index, text in enumerate(lines)]


def _has_system_frames(stacktrace: Mapping[str, Any] | None) -> bool:
    return stacktrace is not None and stacktrace["hasSystemFrames"] is True


def _pairs(value: Any) -> list[list[Any]]:
    """Sorted by name, as Sentry lists headers; several values of one name stay several."""
    found: list[list[Any]] = []
    for name, item in pairs_of(value):
        items: Iterable[Any] = item if isinstance(item, list) else [item]
        found.extend([name, as_text(each)] for each in items)
    return sorted(found, key=lambda pair: str(pair[0]).lower())


def _cookies(value: Any) -> list[list[Any]]:
    if isinstance(value, str):
        parts = (part.strip().partition("=") for part in value.split(";") if part.strip())
        return [[name, text] for name, _, text in parts]
    return _pairs(value)


def _header(headers: Any, wanted: str) -> str | None:
    return next((value for name, value in _pairs(headers) if name.lower() == wanted), None)


def _fragment(url: str | None) -> str | None:
    try:
        return urlsplit(url or "").fragment or None
    except ValueError:
        return None
