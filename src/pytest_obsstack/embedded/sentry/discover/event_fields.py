"""Fields of the ``errors`` and ``transactions`` datasets, and of events in issue searches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pytest_obsstack.embedded.sentry.search.fields import Field, FieldSet
from pytest_obsstack.embedded.sentry.search.match import FieldType
from pytest_obsstack.embedded.sentry.state.catalog import Catalog
from pytest_obsstack.embedded.sentry.state.foreign import as_dict, as_text, values_of
from pytest_obsstack.embedded.sentry.state.issues import Issues
from pytest_obsstack.embedded.sentry.state.model import StoredEvent
from pytest_obsstack.embedded.sentry.state.titles import frames_of, main_exception

# Sentry fields that are no tags and that nothing here computes: a filter on them must not look like
# one on a tag that no event has.
_REFUSED_PREFIXES = ("geo.", "error.main_thread", "stack.stack_level", "assigned", "bookmarks")
_REFUSED = frozenset(
    [
        "apdex",
        "is",
        "replayId",
        "profile.id",
        "unreal.crash_type",
        "user_misery",
        "last_seen",
        "symbolicated_in_app",
        "timestamp.to_hour",
        "timestamp.to_day",
        "team_key_transaction",
    ]
)

EventFields = FieldSet[StoredEvent]


def event_fields(catalog: Catalog, issues: Issues) -> EventFields:
    """Catalog and issues turn the ids in an event into names."""

    def slug(event: StoredEvent) -> str:
        return catalog.projects[event.project_id].slug

    def short_id(event: StoredEvent) -> str | None:
        issue = None if event.issue_id is None else issues.by_id.get(event.issue_id)
        return None if issue is None else issue.short_id

    built_in: dict[str, Field[StoredEvent]] = {
        "project": Field("string", slug),
        "project.name": Field("string", slug),
        "issue": Field("string", short_id),
        **{name: Field(kind, read) for name, (kind, read) in _FIELDS.items()},
        "message": Field("text", _searched_text, lambda event: event.message),
    }
    return FieldSet(built_in, _own, _is_refused)


def is_unhandled(event: StoredEvent) -> bool:
    """Whether one of its exceptions was not caught by the app."""
    return any(
        as_dict(exception.get("mechanism")).get("handled") is False
        for exception in values_of(event.data.get("exception"))
    )


def _own(event: StoredEvent, name: str) -> Any:
    if name.startswith("measurements."):
        measurements = as_dict(event.data.get("measurements"))
        return as_dict(measurements.get(name.removeprefix("measurements."))).get("value")
    return event.tag(name)


def _is_refused(name: str) -> bool:
    return name in _REFUSED or name.startswith(_REFUSED_PREFIXES)


def _user(*names: str) -> Callable[[StoredEvent], str | None]:
    def read(event: StoredEvent) -> str | None:
        user = event.user or {}
        return next((text for text in map(as_text, map(user.get, names)) if text), None)

    return read


def _trace(name: str) -> Callable[[StoredEvent], str | None]:
    def read(event: StoredEvent) -> str | None:
        context = as_dict(as_dict(event.data.get("contexts")).get("trace"))
        return as_text(context.get(name))

    return read


def _request(name: str) -> Callable[[StoredEvent], str | None]:
    return lambda event: as_text(as_dict(event.data.get("request")).get(name))


def _sdk(name: str) -> Callable[[StoredEvent], str | None]:
    return lambda event: as_text(as_dict(event.data.get("sdk")).get(name))


def _errors(read: Callable[[Mapping[str, Any]], Any]) -> Callable[[StoredEvent], list[str]]:
    def read_all(event: StoredEvent) -> list[str]:
        found = (as_text(read(error)) for error in values_of(event.data.get("exception")))
        return [text for text in found if text is not None]

    return read_all


def _frames(name: str) -> Callable[[StoredEvent], list[str]]:
    def read(event: StoredEvent) -> list[str]:
        frames = frames_of(main_exception(event.data).get("stacktrace"))
        return [text for text in (as_text(frame.get(name)) for frame in frames) if text]

    return read


def _duration_ms(event: StoredEvent) -> float | None:
    if event.type != "transaction" or event.start_ns is None:
        return None
    return round((event.timestamp_ns - event.start_ns) / 1e6, 6)


def _searched_text(event: StoredEvent) -> str:
    parts = dict.fromkeys((event.message, event.title, event.culprit))
    return " ".join(part for part in parts if part)


_FIELDS: dict[str, tuple[FieldType, Callable[[StoredEvent], Any]]] = {
    "id": ("string", lambda event: event.event_id),
    "timestamp": ("date", lambda event: event.timestamp_ns),
    "received": ("date", lambda event: event.received_ns),
    "title": ("string", lambda event: event.title),
    "culprit": ("string", lambda event: event.culprit),
    "location": ("string", lambda event: event.location),
    "level": ("string", lambda event: event.level),
    "event.type": ("string", lambda event: event.type),
    "type": ("string", lambda event: event.type),
    "platform": ("string", lambda event: event.platform),
    "platform.name": ("string", lambda event: event.platform),
    "environment": ("string", lambda event: event.environment),
    "release": ("string", lambda event: event.release),
    "transaction": ("string", lambda event: event.transaction),
    "project.id": ("integer", lambda event: event.project_id),
    "project_id": ("integer", lambda event: event.project_id),
    "issue.id": ("integer", lambda event: event.issue_id),
    "trace": ("string", lambda event: event.trace_id),
    "trace.span": ("string", lambda event: event.span_id),
    "trace.parent_span": ("string", _trace("parent_span_id")),
    "transaction.op": ("string", _trace("op")),
    "transaction.status": ("string", _trace("status")),
    "transaction.duration": ("duration", _duration_ms),
    "user": ("string", lambda event: event.user_tag),
    "user.id": ("string", _user("id")),
    "user.email": ("string", _user("email")),
    "user.username": ("string", _user("username")),
    "user.ip": ("string", _user("ip_address")),
    "user.display": ("string", _user("email", "username", "id", "ip_address")),
    "http.method": ("string", _request("method")),
    "http.url": ("string", _request("url")),
    "sdk.name": ("string", _sdk("name")),
    "sdk.version": ("string", _sdk("version")),
    "error.type": ("string", _errors(lambda error: error.get("type"))),
    "error.value": ("string", _errors(lambda error: error.get("value"))),
    "error.mechanism": (
        "string",
        _errors(lambda error: as_dict(error.get("mechanism")).get("type")),
    ),
    "error.handled": ("boolean", lambda event: not is_unhandled(event)),
    "error.unhandled": ("boolean", is_unhandled),
    "stack.filename": ("string", _frames("filename")),
    "stack.abs_path": ("string", _frames("abs_path")),
    "stack.function": ("string", _frames("function")),
    "stack.module": ("string", _frames("module")),
}
