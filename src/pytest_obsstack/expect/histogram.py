"""A classic histogram of what one test has observed: count, sum, quantiles."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_obsstack.errors import ObsstackError
from pytest_obsstack.expect.increases import Counted
from pytest_obsstack.expect.matching import NOT_GIVEN, describe_value

_Group = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Histogram:
    """Observations by upper bounds, as Prometheus keeps them."""

    count: float
    sum: float
    """In the unit of the metric."""
    buckets: tuple[tuple[float, float], ...]
    """``(upper bound, how many observations are not above it)``, ascending; the last is ``inf``."""

    def quantile(self, q: float) -> float:
        """The value that the share ``q`` (0 to 1) of the observations does not exceed.

        Interpolated within its bucket, as ``histogram_quantile`` does: exact only to the bucket's
        width. In the last bucket it is the highest finite bound. ``nan`` without observations.
        """
        total = self.buckets[-1][1] if self.buckets else 0.0
        if not total or len(self.buckets) < 2:
            return math.nan
        rank = q * total
        index = next(
            (i for i, (_, below) in enumerate(self.buckets) if below >= rank),
            len(self.buckets) - 1,
        )
        upper, below = self.buckets[index]
        if index == len(self.buckets) - 1:
            return self.buckets[-2][0]
        if index == 0 and upper <= 0:
            return upper
        lower, before = self.buckets[index - 1] if index else (0.0, 0.0)
        if below == before:
            return lower
        return lower + (upper - lower) * (rank - before) / (below - before)

    def describe(self) -> str:
        """``3 observations, sum 0.37; ≤ 0.1: 2, ≤ 0.25: 3``: the buckets in which there is one."""
        shown, before = [], 0.0
        for upper, below in self.buckets:
            if below > before:
                bound = "∞" if math.isinf(upper) else f"{upper:g}"
                shown.append(f"≤ {bound}: {below:g}")
            before = below
        parts = f"; {', '.join(shown)}" if shown else ""
        noun = "observation" if self.count == 1 else "observations"
        return f"{self.count:g} {noun}, sum {self.sum:.6g}{parts}"


@dataclass(frozen=True)
class Wanted:
    """What a test expects of a histogram; each a number or a function of the value."""

    count: Any
    sum: Any
    quantiles: Mapping[float, Any]

    def describe(self) -> str:
        parts = []
        if self.count is not NOT_GIVEN:
            parts.append(f"count {describe_value(self.count)}")
        if self.sum is not NOT_GIVEN:
            parts.append(f"sum {describe_value(self.sum)}")
        for q, bound in self.quantiles.items():
            least = "" if callable(bound) else "≤ "
            parts.append(f"quantile {q:g} {least}{describe_value(bound)}")
        return ", ".join(parts) or "any observation"

    def unmet(self, found: Histogram) -> list[str]:
        """What is not as expected, one text each."""
        texts = []
        if self.count is NOT_GIVEN and self.sum is NOT_GIVEN and not self.quantiles:
            return [] if found.count else ["no observation"]
        if self.count is not NOT_GIVEN and not _is(self.count, found.count):
            texts.append(f"count {found.count:g}")
        if self.sum is not NOT_GIVEN and not _is(self.sum, found.sum):
            texts.append(f"sum {found.sum:.6g}")
        for q, bound in self.quantiles.items():
            value = found.quantile(q)
            # Not a number exceeds nothing, but it is no quantile either.
            if math.isnan(value):
                texts.append(f"quantile {q:g}: nothing was observed")
            elif not (bound(value) if callable(bound) else value <= bound):
                texts.append(f"quantile {q:g} = {value:.6g}")
        return texts


def wanted_of(count: Any, sum: Any, quantiles: Mapping[float, Any]) -> Wanted:
    """Raises ``ObsstackError`` for a quantile that is none."""
    __tracebackhide__ = True
    for q in quantiles:
        if not 0 <= q <= 1:
            raise ObsstackError(
                "Not a quantile.", expected="a share from 0 to 1, as in {0.95: 0.25}", found=f"{q}"
            )
    return Wanted(count, sum, quantiles)


def _is(wanted: Any, value: float) -> bool:
    return bool(wanted(value)) if callable(wanted) else math.isclose(value, wanted, rel_tol=1e-9)


def merged(
    counts: Sequence[Counted], sums: Sequence[Counted], buckets: Sequence[Counted]
) -> Histogram:
    """All series of a histogram in one, by what they have grown.

    A reset of the histogram shows in its count alone: a sum may fall, and a bucket may have grown
    beyond its old value by the next sample.
    """
    resets = {_group(series.labels): _resets(series) for series in counts}
    bounds: dict[float, float] = {}
    for series in buckets:
        upper = float(series.labels["le"].replace("Inf", "inf"))
        grown = _grown(series, resets.get(_group(series.labels), frozenset()))
        bounds[upper] = bounds.get(upper, 0.0) + grown
    return Histogram(
        count=math.fsum(series.amount for series in counts),
        sum=math.fsum(
            _grown(series, resets.get(_group(series.labels), frozenset())) for series in sums
        ),
        buckets=tuple(sorted(bounds.items())),
    )


def _group(labels: Mapping[str, str]) -> _Group:
    """What the count, the sum and the buckets of one histogram have in common."""
    return tuple(sorted((k, v) for k, v in labels.items() if k not in ("__name__", "le")))


def _resets(count: Counted) -> frozenset[float]:
    """The times of the first samples after a reset."""
    found, previous = set(), count.before
    for sample in count.samples:
        if sample.value < previous:
            found.add(sample.timestamp_s)
        previous = sample.value
    return frozenset(found)


def _grown(series: Counted, resets: frozenset[float]) -> float:
    previous, amount = series.before, 0.0
    for sample in series.samples:
        if sample.timestamp_s in resets:
            previous = 0.0
        amount += sample.value - previous
        previous = sample.value
    return amount
