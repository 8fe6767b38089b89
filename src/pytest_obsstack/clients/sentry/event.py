"""An error event as Sentry's API shows it: the parts of the interfaces that tests ask about.

Shape: the responses of ``/projects/{org}/{project}/events/{event_id}/`` and
``/organizations/{org}/issues/{issue_id}/events/{event_id}/`` in Sentry's OpenAPI document; the
``entries`` carry the interfaces (https://develop.sentry.dev/sdk/foundations/data-model/event-payloads/).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pytest_obsstack.clients import fields
from pytest_obsstack.clients.fields import Raw
from pytest_obsstack.clients.sentry.exception import ExceptionValue, parse_exception


@dataclass(frozen=True)
class Breadcrumb:
    """One step of the trail that led to the event."""

    category: str | None
    message: str | None
    level: str | None
    type: str | None
    timestamp: datetime | None
    data: Mapping[str, Any]
    raw: Raw = field(repr=False, compare=False)


@dataclass(frozen=True)
class Request:
    """The HTTP request during which the event happened."""

    method: str | None
    url: str | None
    headers: tuple[tuple[str, str], ...]
    query: tuple[tuple[str, str], ...]
    cookies: tuple[tuple[str, str], ...]
    data: Any
    """The body as the SDK sent it: an object, a text or ``None``."""
    env: Mapping[str, Any]
    raw: Raw = field(repr=False, compare=False)

    def header(self, name: str) -> str | None:
        """The first header of that name, upper and lower case alike."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


@dataclass(frozen=True)
class User:
    """Who was affected."""

    id: str | None
    email: str | None
    username: str | None
    ip_address: str | None
    name: str | None
    data: Mapping[str, Any]
    raw: Raw = field(repr=False, compare=False)


@dataclass(frozen=True)
class Sdk:
    """What sent the event."""

    name: str | None
    version: str | None
    integrations: tuple[str, ...]
    """Empty where the server does not tell them; ``SentryClient.event_json`` has them always."""


@dataclass(frozen=True)
class Event:
    """One captured error or message."""

    event_id: str
    """32 hex digits, as the SDK returned it."""
    issue_id: str | None
    project_id: str | None
    title: str
    message: str | None
    type: str | None
    """``error`` for an exception, ``default`` for a message."""
    culprit: str | None
    level: str | None
    platform: str | None
    date: datetime | None
    """When it happened, by the app's clock."""
    date_received: datetime | None
    tags: Mapping[str, str]
    user: User | None
    contexts: Mapping[str, Mapping[str, Any]]
    extra: Mapping[str, Any]
    request: Request | None
    exceptions: tuple[ExceptionValue, ...]
    """Innermost cause first: the exception that reached the top is the last one."""
    breadcrumbs: tuple[Breadcrumb, ...]
    """Oldest first."""
    release: str | None
    environment: str | None
    transaction: str | None
    sdk: Sdk | None
    trace_id: str | None
    span_id: str | None
    fingerprint: tuple[str, ...]
    """The client's fingerprint where the server shows it, else ``()``."""
    hashes: tuple[str, ...]
    """What the server grouped by (Sentry calls it ``fingerprints``)."""
    raw: Raw = field(repr=False, compare=False)

    @property
    def exception(self) -> ExceptionValue | None:
        """The exception that reached the top; ``None`` for a message."""
        return self.exceptions[-1] if self.exceptions else None


def parse_event(raw: Any) -> Event:
    """The typed event; ``ObsstackError`` where the answer is not one."""
    raw = fields.mapping(raw, "an event")
    tags = parse_tags(raw)
    contexts = parse_contexts(raw)
    trace = contexts.get("trace", {})
    request = entry_data(raw, "request")
    return Event(
        event_id=fields.text(raw, "eventID"),
        issue_id=fields.optional_text(raw, "groupID"),
        project_id=fields.optional_text(raw, "projectID"),
        title=fields.optional_text(raw, "title") or "",
        message=fields.optional_text(raw, "message"),
        type=fields.optional_text(raw, "type"),
        culprit=fields.optional_text(raw, "culprit"),
        level=tags.get("level") or fields.optional_text(raw, "level"),
        platform=fields.optional_text(raw, "platform"),
        date=fields.optional_time(raw, "dateCreated"),
        date_received=fields.optional_time(raw, "dateReceived"),
        tags=tags,
        user=_user(raw.get("user")),
        contexts=contexts,
        extra=dict(fields.optional_mapping(raw, "context")),
        request=None if request is None else _request(request),
        exceptions=tuple(parse_exception(item) for item in _values(raw, "exception")),
        breadcrumbs=tuple(_breadcrumb(item) for item in _values(raw, "breadcrumbs")),
        release=release_of(raw, tags),
        environment=tags.get("environment") or fields.optional_text(raw, "environment"),
        transaction=tags.get("transaction") or fields.optional_text(raw, "transaction"),
        sdk=_sdk(raw.get("sdk")),
        trace_id=fields.optional_text(trace, "trace_id"),
        span_id=fields.optional_text(trace, "span_id"),
        fingerprint=tuple(str(part) for part in fields.optional_items(raw, "fingerprint")),
        hashes=tuple(str(part) for part in fields.optional_items(raw, "fingerprints")),
        raw=raw,
    )


def parse_contexts(raw: Raw) -> dict[str, Mapping[str, Any]]:
    """``contexts`` by name, without those that are ``null``."""
    return {
        str(name): fields.mapping(value, f"context {name!r}")
        for name, value in fields.optional_mapping(raw, "contexts").items()
        if value is not None
    }


def parse_tags(raw: Raw) -> dict[str, str]:
    """``tags: [{key, value}]`` as a dict."""
    tags: dict[str, str] = {}
    for item in fields.optional_mappings(raw, "tags", "a tag"):
        tags[fields.text(item, "key")] = fields.optional_text(item, "value") or ""
    return tags


def release_of(raw: Raw, tags: Mapping[str, str]) -> str | None:
    """The release's version: Sentry answers an object, the tag holds it as well."""
    release = raw.get("release")
    if isinstance(release, Mapping):
        return fields.optional_text(release, "version") or tags.get("release")
    return fields.optional_text(raw, "release") or tags.get("release")


def entry_data(raw: Raw, kind: str) -> Any:
    """The ``data`` of the entry of that type, or ``None``."""
    for entry in fields.optional_mappings(raw, "entries", "an entry"):
        if entry.get("type") == kind:
            return entry.get("data")
    return None


def _values(raw: Raw, kind: str) -> Sequence[Any]:
    data = entry_data(raw, kind)
    if data is None:
        return ()
    return fields.optional_items(fields.mapping(data, f"entry {kind!r}"), "values")


def _breadcrumb(raw: Any) -> Breadcrumb:
    raw = fields.mapping(raw, "a breadcrumb")
    return Breadcrumb(
        category=fields.optional_text(raw, "category"),
        message=fields.optional_text(raw, "message"),
        level=fields.optional_text(raw, "level"),
        type=fields.optional_text(raw, "type"),
        timestamp=fields.optional_time(raw, "timestamp"),
        data=dict(fields.optional_mapping(raw, "data")),
        raw=raw,
    )


def _request(raw: Any) -> Request:
    raw = fields.mapping(raw, "entry 'request'")
    return Request(
        method=fields.optional_text(raw, "method"),
        url=fields.optional_text(raw, "url"),
        headers=_pairs(raw, "headers"),
        query=_pairs(raw, "query"),
        cookies=_pairs(raw, "cookies"),
        data=raw.get("data"),
        env=dict(fields.optional_mapping(raw, "env")),
        raw=raw,
    )


def _pairs(raw: Raw, key: str) -> tuple[tuple[str, str], ...]:
    """Sentry answers lists of pairs; some versions an object for an empty one, or a text."""
    value = raw.get(key)
    if isinstance(value, str):
        from urllib.parse import parse_qsl

        return tuple(parse_qsl(value, keep_blank_values=True))
    if isinstance(value, Mapping):
        return tuple((str(name), str(item)) for name, item in value.items())
    pairs = fields.optional_items(raw, key)
    return tuple((str(pair[0]), str(pair[1])) for pair in pairs if pair is not None)


def _user(raw: Any) -> User | None:
    if raw is None:
        return None
    raw = fields.mapping(raw, "field 'user'")
    return User(
        id=fields.optional_text(raw, "id"),
        email=fields.optional_text(raw, "email"),
        username=fields.optional_text(raw, "username"),
        ip_address=fields.optional_text(raw, "ip_address"),
        name=fields.optional_text(raw, "name"),
        data=dict(fields.optional_mapping(raw, "data")),
        raw=raw,
    )


def _sdk(raw: Any) -> Sdk | None:
    if raw is None:
        return None
    raw = fields.mapping(raw, "field 'sdk'")
    return Sdk(
        name=fields.optional_text(raw, "name"),
        version=fields.optional_text(raw, "version"),
        integrations=tuple(str(name) for name in fields.optional_items(raw, "integrations")),
    )
