"""The JSON of Loki's query API."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pytest_obsstack.embedded.loki.go_text import format_float
from pytest_obsstack.embedded.loki.logql.entries import FoundEntry
from pytest_obsstack.embedded.loki.logql.evaluate import Value
from pytest_obsstack.embedded.loki.logql.range_agg import Vector
from pytest_obsstack.embedded.loki.store import LabelKey, label_key

CATEGORIZE = "categorize-labels"


@dataclass
class _Stream:
    labels: dict[str, str]
    values: list[list[Any]] = field(default_factory=list)


def streams(
    entries: Iterable[FoundEntry], limit: int, interval_ns: int, *, categorized: bool
) -> dict[str, Any]:
    """``data`` of a log query: at most ``limit`` entries, by their labels.

    ``interval_ns`` is the least distance between two entries of a stream. With ``categorized`` each
    entry has its metadata and parsed labels beside it, and the stream has only its own.
    """
    found: dict[LabelKey, _Stream] = {}
    last_ns: dict[LabelKey, int] = {}
    count = 0
    for entry in entries:
        labels = entry.labels.of_stream() if categorized else entry.labels.all()
        key = label_key(labels)
        too_soon = key in last_ns and abs(entry.timestamp_ns - last_ns[key]) < interval_ns
        if too_soon:
            continue
        last_ns[key] = entry.timestamp_ns
        value: list[Any] = [str(entry.timestamp_ns), entry.line]
        if categorized:
            value.append(_categories(entry))
        found.setdefault(key, _Stream(dict(key))).values.append(value)
        count += 1
        if count == limit:
            break
    data: dict[str, Any] = {"resultType": "streams"}
    if categorized:
        data["encodingFlags"] = [CATEGORIZE]
    data["result"] = [
        {"stream": found[key].labels, "values": found[key].values} for key in sorted(found)
    ]
    return data


def _categories(entry: FoundEntry) -> dict[str, dict[str, str]]:
    categories = {"structuredMetadata": entry.labels.metadata, "parsed": entry.labels.found()}
    return {name: labels for name, labels in categories.items() if labels}


def vector(value: Value, time_ns: int, *, keep_order: bool) -> dict[str, Any]:
    """``data`` of an instant query: a scalar, or a vector in order of labels unless sorted."""
    if isinstance(value, float):
        return {"resultType": "scalar", "result": [_seconds(time_ns), format_float(value)]}
    keys = list(value) if keep_order else sorted(value)
    return {
        "resultType": "vector",
        "result": [
            {"metric": dict(key), "value": [_seconds(time_ns), format_float(value[key])]}
            for key in keys
        ],
    }


def matrix(steps_ns: Sequence[int], values: Sequence[Value]) -> dict[str, Any]:
    """``data`` of a metric range query."""
    points: dict[LabelKey, list[list[Any]]] = {}
    for step_ns, value in zip(steps_ns, values, strict=True):
        at_step: Vector = {(): value} if isinstance(value, float) else value
        for key, number in at_step.items():
            points.setdefault(key, []).append([_seconds(step_ns), format_float(number)])
    return {
        "resultType": "matrix",
        "result": [{"metric": dict(key), "values": points[key]} for key in sorted(points)],
    }


def _seconds(time_ns: int) -> int | float:
    """Unix seconds to the millisecond."""
    milliseconds = time_ns // 1_000_000
    return milliseconds // 1000 if milliseconds % 1000 == 0 else milliseconds / 1000
