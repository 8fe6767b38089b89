"""The embedded collector as a real OpenTelemetry SDK meets it, over HTTP on loopback.

What the SDK measured must come out of the page as Prometheus reads it; its spans and log records
must reach the backends; a backend's refusal must reach the SDK.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult

from pytest_obsstack.embedded.collector.server import CollectorServer
from pytest_obsstack.embedded.collector.settings import CollectorSettings
from pytest_obsstack.embedded.journal import Journal
from pytest_obsstack.embedded.listener import Listener
from pytest_obsstack.embedded.prometheus.exposition import Exposition, ScrapedSample, parse
from pytest_obsstack.embedded.settings import PortWish
from pytest_obsstack.wire import otlp
from tests.unit.embedded.collector.support import backend

OPEN_METRICS = "application/openmetrics-text;version=1.0.0"
RESOURCE = Resource.create(
    {
        "service.name": "simple-app",
        "service.namespace": "shop",
        "service.instance.id": "worker-1",
        "deployment.environment.name": "test",
    }
)


@contextmanager
def running_collector(settings: CollectorSettings) -> Iterator[tuple[CollectorServer, str]]:
    """A collector and its URL; served from a thread of its own."""
    server = CollectorServer(settings, Journal(None))
    listener = Listener("127.0.0.1", PortWish())
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(listener.open(server.app), loop).result(10)
        yield server, listener.url
        asyncio.run_coroutine_threadsafe(listener.close(), loop).result(10)
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
        listener.release()


@contextmanager
def meter_provider(url: str, **exporter: Any) -> Iterator[MeterProvider]:
    """A provider that exports when it is flushed, not by the clock."""
    views = exporter.pop("views", ())
    resource = exporter.pop("resource", RESOURCE)
    reader = PeriodicExportingMetricReader(
        OTLPMetricExporter(f"{url}/v1/metrics", timeout=5, **exporter),
        export_interval_millis=float("inf"),
    )
    provider = MeterProvider([reader], resource=resource, views=views)
    try:
        yield provider
    finally:
        provider.shutdown()


def scrape(url: str, accept: str = "text/plain;version=0.0.4") -> Exposition:
    response = httpx.get(f"{url}/metrics", headers={"accept": accept}, trust_env=False)
    return parse(response.content, response.headers["content-type"])


def found(exposition: Exposition, name: str, **labels: str) -> list[ScrapedSample]:
    wanted = {"__name__": name, **labels}.items()
    return [sample for sample in exposition.samples if wanted <= dict(sample.labels).items()]


def value(exposition: Exposition, name: str, **labels: str) -> float:
    (sample,) = found(exposition, name, **labels)
    return sample.value


@pytest.mark.parametrize("accept", ["text/plain;version=0.0.4", OPEN_METRICS])
@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip])
def test_every_instrument_comes_out_of_the_page(accept: str, compression: Compression) -> None:
    def observe(_: CallbackOptions) -> list[Observation]:
        return [Observation(0.25, {"cpu": 0})]

    with (
        running_collector(CollectorSettings()) as (_, url),
        meter_provider(url, compression=compression) as provider,
    ):
        meter = provider.get_meter("app.meter", "1.2")
        requests = meter.create_counter("http.requests", unit="{request}", description="Requests")
        requests.add(3, {"endpoint": "/error", "http.response.status_code": 500})
        requests.add(1, {"endpoint": "/", "http.response.status_code": 200})
        meter.create_up_down_counter("http.server.active_requests").add(-2)
        duration = meter.create_histogram(
            "http.server.request.duration", unit="s", explicit_bucket_boundaries_advisory=[0.1, 1]
        )
        for seconds in (0.05, 0.5, 0.6, 7):
            duration.record(seconds, {"endpoint": "/"})
        meter.create_gauge("queue.size", unit="By").set(1_500_000)
        meter.create_observable_gauge("cpu.utilization", [observe], unit="1")
        provider.force_flush()
        exposition = scrape(url, accept)

    identity = {"job": "shop/simple-app", "instance": "worker-1"}
    labels = {**identity, "otel_scope_name": "app.meter", "otel_scope_version": "1.2"}
    error = {"endpoint": "/error", "http_response_status_code": "500"}
    assert value(exposition, "http_requests_total", **error, **labels) == 3
    assert value(exposition, "http_requests_total", endpoint="/") == 1
    assert value(exposition, "http_server_active_requests", **labels) == -2
    assert value(exposition, "queue_size_bytes") == 1_500_000
    assert value(exposition, "cpu_utilization_ratio", cpu="0") == 0.25
    name = "http_server_request_duration_seconds"
    found_buckets = {
        float(dict(sample.labels)["le"]): sample.value
        for sample in found(exposition, f"{name}_bucket", endpoint="/")
    }
    assert found_buckets == {0.1: 1, 1: 3, float("inf"): 4}
    assert value(exposition, f"{name}_count") == 4
    assert value(exposition, f"{name}_sum") == pytest.approx(8.15)
    assert value(exposition, "target_info", deployment_environment_name="test", **identity) == 1
    types = {family: metadata.type for family, metadata in exposition.metadata.items()}
    counter_family = "http_requests" if accept == OPEN_METRICS else "http_requests_total"
    assert types[counter_family] == "counter"
    assert exposition.metadata[counter_family].help == "Requests"
    assert (types[name], types["http_server_active_requests"]) == ("histogram", "gauge")


def test_samples_carry_the_time_at_which_the_app_measured() -> None:
    with running_collector(CollectorSettings()) as (_, url), meter_provider(url) as provider:
        counter = provider.get_meter("m").create_counter("n")
        counter.add(1)
        provider.force_flush()
        (first,) = found(scrape(url), "n_total")
        (again,) = found(scrape(url), "n_total")
        counter.add(1)
        provider.force_flush()
        (second,) = found(scrape(url), "n_total")
    assert again.timestamp_ms == first.timestamp_ms is not None
    assert second.timestamp_ms is not None
    assert second.timestamp_ms >= first.timestamp_ms
    assert (first.value, second.value) == (1, 2)


def test_exemplars_name_the_trace_in_open_metrics() -> None:
    tracer = TracerProvider().get_tracer("t")
    with running_collector(CollectorSettings()) as (_, url), meter_provider(url) as provider:
        meter = provider.get_meter("m")
        counter, histogram = meter.create_counter("n"), meter.create_histogram("h")
        with tracer.start_as_current_span("request") as span:
            counter.add(1)
            histogram.record(30)
        provider.force_flush()
        exposition = scrape(url, OPEN_METRICS)
    context = span.get_span_context()
    ids = {"trace_id": f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}"}
    (counted,) = found(exposition, "n_total")
    assert counted.exemplar is not None
    assert dict(counted.exemplar.labels) == ids
    with_exemplar = [sample for sample in found(exposition, "h_bucket") if sample.exemplar]
    assert [dict(sample.labels)["le"] for sample in with_exemplar] == ["50.0"]
    assert with_exemplar[0].exemplar is not None
    assert (dict(with_exemplar[0].exemplar.labels), with_exemplar[0].exemplar.value) == (ids, 30)


def test_delta_temporality_is_accumulated() -> None:
    delta = {Counter: AggregationTemporality.DELTA, Histogram: AggregationTemporality.DELTA}
    with (
        running_collector(CollectorSettings()) as (_, url),
        meter_provider(url, preferred_temporality=delta) as provider,
    ):
        meter = provider.get_meter("m")
        counter, histogram = meter.create_counter("n"), meter.create_histogram("h")
        for amount in (1, 2, 4):
            counter.add(amount)
            histogram.record(amount)
            provider.force_flush()
        exposition = scrape(url)
    assert value(exposition, "n_total") == 7
    assert value(exposition, "h_count") == 3
    assert value(exposition, "h_sum") == 7
    assert value(exposition, "h_bucket", le="5") == 3


def test_instances_stand_side_by_side() -> None:
    with running_collector(CollectorSettings()) as (_, url):
        for instance in ("a", "b"):
            resource = RESOURCE.merge(Resource({"service.instance.id": instance}))
            with meter_provider(url, resource=resource) as provider:
                provider.get_meter("m").create_counter("n").add(1 if instance == "a" else 5)
                provider.force_flush()
        exposition = scrape(url)
    assert value(exposition, "n_total", instance="a") == 1
    assert value(exposition, "n_total", instance="b") == 5
    assert len(found(exposition, "target_info", job="shop/simple-app")) == 2


def test_exponential_histograms_are_refused_by_name_and_the_rest_is_kept() -> None:
    view = View(instrument_name="h", aggregation=ExponentialBucketHistogramAggregation())
    with (
        running_collector(CollectorSettings()) as (server, url),
        meter_provider(url, views=[view]) as provider,
    ):
        meter = provider.get_meter("m")
        meter.create_histogram("h").record(1)
        meter.create_counter("n").add(1)
        provider.force_flush()
        exposition = scrape(url)
        exporter = server.status()["exporters"]["prometheus"]
    assert value(exposition, "n_total") == 1
    assert found(exposition, "h_count") == []
    assert (exporter["sent"], exporter["send_failed"]) == (1, 1)
    assert exporter["last_error"]["text"].startswith(
        "dropped metric h: not supported by the embedded OpenTelemetry Collector"
    )


def finished_span() -> ReadableSpan:
    spans: list[ReadableSpan] = []

    class Keep(SimpleSpanProcessor):
        def __init__(self) -> None:
            """No exporter: the span is kept."""

        def on_end(self, span: ReadableSpan) -> None:
            spans.append(span)

        def shutdown(self) -> None:
            """Nothing to end."""

    provider = TracerProvider(resource=RESOURCE)
    provider.add_span_processor(Keep())
    with provider.get_tracer("t").start_as_current_span("GET /error", attributes={"n": 1}):
        pass
    provider.shutdown()
    return spans[0]


def test_spans_of_the_sdk_reach_sentry() -> None:
    with backend() as sentry:
        settings = CollectorSettings(
            traces_endpoint=f"{sentry.url}/api/1/integration/otlp/v1/traces/",
            traces_headers={"x-sentry-auth": "sentry sentry_key=abc"},
        )
        with running_collector(settings) as (server, url):
            exporter = OTLPSpanExporter(f"{url}/v1/traces", compression=Compression.Gzip)
            sent = finished_span()
            assert exporter.export([sent]) is SpanExportResult.SUCCESS
            exporter.shutdown()  # type: ignore[no-untyped-call]
            status = server.status()
    (received,) = sentry.received
    assert received.headers["x-sentry-auth"] == "sentry sentry_key=abc"
    (span,) = otlp.spans(otlp.decode_traces(received.body, "protobuf"))
    assert sent.context is not None
    assert span.trace_id == f"{sent.context.trace_id:032x}"
    assert (span.name, span.attributes) == ("GET /error", {"n": 1})
    assert span.resource["service.instance.id"] == "worker-1"
    assert status["exporters"]["otlp_http/sentry"]["sent"] == 1


def test_refusal_of_the_backend_fails_the_export_of_the_sdk(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with backend(status=401, body=otlp.error_body(401, "bad key", "protobuf")) as sentry:
        settings = CollectorSettings(traces_endpoint=f"{sentry.url}/traces")
        with running_collector(settings) as (server, url):
            exporter = OTLPSpanExporter(f"{url}/v1/traces")
            assert exporter.export([finished_span()]) is SpanExportResult.FAILURE
            exporter.shutdown()  # type: ignore[no-untyped-call]
            status = server.status()
    assert status["receiver"]["spans"] == {"accepted": 0, "refused": 1}
    assert status["exporters"]["otlp_http/sentry"]["last_error"]["text"] == (
        "Permanent error: rpc error: code = Unauthenticated desc = error exporting items, request "
        f"to {sentry.url}/traces responded with HTTP Status Code 401, Message=bad key, Details=[]"
    )
    assert "bad key" in caplog.text


def test_log_records_of_the_sdk_reach_loki() -> None:
    with (
        backend(status=204) as loki,
        running_collector(CollectorSettings(logs_endpoint=f"{loki.url}/otlp/v1/logs")) as (_, url),
    ):
        provider = LoggerProvider(resource=RESOURCE)
        provider.add_log_record_processor(
            SimpleLogRecordProcessor(OTLPLogExporter(f"{url}/v1/logs"))
        )
        provider.get_logger("app").emit(
            LogRecord(
                timestamp=5,
                body="it failed",
                severity_text="ERROR",
                severity_number=SeverityNumber.ERROR,
                attributes={"endpoint": "/error"},
            )
        )
        provider.shutdown()
    (received,) = loki.received
    (record,) = otlp.log_records(otlp.decode_logs(received.body, "protobuf"))
    assert (record.time_ns, record.body, record.severity_number) == (5, "it failed", 17)
    assert record.attributes == {"endpoint": "/error"}
    assert record.resource["service.namespace"] == "shop"
