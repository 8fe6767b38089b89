"""Times and steps of queries."""

from __future__ import annotations

import pytest

from pytest_obsstack.embedded.grafana.refusal import Unsupported
from pytest_obsstack.embedded.grafana.times import (
    MS,
    SECOND,
    BadTime,
    TimeRange,
    duration_ns,
    go_duration,
    interval_text,
    moment,
    range_macros,
    rounded_ns,
    step_ns,
    with_macros,
)
from tests.unit.embedded.grafana.support import NOW_NS

MINUTE = 60 * SECOND


@pytest.mark.parametrize(
    ("text", "expected_ns"),
    [
        ("now", NOW_NS),
        ("now-15m", NOW_NS - 15 * MINUTE),
        ("now+1h", NOW_NS + 60 * MINUTE),
        ("now-2d", NOW_NS - 2 * 86400 * SECOND),
        ("1700000000123", 1_700_000_000_123 * MS),
    ],
)
def test_moments(text: str, expected_ns: int) -> None:
    assert moment(text, NOW_NS) == expected_ns


def test_what_is_no_moment() -> None:
    with pytest.raises(BadTime, match="expected milliseconds or a time like now-15m, found 'soon'"):
        moment("soon", NOW_NS)
    with pytest.raises(Unsupported, match=r"times that are rounded \(now/d\)"):
        moment("now/d", NOW_NS)


@pytest.mark.parametrize(
    ("text", "expected_ns"),
    [("15s", 15 * SECOND), ("1m30s", 90 * SECOND), ("200ms", 200 * MS), ("5", 5 * SECOND)],
)
def test_durations(text: str, expected_ns: int) -> None:
    assert duration_ns(text) == expected_ns


@pytest.mark.parametrize("text", ["", "s", "1x", "$__interval"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(BadTime, match="expected a duration, found"):
        duration_ns(text)


@pytest.mark.parametrize(
    ("given_ms", "rounded_ms"),
    [(9, 1), (12, 10), (1600, 2000), (13000, 15000), (100000, 120000), (10**12, 31536000000)],
)
def test_steps_are_rounded_to_usual_ones(given_ms: int, rounded_ms: int) -> None:
    assert rounded_ns(given_ms * MS) == rounded_ms * MS


@pytest.mark.parametrize(
    ("length_s", "least_ms", "points", "expected_ms"),
    [
        (60, 1000, 500, 1000),  # the least wins
        (900, 1000, 500, 2000),  # 1.8 s, rounded
        (900, 200, 10000, 200),
        (86400, 1, 10**9, 10000),  # no more than 11,000 points, whatever is asked
    ],
)
def test_steps(length_s: int, least_ms: int, points: int, expected_ms: int) -> None:
    time_range = TimeRange(NOW_NS - length_s * SECOND, NOW_NS)
    assert step_ns(time_range, least_ms * MS, points) == expected_ms * MS


def test_macros_in_both_spellings() -> None:
    time_range = TimeRange(NOW_NS - 90 * SECOND - 400 * MS, NOW_NS)
    macros = {"interval": "2s", "interval_ms": "2000", **range_macros(time_range)}
    text = "$__interval_ms ${__interval} $__range ${__range_s} $__range_ms $other"
    assert with_macros(text, macros) == "2000 2s 90s 90 90400 $other"


@pytest.mark.parametrize(
    ("given_ns", "interval", "duration"),
    [
        (200 * MS, "200ms", "200ms"),
        (SECOND, "1s", "1s"),
        (1500 * MS, "1s", "1.5s"),
        (90 * SECOND, "1m", "1m30s"),
        (2 * 3600 * SECOND, "2h", "2h0m0s"),
        (86400 * SECOND, "1d", "24h0m0s"),
        (366 * 86400 * SECOND, "1y", "8784h0m0s"),
        (1, "1ms", "1ns"),
    ],
)
def test_lengths_are_printed_as_grafana_and_go_do(
    given_ns: int, interval: str, duration: str
) -> None:
    assert interval_text(given_ns) == interval
    assert go_duration(given_ns) == duration
