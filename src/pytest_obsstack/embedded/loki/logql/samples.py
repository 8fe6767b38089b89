"""Samples by series: what a range aggregation aggregates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from pytest_obsstack.embedded.loki.go_text import GoNumberError, format_labels, parse_float
from pytest_obsstack.embedded.loki.logql.entries import FoundEntry, find_entries
from pytest_obsstack.embedded.loki.logql.errors import PipelineError
from pytest_obsstack.embedded.loki.logql.filters import LabelsTest, labels_test
from pytest_obsstack.embedded.loki.logql.labels import ERROR
from pytest_obsstack.embedded.loki.logql.syntax import Grouping, RangeAggregation, Unwrap
from pytest_obsstack.embedded.loki.logql.units import UnitError, parse_go_duration, parse_size
from pytest_obsstack.embedded.loki.store import LabelKey, Store, label_key

EXTRACTION_ERROR = "SampleExtractionErr"

_CONVERSIONS: dict[str, Callable[[str], float]] = {
    "": parse_float,
    "bytes": lambda text: float(parse_size(text)),
    "duration": lambda text: parse_go_duration(text) / 1e9,
    "duration_seconds": lambda text: parse_go_duration(text) / 1e9,
}


@dataclass
class Series:
    """Samples in order of time."""

    labels: LabelKey
    times_ns: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)

    def check(self) -> None:
        """Raise ``PipelineError`` where the lines of this series have an error."""
        labels = dict(self.labels)
        if labels.get(ERROR):
            raise PipelineError(labels[ERROR], format_labels(labels))


def collect_series(
    store: Store,
    aggregation: RangeAggregation,
    after_ns: int,
    until_ns: int,
    grouping: Grouping | None,
) -> list[Series]:
    """The series of the entries with ``after_ns < time <= until_ns``.

    ``grouping`` says which labels make a series; None: all.
    """
    unwrap = aggregation.log_range.unwrap
    filters = [labels_test(one) for one in unwrap.filters] if unwrap else []
    is_bytes = aggregation.op.startswith("bytes")
    found: dict[LabelKey, Series] = {}
    # Windows are open at their start and closed at their end, ranges of log queries the reverse.
    for entry in find_entries(store, aggregation.log_range.query, after_ns + 1, until_ns + 1):
        if unwrap is None:
            value = float(len(entry.line.encode())) if is_bytes else 1.0
        else:
            converted = _unwrapped(entry, unwrap, filters)
            if converted is None:
                continue
            value = converted
        key = _series_key(entry, unwrap, grouping)
        series = found.get(key)
        if series is None:
            series = found[key] = Series(key)
        series.times_ns.append(entry.timestamp_ns)
        series.values.append(value)
    return list(found.values())


def _unwrapped(entry: FoundEntry, unwrap: Unwrap, filters: list[LabelsTest]) -> float | None:
    """The sample of an entry; None where it has none or a filter after ``unwrap`` drops it."""
    labels = entry.labels
    if not labels.has(unwrap.label):
        return None
    value = 0.0
    try:
        value = _CONVERSIONS[unwrap.conversion](labels.get(unwrap.label))
    except (GoNumberError, UnitError) as error:
        labels.set_error(EXTRACTION_ERROR, str(error))
    return value if all(test(labels) for test in filters) else None


def _series_key(entry: FoundEntry, unwrap: Unwrap | None, grouping: Grouping | None) -> LabelKey:
    if grouping is not None and not grouping.without and not entry.labels.error:
        chosen = ((name, entry.labels.get(name)) for name in sorted(set(grouping.labels)))
        return tuple(pair for pair in chosen if pair[1])
    labels = entry.labels.all()
    if entry.labels.error:
        return label_key(labels)  # grouping would hide the error
    if unwrap is not None:
        labels.pop(unwrap.label, None)
    return label_key(labels) if grouping is None else grouped(label_key(labels), grouping)


def grouped(labels: LabelKey, grouping: Grouping) -> LabelKey:
    """The labels that a grouping leaves."""
    names = grouping.labels
    return tuple(pair for pair in labels if (pair[0] in names) != grouping.without and pair[1])
