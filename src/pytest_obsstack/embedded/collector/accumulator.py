"""The ``prometheus`` exporter's memory: the last value of each series.

Only the latest state is kept, as in the real exporter: what a scrape does not fetch in time is
replaced by the next point.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterable
from dataclasses import dataclass

from pytest_obsstack.embedded.collector.points import (
    HistogramPoint,
    NumberPoint,
    Observation,
    Point,
    Series,
)

log = logging.getLogger("obsstack.embedded.collector")


@dataclass(frozen=True)
class Held:
    """A series' last point and when it arrived (Unix nanoseconds)."""

    series: Series
    point: Point
    updated_ns: int


class Accumulator:
    """Series → last point.

    ``version`` changes whenever a point may have changed, ``series_version`` whenever a series came
    or went.
    """

    def __init__(self) -> None:
        self._held: dict[Series, Held] = {}
        self.version = 0
        self.series_version = 0

    def __len__(self) -> int:
        return len(self._held)

    def held(self) -> tuple[Held, ...]:
        """All that is exposed, in the order in which the series first came."""
        return tuple(self._held.values())

    def moves(self, observations: Iterable[Observation]) -> bool:
        """Whether these observations would change a value, begin a series or end one.

        A point of delta temporality always does: the end of its interval is where the next begins.
        """
        for observation in observations:
            held = self._held.get(observation.series)
            if observation.point is None:
                if held is not None:
                    return True
            elif held is None or observation.delta or held.point != observation.point:
                return True
        return False

    def apply(self, observations: Iterable[Observation], now_ns: int) -> None:
        """Take the points; an older point than the one held is passed over."""
        for observation in observations:
            series = observation.series
            if observation.point is None:
                self.series_version += self._held.pop(series, None) is not None
                continue
            held = self._held.get(series)
            point = observation.point
            if held is None:
                self.series_version += 1
            else:
                merged = _merge(series, held.point, point, delta=observation.delta)
                if merged is None:
                    continue
                point = merged
            self._held[series] = Held(series, point, now_ns)
        self.version += 1

    def expire(self, oldest_ns: int) -> int:
        """Drop the series whose last point arrived before ``oldest_ns``; returns how many."""
        gone = [series for series, held in self._held.items() if held.updated_ns < oldest_ns]
        for series in gone:
            del self._held[series]
        if gone:
            self.version += 1
            self.series_version += 1
        return len(gone)


def _merge(series: Series, held: Point, point: Point, *, delta: bool) -> Point | None:
    """The point to hold now; None to keep the held one."""
    if delta and isinstance(held, HistogramPoint) and isinstance(point, HistogramPoint):
        if point.start_ns == held.time_ns:
            return _add_histograms(held, point)
        if point.start_ns < held.time_ns:
            log.warning("Dropped misaligned histogram datapoint of %s", series.name)
            return None
        return point
    if point.time_ns < held.time_ns:
        return None
    # An interval that does not begin where the last one ended is a restart of the sender.
    if (
        delta
        and isinstance(held, NumberPoint)
        and isinstance(point, NumberPoint)
        and point.start_ns == held.time_ns
    ):
        return dataclasses.replace(point, start_ns=held.start_ns, value=point.value + held.value)
    return point


def _add_histograms(held: HistogramPoint, point: HistogramPoint) -> HistogramPoint:
    if held.bounds != point.bounds or len(held.counts) != len(point.counts):
        # Buckets that changed cannot be added up; the exporter starts again with the new ones.
        return dataclasses.replace(point, start_ns=held.start_ns)
    return dataclasses.replace(
        point,
        start_ns=held.start_ns,
        count=point.count + held.count,
        sum=point.sum + held.sum,
        counts=tuple(a + b for a, b in zip(point.counts, held.counts, strict=True)),
    )
