"""Functions of a range vector: the samples of one series in a window give one value or none."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

from pytest_obsstack.embedded.prometheus.engine.numeric import (
    divide,
    kahan_add,
    kahan_sum,
    mean,
    quantile,
)

# With this much more than the average gap between samples to a window's border, the series is
# taken to begin or end within the window.
_EXTRAPOLATION_THRESHOLD = 1.1


@dataclass(frozen=True)
class Range:
    """Where the window lies: (start_ms, end_ms], evaluated at ``at_ms``; the scalar argument."""

    start_ms: int
    end_ms: int
    length_s: float
    at_ms: int
    parameter: float = 0.0


RangeFunction: TypeAlias = Callable[[Sequence[int], Sequence[float], Range], float | None]


def _extrapolated(
    timestamps: Sequence[int],
    values: Sequence[float],
    window: Range,
    *,
    counter: bool,
    per_second: bool,
) -> float | None:
    """The increase over the whole window (documentation of ``rate`` and ``increase``).

    Between the samples it is known; towards the borders it is extrapolated, but by no more than
    half a gap where the series seems to begin or end, and a counter not below zero.
    """
    if len(values) < 2:
        return None
    result = values[-1] - values[0]
    if counter:
        previous = values[0]
        for value in values[1:]:
            if value < previous:
                result += previous
            previous = value
    to_start = (timestamps[0] - window.start_ms) / 1000
    to_end = (window.end_ms - timestamps[-1]) / 1000
    sampled = (timestamps[-1] - timestamps[0]) / 1000
    average_gap = sampled / (len(values) - 1)
    threshold = average_gap * _EXTRAPOLATION_THRESHOLD
    if to_start >= threshold:
        to_start = average_gap / 2
    if counter and result > 0 and values[0] >= 0:
        to_start = min(to_start, sampled * (values[0] / result))
    if to_end >= threshold:
        to_end = average_gap / 2
    factor = (sampled + to_start + to_end) / sampled
    if per_second:
        factor /= window.length_s
    return result * factor


def rate(timestamps: Sequence[int], values: Sequence[float], window: Range) -> float | None:
    return _extrapolated(timestamps, values, window, counter=True, per_second=True)


def increase(timestamps: Sequence[int], values: Sequence[float], window: Range) -> float | None:
    return _extrapolated(timestamps, values, window, counter=True, per_second=False)


def delta(timestamps: Sequence[int], values: Sequence[float], window: Range) -> float | None:
    return _extrapolated(timestamps, values, window, counter=False, per_second=False)


def irate(timestamps: Sequence[int], values: Sequence[float], _: Range) -> float | None:
    if len(values) < 2:
        return None
    # After a reset the counter began at zero.
    result = values[-1] if values[-1] < values[-2] else values[-1] - values[-2]
    return result / ((timestamps[-1] - timestamps[-2]) / 1000)


def idelta(_: Sequence[int], values: Sequence[float], __: Range) -> float | None:
    return values[-1] - values[-2] if len(values) > 1 else None


def _regression(
    timestamps: Sequence[int], values: Sequence[float], origin_ms: int
) -> tuple[float, float]:
    """Slope per second and value at ``origin_ms`` of the least squares line."""
    if all(value == values[0] for value in values):
        return (math.nan, math.nan) if math.isinf(values[0]) else (0.0, values[0])
    count = float(len(values))
    sums = [(0.0, 0.0)] * 4
    for timestamp, y in zip(timestamps, values, strict=True):
        x = (timestamp - origin_ms) / 1000
        sums = [kahan_add(v, *s) for v, s in zip((x, y, x * y, x * x), sums, strict=True)]
    sum_x, sum_y, sum_xy, sum_xx = (value + compensation for value, compensation in sums)
    covariance = sum_xy - sum_x * sum_y / count
    variance = sum_xx - sum_x * sum_x / count
    slope = divide(covariance, variance)
    return slope, sum_y / count - slope * sum_x / count


def deriv(timestamps: Sequence[int], values: Sequence[float], _: Range) -> float | None:
    if len(values) < 2:
        return None
    return _regression(timestamps, values, timestamps[0])[0]


def predict_linear(
    timestamps: Sequence[int], values: Sequence[float], window: Range
) -> float | None:
    if len(values) < 2:
        return None
    slope, intercept = _regression(timestamps, values, window.at_ms)
    return slope * window.parameter + intercept


def resets(_: Sequence[int], values: Sequence[float], __: Range) -> float:
    return float(sum(b < a for a, b in pairwise(values)))


def changes(_: Sequence[int], values: Sequence[float], __: Range) -> float:
    return float(sum(b != a and not (math.isnan(a) and math.isnan(b)) for a, b in pairwise(values)))


def avg(_: Sequence[int], values: Sequence[float], __: Range) -> float:
    return mean(values)


def sum_(_: Sequence[int], values: Sequence[float], __: Range) -> float:
    return kahan_sum(values)


def count(_: Sequence[int], values: Sequence[float], __: Range) -> float:
    return float(len(values))


def present(_: Sequence[int], __: Sequence[float], ___: Range) -> float:
    return 1.0


def last(_: Sequence[int], values: Sequence[float], __: Range) -> float:
    return values[-1]


def max_(_: Sequence[int], values: Sequence[float], __: Range) -> float:
    best = values[0]
    for value in values:
        if value > best or math.isnan(best):
            best = value
    return best


def min_(_: Sequence[int], values: Sequence[float], __: Range) -> float:
    best = values[0]
    for value in values:
        if value < best or math.isnan(best):
            best = value
    return best


def stdvar(_: Sequence[int], values: Sequence[float], __: Range) -> float:
    """The population variance by Welford's method with compensated sums."""
    average = average_c = squares = squares_c = 0.0
    for number, value in enumerate(values, 1):
        difference = value - (average + average_c)
        average, average_c = kahan_add(difference / number, average, average_c)
        step = difference * (value - (average + average_c))
        squares, squares_c = kahan_add(step, squares, squares_c)
    return (squares + squares_c) / len(values)


def stddev(timestamps: Sequence[int], values: Sequence[float], window: Range) -> float:
    variance = stdvar(timestamps, values, window)
    return math.sqrt(variance) if variance >= 0 else math.nan


def quantile_over_time(_: Sequence[int], values: Sequence[float], window: Range) -> float:
    return quantile(window.parameter, values)


RANGE_FUNCTIONS: dict[str, RangeFunction] = {
    "avg_over_time": avg,
    "changes": changes,
    "count_over_time": count,
    "delta": delta,
    "deriv": deriv,
    "idelta": idelta,
    "increase": increase,
    "irate": irate,
    "last_over_time": last,
    "max_over_time": max_,
    "min_over_time": min_,
    "predict_linear": predict_linear,
    "present_over_time": present,
    "quantile_over_time": quantile_over_time,
    "rate": rate,
    "resets": resets,
    "stddev_over_time": stddev,
    "stdvar_over_time": stdvar,
    "sum_over_time": sum_,
}
