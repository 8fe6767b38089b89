"""A transaction event as Sentry's API shows it: a service's root span, with its child spans."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pytest_obsstack.clients import fields
from pytest_obsstack.clients.fields import Raw
from pytest_obsstack.clients.sentry.event import entry_data, parse_contexts, parse_tags, release_of


@dataclass(frozen=True)
class TransactionSpan:
    """A child span inside a transaction event."""

    span_id: str
    parent_span_id: str | None
    trace_id: str | None
    op: str | None
    description: str | None
    status: str | None
    origin: str | None
    start_s: float | None
    end_s: float | None
    data: Mapping[str, Any]
    tags: Mapping[str, str]
    raw: Raw = field(repr=False, compare=False)

    @property
    def duration_s(self) -> float | None:
        if self.start_s is None or self.end_s is None:
            return None
        return self.end_s - self.start_s


@dataclass(frozen=True)
class TransactionEvent:
    """One finished transaction."""

    event_id: str
    """32 hex digits."""
    project_id: str | None
    name: str
    op: str | None
    status: str | None
    start_s: float | None
    """Seconds since the epoch, by the app's clock."""
    end_s: float | None
    trace_id: str | None
    span_id: str | None
    parent_span_id: str | None
    spans: tuple[TransactionSpan, ...]
    tags: Mapping[str, str]
    measurements: Mapping[str, Any]
    contexts: Mapping[str, Mapping[str, Any]]
    release: str | None
    environment: str | None
    raw: Raw = field(repr=False, compare=False)

    @property
    def duration_s(self) -> float | None:
        if self.start_s is None or self.end_s is None:
            return None
        return self.end_s - self.start_s


def parse_transaction(raw: Any) -> TransactionEvent:
    """The typed transaction; ``ObsstackError`` where the answer is not one."""
    raw = fields.mapping(raw, "a transaction event")
    if raw.get("type") not in (None, "transaction"):
        raise fields.unexpected("field 'type'", "transaction", raw.get("type"))
    tags = parse_tags(raw)
    contexts = parse_contexts(raw)
    trace = contexts.get("trace", {})
    spans = entry_data(raw, "spans")
    return TransactionEvent(
        event_id=fields.text(raw, "eventID"),
        project_id=fields.optional_text(raw, "projectID"),
        name=fields.optional_text(raw, "title") or tags.get("transaction") or "",
        op=fields.optional_text(trace, "op"),
        status=fields.optional_text(trace, "status"),
        start_s=fields.optional_number(raw, "startTimestamp"),
        end_s=fields.optional_number(raw, "endTimestamp"),
        trace_id=fields.optional_text(trace, "trace_id"),
        span_id=fields.optional_text(trace, "span_id"),
        parent_span_id=fields.optional_text(trace, "parent_span_id"),
        spans=()
        if spans is None
        else tuple(_span(item) for item in fields.items(spans, "entry 'spans'")),
        tags=tags,
        measurements=dict(fields.optional_mapping(raw, "measurements")),
        contexts=contexts,
        release=release_of(raw, tags),
        environment=tags.get("environment") or fields.optional_text(raw, "environment"),
        raw=raw,
    )


def _span(raw: Any) -> TransactionSpan:
    raw = fields.mapping(raw, "a span")
    return TransactionSpan(
        span_id=fields.text(raw, "span_id"),
        parent_span_id=fields.optional_text(raw, "parent_span_id"),
        trace_id=fields.optional_text(raw, "trace_id"),
        op=fields.optional_text(raw, "op"),
        description=fields.optional_text(raw, "description"),
        status=fields.optional_text(raw, "status"),
        origin=fields.optional_text(raw, "origin"),
        start_s=fields.optional_number(raw, "start_timestamp"),
        end_s=fields.optional_number(raw, "timestamp"),
        data=dict(fields.optional_mapping(raw, "data")),
        tags=fields.string_map(fields.optional_mapping(raw, "tags")),
        raw=raw,
    )
