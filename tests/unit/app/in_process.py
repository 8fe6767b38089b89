"""The app in the test's own process, with everything that it reports kept in memory."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import sentry_sdk
from flask import Flask
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import Counter, Histogram
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sentry_sdk.envelope import Envelope
from sentry_sdk.integrations.logging import unignore_logger
from sentry_sdk.transport import Transport
from werkzeug.test import TestResponse

from app import SETTINGS, create_app
from pytest_obsstack.wire.trace_context import TraceContext
from telemetry.logs import OtlpHandler
from telemetry.otel import Pipeline, Providers, start_opentelemetry
from telemetry.sentry import start_sentry
from telemetry.settings import Settings

DSN = "http://thekey@127.0.0.1:1/42"


@dataclass(frozen=True)
class Seen:
    """What one request brought: the answer, and what was reported meanwhile, in order."""

    response: TestResponse
    context: TraceContext
    items: tuple[tuple[str, dict[str, Any]], ...]
    """Items of Sentry's envelopes, (type, payload)."""
    spans: tuple[ReadableSpan, ...]
    logs: tuple[ReadableLogRecord, ...]

    @property
    def events(self) -> list[dict[str, Any]]:
        return [payload for kind, payload in self.items if kind == "event"]

    @property
    def transactions(self) -> list[dict[str, Any]]:
        return [payload for kind, payload in self.items if kind == "transaction"]

    @property
    def event(self) -> dict[str, Any]:
        """The one event."""
        assert len(self.events) == 1, self.items
        return self.events[0]

    @property
    def server_span(self) -> ReadableSpan:
        return next(span for span in self.spans if span.kind.name == "SERVER")

    @property
    def log_lines(self) -> list[tuple[str, str | None, Any]]:
        """(logger, severity, body) of each record."""
        return [
            (scope.name, entry.log_record.severity_text, entry.log_record.body)
            for entry in self.logs
            if (scope := entry.instrumentation_scope) is not None
        ]


class InProcess:
    """One app for the whole session, because OpenTelemetry's global providers are set once."""

    def __init__(self) -> None:
        self.settings = Settings(error_rate=0.0, sentry_dsn=DSN)
        self.spans = InMemorySpanExporter()
        self.logs = InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]
        # Each collection gives what came since the one before.
        delta = AggregationTemporality.DELTA
        self.metrics = InMemoryMetricReader({Counter: delta, Histogram: delta})
        # As in production the app is there first, and finds the providers later.
        self.app: Flask = create_app(self.settings)
        self.providers: Providers = start_opentelemetry(
            self.settings,
            Pipeline(
                SimpleSpanProcessor(self.spans), self.metrics, SimpleLogRecordProcessor(self.logs)
            ),
        )
        assert self.providers.logs is not None
        self.handler = OtlpHandler(self.providers.logs)
        self.items: list[tuple[str, dict[str, Any]]] = []
        """Items of Sentry's envelopes since the last request began."""

    @contextmanager
    def reporting(self, **changes: Any) -> Iterator[None]:
        """The app with Sentry's SDK started under settings changed so."""
        settings = replace(self.settings, **changes)
        items = self.items

        class Recorder(Transport):
            def capture_envelope(self, envelope: Envelope) -> None:
                for item in envelope.items:
                    items.append((str(item.headers["type"]), json.loads(item.get_bytes())))

        root = logging.getLogger()
        level = root.level
        root.addHandler(self.handler)
        root.setLevel(settings.log_level)
        self.app.config[SETTINGS] = settings
        start_sentry(settings, Recorder)
        try:
            yield
        finally:
            sentry_sdk.get_client().close(timeout=0)
            sentry_sdk.get_global_scope().set_client(None)
            for name in ("app.access", "opentelemetry.*"):
                unignore_logger(name)
            root.setLevel(level)
            root.removeHandler(self.handler)
            self.app.config[SETTINGS] = self.settings

    def request(
        self,
        path: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        cookies: Mapping[str, str] | None = None,
        context: TraceContext | None = None,
        **body: Any,
    ) -> Seen:
        """Sends one request, by default with a new sampled trace, and gives what came of it."""
        context = context or TraceContext.new()
        self.items.clear()
        self.spans.clear()
        self.logs.clear()
        client = self.app.test_client()
        for name, value in (cookies or {}).items():
            client.set_cookie(name, value)
        sent = {**context.headers(), **(headers or {})}
        response = client.open(path, method=method, headers=sent, **body)
        return Seen(
            response,
            context,
            tuple(self.items),
            tuple(self.spans.get_finished_spans()),
            tuple(self.logs.get_finished_logs()),
        )

    def data_points(self, name: str) -> list[Any]:
        """The points of a metric since the last look at any metric."""
        data = self.metrics.get_metrics_data()
        if data is None:
            return []
        return [
            point
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]


def places_of(text: str, node: Any, path: str = "") -> Iterator[str]:
    """Where in a JSON document a text stands, in keys or values."""
    if isinstance(node, dict):
        for key, value in node.items():
            if text in key:
                yield f"{path}/{key} (the key)"
            yield from places_of(text, value, f"{path}/{key}")
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from places_of(text, value, f"{path}[{index}]")
    elif isinstance(node, str) and text in node:
        yield path
