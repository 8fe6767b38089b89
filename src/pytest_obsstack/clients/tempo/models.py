"""What Tempo answers: a trace with its spans, and traces that a search has found.

https://grafana.com/docs/tempo/latest/api_docs/; the messages are in ``pkg/tempopb/tempo.proto`` of
https://github.com/grafana/tempo.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pytest_obsstack.clients import fields
from pytest_obsstack.clients.fields import Raw
from pytest_obsstack.clients.spans import Span
from pytest_obsstack.clients.tempo import otlp_json

_ENVIRONMENT = ("deployment.environment.name", "deployment.environment")
"""Today's and the old name of the resource attribute."""


@dataclass(frozen=True)
class SpanEvent:
    """A moment within a span, such as ``exception``."""

    name: str
    time_ns: int
    """Nanoseconds since the epoch."""
    attributes: Mapping[str, Any]


@dataclass(frozen=True)
class SpanLink:
    """A reference to another span, usually of another trace."""

    trace_id: str | None
    span_id: str | None
    attributes: Mapping[str, Any]


@dataclass(frozen=True)
class TempoSpan(Span):
    """A span as Tempo has it; ``attributes`` are its resource's and its own, which win."""

    trace_id: str | None
    start_ns: int
    """Nanoseconds since the epoch."""
    end_ns: int
    status_message: str
    own_attributes: Mapping[str, Any]
    resource: Mapping[str, Any]
    scope: str | None
    """Name of the instrumentation library."""
    events: tuple[SpanEvent, ...]
    links: tuple[SpanLink, ...]
    raw: Raw = field(repr=False, compare=False)
    """``resource``, ``scope`` and ``span`` as answered."""


@dataclass(frozen=True)
class Trace:
    """What Tempo has of a trace; without spans where it knows none (yet)."""

    spans: tuple[TempoSpan, ...]
    """By start time."""
    incomplete: str | None = None
    """Why this is not the whole trace, where it is not: Tempo's own words."""


@dataclass(frozen=True)
class FoundSpan:
    """A span that a TraceQL query has matched."""

    span_id: str
    name: str | None
    start_ns: int
    duration_ns: int
    attributes: Mapping[str, Any]
    """Those that the query names, not all."""


@dataclass(frozen=True)
class FoundTrace:
    """A trace that a search has found."""

    trace_id: str
    """32 hex digits."""
    root_service: str | None
    """``None`` while the root span has not arrived."""
    root_name: str | None
    start_ns: int
    duration_ms: int
    matched: int
    """How many of its spans match; 0 for a search by tags in older versions."""
    spans: tuple[FoundSpan, ...]
    """The first of those, three by default."""
    raw: Raw = field(repr=False, compare=False)


def parse_trace(raw: Any) -> Trace:
    """The trace of an answer of ``/api/v2/traces`` or ``/api/traces``.

    The first has ``{"trace": {"resourceSpans"}, "status", "message"}``, the second ``{"batches"}``.
    """
    raw = fields.mapping(raw, "a trace")
    inner = fields.optional_mapping(raw, "trace") if "trace" in raw else raw
    key = "batches" if "batches" in inner else "resourceSpans"
    spans = sorted(
        (
            span
            for group in fields.optional_mappings(inner, key, "a resource's spans")
            for span in _resource_spans(group)
        ),
        key=lambda span: span.start_ns,
    )
    incomplete = None
    if raw.get("status") in ("PARTIAL", 1):
        incomplete = fields.optional_text(raw, "message") or "no reason given"
    return Trace(tuple(spans), incomplete)


def parse_found_trace(raw: Any) -> FoundTrace:
    raw = fields.mapping(raw, "a trace that was found")
    sets = list(fields.optional_mappings(raw, "spanSets", "a set of spans"))
    if not sets and raw.get("spanSet") is not None:
        sets = [fields.optional_mapping(raw, "spanSet")]
    root_service = fields.optional_text(raw, "rootServiceName")
    if root_service == "<root span not yet received>":
        root_service = None
    return FoundTrace(
        # Leading zeros are left out.
        trace_id=fields.text(raw, "traceID").lower().zfill(32),
        root_service=root_service,
        root_name=fields.optional_text(raw, "rootTraceName"),
        start_ns=_number(raw, "startTimeUnixNano"),
        duration_ms=_number(raw, "durationMs"),
        matched=sum(fields.optional_integer(each, "matched") or 0 for each in sets),
        spans=tuple(
            _found_span(span)
            for each in sets
            for span in fields.optional_mappings(each, "spans", "a span that was found")
        ),
        raw=raw,
    )


def _found_span(raw: Raw) -> FoundSpan:
    return FoundSpan(
        span_id=fields.text(raw, "spanID").lower().zfill(16),
        name=fields.optional_text(raw, "name"),
        start_ns=_number(raw, "startTimeUnixNano"),
        duration_ns=_number(raw, "durationNanos"),
        attributes=otlp_json.attributes(raw),
    )


def _resource_spans(group: Raw) -> Iterator[TempoSpan]:
    resource = fields.optional_mapping(group, "resource")
    for scope_spans in fields.optional_mappings(group, "scopeSpans", "a scope's spans"):
        scope = fields.optional_mapping(scope_spans, "scope")
        for span in fields.optional_mappings(scope_spans, "spans", "a span"):
            yield _span(span, resource, scope)


def _span(span: Raw, resource: Raw, scope: Raw) -> TempoSpan:
    of_resource = otlp_json.attributes(resource)
    own = otlp_json.attributes(span)
    start_ns = _number(span, "startTimeUnixNano")
    end_ns = _number(span, "endTimeUnixNano")
    status = fields.optional_mapping(span, "status")
    span_id = otlp_json.hex_id(span, "spanId", 8)
    if span_id is None:
        raise fields.unexpected("a span", "a field 'spanId'", dict(span))
    return TempoSpan(
        span_id=span_id,
        parent_span_id=otlp_json.hex_id(span, "parentSpanId", 8),
        name=fields.optional_text(span, "name"),
        status=otlp_json.status_code(status),
        kind=otlp_json.kind(span),
        start_s=start_ns / 1e9 if start_ns else None,
        end_s=end_ns / 1e9 if end_ns else None,
        duration_ms=(end_ns - start_ns) / 1e6 if start_ns and end_ns else None,
        service=_text(of_resource, "service.name"),
        environment=next(filter(None, (_text(of_resource, name) for name in _ENVIRONMENT)), None),
        attributes={**of_resource, **own},
        trace_id=otlp_json.hex_id(span, "traceId", 16),
        start_ns=start_ns,
        end_ns=end_ns,
        status_message=fields.optional_text(status, "message") or "",
        own_attributes=own,
        resource=of_resource,
        scope=fields.optional_text(scope, "name"),
        events=tuple(map(_event, fields.optional_mappings(span, "events", "a span's event"))),
        links=tuple(map(_link, fields.optional_mappings(span, "links", "a span's link"))),
        raw={"resource": resource, "scope": scope, "span": span},
    )


def _event(raw: Raw) -> SpanEvent:
    return SpanEvent(
        name=fields.optional_text(raw, "name") or "",
        time_ns=_number(raw, "timeUnixNano"),
        attributes=otlp_json.attributes(raw),
    )


def _link(raw: Raw) -> SpanLink:
    return SpanLink(
        trace_id=otlp_json.hex_id(raw, "traceId", 16),
        span_id=otlp_json.hex_id(raw, "spanId", 8),
        attributes=otlp_json.attributes(raw),
    )


def _number(raw: Raw, key: str) -> int:
    """A number, 0 where it is left out: protobuf's JSON has no defaults."""
    return fields.optional_integer(raw, key) or 0


def _text(attributes: Mapping[str, Any], name: str) -> str | None:
    value = attributes.get(name)
    return None if value is None or value == "" else str(value)
