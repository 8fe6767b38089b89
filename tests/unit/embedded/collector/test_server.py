"""Metrics through the collector, its own telemetry, and what a restart brings back."""

from __future__ import annotations

import asyncio
import itertools
import logging
from pathlib import Path

import httpx
import pytest

from pytest_obsstack.embedded.collector.server import CollectorServer
from pytest_obsstack.embedded.collector.settings import CollectorSettings
from pytest_obsstack.embedded.journal import Journal, JournalEntry, read_journal
from tests.unit.embedded.collector.support import (
    JSON,
    backend,
    client,
    closing,
    counter,
    gauge,
    logs_body,
    metrics_body,
    number,
    traces_body,
)

S = 1_000_000_000
EXPONENTIAL = {
    "name": "sizes",
    "exponentialHistogram": {"aggregationTemporality": 2, "dataPoints": [{}]},
}


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self, now_s: int = 1_700_000_000) -> None:
        self._now_ns = now_s * S

    def __call__(self) -> int:
        return self._now_ns

    def move(self, seconds: float) -> None:
        self._now_ns += int(seconds * S)


def make(
    settings: CollectorSettings | None = None,
    *,
    journal: Journal | None = None,
    clock: Clock | None = None,
) -> CollectorServer:
    clock = clock or Clock()
    return CollectorServer(
        settings or CollectorSettings(),
        journal or Journal(None, clock_ns=clock),
        clock_ns=clock,
    )


def get(server: CollectorServer, path: str, **headers: str) -> httpx.Response:
    async def send() -> httpx.Response:
        async with client(server) as http:
            return await http.get(path, headers=headers)

    return asyncio.run(send())


def send(server: CollectorServer, *requests: tuple[str, bytes]) -> None:
    async def run() -> None:
        async with client(server) as http:
            for path, body in requests:
                await http.post(path, content=body, headers=JSON)

    asyncio.run(closing(server, run()))


def metrics(*values: float) -> list[tuple[str, bytes]]:
    """Requests with these values of one counter, at consecutive times."""
    return [
        ("/v1/metrics", metrics_body(counter("requests", number(value, time_ns=(i + 1) * S))))
        for i, value in enumerate(values)
    ]


def samples(server: CollectorServer, name: str) -> list[str]:
    """Values and timestamps of a metric on the page."""
    page = get(server, "/metrics").text
    return [line.partition("} ")[2] for line in page.splitlines() if line.startswith(f"{name}{{")]


def test_page_has_the_format_that_is_asked_for() -> None:
    server = make()
    send(server, *metrics(3))
    text = get(server, "/metrics")
    assert text.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "# TYPE requests_total counter" in text.text
    accept = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3"
    open_metrics = get(server, "/metrics", accept=accept)
    assert open_metrics.headers["content-type"] == (
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    )
    assert open_metrics.text.endswith("# EOF\n")


def test_latest_value_is_exposed_with_its_own_timestamp() -> None:
    server = make()
    send(server, *metrics(3, 5))
    assert samples(server, "requests_total") == ["5 2000"]


def test_series_expires_after_five_minutes() -> None:
    clock = Clock()
    server = make(clock=clock)
    send(server, *metrics(3))
    clock.move(299)
    assert len(samples(server, "requests_total")) == 1
    clock.move(2)
    assert get(server, "/metrics").text == ""
    send(server, *metrics(4))
    assert samples(server, "requests_total") == ["4 1000"]


def test_points_that_repeat_keep_a_series_alive() -> None:
    clock = Clock()
    server = make(clock=clock)
    send(server, *metrics(3))
    clock.move(200)
    send(server, *metrics(3))
    clock.move(200)
    assert len(samples(server, "requests_total")) == 1


def test_refused_metrics_are_counted_logged_once_and_remembered(
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = make()
    body = metrics_body(gauge("up", number(1)), EXPONENTIAL)
    with caplog.at_level(logging.WARNING):
        send(server, ("/v1/metrics", body), ("/v1/metrics", body))
    status = server.status()
    assert status["receiver"]["metric_points"] == {"accepted": 4, "refused": 0}
    exporter = status["exporters"]["prometheus"]
    assert (exporter["sent"], exporter["send_failed"]) == (2, 2)
    message = (
        "dropped metric sizes: not supported by the embedded OpenTelemetry Collector: "
        "exponential histograms; use --obs-stack=compose, or --obs-use collector=URL"
    )
    assert exporter["last_error"] == {"text": message, "time_ns": Clock()()}
    assert caplog.messages == [message]


def test_status_tells_series_and_what_is_left_out() -> None:
    server = make()
    send(
        server,
        ("/v1/metrics", metrics_body(gauge("n.total", number(1)))),
        ("/v1/metrics", metrics_body(counter("n", number(1)), scope={"name": "other"})),
    )
    get(server, "/metrics")
    status = server.status()
    assert status["series"] == 2
    assert status["left_out"] == [
        (
            "instrument type conflict, using existing type definition. "
            "instrument: n_total, existing: gauge, dropped: counter"
        )
    ]


def test_own_telemetry_counts_under_the_collector_names() -> None:
    with backend() as sentry, backend(status=500) as loki:
        clock = Clock()
        settings = CollectorSettings(
            traces_endpoint=f"{sentry.url}/t", logs_endpoint=f"{loki.url}/l"
        )
        server = make(settings, clock=clock)
        send(server, ("/v1/traces", traces_body(2)), ("/v1/logs", logs_body(3)), *metrics(1))
    clock.move(1.5)
    response = get(server, "/telemetry/metrics")
    found = [line for line in response.text.splitlines() if not line.startswith("#")]
    receiver, sentry_labels = '{receiver="otlp",transport="http"}', '{exporter="otlp_http/sentry"}'
    loki_labels, prometheus_labels = '{exporter="otlp_http/loki"}', '{exporter="prometheus"}'
    assert found == [
        f"otelcol_receiver_accepted_spans_total{receiver} 2",
        f"otelcol_receiver_accepted_metric_points_total{receiver} 1",
        f"otelcol_receiver_accepted_log_records_total{receiver} 0",
        f"otelcol_receiver_refused_spans_total{receiver} 0",
        f"otelcol_receiver_refused_metric_points_total{receiver} 0",
        f"otelcol_receiver_refused_log_records_total{receiver} 3",
        f"otelcol_exporter_sent_spans_total{sentry_labels} 2",
        f"otelcol_exporter_sent_metric_points_total{prometheus_labels} 1",
        f"otelcol_exporter_sent_log_records_total{loki_labels} 0",
        f"otelcol_exporter_send_failed_spans_total{sentry_labels} 0",
        f"otelcol_exporter_send_failed_metric_points_total{prometheus_labels} 0",
        f"otelcol_exporter_send_failed_log_records_total{loki_labels} 3",
        "otelcol_process_uptime_seconds_total 1.5",
    ]
    assert "# TYPE otelcol_exporter_sent_spans_total counter" in response.text
    assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"


@pytest.mark.parametrize(
    ("uptime_s", "text"), [(0, "0s"), (1.25, "1.25s"), (62, "1m2s"), (3723.5, "1h2m3.5s")]
)
def test_health_check(uptime_s: float, text: str) -> None:
    clock = Clock()
    server = make(clock=clock)
    clock.move(uptime_s)
    assert get(server, "/").json() == {
        "status": "Server available",
        "upSince": "2023-11-14T22:13:20Z",
        "uptime": text,
    }


def test_effective_configuration_is_served_without_secrets() -> None:
    server = CollectorServer(
        CollectorSettings(
            traces_endpoint="http://sentry/otlp", traces_headers={"x-sentry-auth": "secret"}
        ),
        Journal(None),
    )
    response = get(server, "/telemetry/config")
    assert "secret" not in response.text
    exporter = response.json()["exporters"]["otlp_http/sentry"]
    assert exporter["headers"] == {"x-sentry-auth": "[REDACTED]"}
    assert exporter["traces_endpoint"] == "http://sentry/otlp"


def replayed(entries: list[JournalEntry]) -> CollectorServer:
    server = make()
    for entry in entries:
        server.replay(entry)
    return server


def journalled(
    path: Path, *requests: tuple[str, bytes], settings: CollectorSettings | None = None
) -> CollectorServer:
    ticks = itertools.count(1_700_000_000 * S)
    journal = Journal(path, clock_ns=lambda: next(ticks))
    server = make(settings, journal=journal)
    send(server, *requests)
    journal.close()
    return server


def test_metrics_are_journalled_only_when_a_value_changes(tmp_path: Path) -> None:
    journalled(tmp_path / "j", *metrics(1, 1, 1, 2, 2))
    entries = list(read_journal(tmp_path / "j"))
    assert [entry.kind for entry in entries] == ["metrics", "metrics"]
    assert [entry.meta["unchanged_points"] for entry in entries] == [0, 2]


def test_refused_metrics_alone_are_not_journalled_again_and_again(tmp_path: Path) -> None:
    body = metrics_body(gauge("up", number(1)), EXPONENTIAL)
    journalled(tmp_path / "j", *[("/v1/metrics", body)] * 3, *metrics(1))
    entries = list(read_journal(tmp_path / "j"))
    assert [
        (entry.meta["unchanged_points"], entry.meta["unchanged_refused"]) for entry in entries
    ] == [(0, 0), (4, 2)]


def test_replay_restores_counters_metrics_and_errors_and_sends_nothing(tmp_path: Path) -> None:
    with backend() as sentry, backend(status=503) as loki:
        before = journalled(
            tmp_path / "j",
            ("/v1/traces", traces_body(2)),
            ("/v1/logs", logs_body(3)),
            ("/v1/metrics", metrics_body(EXPONENTIAL, gauge("up", number(1)))),
            *metrics(1, 1, 7),
            settings=CollectorSettings(
                traces_endpoint=f"{sentry.url}/t", logs_endpoint=f"{loki.url}/l"
            ),
        )
        sent_before = len(sentry.received) + len(loki.received)
        after = replayed(list(read_journal(tmp_path / "j")))
        assert len(sentry.received) + len(loki.received) == sent_before == 2
    expected, found = before.status(), after.status()
    for status in (expected, found):
        for exporter in status["exporters"].values():
            exporter.pop("endpoint", None)
    assert found == expected
    assert found["exporters"]["otlp_http/loki"]["send_failed"] == 3
    assert "HTTP Status Code 503" in found["exporters"]["otlp_http/loki"]["last_error"]["text"]
    assert get(after, "/metrics").text == get(before, "/metrics").text
    assert samples(after, "requests_total") == ["7 3000"]


def test_replayed_series_expire_by_the_time_they_arrived(tmp_path: Path) -> None:
    journalled(tmp_path / "j", *metrics(1))
    clock = Clock(1_700_000_000 + 301)
    server = make(clock=clock)
    for entry in read_journal(tmp_path / "j"):
        server.replay(entry)
    assert samples(server, "requests_total") == []


def test_journal_keeps_the_payload_and_no_secret(tmp_path: Path) -> None:
    body = traces_body()
    with backend(status=401) as sentry:
        journal = Journal(tmp_path / "j")
        server = CollectorServer(
            CollectorSettings(
                traces_endpoint=f"{sentry.url}/t", traces_headers={"x-sentry-auth": "hunter2"}
            ),
            journal,
        )
        send(server, ("/v1/traces", body))
        journal.close()
    (entry,) = read_journal(tmp_path / "j")
    assert (entry.kind, entry.payload) == ("traces", body)
    assert entry.meta["refused"] == 401
    assert "hunter2" not in (tmp_path / "j").read_text()
