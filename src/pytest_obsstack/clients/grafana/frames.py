"""Data frames: what a query through Grafana answers, whichever product it went to.

https://grafana.com/developers/dataplane/dataframes; as JSON a frame is ``{"schema": {"name",
"refId", "meta", "fields": [{"name", "type", "labels"}]}, "data": {"values"}}`` with one list of
values for each field. What JSON cannot say stands beside them: ``entities`` has
the indices of NaN and the infinities, ``nanos`` what milliseconds leave out
(``data/frame_json.go`` of https://github.com/grafana/grafana-plugin-sdk-go).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pytest_obsstack.clients import fields
from pytest_obsstack.clients.fields import Raw
from pytest_obsstack.clients.series import Sample, Series

_ENTITIES = {"NaN": math.nan, "Inf": math.inf, "NegInf": -math.inf}


@dataclass(frozen=True)
class Field:
    """A column."""

    name: str
    type: str | None
    """``time``, ``number``, ``string``, ``boolean``, ``other``."""
    labels: Mapping[str, str]
    """Of a number column of a time series: the series' labels."""
    values: tuple[Any, ...]
    """Times are nanoseconds since the epoch; ``None`` where there is no value."""


@dataclass(frozen=True)
class Frame:
    """A table of columns of the same length."""

    name: str | None
    ref_id: str | None
    """The query that it answers: ``A``."""
    fields: tuple[Field, ...]
    meta: Raw = field(repr=False, compare=False)
    """What the data source tells beside the data: ``type``, ``custom``, ``executedQueryString``."""

    def __len__(self) -> int:
        """Number of rows."""
        return max((len(column.values) for column in self.fields), default=0)

    def column(self, name: str) -> tuple[Any, ...]:
        """The values of a column; ``ObsstackError`` where the frame has none of that name."""
        for each in self.fields:
            if each.name == name:
                return each.values
        names = ", ".join(repr(each.name) for each in self.fields) or "no columns"
        raise fields.unexpected(f"a data frame of query {self.ref_id}", f"a column {name!r}", names)

    def rows(self) -> Iterator[dict[str, Any]]:
        """Each row by the columns' names."""
        for index in range(len(self)):
            yield {each.name: each.values[index] for each in self.fields}


@dataclass(frozen=True)
class LogLine:
    """A line of a logs query."""

    timestamp_ns: int
    line: str
    labels: Mapping[str, str]
    """Labels of the stream, structured metadata and parsed fields together."""


def parse_frames(raw: Any) -> tuple[Frame, ...]:
    """The frames of one query's result."""
    result = fields.mapping(raw, "a query's result")
    return tuple(
        _frame(each) for each in fields.optional_mappings(result, "frames", "a data frame")
    )


def series_of(frames: Iterable[Frame]) -> tuple[Series, ...]:
    """Each number column that stands beside a time column, as a series.

    Rows without a value are left out; exemplars, which come as frames of their own, are no series.
    """
    found: list[Series] = []
    for frame in frames:
        times = next((each.values for each in frame.fields if each.type == "time"), None)
        if times is None or _is_exemplars(frame):
            continue
        for each in frame.fields:
            if each.type == "number":
                pairs = zip(times, each.values, strict=True)
                samples = (
                    Sample(time_ns / 1e9, value) for time_ns, value in pairs if value is not None
                )
                found.append(Series(dict(each.labels), tuple(samples)))
    return tuple(found)


def log_lines_of(frames: Iterable[Frame]) -> tuple[LogLine, ...]:
    """The lines of Loki's frames, oldest first.

    Their columns are ``labels``, ``Time``, ``Line`` and ``tsNs``, which has all digits of the time
    (``pkg/tsdb/loki/frame.go`` of https://github.com/grafana/grafana); the data plane's own format
    for logs names them ``timestamp``, ``body`` and ``labels``
    (https://grafana.com/developers/dataplane/logs).
    """
    found: list[LogLine] = []
    for frame in frames:
        names = {each.name for each in frame.fields}
        texts = next((name for name in ("Line", "body") if name in names), None)
        if texts is None:
            continue
        labels = frame.column("labels") if "labels" in names else ({},) * len(frame)
        if "tsNs" in names:
            times: Sequence[Any] = [int(text) for text in frame.column("tsNs")]
        else:
            times = frame.column("timestamp" if "timestamp" in names else "Time")
        for time_ns, line, own in zip(times, frame.column(texts), labels, strict=True):
            found.append(LogLine(time_ns, line, fields.string_map(own or {})))
    return tuple(sorted(found, key=lambda each: each.timestamp_ns))


def exemplars_of(frames: Iterable[Frame]) -> tuple[dict[str, Any], ...]:
    """The rows of the exemplars beside a metric query's series: time, value and their labels."""
    return tuple(row for frame in frames if _is_exemplars(frame) for row in frame.rows())


def _is_exemplars(frame: Frame) -> bool:
    custom = frame.meta.get("custom")
    return isinstance(custom, Mapping) and custom.get("resultType") == "exemplar"


def _frame(raw: Raw) -> Frame:
    schema = fields.optional_mapping(raw, "schema")
    data = fields.optional_mapping(raw, "data")
    values = fields.optional_items(data, "values")
    entities = fields.optional_items(data, "entities")
    nanos = fields.optional_items(data, "nanos")
    columns = [
        _field(
            each,
            # A frame without rows has no lists at all.
            fields.items(values[index], "a column's values") if index < len(values) else (),
            entities[index] if index < len(entities) else None,
            nanos[index] if index < len(nanos) else None,
        )
        for index, each in enumerate(fields.optional_mappings(schema, "fields", "a column"))
    ]
    return Frame(
        name=fields.optional_text(schema, "name"),
        ref_id=fields.optional_text(schema, "refId"),
        fields=tuple(columns),
        meta=fields.optional_mapping(schema, "meta"),
    )


def _field(schema: Raw, values: Sequence[Any], entities: Any, nanos: Any) -> Field:
    found = list(values)
    kind = fields.optional_text(schema, "type")
    if isinstance(entities, Mapping):
        for name, value in _ENTITIES.items():
            for index in fields.optional_items(entities, name):
                found[index] = value
    if kind == "time":
        below = nanos if isinstance(nanos, list) else [0] * len(found)
        found = [
            None if ms is None else int(ms) * 1_000_000 + int(rest)
            for ms, rest in zip(found, below, strict=True)
        ]
    return Field(
        name=fields.optional_text(schema, "name") or "",
        type=kind,
        labels=fields.string_map(fields.optional_mapping(schema, "labels")),
        values=tuple(found),
    )
