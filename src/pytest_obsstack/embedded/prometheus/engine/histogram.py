"""Classic histograms: quantiles and fractions of cumulative buckets."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass

from pytest_obsstack.embedded.prometheus.engine.annotations import Annotations
from pytest_obsstack.embedded.prometheus.engine.numeric import divide
from pytest_obsstack.embedded.prometheus.engine.values import Vector
from pytest_obsstack.embedded.prometheus.format import parse_float
from pytest_obsstack.embedded.prometheus.model import (
    METRIC_NAME,
    Labels,
    drop_labels,
    label_value,
    without_name,
)

_BUCKET_LABEL = "le"
# Differences between neighbours that are smaller than this share come from rounding.
_TOLERANCE = 1e-12


@dataclass
class _Bucket:
    upper_bound: float
    count: float


def histogram_quantile(
    q: float, vector: Vector, annotations: Annotations, positions: tuple[int, int]
) -> Vector:
    """``positions`` are those of the two arguments, for the annotations."""
    if not 0 <= q <= 1:
        annotations.invalid_quantile(q, positions[0])
    result: Vector = []
    for labels, buckets in _histograms(vector, annotations, positions[1]).items():
        value, forced = _bucket_quantile(q, buckets)
        if forced:
            annotations.forced_monotonicity(label_value(labels, METRIC_NAME), positions[1])
        result.append((without_name(labels), value))
    return result


def histogram_fraction(
    lower: float, upper: float, vector: Vector, annotations: Annotations, position: int
) -> Vector:
    histograms = _histograms(vector, annotations, position)
    return [
        (without_name(labels), _bucket_fraction(lower, upper, buckets))
        for labels, buckets in histograms.items()
    ]


def _histograms(
    vector: Vector, annotations: Annotations, position: int
) -> dict[Labels, list[_Bucket]]:
    """The buckets by their series' labels without ``le``; what has no bound is warned of."""
    found: dict[Labels, list[_Bucket]] = {}
    for labels, value in vector:
        bound = label_value(labels, _BUCKET_LABEL)
        try:
            upper_bound = parse_float(bound)
        except ValueError:
            annotations.bad_bucket(bound, label_value(labels, METRIC_NAME), position)
            continue
        group = drop_labels(labels, frozenset({_BUCKET_LABEL}))
        found.setdefault(group, []).append(_Bucket(upper_bound, value))
    return found


def _sorted_and_merged(buckets: list[_Bucket]) -> list[_Bucket]:
    """By bound; buckets with the same bound become one."""
    merged: list[_Bucket] = []
    for bucket in sorted(buckets, key=lambda b: b.upper_bound):
        if merged and merged[-1].upper_bound == bucket.upper_bound:
            merged[-1].count += bucket.count
        else:
            merged.append(_Bucket(bucket.upper_bound, bucket.count))
    return merged


def _make_monotonic(buckets: list[_Bucket]) -> bool:
    """Raise counts that fall; whether more than rounding had to be corrected."""
    forced = False
    previous = buckets[0].count
    for bucket in buckets[1:]:
        if _nearly_equal(previous, bucket.count):
            bucket.count = previous
        elif bucket.count < previous:
            bucket.count = previous
            forced = True
        else:
            previous = bucket.count
    return forced


def _nearly_equal(left: float, right: float) -> bool:
    if left == right or (math.isnan(left) and math.isnan(right)):
        return True
    magnitude = abs(left) + abs(right)
    difference = abs(left - right)
    if left == 0 or right == 0 or magnitude < sys.float_info.min:
        return difference < _TOLERANCE * sys.float_info.min
    return difference / min(magnitude, sys.float_info.max) < _TOLERANCE


def _bucket_quantile(q: float, buckets: list[_Bucket]) -> tuple[float, bool]:
    """The quantile, and whether the counts had to be made monotonic."""
    if math.isnan(q):
        return math.nan, False
    if q < 0 or q > 1:
        return math.inf if q > 1 else -math.inf, False
    buckets = _sorted_and_merged(buckets)
    if buckets[-1].upper_bound != math.inf:
        return math.nan, False
    forced = _make_monotonic(buckets)
    observations = buckets[-1].count
    if len(buckets) < 2 or observations == 0:
        return math.nan, False
    rank = q * observations
    last = len(buckets) - 1
    index = next((i for i in range(last) if buckets[i].count >= rank), last)
    if index == last:
        return buckets[-2].upper_bound, forced
    if index == 0 and buckets[0].upper_bound <= 0:
        return buckets[0].upper_bound, forced
    start, below = 0.0, 0.0
    if index > 0:
        start, below = buckets[index - 1].upper_bound, buckets[index - 1].count
    end, count = buckets[index].upper_bound, buckets[index].count - below
    return start + (end - start) * divide(rank - below, count), forced


def _bucket_fraction(lower: float, upper: float, buckets: list[_Bucket]) -> float:
    """The share of observations between the bounds, interpolated within buckets."""
    buckets = _sorted_and_merged(buckets)
    count = buckets[-1].count
    if buckets[-1].upper_bound != math.inf or count == 0:
        return math.nan
    if math.isnan(lower) or math.isnan(upper):
        return math.nan
    if lower >= upper:
        return 0.0
    return (_rank_of(upper, buckets) - _rank_of(lower, buckets)) / count


def _rank_of(value: float, buckets: list[_Bucket]) -> float:
    """How many observations lie below the value."""
    count = buckets[-1].count
    rank, start = 0.0, -math.inf
    for bucket in buckets:
        if start >= value:
            return min(rank, count)
        end = bucket.upper_bound
        if end > value:
            share = divide((bucket.count - rank) * (value - start), end - start)
            return min(rank + share, count) if not math.isnan(rank + share) else rank + share
        rank, start = bucket.count, end
    return count
