"""Increases of counters: between a clean start and a fence, of this test's own instance."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from typing import Any

import pytest

from pytest_obsstack.errors import BackendUnavailable, CannotTell, ObsstackError
from pytest_obsstack.expect.context import AppHistory
from pytest_obsstack.expect.metric_needs import FIRST_EXPORT_S
from pytest_obsstack.expect.metrics import MetricExpectations
from tests.unit.expect.fakes import Bench, app_facts, bench
from tests.unit.expect.models import SENT_S, exchange

NAME = "http_requests_total"
OWN = f'{NAME}{{endpoint="/error",instance="simple-app-main"}}'
SELECTOR = f'{NAME}{{endpoint="/error"}}'
HEALTHY = (
    "  pipeline  app 1 request (500) → collector accepted 9 metric points, sent 9 to Prometheus, "
    "failed 0 → Prometheus' targets: otel-collector up\n"
)
BEFORE_S, AFTER_S = SENT_S - 0.2, SENT_S + 0.2
"""Times of two exports: before the request, and after its response."""


def counted(*samples: tuple[float, float], **more: Any) -> Bench:
    """One request, and a counter with these samples."""
    given = bench(**more)
    given.prometheus.add(NAME, *samples, endpoint="/error", status="500")
    given.collector.accepted["metric_points"] = given.collector.sent["metric_points"] = 9
    return given


def metrics(given: Bench) -> MetricExpectations:
    return MetricExpectations(given.context)


def failure(given: Bench, expectation: str, *arguments: Any, **options: Any) -> str:
    with pytest.raises(AssertionError) as caught:
        getattr(metrics(given), expectation)(*arguments, **options)
    return str(caught.value)


# ---- how much


@pytest.mark.proves("obs.metrics.expect_increase", "green")
def test_an_increase_is_the_difference_to_the_value_before_the_request() -> None:
    given = counted((BEFORE_S, 41), (AFTER_S, 42))
    assert metrics(given).expect_increase(SELECTOR, by=1) == 1


def test_a_series_that_was_born_during_the_test_began_at_zero() -> None:
    assert metrics(counted((AFTER_S, 3))).expect_increase(SELECTOR, by=3) == 3


def test_a_counter_that_was_reset_began_again_at_zero() -> None:
    given = counted((BEFORE_S, 40), (SENT_S + 0.005, 42), (AFTER_S - 0.1, 1), (AFTER_S, 3))
    assert metrics(given).expect_increase(SELECTOR, by=2 + 3) == 5


def test_all_series_of_the_selector_are_added_up() -> None:
    given = counted((BEFORE_S, 1), (AFTER_S, 2))
    given.prometheus.add(NAME, (AFTER_S, 4), endpoint="/error", status="200")
    assert metrics(given).expect_increase(SELECTOR, by=5) == 5


def test_fractions_are_added_up_without_rounding_errors() -> None:
    given = counted((AFTER_S, 0.1))
    given.prometheus.add(NAME, (AFTER_S, 0.2), endpoint="/error", status="200")
    assert metrics(given).expect_increase(SELECTOR, by=0.3) == pytest.approx(0.3)


def test_at_least_takes_more() -> None:
    given = counted((BEFORE_S, 1), (AFTER_S, 6))
    assert metrics(given).expect_increase(SELECTOR, at_least=2) == 5


def test_without_a_bound_any_increase_will_do() -> None:
    assert metrics(counted((BEFORE_S, 1), (AFTER_S, 1.5))).expect_increase(SELECTOR) == 0.5


def test_no_growth_is_no_increase() -> None:
    text = failure(counted((BEFORE_S, 2), (AFTER_S, 2)), "expect_increase", SELECTOR)
    assert f"  expected  {OWN} any increase\n  found     +0\n" in text


@pytest.mark.proves("obs.metrics.expect_increase", "other trace")
def test_another_instance_of_the_app_is_not_counted() -> None:
    given = counted((BEFORE_S, 1), (AFTER_S, 2))
    given.prometheus.add(NAME, (AFTER_S, 9), endpoint="/error", instance="simple-app-gw1")
    assert metrics(given).expect_increase(SELECTOR, by=1) == 1
    assert OWN in given.prometheus.queries


def test_the_fence_is_waited_for() -> None:
    given = counted((BEFORE_S, 1), timeout_s=5.0)

    def store() -> None:
        if len(given.stack.scrapes) == 3:
            given.prometheus.samples.clear()
            given.prometheus.add(NAME, (BEFORE_S, 1), (AFTER_S, 2), endpoint="/error")

    given.stack.scraped = store
    assert metrics(given).expect_increase(SELECTOR, by=1) == 1


# ---- the whole message


@pytest.mark.proves("obs.metrics.expect_increase", "red")
def test_message_of_another_increase_with_what_did_increase() -> None:
    given = counted((BEFORE_S, 1), (AFTER_S, 3))
    given.prometheus.add(NAME, (AFTER_S, 4), endpoint="/", status="200")
    assert failure(given, "expect_increase", SELECTOR, by=1) == (
        "A metric did not increase as expected.\n"
        f"  expected  {OWN} +1\n"
        "  found     +2\n"
        f'  also      {NAME}{{endpoint="/error",status="500"}} +2\n'
        f'  also      {NAME}{{endpoint="/",status="200"}} +4\n'
        + HEALTHY
        + f"  look      http://127.0.0.1:9090 {OWN}  ·  keep the stack: --obs-keep-stack"
    )


def test_message_counts_the_series() -> None:
    given = counted((AFTER_S, 1))
    given.prometheus.add(NAME, (AFTER_S, 2), endpoint="/error", status="200")
    text = failure(given, "expect_increase", SELECTOR, at_least=10)
    assert f"  expected  {OWN} +10 or more\n  found     +3 in 2 series\n" in text


def test_message_where_nothing_arrived() -> None:
    given = bench()
    assert failure(given, "expect_increase", SELECTOR, by=1) == (
        "No metric arrived within 0.0 s (1 poll).\n"
        f"  expected  {OWN} +1\n"
        "  found     Prometheus has no sample of simple-app-main\n"
        "  pipeline  app 1 request (500) → collector accepted 0 metric points, sent 0 to "
        "Prometheus, failed 0\n"
        "  stopped   at app → collector\n"
        "  do        the app exports nothing: look at its OTEL_EXPORTER_OTLP_* variables and at "
        "its log for export errors\n"
        f"  look      http://127.0.0.1:9090 {OWN}  ·  keep the stack: --obs-keep-stack"
    )


@pytest.mark.proves("obs.metrics.expect_no_increase", "red")
def test_message_of_an_increase_that_must_not_be() -> None:
    given = counted((BEFORE_S, 1), (AFTER_S, 3))
    assert failure(given, "expect_no_increase", SELECTOR) == (
        "A metric increased that must not.\n"
        f"  expected  {OWN} +0\n"
        f'  found     {NAME}{{endpoint="/error",status="500"}} +2\n'
        f"  look      http://127.0.0.1:9090 {OWN}  ·  keep the stack: --obs-keep-stack"
    )


# ---- absence


@pytest.mark.proves("obs.metrics.expect_no_increase", "green")
def test_no_increase_passes_once_a_new_sample_is_there() -> None:
    metrics(counted((BEFORE_S, 2), (AFTER_S, 2))).expect_no_increase(SELECTOR)


@pytest.mark.proves("obs.metrics.expect_no_increase", "other trace")
def test_what_another_instance_counts_or_exports_is_none_of_this_test() -> None:
    given = counted((BEFORE_S, 2), (AFTER_S, 2))
    other = {"endpoint": "/error", "instance": "simple-app-gw1"}
    given.prometheus.add(NAME, (BEFORE_S, 1), (AFTER_S, 9), **other)
    metrics(given).expect_no_increase(SELECTOR)
    given = counted((BEFORE_S, 2))
    given.prometheus.add(NAME, (AFTER_S, 9), **other)
    with pytest.raises(CannotTell):
        metrics(given).expect_no_increase(SELECTOR)


@pytest.mark.proves("obs.metrics.expect_no_increase", "cannot tell")
def test_no_increase_cannot_be_told_before_a_new_sample_is_there() -> None:
    with pytest.raises(CannotTell) as caught:
        metrics(counted((SENT_S - 0.24, 2))).expect_no_increase(SELECTOR)
    assert str(caught.value) == (
        f"Cannot assert that {OWN} did not increase: it is not proven that all metrics of this "
        "test have arrived.\n"
        "  expected  the fence of each request has arrived\n"
        "  found     the newest sample of simple-app-main in Prometheus is 0.25 s older than the "
        "last response after 0.0 s (1 poll)\n"
        "  do        find out why it has not arrived; absence is never asserted on a guess"
    )


def test_no_increase_cannot_be_told_of_a_request_without_a_response() -> None:
    given = counted((BEFORE_S, 2), (AFTER_S, 2))
    given.context.exchanges.all.append(exchange("/slow", None))
    with pytest.raises(CannotTell, match="GET /slow got no response"):
        metrics(given).expect_no_increase(SELECTOR)


@pytest.mark.parametrize(
    ("asked", "call"),
    [
        (
            lambda metrics: metrics.expect_increase(SELECTOR, by=0),
            f"expect_increase({SELECTOR!r}, by=0)",
        ),
        (
            lambda metrics: metrics.expect_histogram("duration_seconds", count=0),
            "expect_histogram('duration_seconds')",
        ),
    ],
)
def test_nothing_is_counted_exactly_where_no_request_is_known(asked: Any, call: str) -> None:
    given = counted((BEFORE_S, 2), (AFTER_S, 2), no_request=True)
    with pytest.raises(CannotTell) as caught:
        asked(metrics(given))
    assert str(caught.value) == (
        f"{call} cannot be told.\n"
        "  expected  a request of this test, after which the app has exported\n"
        "  found     no request of this test is known, so there is nothing to wait for\n"
        "  do        send one with obs.get(…), or hand obs.headers to your client first"
    )


def test_samples_from_the_future_tell_nothing_of_when_they_were_taken() -> None:
    given = counted((BEFORE_S, 2))
    given.context.app = replace(given.context.app, started_here=False)
    now_s = time.time()
    given.context.exchanges.all[:] = [exchange(started_s=now_s - 2, ended_s=now_s - 1)]
    given.prometheus.add(NAME, (now_s + 40, 2), endpoint="/error")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.unit.expect.fakes.NOW_S", now_s + 60)
        with pytest.raises(CannotTell) as caught:
            metrics(given).expect_no_increase(SELECTOR)
        assert re.sub(r"(39|40)\.\d\d s", "AHEAD", str(caught.value)) == (
            f"Cannot assert that {OWN} did not increase: it is not proven that all metrics of this "
            "test have arrived.\n"
            "  expected  the fence of each request has arrived\n"
            "  found     the newest sample of simple-app-main is AHEAD from now: its clock is "
            "ahead, so no sample tells whether it was taken after the last response\n"
            "  do        let the machines of the app and of the tests agree on the time (NTP)"
        )


# ---- what cannot be told


@pytest.mark.parametrize(
    ("call", "shown"),
    [
        (lambda m: m.expect_increase(SELECTOR, by=2), f"expect_increase({SELECTOR!r}, by=2)"),
        (lambda m: m.expect_no_increase(SELECTOR), f"expect_no_increase({SELECTOR!r})"),
    ],
)
def test_exactness_is_refused_where_others_use_the_app(call: Any, shown: str) -> None:
    given = counted((BEFORE_S, 1), (AFTER_S, 3), exact_metrics=False)
    given.stack.kind = "attach"
    with pytest.raises(ObsstackError) as caught:
        call(metrics(given))
    assert str(caught.value) == (
        f"{shown} cannot be told on this stack.\n"
        "  expected  an app that this test drives alone\n"
        "  found     --obs-stack=attach: others may use the app\n"
        "  do        use at_least=…, or run without -n where nobody else uses the app"
    )


def test_at_least_can_be_told_where_others_use_the_app() -> None:
    given = counted((BEFORE_S, 1), (AFTER_S, 3), exact_metrics=False)
    assert metrics(given).expect_increase(SELECTOR, at_least=1) == 2


@pytest.mark.proves("obs.metrics.expect_increase", "cannot tell")
@pytest.mark.parametrize(
    ("samples", "found"),
    [
        ([(SENT_S - 5, 1), (AFTER_S, 2)], "the newest one is 1.00 s too old"),
        ([(AFTER_S, 2)], "no sample at all"),
    ],
)
def test_without_a_clean_starting_point_it_cannot_be_told(
    samples: list[tuple[float, float]], found: str
) -> None:
    given = counted(*samples, history=AppHistory(last_ended_s=SENT_S - 4))
    with pytest.raises(CannotTell) as caught:
        metrics(given).expect_increase(SELECTOR, by=1)
    assert str(caught.value) == (
        "Cannot tell by how much the metric increased: there is no clean starting point.\n"
        "  expected  a sample taken after the previous test's last response and before this "
        "test's first request\n"
        f"  found     {found}\n"
        '  do        mark the test with @pytest.mark.obs_requires("metrics"): it then waits for '
        "one before its first request"
    )


def test_a_starting_point_after_the_previous_tests_last_response_is_clean() -> None:
    history = AppHistory(last_ended_s=BEFORE_S - 0.1)
    given = counted((BEFORE_S, 1), (AFTER_S, 2), history=history)
    assert metrics(given).expect_increase(SELECTOR, by=1) == 1


def test_two_bounds_are_refused() -> None:
    with pytest.raises(ObsstackError) as caught:
        metrics(counted()).expect_increase(SELECTOR, by=1, at_least=1)
    assert str(caught.value) == (
        "expect_increase was given two bounds.\n  expected  by or at_least\n  found     both"
    )


def test_an_expression_is_refused() -> None:
    with pytest.raises(ObsstackError, match="Not a selector: rate"):
        metrics(counted()).expect_increase("rate(x_total[1m])", by=1)


def test_a_prometheus_that_does_not_answer_is_an_error_of_its_own() -> None:
    given = counted((AFTER_S, 2))
    given.prometheus.error = BackendUnavailable("Prometheus did not answer.")
    with pytest.raises(BackendUnavailable):
        metrics(given).expect_increase(SELECTOR, by=1)


# ---- expressions


@pytest.mark.proves("obs.metrics.expect_metric", "green")
@pytest.mark.parametrize("comparison", [2, lambda value: value > 1])
def test_an_expression_is_polled_until_it_is_as_expected(comparison: Any) -> None:
    given = counted((AFTER_S, 1), timeout_s=5.0)

    def store() -> None:
        if len(given.stack.scrapes) == 3:
            given.prometheus.samples.clear()
            given.prometheus.add(NAME, (AFTER_S, 2))

    given.stack.scraped = store
    assert metrics(given).expect_metric(NAME, comparison) == 2


@pytest.mark.proves("obs.metrics.expect_metric", "red")
def test_message_of_an_expression_that_is_not_as_expected() -> None:
    text = failure(counted((AFTER_S, 1)), "expect_metric", NAME, 2)
    assert text == (
        "A metric was not as expected within 0.0 s (1 poll).\n"
        f"  expected  {NAME} is 2\n"
        "  found     1 series: 1\n"
        + HEALTHY
        + f"  look      http://127.0.0.1:9090 {NAME}  ·  keep the stack: --obs-keep-stack"
    )


def test_an_expression_of_several_series_has_no_single_value() -> None:
    given = counted((AFTER_S, 1))
    given.prometheus.add(NAME, (AFTER_S, 1), endpoint="/")
    assert "  found     2 series: 1, 1\n" in failure(given, "expect_metric", NAME, 1)
    assert "  found     no series\n" in failure(given, "expect_metric", "nothing", 1)


# ---- the start


def test_the_baseline_waits_for_what_was_counted_before() -> None:
    given = counted((SENT_S - 5, 1), timeout_s=5.0, history=AppHistory(last_ended_s=SENT_S - 4))

    def store() -> None:
        if len(given.stack.scrapes) == 3:
            given.prometheus.add(NAME, (SENT_S - 3, 1), endpoint="/")

    given.stack.scraped = store
    metrics(given).settle_baseline()
    assert len(given.stack.scrapes) == 3


def test_a_new_apps_baseline_waits_for_the_request_that_asked_whether_it_is_ready() -> None:
    given = counted((SENT_S - 5, 0), timeout_s=5.0, app=replace(app_facts(), ready_s=SENT_S - 4))

    def store() -> None:
        if len(given.stack.scrapes) == 3:
            given.prometheus.add(NAME, (SENT_S - 3, 1), endpoint="/health")

    given.stack.scraped = store
    metrics(given).settle_baseline()
    assert len(given.stack.scrapes) == 3


def test_a_new_app_that_exports_nothing_before_its_first_request_is_not_waited_for_long() -> None:
    given = bench(app=replace(app_facts(instance="new"), ready_s=SENT_S - 4), timeout_s=60.0)
    began_s = time.monotonic()
    metrics(given).settle_baseline()
    assert time.monotonic() - began_s < 2 * FIRST_EXPORT_S + 0.2


def test_an_app_of_which_nothing_was_asked_before_needs_no_baseline() -> None:
    given = bench(app=app_facts(instance="new"))
    metrics(given).settle_baseline()
    assert given.stack.scrapes == []


def test_a_baseline_that_is_not_reached_is_left_to_the_expectation() -> None:
    given = counted((SENT_S - 5, 1), history=AppHistory(last_ended_s=SENT_S - 4))
    metrics(given).settle_baseline()


def test_no_increase_of_a_metric_that_does_not_exist_cannot_be_told() -> None:
    given = counted((BEFORE_S, 0.0), (AFTER_S, 0.0))
    with pytest.raises(CannotTell) as caught:
        metrics(given).expect_no_increase("http_reqests_total")
    assert "there is no such metric" in str(caught.value)
