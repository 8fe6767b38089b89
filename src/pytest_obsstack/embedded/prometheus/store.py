"""Series in memory: arrays of times and values, an index by label, bounded by age and number.

What may be appended is what Prometheus' head block takes without an out-of-order window: within a
series only later samples, or the very same sample again.
"""

from __future__ import annotations

import struct
from array import array
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_obsstack.embedded.prometheus.format import general_float
from pytest_obsstack.embedded.prometheus.model import Exemplar, Labels, is_stale

if TYPE_CHECKING:
    # Not needed to run; the grammar would cost the start of the server more than the store does.
    from pytest_obsstack.embedded.prometheus.promql.ast import Matcher

_EXEMPLAR_LABEL_CHARS = 128


class AppendError(Exception):
    """A sample that the store does not take."""


class OutOfOrderSample(AppendError):
    def __init__(self) -> None:
        super().__init__("out of order sample")


class DuplicateSample(AppendError):
    """Another value at the time of the newest sample."""

    def __init__(self, timestamp_ms: int, existing: float, new: float) -> None:
        super().__init__(
            f"duplicate sample for timestamp {timestamp_ms}; overrides not allowed: "
            f"existing {general_float(existing)}, new value {general_float(new)}"
        )


class TooManySeries(AppendError):
    def __init__(self, limit: int) -> None:
        super().__init__(f"the embedded Prometheus holds at most {limit} series")


@dataclass(frozen=True)
class StoredExemplar:
    labels: Labels
    value: float
    timestamp_ms: int


class Series:
    """One series; times in milliseconds, ascending, with a value each."""

    __slots__ = ("exemplars", "id", "labels", "metric", "stale_markers", "timestamps", "values")

    def __init__(self, series_id: int, labels: Labels) -> None:
        self.id = series_id
        self.labels = labels
        self.metric = dict(labels)
        """The labels as the API shows them; made once, because answers repeat it."""
        self.timestamps: array[int] = array("q")
        self.values: array[float] = array("d")
        self.stale_markers = 0
        self.exemplars: list[StoredExemplar] = []

    def check(self, timestamp_ms: int, value: float) -> None:
        """Raises an ``AppendError`` where the sample cannot follow those stored."""
        if not self.timestamps or timestamp_ms > self.timestamps[-1]:
            return
        if timestamp_ms < self.timestamps[-1]:
            raise OutOfOrderSample
        if struct.pack("<d", value) != struct.pack("<d", self.values[-1]):
            raise DuplicateSample(timestamp_ms, self.values[-1], value)

    def append(self, timestamp_ms: int, value: float) -> bool:
        """Whether the sample was new; one that is not later than the newest is left out."""
        if self.timestamps and timestamp_ms <= self.timestamps[-1]:
            return False
        self.timestamps.append(timestamp_ms)
        self.values.append(value)
        self.stale_markers += is_stale(value)
        return True

    def newest_at(self, timestamp_ms: int, older_than_ms: int) -> int:
        """Index of the newest sample up to ``timestamp_ms``, -1 where none counts.

        It does not count where it is not newer than ``older_than_ms`` or is a stale marker.
        """
        index = bisect_right(self.timestamps, timestamp_ms) - 1
        if index < 0 or self.timestamps[index] <= older_than_ms:
            return -1
        if self.stale_markers and is_stale(self.values[index]):
            return -1
        return index

    def between(self, after_ms: int, until_ms: int) -> tuple[Sequence[int], Sequence[float]]:
        """Times and values of (after_ms, until_ms], without stale markers."""
        start = bisect_right(self.timestamps, after_ms)
        end = bisect_right(self.timestamps, until_ms, start)
        timestamps, values = self.timestamps[start:end], self.values[start:end]
        if self.stale_markers:
            kept = [i for i, value in enumerate(values) if not is_stale(value)]
            if len(kept) < len(values):
                return [timestamps[i] for i in kept], [values[i] for i in kept]
        return timestamps, values

    def drop_before(self, timestamp_ms: int) -> None:
        cut = bisect_left(self.timestamps, timestamp_ms)
        if cut:
            self.stale_markers -= sum(map(is_stale, self.values[:cut]))
            del self.timestamps[:cut]
            del self.values[:cut]
        self.exemplars = [e for e in self.exemplars if e.timestamp_ms >= timestamp_ms]

    def add_exemplar(self, exemplar: Exemplar, sample_ms: int) -> bool:
        """Whether it was new; one that equals the newest or is older than it is left out.

        So is one whose labels are too long (a limit of OpenMetrics that Prometheus keeps). One
        without a time of its own takes that of its sample, ``sample_ms``, but is still equal to
        the newest if only the time differs.
        """
        if sum(len(name) + len(value) for name, value in exemplar.labels) > _EXEMPLAR_LABEL_CHARS:
            return False
        own_ms = exemplar.timestamp_ms
        timestamp_ms = sample_ms if own_ms is None else own_ms
        if self.exemplars:
            newest = self.exemplars[-1]
            same = (exemplar.labels, exemplar.value) == (newest.labels, newest.value)
            if same and own_ms in (None, newest.timestamp_ms):
                return False
            if timestamp_ms < newest.timestamp_ms:
                return False
        self.exemplars.append(StoredExemplar(exemplar.labels, exemplar.value, timestamp_ms))
        return True


@dataclass
class SeriesStore:
    """All series. Selecting gives them in the order in which they were first seen."""

    max_series: int = 1_000_000
    max_exemplars: int = 100_000
    _next_id: int = 0
    _exemplars: deque[Series] = field(default_factory=deque)
    """The series of each exemplar, in the order in which they came."""
    _series: dict[Labels, Series] = field(default_factory=dict)
    _by_id: dict[int, Series] = field(default_factory=dict)
    _index: dict[str, dict[str, set[int]]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._series)

    def __iter__(self) -> Iterator[Series]:
        return iter(self._series.values())

    def get(self, labels: Labels) -> Series | None:
        return self._series.get(labels)

    def check(self, labels: Labels, timestamp_ms: int, value: float) -> None:
        """Raises an ``AppendError`` where ``append`` would not store the sample."""
        series = self._series.get(labels)
        if series is not None:
            series.check(timestamp_ms, value)

    def check_room(self, wanted: Iterable[Labels]) -> None:
        """Raises ``TooManySeries`` where the series would not all find room."""
        new = {labels for labels in wanted if labels not in self._series}
        if len(self._series) + len(new) > self.max_series:
            raise TooManySeries(self.max_series)

    def append(self, labels: Labels, timestamp_ms: int, value: float) -> bool:
        """Whether the sample was new; the series is made where it is not there yet."""
        return self.series(labels).append(timestamp_ms, value)

    def series(self, labels: Labels) -> Series:
        """The series of these labels, made where it is not there yet."""
        found = self._series.get(labels)
        if found is not None:
            return found
        if len(self._series) >= self.max_series:
            raise TooManySeries(self.max_series)
        series = Series(self._next_id, labels)
        self._next_id += 1
        self._series[labels] = self._by_id[series.id] = series
        for name, value in labels:
            self._index.setdefault(name, {}).setdefault(value, set()).add(series.id)
        return series

    @property
    def exemplar_count(self) -> int:
        return len(self._exemplars)

    def add_exemplar(self, labels: Labels, exemplar: Exemplar, sample_ms: int) -> None:
        """Of a series that is not there none is kept; one too many takes the oldest's place."""
        series = self._series.get(labels)
        if series is None or not series.add_exemplar(exemplar, sample_ms):
            return
        self._exemplars.append(series)
        if len(self._exemplars) > self.max_exemplars:
            self._exemplars.popleft().exemplars.pop(0)

    def select(self, matchers: Iterable[Matcher]) -> list[Series]:
        """The series that all matchers match."""
        chosen: set[int] | None = None
        excluded: set[int] = set()
        for matcher in matchers:
            if matcher.matches(""):
                excluded |= self._ids(matcher, matching=False)
                continue
            ids = self._ids(matcher, matching=True)
            chosen = ids if chosen is None else chosen & ids
        if chosen is None:
            chosen = set(self._by_id)
        return [self._by_id[i] for i in sorted(chosen - excluded if excluded else chosen)]

    def _ids(self, matcher: Matcher, *, matching: bool) -> set[int]:
        """Series that have the label with a value that matches (or does not)."""
        values = self._index.get(matcher.name, {})
        if matcher.operator == "=" and matching:
            return values.get(matcher.value, set())
        ids: set[int] = set()
        for value, members in values.items():
            if matcher.matches(value) is matching:
                ids |= members
        return ids

    def label_names(self) -> list[str]:
        return sorted(self._index)

    def label_values(self, name: str) -> list[str]:
        return sorted(self._index.get(name, ()))

    def time_range(self) -> tuple[int, int] | None:
        """Oldest and newest time in milliseconds; ``None`` where nothing is stored."""
        filled = [s.timestamps for s in self if s.timestamps]
        if not filled:
            return None
        return min(t[0] for t in filled), max(t[-1] for t in filled)

    def drop_before(self, timestamp_ms: int) -> None:
        """Forget older samples, and series that have none left."""
        for series in list(self):
            if not series.timestamps or series.timestamps[0] < timestamp_ms:
                series.drop_before(timestamp_ms)
                if not series.timestamps:
                    self._remove(series)
        left = [(e.timestamp_ms, series.id) for series in self for e in series.exemplars]
        self._exemplars = deque(self._by_id[series_id] for _, series_id in sorted(left))

    def _remove(self, series: Series) -> None:
        del self._series[series.labels], self._by_id[series.id]
        for name, value in series.labels:
            members = self._index[name][value]
            members.discard(series.id)
            if not members:
                del self._index[name][value]
                if not self._index[name]:
                    del self._index[name]
