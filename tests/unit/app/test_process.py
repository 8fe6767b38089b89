"""The app as a gunicorn process: forks, flushing, stopping, and backends that are down."""

from __future__ import annotations

import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from pytest_obsstack.wire.trace_context import TraceContext
from tests.unit.app.backend import free_port, poll, running_backend, silent_port
from tests.unit.app.gunicorn_process import COMMAND, environ_with, served

# Longer than any test: what arrives was flushed, not sent because its time had come.
NEVER_BY_ITSELF = {
    "OTEL_BSP_SCHEDULE_DELAY": "600000",
    "OTEL_BLRP_SCHEDULE_DELAY": "600000",
    "OTEL_METRIC_EXPORT_INTERVAL": "600000",
}

SHORT_DELAYS = {
    "OTEL_BSP_SCHEDULE_DELAY": "20",
    "OTEL_BLRP_SCHEDULE_DELAY": "20",
    "OTEL_METRIC_EXPORT_INTERVAL": "50",
}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGQUIT])
def test_a_stop_loses_nothing(number: signal.Signals) -> None:
    context = TraceContext.new()
    with running_backend() as backend, served({**backend.environ, **NEVER_BY_ITSELF}) as app:
        for _ in range(3):
            assert app.get("/error", headers=context.headers()).status_code == 500
        app.stop(number)
        assert app.process.returncode == 0
        of_trace = [e["contexts"]["trace"]["trace_id"] for e in backend.events()]
        assert of_trace == [context.trace_id] * 3
        assert [t["transaction"] for t in backend.transactions()].count("/error") == 3
        assert [span.name for span in backend.spans()].count("GET /error") == 3
        finished = [r for r in backend.logs() if r.trace_id == context.trace_id]
        assert [r.body for r in finished[-2:]] == [
            "Intentional error for testing",
            "request finished",
        ]
        assert backend.counts()["/error", "500"] == 3


def test_each_worker_starts_its_sdks_and_reports_under_an_id_of_its_own() -> None:
    with (
        running_backend() as backend,
        served(
            {
                **backend.environ,
                **SHORT_DELAYS,
                "WEB_CONCURRENCY": "2",
                "OTEL_RESOURCE_ATTRIBUTES": "service.instance.id=one",
                "SENTRY_RELEASE": "simple-app@3.1.4",
            }
        ) as app,
    ):
        line = (
            f"Sentry initialised: host=127.0.0.1:{backend.port} environment=production "
            "release=simple-app@3.1.4"
        )
        backend.wait_for(lambda: [r.body for r in backend.logs()].count(line) == 2)
        ids = {r.resource["service.instance.id"] for r in backend.logs() if r.body == line}
        assert len(ids) == 2
        assert all(i.startswith("one-") for i in ids)
        # As many at a time as make both workers work.
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(app.get, ["/slow?seconds=0.1"] * 32))
        app.stop()
        spans = [span for span in backend.spans() if span.name == "GET /slow"]
        assert len(spans) == 32
        assert {span.resource["service.instance.id"] for span in spans} == ids
        assert [t["transaction"] for t in backend.transactions()].count("/slow") == 32
        assert backend.counts()["/slow", "200"] == 32


def test_all_output_is_json_lines_with_the_trace_id_in_requests() -> None:
    context = TraceContext.new()
    with served({"SENTRY_DSN": "http://thekey@host"}) as app:
        answer = app.get("/error", headers=context.headers())
        app.stop()
        lines = app.lines()
    assert answer.json() == {"error": "Intentional error for testing", "event_id": None}
    assert {line["service"] for line in lines} == {"simple-app"}
    messages = [line["message"] for line in lines]
    told = "Sentry disabled: SENTRY_DSN is not a valid DSN: Invalid project in DSN ('')"
    assert messages.count(told) == 1
    assert "OpenTelemetry export disabled: OTEL_EXPORTER_OTLP_ENDPOINT is not set" in messages
    of_trace = [line for line in lines if line.get("trace_id") == context.trace_id]
    assert [(line["level"], line["message"]) for line in of_trace] == [
        ("ERROR", "Intentional error for testing"),
        ("INFO", "request finished"),
    ]
    assert of_trace[-1]["status"] == 500
    assert "thekey" not in "".join([*app.stdout, *app.stderr])


def test_a_burst_loses_nothing_while_sentry_is_slow() -> None:
    """More than the 100 envelopes that the SDK keeps by default."""
    with running_backend() as backend, served(backend.environ) as app:
        backend.hold()
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(app.get, ["/error"] * 80))
        assert {answer.status_code for answer in answers} == {500}
        backend.release()
        backend.wait_for(
            lambda: [t["transaction"] for t in backend.transactions()].count("/error") == 80,
            timeout_s=20,
        )
        sent = {answer.json()["event_id"] for answer in answers}
        assert {event["event_id"] for event in backend.events()} == sent
        assert len(sent) == 80


def test_a_request_in_flight_is_answered_and_reported_before_the_exit() -> None:
    with running_backend() as backend, served({**backend.environ, **NEVER_BY_ITSELF}) as app:
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(app.get, "/slow?seconds=0.6")
            started = time.monotonic()
            # The health checks were answered before; this one waits in the same worker.
            poll(lambda: time.monotonic() - started > 0.2, "the request is under way")
            app.stop()
            assert answer.result().json() == {"slept_s": 0.6}
        assert "GET /slow" in [span.name for span in backend.spans()]
        assert "/slow" in [t["transaction"] for t in backend.transactions()]


def test_backends_that_are_down_delay_neither_answers_nor_the_exit() -> None:
    with silent_port() as silent:
        variables = {
            "SENTRY_DSN": f"http://thekey@127.0.0.1:{silent}/1",
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{free_port()}",
            **SHORT_DELAYS,
        }
        with served(variables) as app:
            durations = []
            for _ in range(30):
                started = time.monotonic()
                assert app.get("/error").status_code == 500
                durations.append(time.monotonic() - started)
            assert sorted(durations)[15] < 0.1
            assert max(durations) < 1.0
            assert app.stop() < 3.0
            assert app.process.returncode == 0
            assert any(
                "Failed to export" in line or "Transient error" in line for line in app.stdout
            )


def test_chain_is_one_trace_over_two_services_for_both_sdks() -> None:
    context = TraceContext.new()
    with (
        running_backend() as backend,
        served({**backend.environ, **SHORT_DELAYS, "OTEL_SERVICE_NAME": "inventory"}) as inventory,
        served({**backend.environ, **SHORT_DELAYS, "APP_INVENTORY_URL": inventory.url}) as app,
    ):
        answer = app.get("/chain", headers=context.headers())
        assert answer.json() == {"stock": 42, "degraded": False}
        failed = app.get("/chain?fail=1", headers=context.headers())
        assert (failed.status_code, failed.json()) == (200, {"stock": None, "degraded": True})
        backend.wait_for(
            lambda: len([s for s in backend.spans() if s.trace_id == context.trace_id]) == 6
        )
        spans = [s for s in backend.spans() if s.trace_id == context.trace_id]
        by_kind = {(s.resource["service.name"], s.kind, s.name, s.status_code) for s in spans}
        assert by_kind == {
            ("simple-app", "server", "GET /chain", "unset"),
            ("simple-app", "client", "GET", "unset"),
            ("simple-app", "client", "GET", "error"),
            ("inventory", "server", "GET /stock", "unset"),
            ("inventory", "server", "GET /stock", "error"),
        }
        ids = {s.span_id: s for s in spans}
        for stock in (s for s in spans if s.name == "GET /stock"):
            client = ids[stock.parent_span_id]
            assert (client.kind, ids[client.parent_span_id].name) == ("client", "GET /chain")

        backend.wait_for(
            lambda: (
                [t["transaction"] for t in backend.transactions()].count("/stock") == 2
                and [t["transaction"] for t in backend.transactions()].count("/chain") == 2
            )
        )
        transactions = [
            t for t in backend.transactions()
            if t["contexts"]["trace"]["trace_id"] == context.trace_id
        ]  # fmt: skip
        client_spans = {s["span_id"] for t in transactions for s in t["spans"]}
        for transaction in transactions:
            parent = transaction["contexts"]["trace"]["parent_span_id"]
            if transaction["transaction"] == "/stock":
                assert transaction["release"] == "inventory@1.0.0"
                assert parent in client_spans
            else:
                assert parent == context.span_id
        (event,) = backend.events()
        assert event["exception"]["values"][-1]["type"] == "RuntimeError"
        assert event["contexts"]["trace"]["trace_id"] == context.trace_id


@pytest.mark.parametrize(
    ("variables", "text"),
    [
        (
            {"APP_ERROR_RATE": "often"},
            "APP_ERROR_RATE: expected a number from 0 to 1, found 'often'",
        ),
        (
            {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            (
                "OTEL_EXPORTER_OTLP_PROTOCOL: expected 'http/protobuf', the one installed, "
                "found 'grpc'"
            ),
        ),
    ],
)
def test_a_malformed_variable_ends_the_start_with_one_line(
    variables: dict[str, str], text: str
) -> None:
    ended = subprocess.run(
        COMMAND,
        env=environ_with({"PORT": str(free_port()), **variables}),
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert ended.returncode == 2
    assert (ended.stdout, ended.stderr) == ("", f"simple-app cannot start: {text}\n")
