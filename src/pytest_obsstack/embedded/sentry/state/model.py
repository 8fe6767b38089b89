"""What the server holds: organisations, teams, projects, keys, events, spans, logs, attachments.

All times are Unix nanoseconds. Everything is frozen but ``Issue``, which every event of it changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

IssueStatus = Literal["unresolved", "resolved", "ignored"]
EventType = Literal["error", "default", "transaction"]


@dataclass(frozen=True)
class Organization:
    """The owner of everything else."""

    id: int
    slug: str
    name: str
    created_ns: int


@dataclass(frozen=True)
class Team:
    """A team; projects are created under one."""

    id: int
    organization_id: int
    slug: str
    name: str
    created_ns: int


@dataclass(frozen=True)
class Project:
    """A project; its id is the last part of a DSN."""

    id: int
    organization_id: int
    team_id: int
    slug: str
    name: str
    platform: str | None
    created_ns: int


@dataclass(frozen=True)
class ProjectKey:
    """A client key of a project: what a DSN authenticates with."""

    id: int
    project_id: int
    public_key: str
    """32 hexadecimal digits; also the key's id in the API."""
    secret_key: str
    label: str
    is_active: bool
    created_ns: int


@dataclass(frozen=True)
class StoredEvent:
    """An error, message or transaction event, normalised; ``data`` is the event as it came."""

    event_id: str
    project_id: int
    sequence: int
    """Counts everything that was stored, from 1: the order of arrival."""
    type: EventType
    data: Mapping[str, Any]
    size_bytes: int
    received_ns: int
    timestamp_ns: int
    """When it happened, by the sender's clock; of a transaction its end."""
    start_ns: int | None
    """When a transaction began."""
    title: str
    message: str
    culprit: str
    location: str | None
    metadata: Mapping[str, Any]
    level: str
    platform: str
    environment: str | None
    release: str | None
    transaction: str | None
    trace_id: str | None
    span_id: str | None
    tags: tuple[tuple[str, str], ...]
    """Sorted by key; the sender's and those derived from the event."""
    user: Mapping[str, Any] | None
    user_tag: str | None
    """``id:7``, ``username:ann``, ``email:…`` or ``ip:…``: one user, one value."""
    issue_id: int | None = None
    grouping_hash: str | None = None

    def tag(self, key: str) -> str | None:
        return next((value for name, value in self.tags if name == key), None)


@dataclass(frozen=True)
class Activity:
    """Something that happened to an issue; ``type`` is Sentry's word for it."""

    id: int
    type: str
    created_ns: int
    data: Mapping[str, Any]


@dataclass
class Issue:
    """A group of events. Only the store changes it."""

    id: int
    project_id: int
    short_id: str
    grouping_hash: str
    """32 hexadecimal digits; events with the same belong to this issue."""
    first_seen_ns: int
    last_seen_ns: int
    latest: StoredEvent
    """The event that came last: it gives title, culprit, level and metadata."""
    count: int = 0
    status: IssueStatus = "unresolved"
    substatus: str | None = "new"
    user_tags: set[str] = field(default_factory=set)
    first_release: str | None = None
    last_release: str | None = None
    has_seen: bool = False
    is_bookmarked: bool = False
    activity: list[Activity] = field(default_factory=list)
    event_ids: list[str] = field(default_factory=list)
    """In the order of arrival."""

    @property
    def user_count(self) -> int:
        return len(self.user_tags)


@dataclass(frozen=True)
class Span:
    """A span of either origin: part of an SDK's transaction, or sent over OTLP."""

    trace_id: str
    span_id: str
    parent_span_id: str | None
    project_id: int
    sequence: int
    received_ns: int
    start_ns: int
    end_ns: int
    op: str
    name: str
    description: str
    status: str
    kind: str | None
    origin: str
    is_segment: bool
    """The root of a service's part of the trace: a transaction, or a span with a remote parent."""
    segment_id: str | None
    transaction: str | None
    """The name of its segment."""
    transaction_event_id: str | None
    """The event id of the SDK's transaction that it belongs to; none for OTLP."""
    service_name: str | None
    environment: str | None
    release: str | None
    sdk_name: str | None
    sdk_version: str | None
    platform: str | None
    user_tag: str | None
    attributes: Mapping[str, Any]

    @property
    def duration_ms(self) -> float:
        return round((self.end_ns - self.start_ns) / 1e6, 6)


@dataclass(frozen=True)
class SpanException:
    """An exception that OpenTelemetry has recorded as an event of a span."""

    project_id: int
    span_id: str
    type: str
    message: str


@dataclass(frozen=True)
class LogRecord:
    """One of Sentry's structured logs."""

    id: str
    project_id: int
    sequence: int
    received_ns: int
    timestamp_ns: int
    trace_id: str | None
    span_id: str | None
    severity: str
    severity_number: int
    body: str
    environment: str | None
    release: str | None
    attributes: Mapping[str, Any]


@dataclass(frozen=True)
class Attachment:
    """A file that came with an event."""

    id: int
    project_id: int
    event_id: str
    name: str
    content_type: str
    attachment_type: str
    payload: bytes
    received_ns: int


@dataclass(frozen=True)
class KeptItem:
    """An envelope item of a type that is not looked into, as it came."""

    type: str
    project_id: int
    header: Mapping[str, Any]
    payload: bytes
    received_ns: int
