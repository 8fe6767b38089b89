"""Aggregations of an instant vector."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from pytest_obsstack.embedded.prometheus.engine.numeric import kahan_sum, mean, quantile
from pytest_obsstack.embedded.prometheus.engine.values import QueryError, Sample, Vector
from pytest_obsstack.embedded.prometheus.format import general_float, plain_float
from pytest_obsstack.embedded.prometheus.model import (
    METRIC_NAME,
    Labels,
    drop_labels,
    keep_labels,
    with_labels,
)

_MAX_INT64 = 2**63


def _grouper(labels: Sequence[str], *, without: bool) -> Callable[[Labels], Labels]:
    """From a series' labels to those of its group."""
    if without:
        dropped = frozenset({*labels, METRIC_NAME})
        return lambda series: drop_labels(series, dropped)
    if not labels:
        return lambda _: ()
    kept = frozenset(labels)
    return lambda series: keep_labels(series, kept)


def _groups(vector: Vector, labels: Sequence[str], *, without: bool) -> dict[Labels, Vector]:
    group_of = _grouper(labels, without=without)
    groups: dict[Labels, Vector] = {}
    for sample in vector:
        groups.setdefault(group_of(sample[0]), []).append(sample)
    return groups


def _max(values: list[float]) -> float:
    best = values[0]
    for value in values[1:]:
        if best < value or math.isnan(best):
            best = value
    return best


def _min(values: list[float]) -> float:
    best = values[0]
    for value in values[1:]:
        if best > value or math.isnan(best):
            best = value
    return best


def _stdvar(values: list[float]) -> float:
    """The population variance by Welford's method."""
    if not math.isfinite(values[0]):
        return math.nan
    average, squares = values[0], 0.0
    for count, value in enumerate(values[1:], 2):
        difference = value - average
        average += difference / count
        squares += difference * (value - average)
    return squares / len(values)


def _stddev(values: list[float]) -> float:
    variance = _stdvar(values)
    return math.sqrt(variance) if variance >= 0 else math.nan


_FOLDS: dict[str, Callable[[list[float]], float]] = {
    "avg": mean,
    "count": lambda values: float(len(values)),
    "group": lambda _: 1.0,
    "max": _max,
    "min": _min,
    "stddev": _stddev,
    "stdvar": _stdvar,
    "sum": kahan_sum,
}


def aggregate(
    operator: str, vector: Vector, labels: Sequence[str], *, without: bool, parameter: float
) -> Vector:
    """All but ``count_values``; ``parameter`` is the k or the quantile of those that take one."""
    if operator in ("topk", "bottomk"):
        return _ranked(operator, vector, labels, without=without, parameter=parameter)
    groups = _groups(vector, labels, without=without)
    if operator == "quantile":
        return [
            (group, quantile(parameter, [value for _, value in samples]))
            for group, samples in groups.items()
        ]
    fold = _FOLDS[operator]
    return [(group, fold([value for _, value in samples])) for group, samples in groups.items()]


def count_values(label: str, vector: Vector, labels: Sequence[str], *, without: bool) -> Vector:
    """How often each value occurs, the value in the label."""
    counts: dict[Labels, float] = {}
    group_of = _grouper(labels if without else [*labels, label], without=without)
    for series, value in vector:
        group = group_of(with_labels(series, {label: plain_float(value)}))
        counts[group] = counts.get(group, 0.0) + 1
    return list(counts.items())


def _ranked(
    operator: str, vector: Vector, labels: Sequence[str], *, without: bool, parameter: float
) -> Vector:
    if not vector:
        return []
    if not -_MAX_INT64 <= parameter < _MAX_INT64:
        raise QueryError(f"Scalar value {general_float(parameter)} overflows int64")
    k = min(int(parameter), len(vector))
    if k < 1:
        return []
    sign = 1.0 if operator == "topk" else -1.0
    result: Vector = []
    for samples in _groups(vector, labels, without=without).values():
        result.extend(_best(samples, k, sign))
    return result


def _best(samples: Vector, k: int, sign: float) -> Vector:
    """The k greatest (of the values times ``sign``), the greatest first, NaN last.

    A later sample takes the place of an equal one only while there is room, as in Prometheus.
    """

    def rank(sample: Sample) -> tuple[bool, float]:
        value = sample[1] * sign
        return (False, 0.0) if math.isnan(value) else (True, value)

    chosen: Vector = []
    for sample in samples:
        if len(chosen) < k:
            chosen.append(sample)
            chosen.sort(key=rank, reverse=True)
        elif rank(sample) > rank(chosen[-1]):
            chosen[-1] = sample
            chosen.sort(key=rank, reverse=True)
    return chosen
