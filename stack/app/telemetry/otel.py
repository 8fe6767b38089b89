"""Traces, metrics and logs to a collector, by the OpenTelemetry SDK."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from opentelemetry import metrics, trace
from opentelemetry._logs import set_logger_provider
from opentelemetry.sdk._logs import LoggerProvider, LogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

from telemetry.settings import Settings


@dataclass(frozen=True)
class Pipeline:
    """Where the three signals go."""

    spans: SpanProcessor
    metrics: MetricReader
    logs: LogRecordProcessor


@dataclass(frozen=True)
class Providers:
    """The SDK's providers of this process, which are also the global ones."""

    traces: TracerProvider
    metrics: MeterProvider | None = None
    logs: LoggerProvider | None = None

    def shutdowns(self) -> list[Callable[[], object]]:
        """What sends the rest and closes, one call a signal; each may block while it retries."""
        return [
            provider.shutdown
            for provider in (self.traces, self.metrics, self.logs)
            if provider is not None
        ]


def start_opentelemetry(settings: Settings, pipeline: Pipeline | None) -> Providers:
    """Installs the global providers.

    Without a pipeline spans exist (their ids stand in the log lines and go on into other services)
    but nothing is exported.
    """
    resource = _resource(settings)
    # The app itself sees to the shutdown, within a time limit; an atexit hook would know none.
    traces = TracerProvider(resource=resource, shutdown_on_exit=False)
    trace.set_tracer_provider(traces)
    if pipeline is None:
        return Providers(traces)
    traces.add_span_processor(pipeline.spans)
    meters = MeterProvider([pipeline.metrics], resource=resource, shutdown_on_exit=False)
    metrics.set_meter_provider(meters)
    logs = LoggerProvider(resource=resource, shutdown_on_exit=False)
    logs.add_log_record_processor(pipeline.logs)
    set_logger_provider(logs)
    return Providers(traces, meters, logs)


def otlp_pipeline() -> Pipeline:
    """Batches over OTLP/HTTP; endpoint, headers, delays and intervals are read from OTEL_*.

    Starts threads: to be called in the process that reports, after any fork.
    """
    # Loaded here, because they bring protobuf and requests with them.
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import (
        OTLPMetricExporter,
    )
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (
        OTLPSpanExporter,
    )
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    return Pipeline(
        spans=BatchSpanProcessor(OTLPSpanExporter()),
        metrics=PeriodicExportingMetricReader(OTLPMetricExporter()),
        logs=BatchLogRecordProcessor(OTLPLogExporter()),
    )


def _resource(settings: Settings) -> Resource:
    """The service, and what OTEL_RESOURCE_ATTRIBUTES says of it.

    ``service.instance.id`` differs for each process, because two that count under the same id
    overwrite each other's series.
    """
    attributes = {"service.name": settings.service_name}
    if "deployment.environment.name" not in settings.resource_attributes:
        attributes["deployment.environment.name"] = settings.sentry_environment
    instance = settings.resource_attributes.get("service.instance.id")
    if instance is not None and settings.workers > 1:
        attributes["service.instance.id"] = f"{instance}-{os.getpid()}"
    return Resource.create(attributes)
