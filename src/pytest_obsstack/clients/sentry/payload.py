"""An event as an SDK sends it, in the shape in which Sentry's API shows it.

For trackers that hand out the payload itself. Its fields are those of
https://develop.sentry.dev/sdk/foundations/data-model/event-payloads/: several may be a list, an
object with ``values``, an object or pairs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl

from pytest_obsstack.clients import fields
from pytest_obsstack.clients.fields import Raw

_TAGS_FROM_FIELDS = ("environment", "level", "logger", "release", "server_name", "transaction")
_USER_FIELDS = ("id", "email", "username", "ip_address", "name", "data", "geo")
_MAX_TITLE_CHARS = 100


def shown(payload: Raw, *, issue_id: str, project_id: str) -> dict[str, Any]:
    """What Sentry's API would answer for the event, as far as the payload tells it."""
    exceptions = [_exception(item) for item in _values(payload, "exception")]
    text = _message(payload)
    level = fields.optional_text(payload, "level") or "error"
    entries: list[dict[str, Any]] = []
    if exceptions:
        entries.append({"type": "exception", "data": {"values": exceptions}})
    breadcrumbs = list(_values(payload, "breadcrumbs"))
    if breadcrumbs:
        entries.append({"type": "breadcrumbs", "data": {"values": breadcrumbs}})
    if payload.get("request") is not None:
        request = fields.optional_mapping(payload, "request")
        entries.append({"type": "request", "data": _request(request)})
    return {
        "eventID": fields.text(payload, "event_id").replace("-", ""),
        "groupID": issue_id,
        "projectID": project_id,
        "title": _title(exceptions, text),
        "message": text,
        "type": "error" if exceptions else "default",
        "culprit": payload.get("transaction"),
        "level": level,
        "platform": payload.get("platform"),
        "dateCreated": payload.get("timestamp"),
        "dateReceived": payload.get("received"),
        "tags": _tags({**payload, "level": level}),
        "user": _user(payload),
        "contexts": payload.get("contexts"),
        "context": payload.get("extra"),
        "entries": entries,
        "release": payload.get("release"),
        "environment": payload.get("environment"),
        "transaction": payload.get("transaction"),
        "sdk": payload.get("sdk"),
        "fingerprint": payload.get("fingerprint"),
    }


def _title(exceptions: list[dict[str, Any]], text: str | None) -> str:
    if not exceptions:
        return _first_line(text or "<unlabeled event>")
    top = exceptions[-1]
    kind = fields.optional_text(top, "type") or "<unknown>"
    value = fields.optional_text(top, "value")
    return kind if value is None else f"{kind}: {_first_line(value)}"


def _first_line(text: str) -> str:
    line = text.strip().partition("\n")[0]
    return line if len(line) <= _MAX_TITLE_CHARS else f"{line[: _MAX_TITLE_CHARS - 3]}..."


def _message(payload: Raw) -> str | None:
    entry = payload.get("logentry") or payload.get("message")
    if isinstance(entry, Mapping):
        return fields.optional_text(entry, "formatted") or fields.optional_text(entry, "message")
    return fields.optional_text(payload, "message")


def _tags(payload: Raw) -> list[dict[str, str]]:
    """The sender's own tags, and those that Sentry makes of fields."""
    tags = {name: payload[name] for name in _TAGS_FROM_FIELDS if payload.get(name)}
    tags.update(_pairs(payload.get("tags"), "field 'tags'"))
    return [
        {"key": str(key), "value": str(value)} for key, value in tags.items() if value is not None
    ]


def _user(payload: Raw) -> dict[str, Any] | None:
    if payload.get("user") is None:
        return None
    user = dict(fields.optional_mapping(payload, "user"))
    own = {key: user.pop(key) for key in list(user) if key not in _USER_FIELDS}
    return {**user, "data": {**fields.optional_mapping(user, "data"), **own}}


def _exception(raw: Raw) -> dict[str, Any]:
    stacktrace = fields.optional_mapping(raw, "stacktrace")
    frames = [_frame(item) for item in fields.optional_mappings(stacktrace, "frames", "a frame")]
    return {**raw, "stacktrace": {**stacktrace, "frames": frames}}


def _frame(raw: Raw) -> dict[str, Any]:
    line = fields.optional_integer(raw, "lineno")
    return {
        **raw,
        "lineNo": line,
        "absPath": raw.get("abs_path"),
        "inApp": raw.get("in_app"),
        "context": [] if line is None else list(_numbered(raw, line)),
    }


def _numbered(raw: Raw, line: int) -> Iterator[tuple[int, str]]:
    """Source lines with their numbers."""
    before = fields.optional_items(raw, "pre_context")
    for offset, text in enumerate(before, start=-len(before)):
        yield line + offset, str(text)
    if raw.get("context_line") is not None:
        yield line, str(raw["context_line"])
    for offset, text in enumerate(fields.optional_items(raw, "post_context"), start=1):
        yield line + offset, str(text)


def _request(raw: Raw) -> dict[str, Any]:
    query = raw.get("query_string")
    if isinstance(query, str):
        query = parse_qsl(query, keep_blank_values=True)
    return {
        **raw,
        "query": _pairs(query, "field 'query_string'"),
        "headers": sorted(_pairs(raw.get("headers"), "field 'headers'")),
        "cookies": _cookies(raw.get("cookies")),
    }


def _cookies(value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, str):
        parts = (part.partition("=") for part in value.split(";") if part.strip())
        return [(name.strip(), text.strip()) for name, _, text in parts]
    return _pairs(value, "field 'cookies'")


def _pairs(value: Any, what: str) -> list[tuple[str, Any]]:
    """Of an object or a list of pairs."""
    if value is None:
        return []
    found: Iterable[Any] = (
        value.items() if isinstance(value, Mapping) else fields.items(value, what)
    )
    return [(str(pair[0]), pair[1]) for pair in found]


def _values(payload: Raw, key: str) -> Iterator[Raw]:
    """``{"values": […]}``, or the list itself."""
    found = payload.get(key)
    if isinstance(found, Mapping):
        found = found.get("values", [found])
    for item in fields.items(found or [], f"field {key!r}"):
        if item is not None:
            yield fields.mapping(item, f"a value of {key!r}")
