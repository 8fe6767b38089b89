"""Which events belong together.

As Sentry groups by default ("Issue Grouping" in its documentation): the SDK's fingerprint if it set
one, in which ``{{ default }}`` stands for what follows; else exception types with the app's own
frames; else the exceptions' types and values; else the stack trace; else the message, as its
template or with what changes from one event to the next taken out of it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from pytest_obsstack.embedded.sentry.state.foreign import as_dict, as_list, as_text, values_of
from pytest_obsstack.embedded.sentry.state.titles import frames_of, logentry_of

_DEFAULT = re.compile(r"\{\{\s*default\s*\}\}")
# In this order: what is a part of something longer comes later.
_CHANGING = (
    (
        re.compile(
            r"\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b"
        ),
        "<uuid>",
    ),
    (re.compile(r"\bhttps?://\S+"), "<url>"),
    (re.compile(r"\b[\w.+-]+@[\w-]+\.[\w.-]+\b"), "<email>"),
    (
        re.compile(
            r"\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?"
        ),
        "<date>",
    ),
    (re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b"), "<ip>"),
    (re.compile(r"\b0x[0-9a-fA-F]+\b"), "<hex>"),
    (re.compile(r"\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{8,}\b"), "<hex>"),
    (re.compile(r"-?\b\d+\.\d+\b"), "<float>"),
    (re.compile(r"-?\b\d+\b"), "<int>"),
)


def grouping_hash(data: Mapping[str, Any]) -> str:
    """32 hexadecimal digits; equal for events of one issue (of the same project)."""
    parts: list[str] = []
    for element in _fingerprint(data):
        if _DEFAULT.fullmatch(element):
            parts.extend(_default_components(data))
        else:
            parts.append(element)
    digest = hashlib.md5(usedforsecurity=False)
    for part in parts:
        encoded = part.encode("utf-8", "replace")
        digest.update(b"%d:" % len(encoded))
        digest.update(encoded)
    return digest.hexdigest()


def parameterize(message: str) -> str:
    """The message with ids, addresses, dates and numbers replaced by what they are."""
    for pattern, name in _CHANGING:
        message = pattern.sub(name, message)
    return message


def _fingerprint(data: Mapping[str, Any]) -> list[str]:
    elements = [as_text(element) for element in as_list(data.get("fingerprint"))]
    return [element for element in elements if element] or ["{{ default }}"]


def _default_components(data: Mapping[str, Any]) -> list[str]:
    exceptions = values_of(data.get("exception"))
    if exceptions:
        return [part for exception in exceptions for part in _exception_components(exception)]
    frames = _thread_frames(data)
    if frames:
        return ["stacktrace", *_frame_components(frames)]
    entry = logentry_of(data)
    template = as_text(entry.get("message"))
    if template and entry.get("params"):
        return ["message", template]
    text = template or as_text(entry.get("formatted"))
    return ["message", parameterize(text.strip())] if text else ["empty"]


def _exception_components(exception: Mapping[str, Any]) -> Iterator[str]:
    yield "exception"
    yield as_text(exception.get("type")) or ""
    frames = frames_of(exception.get("stacktrace"))
    if frames:
        yield from _frame_components(frames)
    else:
        yield parameterize(as_text(exception.get("value")) or "")


def _frame_components(frames: list[Mapping[str, Any]]) -> Iterator[str]:
    for frame in [frame for frame in frames if frame.get("in_app")] or frames:
        place = as_text(frame.get("module")) or as_text(frame.get("filename")) or ""
        yield place
        yield as_text(frame.get("function")) or ""
        yield (as_text(frame.get("context_line")) or "").strip()


def _thread_frames(data: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Of a message with a stack trace: the thread that sent it."""
    frames = frames_of(data.get("stacktrace"))
    if frames:
        return frames
    threads = values_of(data.get("threads"))
    for flag in ("crashed", "current"):
        for thread in threads:
            if thread.get(flag):
                return frames_of(as_dict(thread.get("stacktrace")))
    return frames_of(threads[0].get("stacktrace")) if len(threads) == 1 else []
