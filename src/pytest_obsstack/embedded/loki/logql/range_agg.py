"""Range aggregations: one number from the samples of a window ``(t - range, t]``."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable
from itertools import pairwise

from pytest_obsstack.embedded.loki.logql.samples import collect_series
from pytest_obsstack.embedded.loki.logql.syntax import Grouping, RangeAggregation
from pytest_obsstack.embedded.loki.store import LabelKey, Store, label_key

Vector = dict[LabelKey, float]
_S = 1e9


class RangeEvaluator:
    """An aggregation over the samples between the first and the last step, read once."""

    def __init__(
        self,
        store: Store,
        aggregation: RangeAggregation,
        first_ns: int,
        last_ns: int,
        grouping: Grouping | None,
    ) -> None:
        log_range = aggregation.log_range
        self._range_ns = log_range.range_ns
        self._offset_ns = log_range.offset_ns
        self._aggregation = aggregation
        self._calculate = _calculation(aggregation)
        self._series = collect_series(
            store,
            aggregation,
            first_ns - self._offset_ns - self._range_ns,
            last_ns - self._offset_ns,
            grouping,
        )

    def at(self, time_ns: int) -> Vector:
        """The vector at a step; raises ``PipelineError``."""
        end_ns = time_ns - self._offset_ns
        start_ns = end_ns - self._range_ns
        found: Vector = {}
        for series in self._series:
            first = bisect_right(series.times_ns, start_ns)
            last = bisect_right(series.times_ns, end_ns, lo=first)
            if first < last:
                series.check()
                window = Window(
                    series.times_ns[first:last], series.values[first:last], start_ns, end_ns
                )
                found[series.labels] = self._calculate(window)
        if self._aggregation.op == "absent_over_time":
            return {} if found else {self._absent_labels(): 1.0}
        return found

    def _absent_labels(self) -> LabelKey:
        """The labels that equal matchers name, as far as each is named once."""
        matchers = self._aggregation.log_range.query.matchers
        names = [matcher.name for matcher in matchers]
        return label_key(
            {m.name: m.value for m in matchers if m.op == "=" and names.count(m.name) == 1}
        )


class Window:
    """Samples of one series in a window, at least one."""

    __slots__ = ("end_ns", "start_ns", "times_ns", "values")

    def __init__(
        self, times_ns: list[int], values: list[float], start_ns: int, end_ns: int
    ) -> None:
        self.times_ns = times_ns
        self.values = values
        self.start_ns = start_ns
        self.end_ns = end_ns

    @property
    def range_s(self) -> float:
        return (self.end_ns - self.start_ns) / _S


def _calculation(aggregation: RangeAggregation) -> Callable[[Window], float]:
    op = aggregation.op
    if op == "quantile_over_time":
        quantile = aggregation.parameter or 0.0
        return lambda window: quantile_of(quantile, window.values)
    return _CALCULATIONS[op]


def mean(values: list[float]) -> float:
    return math.fsum(values) / len(values)


def variance(values: list[float]) -> float:
    """Of the population, updated value by value as Loki does it."""
    average = squares = 0.0
    for count, value in enumerate(values, start=1):
        delta = value - average
        average += delta / count
        squares += delta * (value - average)
    return squares / len(values)


def quantile_of(quantile: float, values: list[float]) -> float:
    """Interpolated between the two nearest of the sorted values."""
    if quantile < 0:
        return -math.inf
    if quantile > 1:
        return math.inf
    ordered = sorted(values)
    rank = quantile * (len(ordered) - 1)
    lower = math.floor(rank)
    upper = min(lower + 1, len(ordered) - 1)
    weight = rank - lower
    return ordered[lower] * (1 - weight) + ordered[upper] * weight


def _rate_counter(window: Window) -> float:
    """The increase of a counter per second, extrapolated to the window as Prometheus does it."""
    times, values = window.times_ns, window.values
    if len(values) < 2:
        return 0.0
    increase = values[-1] - values[0]
    for before, value in pairwise(values):
        if value < before:
            increase += before  # the counter was reset
    sampled_s = (times[-1] - times[0]) / _S
    if sampled_s == 0:
        return 0.0
    to_start_s = (times[0] - window.start_ns) / _S
    to_end_s = (window.end_ns - times[-1]) / _S
    average_s = sampled_s / (len(values) - 1)
    if increase > 0 and values[0] >= 0:
        # A counter is never below zero: no further back than to where it would have been zero.
        to_start_s = min(to_start_s, sampled_s * (values[0] / increase))
    threshold_s = average_s * 1.1
    covered_s = sampled_s
    covered_s += to_start_s if to_start_s < threshold_s else average_s / 2
    covered_s += to_end_s if to_end_s < threshold_s else average_s / 2
    return increase * (covered_s / sampled_s) / window.range_s


_CALCULATIONS: dict[str, Callable[[Window], float]] = {
    "count_over_time": lambda window: float(len(window.values)),
    "bytes_over_time": lambda window: sum(window.values),
    "bytes_rate": lambda window: sum(window.values) / window.range_s,
    # Without unwrap each line counts one, so that both rates are a sum over the range.
    "rate": lambda window: sum(window.values) / window.range_s,
    "rate_counter": _rate_counter,
    "sum_over_time": lambda window: sum(window.values),
    "avg_over_time": lambda window: mean(window.values),
    "min_over_time": lambda window: min(window.values),
    "max_over_time": lambda window: max(window.values),
    "first_over_time": lambda window: window.values[0],
    "last_over_time": lambda window: window.values[-1],
    "stddev_over_time": lambda window: math.sqrt(variance(window.values)),
    "stdvar_over_time": lambda window: variance(window.values),
    "absent_over_time": lambda _: 1.0,
}
