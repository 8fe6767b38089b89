"""Series of an answer of Prometheus' form, which Loki's metric queries have too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_obsstack.embedded.go_quote import quote
from pytest_obsstack.embedded.grafana.times import MS


@dataclass(frozen=True)
class Series:
    """Times in Unix nanoseconds, of whole milliseconds."""

    labels: Mapping[str, str]
    times_ns: Sequence[int]
    values: Sequence[float]


def series_of(data: Mapping[str, Any]) -> list[Series]:
    """Of ``{"resultType", "result"}``; raises ``ValueError`` for another type."""
    kind, result = data.get("resultType"), data.get("result")
    if kind == "scalar":
        return [_series({}, [result])]
    if kind == "vector":
        return [_series(each["metric"], [each["value"]]) for each in result or ()]
    if kind == "matrix":
        return [_series(each["metric"], each["values"]) for each in result or ()]
    raise ValueError(f"unknown result type: {kind}")


def frame_type(result_type: str) -> str:
    """``timeseries-multi`` for what has several times, else ``numeric-multi``."""
    return "timeseries-multi" if result_type == "matrix" else "numeric-multi"


def quoted_labels(labels: Mapping[str, str]) -> str:
    """``a="b", c="d"``, sorted."""
    return ", ".join(f"{name}={quote(labels[name])}" for name in sorted(labels))


def _series(labels: Mapping[str, str], points: Sequence[Any]) -> Series:
    return Series(
        dict(labels),
        [int(time_s * 1000) * MS for time_s, _ in points],
        [_float(text) for _, text in points],
    )


def _float(text: str) -> float:
    # Go's +Inf and NaN read the same in Python.
    return float(text)
