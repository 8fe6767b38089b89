"""Fields of the ``spans`` dataset."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pytest_obsstack.embedded.sentry.search.fields import Field, FieldSet
from pytest_obsstack.embedded.sentry.search.match import FieldType
from pytest_obsstack.embedded.sentry.state.catalog import Catalog
from pytest_obsstack.embedded.sentry.state.model import Span
from pytest_obsstack.embedded.sentry.state.telemetry import Telemetry
from pytest_obsstack.embedded.sentry.times import seconds

_REFUSED = frozenset(
    [
        "span.self_time",
        "span.group",
        "span.module",
        "span.category",
        "span.domain",
        "span.action",
        "is",
        "device.class",
        "sampling_rate",
        "trace.status",
        "profile.id",
        "replay.id",
    ]
)
_USER = {"user.id": "id:", "user.username": "username:", "user.email": "email:", "user.ip": "ip:"}

SpanFields = FieldSet[Span]


def span_fields(catalog: Catalog, telemetry: Telemetry) -> SpanFields:
    """The telemetry finds the segment of a span, which may have arrived after it."""

    def slug(span: Span) -> str:
        return catalog.projects[span.project_id].slug

    def segment(span: Span) -> Span | None:
        return segment_of(span, telemetry)

    def transaction(span: Span) -> str | None:
        if span.transaction is not None:
            return span.transaction
        root = segment(span)
        return None if root is None else root.transaction

    def segment_id(span: Span) -> str | None:
        if span.segment_id is not None:
            return span.segment_id
        root = segment(span)
        return None if root is None else root.span_id

    built_in: dict[str, Field[Span]] = {
        "project": Field("string", slug),
        "project.name": Field("string", slug),
        "transaction": Field("string", transaction),
        "transaction.span_id": Field("string", segment_id),
        **{name: Field(kind, read) for name, (kind, read) in FIELDS.items()},
    }
    return FieldSet(built_in, _own, _REFUSED.__contains__)


def segment_of(span: Span, telemetry: Telemetry) -> Span | None:
    """The nearest ancestor (or the span itself) that is a segment; ``None`` if it is not there."""
    by_id = {other.span_id: other for other in telemetry.trace(span.trace_id).spans}
    seen: set[str] = set()
    current: Span | None = span
    while current is not None and not current.is_segment and current.span_id not in seen:
        seen.add(current.span_id)
        current = by_id.get(current.parent_span_id or "")
    return current if current is not None and current.is_segment else None


def _own(span: Span, name: str) -> Any:
    if name in _USER and name not in span.attributes:
        prefix = _USER[name]
        tag = span.user_tag or ""
        return tag.removeprefix(prefix) if tag.startswith(prefix) else None
    return span.attributes.get(name)


FIELDS: dict[str, tuple[FieldType, Callable[[Span], Any]]] = {
    "id": ("string", lambda span: span.span_id),
    "span_id": ("string", lambda span: span.span_id),
    "trace": ("string", lambda span: span.trace_id),
    "parent_span": ("string", lambda span: span.parent_span_id),
    "parent_span_id": ("string", lambda span: span.parent_span_id),
    "span.op": ("string", lambda span: span.op),
    "span.name": ("string", lambda span: span.name),
    "span.description": ("string", lambda span: span.description),
    "description": ("string", lambda span: span.description),
    "message": ("string", lambda span: span.description),
    "span.status": ("string", lambda span: span.status),
    "span.duration": ("duration", lambda span: span.duration_ms),
    "span.kind": ("string", lambda span: span.kind),
    "kind": ("string", lambda span: span.kind),
    "precise.start_ts": ("number", lambda span: seconds(span.start_ns)),
    "precise.finish_ts": ("number", lambda span: seconds(span.end_ns)),
    "timestamp": ("date", lambda span: span.start_ns),
    "transaction.event_id": ("string", lambda span: span.transaction_event_id),
    "is_transaction": ("boolean", lambda span: span.is_segment),
    "origin": ("string", lambda span: span.origin),
    "sentry.origin": ("string", lambda span: span.origin),
    "service.name": ("string", lambda span: span.service_name),
    "environment": ("string", lambda span: span.environment),
    "release": ("string", lambda span: span.release),
    "platform": ("string", lambda span: span.platform),
    "sdk.name": ("string", lambda span: span.sdk_name),
    "sdk.version": ("string", lambda span: span.sdk_version),
    "user": ("string", lambda span: span.user_tag),
    "project.id": ("integer", lambda span: span.project_id),
    "project_id": ("integer", lambda span: span.project_id),
}
"""Type and value of each public field that a span has by itself."""
