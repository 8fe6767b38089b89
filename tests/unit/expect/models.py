"""Typed models as the clients return them, each made from the answer that a server would give."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_obsstack.clients.loki.models import LogEntry
from pytest_obsstack.clients.prometheus.models import Target, parse_target
from pytest_obsstack.clients.sentry.event import Event, parse_event
from pytest_obsstack.clients.sentry.explore import (
    OTLP_ORIGIN,
    LogRow,
    SpanRow,
    parse_log_row,
    parse_span_row,
)
from pytest_obsstack.clients.sentry.issue import Issue, Outcome, parse_issue, parse_outcome
from pytest_obsstack.clients.sentry.transaction import TransactionEvent, parse_transaction
from pytest_obsstack.clients.tempo.models import TempoSpan, parse_trace
from pytest_obsstack.record.exchanges import Exchange

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
OTHER_TRACE = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
SPAN = "00f067aa0ba902b7"
SENT_S = 1_700_000_000.0
"""Unix time of the only request of a test, unless it says otherwise."""


def event(
    type: str | None = "ValueError",
    value: str | None = "Intentional error for testing",
    *,
    event_id: str = "e" * 32,
    issue_id: str | None = "1",
    tags: dict[str, str] | None = None,
    **more: Any,
) -> Event:
    """An error event; without ``type`` a captured message."""
    entries = []
    if type is not None:
        entries.append({"type": "exception", "data": {"values": [{"type": type, "value": value}]}})
    raw = {
        "eventID": event_id,
        "groupID": issue_id,
        "title": f"{type}: {value}",
        "entries": entries,
        "tags": [{"key": key, "value": text} for key, text in (tags or {}).items()],
    }
    return parse_event({**raw, **more})


def issue(
    type: str = "ValueError",
    value: str = "Intentional error for testing",
    *,
    id: str = "1",
    **more: Any,
) -> Issue:
    raw = {
        "id": id,
        "shortId": f"SIMPLE-APP-{id}",
        "title": f"{type}: {value}",
        "metadata": {"type": type, "value": value},
        "count": "1",
        "userCount": 0,
    }
    return parse_issue({**raw, **more})


def transaction(name: str = "error", *, event_id: str = "f" * 32, **trace: Any) -> TransactionEvent:
    """A transaction event; ``trace`` are fields of its trace context."""
    context = {"op": "http.server", "status": "internal_error", **trace}
    return parse_transaction(
        {
            "type": "transaction",
            "eventID": event_id,
            "title": name,
            "startTimestamp": 1.0,
            "endTimestamp": 1.5,
            "contexts": {"trace": context},
        }
    )


def root_span(parent: str | None = SPAN, **more: Any) -> SpanRow:
    """The row of a Sentry transaction: the fence of errors."""
    raw = {
        "id": "1" * 16,
        "trace": TRACE,
        "parent_span": parent,
        "span.op": "http.server",
        "span.description": "error",
        "is_transaction": True,
        "origin": "auto.http.flask",
    }
    return parse_span_row({**raw, **more})


def otlp_span(name: str = "GET /error", *, parent: str | None = SPAN, **more: Any) -> SpanRow:
    """The row of an OpenTelemetry span, by default a server span: the fence of spans."""
    raw = {
        "id": "2" * 16,
        "trace": TRACE,
        "parent_span": parent,
        "span.name": name,
        "span.status": "error",
        "kind": "server",
        "origin": OTLP_ORIGIN,
        "service.name": "simple-app",
    }
    return parse_span_row({**raw, **more})


def tempo_span(
    name: str = "GET /error",
    *,
    parent: str | None = SPAN,
    service: str = "simple-app",
    attributes: Mapping[str, str] | None = None,
    **more: Any,
) -> TempoSpan:
    """A span as Tempo answers it, by default a server span: the fence of spans."""
    span = {
        "traceId": TRACE,
        "spanId": "2" * 16,
        "parentSpanId": parent or "",
        "name": name,
        "kind": "SPAN_KIND_SERVER",
        "status": {"code": "STATUS_CODE_ERROR"},
        "attributes": _pairs(attributes or {}),
        **more,
    }
    resource = {"attributes": _pairs({"service.name": service})}
    group = {"resource": resource, "scopeSpans": [{"spans": [span]}]}
    return parse_trace({"trace": {"resourceSpans": [group]}}).spans[0]


def _pairs(attributes: Mapping[str, str]) -> list[dict[str, Any]]:
    return [{"key": key, "value": {"stringValue": value}} for key, value in attributes.items()]


def line(
    text: str = "request finished",
    *,
    service: str | None = "simple-app",
    level: str | None = "INFO",
    timestamp_ns: int = 1,
    **metadata: str,
) -> LogEntry:
    labels = {} if service is None else {"service_name": service}
    facts = {"trace_id": TRACE, **({} if level is None else {"severity_text": level}), **metadata}
    return LogEntry(timestamp_ns, text, labels, facts, {}, {})


def sentry_log(message: str = "paid", *, id: str = "7" * 32) -> LogRow:
    """The row of one of Sentry's structured logs."""
    return parse_log_row({"id": id, "trace": TRACE, "message": message, "severity": "info"})


def outcome(outcome: str, reason: str | None, quantity: int, category: str = "error") -> Outcome:
    by = {"category": category, "outcome": outcome, "reason": reason}
    return parse_outcome({"by": by, "totals": {"sum(quantity)": quantity}})


def target(job: str = "otel-collector", health: str = "up", last_error: str = "") -> Target:
    return parse_target(
        {
            "labels": {"job": job, "instance": "collector:8889"},
            "health": health,
            "lastError": last_error,
            "scrapeUrl": "http://collector:8889/metrics",
        }
    )


def exchange(
    path: str = "/error",
    status: int | None = 500,
    *,
    method: str = "GET",
    span_id: str = SPAN,
    started_s: float = SENT_S,
    ended_s: float = SENT_S + 0.01,
    decided: bool = True,
    **more: Any,
) -> Exchange:
    return Exchange(method, path, status, span_id, started_s, ended_s, decided, **more)
