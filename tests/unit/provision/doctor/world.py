"""A stack that exists only as answers: all is well in it, until a test says otherwise.

What is sent to it is parsed and shown by its APIs, as the real servers do it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs

import cramjam
import httpx
import orjson

from pytest_obsstack.endpoints import (
    CollectorEndpoint,
    Endpoints,
    GrafanaEndpoint,
    LokiEndpoint,
    PrometheusEndpoint,
    SentryEndpoint,
    TempoEndpoint,
    TrackerFlavour,
)
from pytest_obsstack.provision.doctor.checks import examine
from pytest_obsstack.provision.doctor.finding import Outcome
from pytest_obsstack.provision.doctor.subject import Setup, Subject
from pytest_obsstack.wire.envelope import parse_envelope
from pytest_obsstack.wire.otlp import decode_logs, decode_metrics, decode_traces, log_records, spans

KEY = "0123456789abcdef0123456789abcdef"
TOKEN = "t0ken-of-the-api"
DSN = f"http://{KEY}@sentry.test:9000/7"
NOW_S = 1_800_000_000.0
DATE = "Fri, 15 Jan 2027 08:00:00 GMT"
"""``NOW_S``."""

Answer = httpx.Response | Callable[[httpx.Request], httpx.Response] | Exception

ENDPOINTS = Endpoints(
    sentry=SentryEndpoint(
        "http://sentry.test:9000",
        token=TOKEN,
        organization="acme",
        project="shop",
        dsn=DSN,
        flavour="sentry",
    ),
    collector=CollectorEndpoint("http://collector.test:4318", "http://collector.test:8888/metrics"),
    prometheus=PrometheusEndpoint("http://prometheus.test:9090"),
    loki=LokiEndpoint("http://loki.test:3100"),
    tempo=TempoEndpoint("http://tempo.test:3200"),
    grafana=GrafanaEndpoint("http://grafana.test:3000", "admin", "pass-of-grafana"),
)


class World:
    """The answers of all servers, and what was sent to them."""

    def __init__(self, flavour: TrackerFlavour = "sentry") -> None:
        self.flavour = flavour
        self.requests: list[httpx.Request] = []
        self.events: dict[str, dict[str, Any]] = {}
        self.encodings: list[str] = []
        self.spans: list[Any] = []
        self.lines: list[Any] = []
        self.points: list[float] = []
        self.counts = {"spans": [0, 0], "metric_points": [0, 0], "log_records": [0, 0]}
        """Taken and lost, by signal."""
        self._answers: list[tuple[str, Answer]] = []
        self._defaults()

    @property
    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self._handle)

    def on(self, pattern: str, answer: Answer) -> None:
        """From now on requests whose "METHOD URL" matches are answered so."""
        self._answers.insert(0, (pattern, answer))

    def subject(
        self, *, environ: Mapping[str, str] | None = None, timeout_s: float = 0.05, **setup: Any
    ) -> Subject:
        sentry = ENDPOINTS.sentry
        assert sentry is not None
        endpoints = replace(ENDPOINTS, sentry=replace(sentry, flavour=self.flavour))
        chosen = {"title": "a stack of answers", "endpoints": endpoints, "dsn": DSN, **setup}
        return Subject(
            Setup(**chosen),
            timeout_s=timeout_s,
            environ=environ or {},
            transport=self.transport,
            resolve=lambda *_: None,
            now_s=lambda: NOW_S,
        )

    def sent(self, pattern: str) -> list[httpx.Request]:
        """The requests whose "METHOD URL" matches."""
        return [each for each in self.requests if re.fullmatch(pattern, _line(each))]

    def _handle(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        for pattern, answer in self._answers:
            if re.fullmatch(pattern, _line(request)):
                if isinstance(answer, Exception):
                    raise answer
                return answer(request) if callable(answer) else answer
        return httpx.Response(404, json={"detail": f"no such path: {_line(request)}"})

    # ---- what a healthy stack answers

    def _defaults(self) -> None:
        ready = httpx.Response(200, text="ready", headers={"date": DATE})
        self.on(r"GET http://\w+\.test:\d+/(-/ready|ready|_health/|api/health)", ready)
        self.on(r"GET http://sentry.test:9000/health/ready", ready)
        refused = httpx.Response(405, headers={"date": DATE})
        self.on(r"OPTIONS http://sentry.test:9000/api/7/envelope/", refused)
        self.on(r"GET http://collector.test:4318/v1/traces", refused)
        self._tracker()
        self._pipeline()
        self.on(
            r"GET http://grafana.test:3000/api/datasources",
            httpx.Response(
                200,
                json=[
                    {"uid": name.lower(), "name": name, "type": name.lower(), "url": "http://x"}
                    for name in ("Loki", "Prometheus", "Tempo")
                ],
            ),
        )
        self.on(
            r"GET http://grafana.test:3000/api/datasources/uid/\w+/health",
            httpx.Response(200, json={"status": "OK", "message": "fine"}),
        )

    def _tracker(self) -> None:
        api = r"GET http://sentry.test:9000/api/0"
        self.on(r"POST http://sentry.test:9000/api/7/envelope/", self._take_envelope)
        self.on(rf"{api}/organizations/acme/issues/", httpx.Response(200, json=[]))
        self.on(
            rf"{api}/projects/acme/shop/", httpx.Response(200, json={"id": "7", "slug": "shop"})
        )
        self.on(rf"{api}/projects/acme/shop/keys/", self.keys(DSN))
        self.on(rf"{api}/projects/acme/shop/events/\w+/", self._show_event)
        self.on(rf"{api}/organizations/acme/events/", self._show_rows)

    def keys(self, *dsns: str, active: bool = True) -> httpx.Response:
        """The answer to a question for the project's keys."""
        return httpx.Response(
            200,
            json=[
                {"id": "1", "public": "x", "isActive": active, "dsn": {"public": dsn}}
                for dsn in dsns
            ],
        )

    def _take_envelope(self, request: httpx.Request) -> httpx.Response:
        encoding = request.headers["content-encoding"]
        self.encodings.append(encoding)
        body = request.content
        codec = cramjam.brotli if encoding == "br" else cramjam.gzip
        envelope = parse_envelope(bytes(codec.decompress(body)))
        (item,) = envelope.items
        event = orjson.loads(item.payload)
        self.events[event["event_id"]] = event
        return httpx.Response(200, json={"id": event["event_id"]})

    def _show_event(self, request: httpx.Request) -> httpx.Response:
        event = self.events.get(request.url.path.split("/")[-2])
        if event is None:
            return httpx.Response(404, json={"detail": "Event not found"})
        shown = {
            "eventID": event["event_id"],
            "groupID": "12",
            "title": event.get("message") or event["transaction"],
            "contexts": event["contexts"],
            "type": event.get("type", "default"),
        }
        return httpx.Response(200, json=shown)

    def _show_rows(self, request: httpx.Request) -> httpx.Response:
        trace_id = parse_qs(request.url.query.decode())["query"][0].removeprefix("trace:")
        rows = [
            {
                "id": event["contexts"]["trace"]["span_id"],
                "transaction.event_id": event["event_id"],
                "is_transaction": True,
                "project": "shop",
            }
            for event in self.events.values()
            if event.get("type") == "transaction"
            and event["contexts"]["trace"]["trace_id"] == trace_id
        ]
        rows += [
            {"id": span.span_id, "span.name": span.name, "origin": "auto.otlp.spans"}
            for span in self.spans
            if span.trace_id == trace_id
        ]
        return httpx.Response(200, json={"data": rows, "meta": {}})

    def _pipeline(self) -> None:
        collector = "http://collector.test:4318/v1"
        self.on(f"POST {collector}/traces", self._take_spans)
        self.on(f"POST {collector}/logs", self._take_logs)
        self.on(f"POST {collector}/metrics", self._take_metrics)
        self.on("GET http://collector.test:8888/metrics", self._telemetry)
        self.on(r"GET http://tempo.test:3200/api/v2/traces/\w+", self._show_trace)
        self.on("GET http://loki.test:3100/loki/api/v1/query_range", self._show_lines)
        self.on("GET http://prometheus.test:9090/api/v1/query", self._show_points)
        self.on("GET http://prometheus.test:9090/api/v1/targets", self.targets())

    def targets(self, **changes: Any) -> httpx.Response:
        """The answer to a question for Prometheus' targets: the collector's, changed."""
        target = {
            "labels": {"job": "otel-collector", "instance": "collector:8889"},
            "health": "up",
            "lastError": "",
            "scrapeUrl": "http://collector:8889/metrics",
            "scrapeInterval": "15s",
            **changes,
        }
        return httpx.Response(200, json={"status": "success", "data": {"activeTargets": [target]}})

    def _take_spans(self, request: httpx.Request) -> httpx.Response:
        self.spans += spans(decode_traces(request.content, "protobuf"))
        self.counts["spans"][0] += 1
        return httpx.Response(200)

    def _take_logs(self, request: httpx.Request) -> httpx.Response:
        self.lines += log_records(decode_logs(request.content, "protobuf"))
        self.counts["log_records"][0] += 1
        return httpx.Response(200)

    def _take_metrics(self, request: httpx.Request) -> httpx.Response:
        (group,) = decode_metrics(request.content, "protobuf").resource_metrics
        (metric,) = group.scope_metrics[0].metrics
        self.points.append(float(metric.gauge.data_points[0].as_int))
        self.counts["metric_points"][0] += 1
        return httpx.Response(200)

    def _telemetry(self, _: httpx.Request) -> httpx.Response:
        exporters = {"spans": "otlp_http/tempo", "metric_points": "prometheus"}
        exporters["log_records"] = "otlp_http/loki"
        lines = []
        for signal, (taken, lost) in self.counts.items():
            exporter = f'{{exporter="{exporters[signal]}"}}'
            lines += [
                f'otelcol_receiver_accepted_{signal}_total{{receiver="otlp"}} {taken}',
                f"otelcol_exporter_sent_{signal}_total{exporter} {taken - lost}",
                f"otelcol_exporter_send_failed_{signal}_total{exporter} {lost}",
            ]
        return httpx.Response(200, text="\n".join(lines) + "\n")

    def _show_trace(self, request: httpx.Request) -> httpx.Response:
        trace_id = request.url.path.rpartition("/")[2]
        found = [span for span in self.spans if span.trace_id == trace_id]
        if not found:
            return httpx.Response(404, text="trace not found")
        shown = [
            {"traceId": span.trace_id, "spanId": span.span_id, "name": span.name} for span in found
        ]
        group = {"scopeSpans": [{"spans": shown}]}
        return httpx.Response(200, json={"trace": {"resourceSpans": [group]}})

    def _show_lines(self, request: httpx.Request) -> httpx.Response:
        found = [
            {
                "stream": {"service_name": line.resource["service.name"]},
                "values": [
                    [str(line.time_ns), line.body, {"structuredMetadata": {"trace_id": "x"}}]
                ],
            }
            for line in self.lines
            if line.trace_id in request.url.query.decode()
        ]
        return self.streams(*found)

    def streams(self, *found: Mapping[str, Any]) -> httpx.Response:
        data = {"resultType": "streams", "result": list(found)}
        return httpx.Response(200, json={"status": "success", "data": data})

    def _show_points(self, _: httpx.Request) -> httpx.Response:
        result = [
            {"metric": {"__name__": "obsstack_doctor_canary"}, "value": [NOW_S, str(point)]}
            for point in self.points[-1:]
        ]
        data = {"resultType": "vector", "result": result}
        return httpx.Response(200, json={"status": "success", "data": data})


def _line(request: httpx.Request) -> str:
    return f"{request.method} {request.url.copy_with(query=None)}"


def rows(subject: Subject, *only: str) -> dict[str, Outcome]:
    """The rows of some checks by label, times left out."""
    report = examine(subject, only)
    return {finding.label: replace(finding.outcome, took_s=None) for finding in report.findings}


def row(subject: Subject, check: str) -> Outcome:
    """The row of a check that has one."""
    (outcome,) = rows(subject, check).values()
    return outcome
