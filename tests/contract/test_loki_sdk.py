"""A real OpenTelemetry SDK sends its log records to the embedded Loki, over HTTP on loopback."""

from __future__ import annotations

import logging
import time

import httpx
import pytest
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import NonRecordingSpan, SpanContext, set_span_in_context

from tests.contract.embedded_loki import running_embedded_loki

TRACE_ID, SPAN_ID = 0x4BF92F3577B34DA6A3CE929D0E0E4736, 0x00F067AA0BA902B7
RESOURCE = Resource({"service.name": "simple-app", "deployment.environment.name": "test"})


def emit(url: str, record: LogRecord) -> None:
    provider = LoggerProvider(resource=RESOURCE, shutdown_on_exit=False)
    exporter = OTLPLogExporter(f"{url}/otlp/v1/logs", compression=Compression.Gzip)
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    try:
        provider.get_logger("simple_app.views").emit(record)
    finally:
        provider.shutdown()


def record(timestamp_ns: int) -> LogRecord:
    span = SpanContext(TRACE_ID, SPAN_ID, is_remote=True)
    return LogRecord(
        timestamp=timestamp_ns,
        context=set_span_in_context(NonRecordingSpan(span)),
        severity_number=SeverityNumber.ERROR,
        severity_text="ERROR",
        body="Intentional error for testing",
        attributes={"code.line.number": 7, "tags": ["a", "b"]},
    )


def test_a_record_of_the_sdk_is_found_by_its_trace_id() -> None:
    now_ns = time.time_ns()
    with running_embedded_loki() as url:
        emit(url, record(now_ns))
        query = f'{{service_name="simple-app"}} | trace_id="{TRACE_ID:032x}"'
        answer = httpx.get(f"{url}/loki/api/v1/query_range", params={"query": query}).json()

    [stream] = answer["data"]["result"]
    assert stream["values"] == [[str(now_ns), "Intentional error for testing"]]
    labels = stream["stream"]
    assert labels.pop("observed_timestamp").isdigit()
    assert labels == {
        "code_line_number": "7",
        "deployment_environment_name": "test",
        "detected_level": "error",
        "scope_name": "simple_app.views",
        "service_name": "simple-app",
        "severity_number": "17",
        "severity_text": "ERROR",
        "span_id": f"{SPAN_ID:016x}",
        "tags": '["a","b"]',
        "trace_id": f"{TRACE_ID:032x}",
    }


def test_a_refusal_reaches_the_sdk(caplog: pytest.LogCaptureFixture) -> None:
    with running_embedded_loki() as url, caplog.at_level(logging.ERROR):
        emit(url, record(time.time_ns() - 8 * 86400 * 10**9))

    assert "Failed to export logs batch code: 400, reason: Bad Request" in caplog.text
