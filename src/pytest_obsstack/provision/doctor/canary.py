"""What is sent to see whether it arrives: one of each signal, marked as the doctor's own.

Sentry's payloads: https://develop.sentry.dev/sdk/foundations/transport/event-payloads/.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import orjson

from pytest_obsstack.wire.dsn import Dsn
from pytest_obsstack.wire.envelope import Envelope, Item
from pytest_obsstack.wire.trace_context import TraceContext

if TYPE_CHECKING:
    from google.protobuf.message import Message

SERVICE = "obsstack-doctor"
TEXT = "obsstack doctor: a canary, nothing is wrong"
SPAN_NAME = "obsstack doctor canary"
METRIC = "obsstack.doctor.canary"
METRIC_PATTERN = "obsstack[._]doctor[._]canary.*"
"""Its name in Prometheus, with dots or without, whatever is put behind it."""


@dataclass(frozen=True)
class Canary:
    """The ids of one canary, each of which has a trace of its own."""

    version: str
    """Of this package."""
    now_s: float
    trace: TraceContext = field(default_factory=TraceContext.new)
    event_id: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def release(self) -> str:
        return f"{SERVICE}@{self.version}"

    @property
    def now_ns(self) -> int:
        return int(self.now_s * 1e9)


def event_envelope(
    canary: Canary, dsn: Dsn, *, message: str = TEXT, level: str = "info", service: str = SERVICE
) -> Envelope:
    """An error event; all of one message are one issue."""
    event = {
        **_common(canary, service),
        "level": level,
        "logger": "obsstack.doctor",
        "message": message,
        "fingerprint": [service, message],
        "contexts": {"trace": _trace(canary)},
    }
    return _envelope(canary, dsn, "event", event)


def transaction_envelope(canary: Canary, dsn: Dsn) -> Envelope:
    """A transaction of 1 ms without spans."""
    event = {
        **_common(canary, SERVICE),
        "type": "transaction",
        "transaction": SPAN_NAME,
        "transaction_info": {"source": "custom"},
        "start_timestamp": canary.now_s - 0.001,
        "spans": [],
        "contexts": {"trace": {**_trace(canary), "op": "obsstack.doctor", "status": "ok"}},
    }
    return _envelope(canary, dsn, "transaction", event)


def span_request(canary: Canary) -> Message:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    _describe(group.resource, canary)
    scoped = group.scope_spans.add()
    scoped.scope.name = SERVICE
    span = scoped.spans.add()
    span.trace_id = bytes.fromhex(canary.trace.trace_id)
    span.span_id = bytes.fromhex(canary.trace.span_id)
    span.name = SPAN_NAME
    span.kind = span.SPAN_KIND_INTERNAL
    span.start_time_unix_nano = canary.now_ns - 1_000_000
    span.end_time_unix_nano = canary.now_ns
    return request


def log_request(canary: Canary) -> Message:
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
    from opentelemetry.proto.logs.v1.logs_pb2 import SEVERITY_NUMBER_INFO

    request = ExportLogsServiceRequest()
    group = request.resource_logs.add()
    _describe(group.resource, canary)
    scoped = group.scope_logs.add()
    scoped.scope.name = SERVICE
    record = scoped.log_records.add()
    record.time_unix_nano = record.observed_time_unix_nano = canary.now_ns
    record.severity_number = SEVERITY_NUMBER_INFO
    record.severity_text = "INFO"
    record.body.string_value = TEXT
    record.trace_id = bytes.fromhex(canary.trace.trace_id)
    record.span_id = bytes.fromhex(canary.trace.span_id)
    return request


def metric_value(canary: Canary) -> int:
    """What the metric is set to: it grows, so a later look tells this canary from earlier ones."""
    return int(canary.now_s * 1000)


def metric_request(canary: Canary) -> Message:
    """A gauge of one series, always the same: doctors add no series to a server of others."""
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
        ExportMetricsServiceRequest,
    )

    request = ExportMetricsServiceRequest()
    group = request.resource_metrics.add()
    _describe(group.resource, canary)
    scoped = group.scope_metrics.add()
    scoped.scope.name = SERVICE
    metric = scoped.metrics.add()
    metric.name = METRIC
    metric.description = "When obsstack doctor last looked, in milliseconds since the epoch."
    point = metric.gauge.data_points.add()
    point.time_unix_nano = canary.now_ns
    point.as_int = metric_value(canary)
    return request


def _describe(resource: Any, canary: Canary) -> None:
    for name, value in (("service.name", SERVICE), ("service.version", canary.release)):
        attribute = resource.attributes.add()
        attribute.key = name
        attribute.value.string_value = value


def _common(canary: Canary, service: str) -> dict[str, Any]:
    return {
        "event_id": canary.event_id,
        "timestamp": canary.now_s,
        "platform": "other",
        "release": canary.release,
        "server_name": service,
        "tags": {"service": service},
        "sdk": {"name": "obsstack.doctor", "version": canary.version},
    }


def _trace(canary: Canary) -> dict[str, str]:
    return {"trace_id": canary.trace.trace_id, "span_id": canary.trace.span_id}


def _envelope(canary: Canary, dsn: Dsn, item_type: str, event: dict[str, Any]) -> Envelope:
    sent_at = datetime.fromtimestamp(canary.now_s, timezone.utc)
    header = {
        "event_id": canary.event_id,
        "sent_at": sent_at.isoformat().replace("+00:00", "Z"),
        "trace": {
            "trace_id": canary.trace.trace_id,
            "public_key": dsn.public_key,
            "release": canary.release,
            "sample_rate": "1.0",
            "sampled": "true",
        },
    }
    item = Item.of(item_type, orjson.dumps(event), content_type="application/json")
    return Envelope(header, (item,))
