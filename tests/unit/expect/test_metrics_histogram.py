"""Histograms of what a test has observed: count, sum, quantiles, resets."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pytest

from pytest_obsstack.errors import CannotTell, ObsstackError
from pytest_obsstack.expect.histogram import Histogram
from pytest_obsstack.expect.metrics import MetricExpectations
from tests.unit.expect.fakes import Bench, app_facts, bench
from tests.unit.expect.models import SENT_S, exchange

NAME = "duration_seconds"
OWN = f'{NAME}_count{{endpoint="/error",instance="simple-app-main"}}'
SELECTOR = f'{NAME}{{endpoint="/error"}}'
BEFORE_S, BETWEEN_S, AFTER_S = SENT_S - 0.2, SENT_S + 0.1, SENT_S + 0.2

Reading = tuple[float, float, float, Mapping[str, float]]
"""Time, count, sum, and by upper bound how many are not above it."""


def observed(*readings: Reading, endpoint: str = "/error", given: Bench | None = None) -> Bench:
    """One request, and a histogram as it was exported at these times."""
    found = given or bench()
    found.prometheus.add(
        f"{NAME}_count", *((t, count) for t, count, _, _ in readings), endpoint=endpoint
    )
    found.prometheus.add(
        f"{NAME}_sum", *((t, total) for t, _, total, _ in readings), endpoint=endpoint
    )
    for bound in readings[-1][3]:
        samples = ((t, buckets[bound]) for t, _, _, buckets in readings)
        found.prometheus.add(f"{NAME}_bucket", *samples, endpoint=endpoint, le=bound)
    return found


ONE = (BEFORE_S, 1, 0.05, {"0.1": 1, "0.25": 1, "+Inf": 1})
THREE = (AFTER_S, 3, 0.45, {"0.1": 1, "0.25": 3, "+Inf": 3})


def expect(given: Bench, name: str = SELECTOR, **wanted: Any) -> Histogram:
    return MetricExpectations(given.context).expect_histogram(name, **wanted)


def failure(given: Bench, **wanted: Any) -> str:
    with pytest.raises(AssertionError) as caught:
        expect(given, **wanted)
    return str(caught.value)


@pytest.mark.proves("obs.metrics.expect_histogram", "green")
def test_what_was_observed_before_does_not_count() -> None:
    found = expect(observed(ONE, THREE), count=2, sum=0.4, quantile={0.95: 0.25})
    assert found.count == 2
    assert found.sum == pytest.approx(0.4)
    assert found.buckets == ((0.1, 0.0), (0.25, 2.0), (math.inf, 2.0))


def test_a_histogram_that_was_born_during_the_test_began_at_zero() -> None:
    assert expect(observed(THREE)).count == 3


def test_a_histogram_that_was_reset_began_again_at_zero() -> None:
    """Also where a bucket or the sum does not show it: they have grown beyond the old value."""
    again = (BETWEEN_S, 1, 0.2, {"0.1": 0, "0.25": 1, "+Inf": 1})
    later = (AFTER_S, 2, 0.3, {"0.1": 1, "0.25": 2, "+Inf": 2})
    before = (BEFORE_S, 2, 0.05, {"0.1": 1, "0.25": 1, "+Inf": 2})
    found = expect(observed(before, again, later), count=2, sum=0.3)
    assert found.buckets == ((0.1, 1.0), (0.25, 2.0), (math.inf, 2.0))


def test_all_series_are_added_up() -> None:
    given = observed(ONE, THREE)
    observed((AFTER_S, 1, 0.01, {"0.1": 1, "0.25": 1, "+Inf": 1}), endpoint="/", given=given)
    found = expect(given, NAME, count=3, quantile={0.3: 0.1})
    assert found.buckets == ((0.1, 1.0), (0.25, 3.0), (math.inf, 3.0))


def test_functions_of_the_values() -> None:
    expect(
        observed(ONE, THREE),
        count=lambda count: count > 1,
        sum=lambda total: 0.3 < total < 0.5,
        quantile={0.5: lambda value: 0.1 < value < 0.25},
    )


@pytest.mark.proves("obs.metrics.expect_histogram", "other trace")
def test_the_histogram_of_another_instance_does_not_count() -> None:
    """Another worker's tests hammer the same histogram."""
    given = observed(ONE, THREE)
    for name, value in ((f"{NAME}_count", 100.0), (f"{NAME}_sum", 900.0)):
        given.prometheus.add(name, (AFTER_S, value), endpoint="/error", instance="simple-app-gw1")
    expect(given, count=2, sum=0.4)


@pytest.mark.proves("obs.metrics.expect_histogram", "red")
def test_message() -> None:
    given = observed(ONE, THREE)
    given.collector.accepted["metric_points"] = given.collector.sent["metric_points"] = 9
    assert failure(given, count=1, sum=lambda total: total < 0.1, quantile={0.95: 0.1, 0: 0.1}) == (
        "A histogram is not as expected.\n"
        f"  expected  {OWN}: count 1, sum test_message.<locals>.<lambda>(…), quantile 0.95 ≤ 0.1, "
        "quantile 0 ≤ 0.1\n"
        "  found     2 observations, sum 0.4; ≤ 0.25: 2\n"
        "  also      count 2\n"
        "  also      sum 0.4\n"
        "  also      quantile 0.95 = 0.2425\n"
        "  pipeline  app 1 request (500) → collector accepted 9 metric points, sent 9 to "
        "Prometheus, failed 0 → Prometheus' targets: otel-collector up\n"
        f"  look      http://127.0.0.1:9090 {OWN.replace('_count', '_bucket')}  ·  keep the stack: "
        "--obs-keep-stack"
    )


def test_any_observation_is_expected_where_nothing_is_said() -> None:
    assert "  found     0 observations, sum 0\n" in failure(observed(ONE, (AFTER_S, *ONE[1:])))


def test_nothing_observed_has_no_quantile() -> None:
    text = failure(observed(ONE, (AFTER_S, *ONE[1:])), count=0, quantile={0.5: 1.0})
    assert "  also      quantile 0.5: nothing was observed\n" in text


def test_no_observation_in_a_histogram_that_there_is() -> None:
    expect(observed(ONE, (AFTER_S, *ONE[1:])), count=0)


def test_no_observation_in_a_histogram_that_there_is_not_proves_nothing() -> None:
    given = observed(ONE, THREE)
    with pytest.raises(CannotTell) as caught:
        expect(given, "duration_secs", count=0)
    assert str(caught.value) == (
        'Cannot assert that duration_secs_count{instance="simple-app-main"} did not increase: '
        "there is no such metric.\n"
        '  expected  series of duration_secs_count{instance="simple-app-main"}, whatever their '
        "labels\n"
        "  found     none: the app has not exported that name\n"
        "  do        correct the name, or let the app count something under it first"
    )


@pytest.mark.proves("obs.metrics.expect_histogram", "cannot tell")
def test_what_goes_on_in_the_background_may_observe_later() -> None:
    given = observed(ONE, THREE, given=bench(app=app_facts(background_threads=True)))
    with pytest.raises(CannotTell) as caught:
        expect(given, count=2)
    assert str(caught.value) == (
        f"Cannot tell what {SELECTOR} has observed: it is not proven that all metrics of this test "
        "have arrived.\n"
        "  expected  the fence of each request has arrived\n"
        "  found     simple-app goes on reporting after its responses (AppSpec.background_threads),"
        " and no request proves when that has ended\n"
        "  do        let the background work end with something of its own, and wait for that "
        "first: obs.expect_background_end(line=…)"
    )
    given.context.background_ends["metrics"] = 1
    expect(given, count=2)


def test_what_went_on_of_an_earlier_test_may_be_counted_now() -> None:
    given = observed(ONE, THREE)
    given.context.history.goes_on = True
    with pytest.raises(CannotTell) as caught:
        expect(given, count=2)
    assert str(caught.value) == (
        f"Cannot tell what {SELECTOR} has observed: it may have been counted for an earlier test.\n"
        "  expected  each test of an app with background threads has seen the end of its work\n"
        "  found     an earlier one has not, and metrics do not tell whose they are\n"
        "  do        call obs.expect_background_end(…) in each test of this app that starts such "
        "work, or use at_least=…"
    )


def test_a_request_without_a_response_may_be_observed_later() -> None:
    given = observed(ONE, THREE, given=bench(exchange(), exchange("/slow", None)))
    with pytest.raises(CannotTell, match="expect_histogram"):
        expect(given, count=2)


def test_a_shared_app_has_no_exact_histogram() -> None:
    with pytest.raises(ObsstackError, match="cannot be told on this stack"):
        expect(observed(ONE, THREE, given=bench(exact_metrics=False)), count=2)


def test_an_old_sample_is_no_fence() -> None:
    assert failure(observed(ONE), count=0).startswith("No metric arrived within ")


def test_an_expression_is_no_histogram() -> None:
    with pytest.raises(ObsstackError, match="Not the name of a histogram: rate"):
        expect(observed(ONE, THREE), "rate(x[1m])")


def test_a_share_above_one_is_no_quantile() -> None:
    with pytest.raises(ObsstackError, match="Not a quantile"):
        expect(observed(ONE, THREE), quantile={95: 0.25})


# ---- quantiles, by the rules of histogram_quantile


@pytest.mark.parametrize(
    ("buckets", "q", "expected"),
    [
        ({0.1: 10, 1.0: 20, math.inf: 20}, 0.5, 0.1),
        ({0.1: 10, 1.0: 20, math.inf: 20}, 0.75, 0.55),
        ({0.1: 10, 1.0: 20, math.inf: 20}, 0.25, 0.05),
        ({0.1: 10, 1.0: 20, math.inf: 20}, 1.0, 1.0),
        # Above the highest bound nothing is known but that bound.
        ({0.1: 10, 1.0: 10, math.inf: 20}, 0.9, 1.0),
        ({-1.0: 5, 1.0: 10, math.inf: 10}, 0.25, -1.0),
    ],
)
def test_quantile(buckets: Mapping[float, float], q: float, expected: float) -> None:
    found = Histogram(20, 1.0, tuple(buckets.items()))
    assert found.quantile(q) == pytest.approx(expected)


def test_no_quantile_without_observations_or_finite_bounds() -> None:
    assert math.isnan(Histogram(0, 0.0, ((0.1, 0), (math.inf, 0))).quantile(0.5))
    assert math.isnan(Histogram(1, 0.0, ((math.inf, 1),)).quantile(0.5))
    assert math.isnan(Histogram(0, 0.0, ()).quantile(0.5))
