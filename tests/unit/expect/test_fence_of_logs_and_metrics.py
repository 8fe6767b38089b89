"""Fences of log lines (the record that comes last, or a delay) and of metrics (a new sample)."""

from __future__ import annotations

import time
from typing import Any

import pytest

from pytest_obsstack.errors import BackendUnavailable
from pytest_obsstack.expect.fence import logs_settled
from pytest_obsstack.expect.metric_fence import metrics_settled, newest_sample_s
from tests.unit.expect.fakes import Bench, app_facts, bench
from tests.unit.expect.models import SENT_S, exchange, line, otlp_span

INVENTORY = app_facts(service="inventory", instance="inventory-main", url="http://127.0.0.1:5001")


# ---- logs, by the line that comes last


def test_logs_have_settled_with_the_last_line_of_each_request() -> None:
    given = bench(exchange("/a", 200), exchange("/b", 200))
    given.loki.lines = [line("hello"), line("request finished in 2 ms")]
    assert logs_settled(given.context).reason == (
        "1 of 2 lines /^request finished/ of simple-app have arrived in Loki"
    )
    given.loki.lines.append(line("request finished in 3 ms"))
    assert logs_settled(given.context).proven


def test_a_last_line_that_arrives_later_is_waited_for() -> None:
    given = bench(timeout_s=5.0)

    def arrive(poll: int) -> None:
        if poll == 4:
            given.loki.lines = [line()]

    given.loki.at_poll = arrive
    assert logs_settled(given.context).polls == 4


def test_a_last_line_that_came_twice_is_that_of_one_request() -> None:
    given = bench(exchange(span_id="a" * 16), exchange(span_id="b" * 16))
    first = line(span_id="1" * 16, timestamp_ns=1)
    given.loki.lines = [first, line(span_id="1" * 16, timestamp_ns=2)]
    assert not logs_settled(given.context).proven
    given.loki.lines = [first, line(span_id="2" * 16, timestamp_ns=2)]
    assert logs_settled(given.context).proven
    # Records without a span are told apart by nothing.
    given.loki.lines = [line(timestamp_ns=1), line(timestamp_ns=2)]
    assert logs_settled(given.context).proven


def test_the_last_line_of_another_service_is_no_fence() -> None:
    given = bench()
    given.loki.lines = [line(service="inventory"), line(service=None)]
    assert not logs_settled(given.context).proven


def test_the_last_line_of_a_called_service_is_waited_for_once_a_call() -> None:
    given = bench(app=app_facts(companions=(INVENTORY,)))
    served = {"service.name": "inventory"}
    given.sentry.spans = [otlp_span(), otlp_span("GET /stock", parent="c" * 16, **served)]
    given.loki.lines = [line()]
    assert logs_settled(given.context).reason == (
        "0 of 1 lines /^request finished/ of inventory have arrived in Loki"
    )
    given.loki.lines.append(line(service="inventory"))
    assert logs_settled(given.context).proven


def test_a_backend_that_does_not_answer_is_an_error_of_its_own() -> None:
    given = bench()
    given.loki.error = BackendUnavailable("Loki did not answer.")
    with pytest.raises(BackendUnavailable):
        logs_settled(given.context)


# ---- logs, by the exporter's delay


def silent(log_delay_s: float, **more: Any) -> Bench:
    """A request just now to an app that logs no last line."""
    now_s = time.time()
    app = app_facts(last_log_line=None, log_delay_s=log_delay_s, **more)
    return bench(exchange(started_s=now_s, ended_s=now_s), app=app)


def test_without_a_last_line_the_exporters_delay_after_the_response_is_waited_out() -> None:
    given = silent(0.15)
    given.sentry.spans = [otlp_span()]
    last_ended_s = given.context.last_ended_s
    assert logs_settled(given.context).proven
    assert time.time() >= last_ended_s + 0.15


def test_without_a_last_line_the_server_span_must_have_arrived() -> None:
    given = silent(0.0)
    assert logs_settled(given.context).reason == (
        "the server span of GET /error (500) has not arrived in Sentry"
    )


def test_a_called_service_without_a_last_line_has_its_delay_waited_out() -> None:
    quiet = app_facts(service="quiet", url="http://127.0.0.1:5002", last_log_line=None)
    now_s = time.time()
    from dataclasses import replace

    given = bench(
        exchange(started_s=now_s, ended_s=now_s),
        app=app_facts(companions=(replace(quiet, log_delay_s=0.15),)),
    )
    given.sentry.spans = [otlp_span()]
    given.loki.lines = [line()]
    assert logs_settled(given.context).proven
    assert time.time() >= now_s + 0.15


# ---- metrics, by the newest sample


def test_metrics_have_settled_with_a_sample_of_the_last_response_or_later() -> None:
    given = bench()
    given.prometheus.add("http_requests_total", (SENT_S + 1, 1))
    assert metrics_settled(given.context, SENT_S + 1).proven


def test_an_older_sample_proves_nothing() -> None:
    given = bench()
    given.prometheus.add("http_requests_total", (SENT_S, 1))
    assert metrics_settled(given.context, SENT_S + 0.25).reason == (
        "the newest sample of simple-app-main in Prometheus is 0.25 s older than the last response"
    )


def test_no_sample_proves_nothing() -> None:
    assert metrics_settled(bench().context, SENT_S).reason == (
        "Prometheus has no sample of simple-app-main"
    )


def test_each_poll_scrapes_the_collector_where_that_can_be_asked() -> None:
    given = bench(timeout_s=5.0)

    def store() -> None:
        if len(given.stack.scrapes) == 3:
            given.prometheus.add("http_requests_total", (SENT_S + 1, 1))

    given.stack.scraped = store
    assert metrics_settled(given.context, SENT_S).polls == 3
    assert given.stack.scrapes == ["otel-collector"] * 3


def test_a_stack_that_cannot_be_steered_is_only_asked() -> None:
    given = bench()
    given.stack.steerable = False
    given.prometheus.add("http_requests_total", (SENT_S + 1, 1))
    assert metrics_settled(given.context, SENT_S).proven
    assert given.stack.scrapes == []


def test_what_prometheus_writes_at_a_scrape_is_no_sample_of_the_app() -> None:
    given = bench()
    of_prometheus = ("target_info", "up", "scrape_duration_seconds")
    of_rules = ("ALERTS", "ALERTS_FOR_STATE", "job:http_requests:rate1m")
    for name in (*of_prometheus, *of_rules):
        given.prometheus.add(name, (SENT_S + 9, 1))
    assert newest_sample_s(given.context) is None


def test_the_samples_of_another_instance_are_not_the_apps() -> None:
    given = bench()
    given.prometheus.add("http_requests_total", (SENT_S + 9, 1), instance="simple-app-gw1")
    assert newest_sample_s(given.context) is None


def test_an_app_without_a_known_instance_is_found_by_its_job() -> None:
    given = bench(app=app_facts(instance=""))
    given.prometheus.add("http_requests_total", (SENT_S + 9, 1), instance="somewhere")
    assert newest_sample_s(given.context) == SENT_S + 9
    given.prometheus.samples.clear()
    assert metrics_settled(given.context, SENT_S).reason == "Prometheus has no sample of simple-app"


def test_the_newest_sample_as_it_was_known_at_a_time() -> None:
    given = bench()
    given.prometheus.add("http_requests_total", (SENT_S - 5, 1), (SENT_S + 1, 2))
    assert newest_sample_s(given.context, at_s=SENT_S) == SENT_S - 5
