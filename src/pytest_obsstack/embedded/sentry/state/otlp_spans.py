"""Spans that came over OTLP, turned into Sentry's as Relay does it.

Unset and ok become ``ok``, error ``error``; a status message is ``sentry.status.message``. Resource
attributes get the prefix ``resource.`` and are found by their plain names too. Span events are
dropped, as in Sentry, but for exceptions, which are kept beside the spans. A span without a parent,
or whose parent is in another process by its flags (opentelemetry-proto, ``SpanFlags``), is a
segment.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from pytest_obsstack.embedded.sentry.state.foreign import as_text
from pytest_obsstack.embedded.sentry.state.model import Span, SpanException
from pytest_obsstack.wire.otlp import OtlpSpan

ORIGIN = "auto.otlp.spans"
_HAS_IS_REMOTE, _IS_REMOTE = 0x100, 0x200
_HTTP_OPS = {"server": "http.server", "client": "http.client"}


def span_of_otlp(span: OtlpSpan, project_id: int, sequence: int, received_ns: int) -> Span | None:
    """The stored span; ``None`` for one without ids, which Relay discards."""
    if span.trace_id is None or span.span_id is None:
        return None
    attributes = _attributes_of(span)
    remote = span.flags & _HAS_IS_REMOTE and span.flags & _IS_REMOTE
    is_segment = span.parent_span_id is None or bool(remote)
    return Span(
        trace_id=span.trace_id,
        span_id=span.span_id,
        parent_span_id=span.parent_span_id,
        project_id=project_id,
        sequence=sequence,
        received_ns=received_ns,
        start_ns=span.start_ns,
        end_ns=max(span.end_ns, span.start_ns),
        op=as_text(attributes.get("sentry.op")) or _op_of(span, attributes),
        name=span.name,
        description=as_text(attributes.get("sentry.description")) or span.name,
        status="error" if span.status_code == "error" else "ok",
        kind=None if span.kind == "unspecified" else span.kind,
        origin=ORIGIN,
        is_segment=is_segment,
        segment_id=span.span_id if is_segment else None,
        transaction=span.name if is_segment else None,
        transaction_event_id=None,
        service_name=as_text(attributes.get("service.name")),
        environment=as_text(
            attributes.get("sentry.environment")
            or span.resource.get("deployment.environment.name")
            or span.resource.get("deployment.environment")
        ),
        release=as_text(attributes.get("sentry.release")),
        sdk_name=None,
        sdk_version=None,
        platform=as_text(span.resource.get("telemetry.sdk.language")),
        user_tag=None,
        attributes=attributes,
    )


def exceptions_of_otlp(span: OtlpSpan, project_id: int) -> Iterator[SpanException]:
    """What the span has recorded as events of the name ``exception``.

    https://opentelemetry.io/docs/specs/semconv/exceptions/exceptions-spans/
    """
    for event in span.events:
        if event.name == "exception" and span.span_id is not None:
            yield SpanException(
                project_id,
                span.span_id,
                str(event.attributes.get("exception.type") or ""),
                str(event.attributes.get("exception.message") or ""),
            )


def _attributes_of(span: OtlpSpan) -> dict[str, Any]:
    attributes = {name: _plain(value) for name, value in span.resource.items()}
    attributes |= {f"resource.{name}": value for name, value in attributes.items()}
    if span.scope.name:
        attributes["instrumentation.name"] = span.scope.name
    if span.scope.version:
        attributes["instrumentation.version"] = span.scope.version
    if span.status_message:
        attributes["sentry.status.message"] = span.status_message
    attributes |= {name: _plain(value) for name, value in span.attributes.items()}
    return {name: value for name, value in attributes.items() if value is not None}


def _plain(value: Any) -> Any:
    """Text, number or boolean; a list as JSON text; a map is nothing that OTLP allows here."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, list):
        return orjson.dumps([_plain(item) for item in value]).decode()
    return None if isinstance(value, Mapping) else value


def _op_of(span: OtlpSpan, attributes: Mapping[str, Any]) -> str:
    if "db.system" in attributes or "db.system.name" in attributes:
        return "db"
    if "http.request.method" in attributes or "http.method" in attributes:
        return _HTTP_OPS.get(span.kind, "http")
    return "default"
