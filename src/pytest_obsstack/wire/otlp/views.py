"""Frozen views of spans and log records, each with its resource and scope beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pytest_obsstack.wire.otlp.values import attributes, hex_id, plain_value

if TYPE_CHECKING:
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
    from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

SpanKind = Literal["unspecified", "internal", "server", "client", "producer", "consumer"]
StatusCode = Literal["unset", "ok", "error"]

_SPAN_KINDS: tuple[SpanKind, ...] = (
    "unspecified",
    "internal",
    "server",
    "client",
    "producer",
    "consumer",
)
_STATUS_CODES: tuple[StatusCode, ...] = ("unset", "ok", "error")


@dataclass(frozen=True)
class OtlpScope:
    """The instrumentation library; name and version may be empty."""

    name: str
    version: str
    attributes: dict[str, Any]


@dataclass(frozen=True)
class OtlpEvent:
    """A moment within a span, such as ``exception``; ``time_ns`` is Unix time."""

    name: str
    time_ns: int
    attributes: dict[str, Any]


@dataclass(frozen=True)
class OtlpLink:
    """A reference from a span to another one, usually of another trace."""

    trace_id: str | None
    span_id: str | None
    attributes: dict[str, Any]


@dataclass(frozen=True)
class OtlpSpan:
    """A span. Ids are lower-case hex (None: absent), times Unix nanoseconds.

    ``attributes`` and ``resource`` map names to plain values (see ``plain_value``); ``resource``
    and ``scope`` are shared by all spans that came under them.
    """

    trace_id: str | None
    span_id: str | None
    parent_span_id: str | None
    name: str
    kind: SpanKind
    start_ns: int
    end_ns: int
    status_code: StatusCode
    status_message: str
    attributes: dict[str, Any]
    events: tuple[OtlpEvent, ...]
    links: tuple[OtlpLink, ...]
    trace_state: str
    flags: int
    resource: dict[str, Any]
    scope: OtlpScope


@dataclass(frozen=True)
class OtlpLogRecord:
    """A log record. Times are Unix nanoseconds, 0 where the sender does not know them.

    ``body`` is a plain value (text as a rule; None: empty). ``severity_number`` is 0 (unspecified)
    or 1 to 24, four to each of trace, debug, info, warn, error, fatal.
    """

    time_ns: int
    observed_ns: int
    severity_number: int
    severity_text: str
    body: Any
    attributes: dict[str, Any]
    trace_id: str | None
    span_id: str | None
    flags: int
    event_name: str
    resource: dict[str, Any]
    scope: OtlpScope


def spans(request: ExportTraceServiceRequest) -> tuple[OtlpSpan, ...]:
    """All spans of a request in its order; raises ``WireError`` for an id of the wrong length."""
    found: list[OtlpSpan] = []
    for resource_spans in request.resource_spans:
        resource = attributes(resource_spans.resource.attributes)
        for scope_spans in resource_spans.scope_spans:
            scope = _scope(scope_spans.scope)
            found.extend(_span(span, resource, scope) for span in scope_spans.spans)
    return tuple(found)


def log_records(request: ExportLogsServiceRequest) -> tuple[OtlpLogRecord, ...]:
    """All records of a request in its order; raises ``WireError`` for an id of the wrong length."""
    found: list[OtlpLogRecord] = []
    for resource_logs in request.resource_logs:
        resource = attributes(resource_logs.resource.attributes)
        for scope_logs in resource_logs.scope_logs:
            scope = _scope(scope_logs.scope)
            found.extend(
                OtlpLogRecord(
                    time_ns=record.time_unix_nano,
                    observed_ns=record.observed_time_unix_nano,
                    severity_number=int(record.severity_number),
                    severity_text=record.severity_text,
                    body=plain_value(record.body),
                    attributes=attributes(record.attributes),
                    trace_id=hex_id(record.trace_id, 16),
                    span_id=hex_id(record.span_id, 8),
                    flags=record.flags,
                    event_name=record.event_name,
                    resource=resource,
                    scope=scope,
                )
                for record in scope_logs.log_records
            )
    return tuple(found)


def _span(span: Span, resource: dict[str, Any], scope: OtlpScope) -> OtlpSpan:
    return OtlpSpan(
        trace_id=hex_id(span.trace_id, 16),
        span_id=hex_id(span.span_id, 8),
        parent_span_id=hex_id(span.parent_span_id, 8),
        name=span.name,
        # Enums are open in proto3: a number that is not known yet says nothing.
        kind=_SPAN_KINDS[span.kind] if 0 <= span.kind < len(_SPAN_KINDS) else "unspecified",
        start_ns=span.start_time_unix_nano,
        end_ns=span.end_time_unix_nano,
        status_code=_STATUS_CODES[span.status.code] if 0 <= span.status.code < 3 else "unset",
        status_message=span.status.message,
        attributes=attributes(span.attributes),
        events=tuple(
            OtlpEvent(event.name, event.time_unix_nano, attributes(event.attributes))
            for event in span.events
        ),
        links=tuple(
            OtlpLink(
                hex_id(link.trace_id, 16), hex_id(link.span_id, 8), attributes(link.attributes)
            )
            for link in span.links
        ),
        trace_state=span.trace_state,
        flags=span.flags,
        resource=resource,
        scope=scope,
    )


def _scope(scope: InstrumentationScope) -> OtlpScope:
    return OtlpScope(scope.name, scope.version, attributes(scope.attributes))
