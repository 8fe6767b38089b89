"""Spans of the SDK: those of a transaction event, and those of a span container.

A transaction's own root is a span too, the segment, as in Sentry's spans dataset.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pytest_obsstack.embedded.sentry.state.foreign import (
    as_dict,
    as_list,
    as_text,
    hex_id,
    pairs_of,
)
from pytest_obsstack.embedded.sentry.state.model import Span, StoredEvent
from pytest_obsstack.embedded.sentry.state.tags import user_tag_of
from pytest_obsstack.embedded.sentry.times import parse_timestamp


def spans_of_transaction(event: StoredEvent) -> Iterator[Span]:
    """The segment first, then its child spans as they came.

    A transaction without trace and span id (no SDK sends one) has none; a child span without its
    own id, start or end is left out, as Relay leaves it out.
    """
    if event.trace_id is None or event.span_id is None:
        return
    trace = as_dict(as_dict(event.data.get("contexts")).get("trace"))
    sdk = as_dict(event.data.get("sdk"))
    shared: dict[str, Any] = {
        "project_id": event.project_id,
        "sequence": event.sequence,
        "received_ns": event.received_ns,
        "segment_id": event.span_id,
        "transaction": event.transaction,
        "transaction_event_id": event.event_id,
        "service_name": None,
        "environment": event.environment,
        "release": event.release,
        "sdk_name": as_text(sdk.get("name")),
        "sdk_version": as_text(sdk.get("version")),
        "platform": event.platform,
        "user_tag": event.user_tag,
        "kind": None,
    }
    name = event.transaction or event.title
    yield Span(
        trace_id=event.trace_id,
        span_id=event.span_id,
        parent_span_id=hex_id(trace.get("parent_span_id"), 16),
        start_ns=event.start_ns if event.start_ns is not None else event.timestamp_ns,
        end_ns=event.timestamp_ns,
        op=as_text(trace.get("op")) or "default",
        name=name,
        description=name,
        status=as_text(trace.get("status")) or "unknown",
        origin=as_text(trace.get("origin")) or "manual",
        is_segment=True,
        attributes={**dict(event.tags), **as_dict(trace.get("data"))},
        **shared,
    )
    for child in as_list(event.data.get("spans")):
        span = _child_span(as_dict(child), event.trace_id, shared)
        if span is not None:
            yield span


def _child_span(child: Mapping[str, Any], trace_id: str, shared: Mapping[str, Any]) -> Span | None:
    span_id = hex_id(child.get("span_id"), 16)
    start_ns = parse_timestamp(child.get("start_timestamp"))
    end_ns = parse_timestamp(child.get("timestamp"))
    if span_id is None or start_ns is None or end_ns is None:
        return None
    description = as_text(child.get("description")) or ""
    op = as_text(child.get("op")) or "default"
    return Span(
        trace_id=hex_id(child.get("trace_id"), 32) or trace_id,
        span_id=span_id,
        parent_span_id=hex_id(child.get("parent_span_id"), 16),
        start_ns=start_ns,
        end_ns=end_ns,
        op=op,
        name=description or op,
        description=description,
        status=as_text(child.get("status")) or "ok",
        origin=as_text(child.get("origin")) or "manual",
        is_segment=False,
        attributes={**dict(pairs_of(child.get("tags"))), **as_dict(child.get("data"))},
        **shared,
    )


def span_of_container(
    entry: Mapping[str, Any], project_id: int, sequence: int, received_ns: int
) -> Span | None:
    """A span of a ``span.v2`` container; ``None`` where an id or a time is missing."""
    trace_id, span_id = hex_id(entry.get("trace_id"), 32), hex_id(entry.get("span_id"), 16)
    start_ns = parse_timestamp(entry.get("start_timestamp"))
    end_ns = parse_timestamp(entry.get("end_timestamp"))
    if trace_id is None or span_id is None or start_ns is None or end_ns is None:
        return None
    attributes = typed_attributes(entry.get("attributes"))
    name = as_text(entry.get("name")) or ""
    is_segment = entry.get("is_segment") is True
    user = {
        key: attributes.get(f"user.{source}")
        for key, source in (
            ("id", "id"),
            ("username", "name"),
            ("email", "email"),
            ("ip_address", "ip_address"),
        )
    }
    return Span(
        trace_id=trace_id,
        span_id=span_id,
        parent_span_id=hex_id(entry.get("parent_span_id"), 16),
        project_id=project_id,
        sequence=sequence,
        received_ns=received_ns,
        start_ns=start_ns,
        end_ns=end_ns,
        op=as_text(attributes.get("sentry.op")) or "default",
        name=name,
        description=as_text(attributes.get("sentry.description")) or name,
        status=as_text(entry.get("status")) or "ok",
        kind=as_text(attributes.get("sentry.kind")),
        origin=as_text(attributes.get("sentry.origin")) or "manual",
        is_segment=is_segment,
        segment_id=hex_id(attributes.get("sentry.segment.id"), 16),
        transaction=as_text(attributes.get("sentry.segment.name"))
        or (name if is_segment else None),
        transaction_event_id=None,
        service_name=as_text(attributes.get("service.name")),
        environment=as_text(attributes.get("sentry.environment")),
        release=as_text(attributes.get("sentry.release")),
        sdk_name=as_text(attributes.get("sentry.sdk.name")),
        sdk_version=as_text(attributes.get("sentry.sdk.version")),
        platform=as_text(attributes.get("sentry.platform")),
        user_tag=user_tag_of(user),
        attributes=attributes,
    )


def typed_attributes(value: Any) -> dict[str, Any]:
    """``{"name": {"value": v, "type": t}}`` as name → value."""
    return {
        name: entry["value"]
        for name, entry in as_dict(value).items()
        if isinstance(entry, Mapping) and entry.get("value") is not None
    }
