"""Whether spans, log records and metrics have arrived, for apps and collectors that make it hard."""
# ruff: noqa: E501 - messages are as long as they are

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_obsstack import AppProcess, AppSpec, CannotTell, Probe, Stack
from pytest_obsstack.expect.opening import Bench
from pytest_obsstack.provision.session import Session
from pytest_obsstack.waiting import until
from tests.plugin.red import hurry, red

pytestmark = pytest.mark.obs_requires("app_control", "faults", "metrics", "exact_metrics")

REQUESTS = 'http_requests_total{endpoint="/error"}'


@pytest.fixture(scope="module")
def hard_cases(obs_session: Session) -> Iterator[AppProcess]:
    app = obs_session.start_app(
        AppSpec(
            command=[sys.executable, str(Path(__file__).parent / "apps" / "hard_cases.py")],
            service="hard-cases",
            signals=frozenset({"errors", "spans", "sentry_logs"}),
        )
    )
    yield app
    app.stop()


# ---- several worker processes


@pytest.fixture(scope="module")
def forked(obs_session: Session, obs_app_spec: AppSpec) -> Iterator[AppProcess]:
    """The sample app with two worker processes."""
    spec = replace(obs_app_spec, env={"WEB_CONCURRENCY": "2"}, companions={})
    app = obs_session.start_app(spec)
    yield app
    app.stop()


@pytest.fixture
def both(forked: AppProcess, obs_bench: Bench) -> Probe:
    """Once each of its processes has answered, so that each exports."""
    with obs_bench.probe(forked) as probe:
        prometheus = obs_bench.clients.prometheus
        own = f'http_requests_total{{instance=~"{forked.instance}-.+"}}'

        def each_exports() -> bool | None:
            for _ in range(4):
                probe.get("/health")
            obs_bench.stack.scrape("otel-collector")
            return len({s["instance"] for s in prometheus.series(own)}) == 2 or None

        assert until(each_exports, timeout_s=10).value
    with obs_bench.probe(forked, wants_metrics=True) as probe:
        return probe


def test_counts_of_two_processes_are_added_up_exactly(both: Probe) -> None:
    for _ in range(10):
        both.get("/error")
    both.metrics.expect_increase(REQUESTS, by=10)
    both.metrics.expect_no_increase('http_requests_total{endpoint="/slow"}')
    both.metrics.expect_histogram('http_request_duration_seconds{endpoint="/error"}', count=10)


def test_errors_spans_and_lines_of_two_processes_settle_request_by_request(both: Probe) -> None:
    for _ in range(6):
        both.get("/error")
    assert len(both.sentry.events()) == 6
    assert len(both.traces.spans()) == 6
    lines = [entry.line for entry in both.logs.lines()]
    assert lines.count("request finished") == lines.count("Intentional error for testing") == 6


def test_a_process_that_is_not_seen_may_have_answered(both: Probe) -> None:
    both.get("/error")
    both._context.app = replace(both._context.app, processes=3)
    hurry(both)
    with red(CannotTell) as failure:
        both.metrics.expect_no_increase(REQUESTS)
    assert (
        failure.text
        == """\
Cannot assert that http_requests_total{endpoint="/error",instance=~"simple-app-INSTANCE(-.+)?"} did not increase: it is not proven that all metrics of this test have arrived.
  expected  the fence of each request has arrived
  found     of 3 processes of simple-app-INSTANCE, any of which may have answered, 2 have a sample from after the last response in Prometheus after SECONDS (POLLS)
  do        a process that has counted nothing exports nothing: send requests until each has answered, and say how many there are (AppSpec.processes, WEB_CONCURRENCY)"""
    )


# ---- log records in batches


def test_the_delay_that_the_app_was_told_is_waited_out(
    obs_session: Session, obs_bench: Bench, obs_app_spec: AppSpec
) -> None:
    """An app that batches for a second and logs no last line; nothing is found before that."""
    spec = replace(
        obs_app_spec,
        env={"OTEL_BLRP_SCHEDULE_DELAY": "1000"},
        companions={},
        last_log_line=None,
    )
    app = obs_session.start_app(spec)
    try:
        with obs_bench.probe(app) as obs:
            obs.get("/log?message=late")
            began_s = time.monotonic()
            obs.traces.expect_span("GET /log")
            assert obs._context.app.log_delay_s == 1.25
            with pytest.raises(AssertionError, match="1 line that must not be there"):
                obs.logs.expect_no_line("late")
            assert [entry.line for entry in obs.logs.lines()] == ["late", "request finished"]
            assert time.monotonic() - began_s > 0.8
    finally:
        app.stop()


# ---- a collector with a sending queue


@pytest.fixture
def queueing(obs_stack: Stack, hard_cases: AppProcess, obs_bench: Bench) -> Iterator[Probe]:
    """The collector sends from a queue, and its first request to Sentry takes longer."""
    with obs_bench.probe(hard_cases) as probe:
        # Whatever was asked before is sent, and does not take the fault.
        probe.get("/health")
        probe.traces.spans()
    # Refused before: since its start the collector has tried to send more than it has accepted.
    obs_stack.fail("sentry", path=".*/otlp/v1/traces.*", status=400, times=1)
    with obs_bench.probe(hard_cases) as probe:
        probe.get("/health")
        assert until(lambda: _refused(probe) or None, timeout_s=10).value
    obs_stack.configure("collector", {"sending_queue_size": 100})
    # Longer than a busy machine takes from one batch to the look at what has arrived.
    obs_stack.fail("sentry", path=".*/otlp/v1/traces.*", delay_s=4.0, times=1)
    try:
        with obs_bench.probe(hard_cases) as probe:
            yield probe
    finally:
        obs_stack.heal("sentry")
        obs_stack.configure("collector", {"sending_queue_size": 0})


def _refused(probe: Probe) -> int:
    collector = probe._context.clients.collector
    assert collector is not None
    return collector.reading().received("spans").refused


@pytest.mark.obs_exclusive
def test_a_span_that_another_has_overtaken_is_waited_for(queueing: Probe) -> None:
    queueing.get("/two-batches")
    queueing.traces.expect_span("GET /two-batches", kind="server")
    # What the fence alone would have taken for all.
    assert len(queueing._context.clients.traces.otlp_spans(queueing.trace_id)) == 1
    names = [span.name for span in queueing.traces.spans()]
    assert sorted(map(str, names)) == ["GET /two-batches", "early"]


@pytest.mark.obs_exclusive
def test_what_waits_in_the_collector_is_not_taken_for_absent(queueing: Probe) -> None:
    queueing.get("/two-batches")
    queueing.traces.expect_span("GET /two-batches", kind="server")
    hurry(queueing)
    with red(CannotTell) as failure:
        queueing.traces.expect_no_span("late")
    assert (
        failure.text
        == """\
Cannot assert that there is no span: it is not proven that all spans of this test have arrived.
  expected  the fence of each request has arrived
  found     the collector's exporter otlp_http/sentry has a sending queue, which does not keep the order, and it is not empty (otelcol_exporter_queue_size 1) after SECONDS (POLLS)
  do        switch it off in tests (sending_queue: enabled: false), as stack/otel-collector-config.yaml does"""
    )


# ---- structured logs of Sentry's SDK


@pytest.mark.obs_requires("issues")
def test_batches_of_sentrys_structured_logs_are_waited_out(
    hard_cases: AppProcess, obs_bench: Bench
) -> None:
    with obs_bench.probe(hard_cases) as obs:
        obs.get("/sentry-log?text=nothing+secret")
        with pytest.raises(AssertionError) as caught:
            obs.expect_nowhere("secret")
    assert "Sentry log (as it is)" in str(caught.value)


@pytest.mark.obs_requires("issues")
def test_batches_that_may_come_after_the_deadline(hard_cases: AppProcess, obs_bench: Bench) -> None:
    with obs_bench.probe(hard_cases) as obs:
        obs.get("/sentry-log?text=a+word")
        obs._context.timeout_s = 0.5
        with red(CannotTell) as failure:
            obs.expect_nowhere("hunter2")
    assert (
        failure.text
        == """\
Cannot assert that a text is nowhere: it is not proven that all structured logs of Sentry's SDK of this test have arrived.
  expected  the fence of each request has arrived
  found     Sentry's SDK may send its logs up to 6.5 s after a response, later than this test waits (0.5 s)
  do        give --obs-timeout more, or let the app send them sooner and say so (AppSpec.sentry_log_delay_s)"""
    )
