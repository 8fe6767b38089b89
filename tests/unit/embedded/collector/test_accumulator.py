from __future__ import annotations

import logging

import pytest

from pytest_obsstack.embedded.collector.accumulator import Accumulator
from pytest_obsstack.embedded.collector.points import HistogramPoint, NumberPoint, Point
from tests.unit.embedded.collector.support import (
    buckets,
    counter,
    gauge,
    histogram,
    metrics_body,
    number,
    read_points,
)


def applied(*bodies: bytes) -> Accumulator:
    accumulator = Accumulator()
    for now_ns, body in enumerate(bodies):
        accumulator.apply(read_points(body).observations, now_ns)
    return accumulator


def only_point(accumulator: Accumulator) -> Point:
    (held,) = accumulator.held()
    return held.point


def test_later_point_replaces_the_earlier_one() -> None:
    accumulator = applied(
        metrics_body(gauge("load", number(1, time_ns=10))),
        metrics_body(gauge("load", number(2, time_ns=20))),
    )
    assert only_point(accumulator) == NumberPoint(20, 1_700_000_000_000_000_000, 2.0)


def test_older_point_is_passed_over() -> None:
    accumulator = applied(
        metrics_body(gauge("load", number(2, time_ns=20))),
        metrics_body(gauge("load", number(1, time_ns=10))),
    )
    assert only_point(accumulator).time_ns == 20


def test_delta_sums_add_up_while_their_intervals_adjoin() -> None:
    accumulator = applied(
        metrics_body(counter("n", number(3, start_ns=10, time_ns=20), delta=True)),
        metrics_body(counter("n", number(4, start_ns=20, time_ns=30), delta=True)),
        metrics_body(counter("n", number(0, start_ns=30, time_ns=40), delta=True)),
    )
    assert only_point(accumulator) == NumberPoint(40, 10, 7.0)


def test_delta_sum_after_a_gap_begins_anew() -> None:
    accumulator = applied(
        metrics_body(counter("n", number(3, start_ns=10, time_ns=20), delta=True)),
        metrics_body(counter("n", number(4, start_ns=25, time_ns=30), delta=True)),
    )
    assert only_point(accumulator) == NumberPoint(30, 25, 4.0)


def delta_histogram(start_ns: int, time_ns: int, bounds: list[float], counts: list[int]) -> bytes:
    point = buckets(bounds, counts, float(sum(counts)), start_ns=start_ns, time_ns=time_ns)
    return metrics_body(histogram("h", point, delta=True))


def test_delta_histograms_add_up_bucket_by_bucket() -> None:
    accumulator = applied(
        delta_histogram(10, 20, [1.0], [1, 2]), delta_histogram(20, 30, [1.0], [10, 20])
    )
    assert only_point(accumulator) == HistogramPoint(30, 10, 33, 33.0, (1.0,), (11, 22))


def test_delta_histogram_with_other_buckets_begins_anew() -> None:
    accumulator = applied(
        delta_histogram(10, 20, [1.0], [1, 2]), delta_histogram(20, 30, [5.0], [10, 20])
    )
    assert only_point(accumulator) == HistogramPoint(30, 10, 30, 30.0, (5.0,), (10, 20))


def test_delta_histogram_after_a_gap_begins_anew() -> None:
    accumulator = applied(
        delta_histogram(10, 20, [1.0], [1, 2]), delta_histogram(25, 30, [1.0], [1, 0])
    )
    assert only_point(accumulator) == HistogramPoint(30, 25, 1, 1.0, (1.0,), (1, 0))


def test_overlapping_delta_histogram_is_dropped_with_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        accumulator = applied(
            delta_histogram(10, 20, [1.0], [1, 2]), delta_histogram(15, 30, [1.0], [1, 0])
        )
    assert only_point(accumulator).time_ns == 20
    assert "Dropped misaligned histogram datapoint of h" in caplog.text


def test_series_ends_with_a_point_without_recorded_value() -> None:
    accumulator = applied(
        metrics_body(gauge("load", number(1))), metrics_body(gauge("load", number(0, flags=1)))
    )
    assert accumulator.held() == ()


def test_several_instances_stand_side_by_side() -> None:
    accumulator = applied(
        *(
            metrics_body(
                gauge("load", number(1)),
                resource={"service.name": "app", "service.instance.id": instance},
            )
            for instance in ("a", "b")
        )
    )
    assert len(accumulator) == 2


@pytest.mark.parametrize(
    ("body", "moves"),
    [
        (metrics_body(gauge("load", number(1, time_ns=99))), False),
        (metrics_body(gauge("load", number(2, time_ns=99))), True),
        (metrics_body(gauge("load", number(1, time_ns=99, start_ns=1))), True),
        (metrics_body(gauge("load", number(1, {"new": "series"}))), True),
        (metrics_body(gauge("load", number(0, flags=1))), True),
        (metrics_body(gauge("other", number(0, flags=1))), False),
        (metrics_body(), False),
        (metrics_body(counter("load", number(0), delta=True)), True),
    ],
)
def test_only_changes_of_value_move_a_series(body: bytes, moves: bool) -> None:
    accumulator = applied(metrics_body(gauge("load", number(1, time_ns=50))))
    assert accumulator.moves(read_points(body).observations) is moves


def test_series_expires_when_its_last_point_is_too_old() -> None:
    accumulator = applied(
        metrics_body(gauge("old", number(1))), metrics_body(gauge("fresh", number(1)))
    )
    series_version = accumulator.series_version
    assert accumulator.expire(oldest_ns=1) == 1
    assert [held.series.name for held in accumulator.held()] == ["fresh"]
    assert accumulator.series_version > series_version
    assert accumulator.expire(oldest_ns=1) == 0
