"""What an event is called: title, metadata, location, culprit, message.

As Sentry names them in its issue list: "Type: first line of the value" for errors, the first line
for messages, the name for transactions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pytest_obsstack.embedded.sentry.state.foreign import as_dict, as_list, as_text, values_of
from pytest_obsstack.embedded.sentry.state.model import EventType

_TITLE_LENGTH = 100
_VALUE_LENGTH = 1024
UNLABELED = "<unlabeled event>"


@dataclass(frozen=True)
class Titles:
    """The texts by which an event is listed."""

    title: str
    message: str
    culprit: str
    location: str | None
    metadata: Mapping[str, Any]


def titles_of(event_type: EventType, data: Mapping[str, Any]) -> Titles:
    culprit = as_text(data.get("culprit")) or as_text(data.get("transaction")) or ""
    if event_type == "transaction":
        name = as_text(data.get("transaction")) or "<unlabeled transaction>"
        return Titles(name, name, name, name, {"title": name, "location": name})
    message = message_of(data)
    if event_type == "default":
        title = _first_line(message) or UNLABELED
        return Titles(title, message, culprit, None, {"title": title})
    exception = main_exception(data)
    frame = crash_frame(exception)
    metadata = _error_metadata(exception, frame)
    location = metadata.get("filename")
    return Titles(
        title=_error_title(metadata),
        message=message or " ".join(filter(None, (metadata.get("type"), metadata.get("value")))),
        culprit=culprit or _culprit_from(frame),
        location=location,
        metadata=metadata,
    )


def main_exception(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """The exception that was raised last: the one that the event is named after."""
    exceptions = values_of(data.get("exception"))
    return exceptions[-1] if exceptions else {}


def crash_frame(exception: Mapping[str, Any]) -> Mapping[str, Any]:
    """The innermost frame of the app's own code, else the innermost; empty where there is none."""
    frames = frames_of(exception.get("stacktrace"))
    own = [frame for frame in frames if frame.get("in_app")]
    chosen = own or frames
    return chosen[-1] if chosen else {}


def frames_of(stacktrace: Any) -> list[Mapping[str, Any]]:
    """The frames, the outermost call first."""
    frames = as_list(as_dict(stacktrace).get("frames"))
    return [frame for frame in frames if isinstance(frame, Mapping)]


def message_of(data: Mapping[str, Any]) -> str:
    """The message with its parameters filled in; empty where there is none."""
    entry = logentry_of(data)
    return as_text(entry.get("formatted")) or as_text(entry.get("message")) or ""


def logentry_of(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """``{"message", "formatted", "params"}`` of either attribute that a sender may use."""
    for key in ("logentry", "message"):
        value = data.get(key)
        if isinstance(value, Mapping):
            return value
        text = as_text(value)
        if text is not None:
            return {"message": text}
    return {}


def _error_metadata(
    exception: Mapping[str, Any], frame: Mapping[str, Any]
) -> dict[str, str | None]:
    metadata: dict[str, str | None] = {
        "value": _cut(as_text(exception.get("value")) or "", _VALUE_LENGTH)
    }
    for key, value in (
        ("type", exception.get("type")),
        ("filename", frame.get("filename") or frame.get("abs_path")),
        ("function", frame.get("function")),
    ):
        text = as_text(value)
        if text:
            metadata[key] = text
    return metadata


def _error_title(metadata: Mapping[str, Any]) -> str:
    name = metadata.get("type") or metadata.get("function")
    value = _first_line(metadata.get("value") or "")
    if name is None:
        return value or "<unknown>"
    return f"{name}: {value}" if value and metadata.get("type") else str(name)


def _culprit_from(frame: Mapping[str, Any]) -> str:
    place = as_text(frame.get("module")) or as_text(frame.get("filename")) or ""
    function = as_text(frame.get("function")) or "?"
    return f"{place} in {function}" if place else ""


def _first_line(text: str) -> str:
    lines = text.strip().splitlines()
    return _cut(lines[0], _TITLE_LENGTH) if lines else ""


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 3] + "..."
