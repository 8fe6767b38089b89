"""Samples and series: what the metric queries of Prometheus and Loki answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pytest_obsstack.clients import fields
from pytest_obsstack.clients.fields import Raw
from pytest_obsstack.errors import ObsstackError

ResultType = Literal["vector", "matrix", "scalar", "string"]


@dataclass(frozen=True)
class Sample:
    """One value of a series."""

    timestamp_s: float
    """Seconds since the epoch."""
    value: float
    """May be ``nan``, ``inf`` or ``-inf``."""


@dataclass(frozen=True)
class Series:
    """A label set and its samples, oldest first; an instant vector has exactly one sample each."""

    labels: Mapping[str, str]
    samples: tuple[Sample, ...]
    raw: Raw = field(default_factory=dict, repr=False, compare=False)
    """As answered; holds native histograms, which have no samples here."""

    @property
    def name(self) -> str | None:
        """The metric name; ``None`` where the query has dropped it."""
        return self.labels.get("__name__")

    @property
    def last(self) -> Sample:
        """The newest sample; ``ObsstackError`` for a series of native histograms."""
        if not self.samples:
            raise ObsstackError(
                f"The series {dict(self.labels)} has no float samples.",
                expected="at least one float sample",
                found="native histograms" if _has_histograms(self.raw) else "no samples",
                advice="query a float, for example histogram_count(…), or read `raw`",
            )
        return self.samples[-1]


@dataclass(frozen=True)
class QueryResult:
    """The answer to a metric query."""

    result_type: ResultType
    series: tuple[Series, ...]
    """A scalar is one series without labels; a string has none."""
    text: str | None = None
    """The value of a ``string`` result."""
    warnings: tuple[str, ...] = ()
    infos: tuple[str, ...] = ()
    raw: Raw = field(default_factory=dict, repr=False, compare=False)

    @property
    def value(self) -> float:
        """The value, where the result is a scalar or has exactly one series: its newest sample."""
        if len(self.series) != 1:
            names = ", ".join(str(dict(series.labels)) for series in self.series[:5])
            raise ObsstackError(
                f"The result has {len(self.series)} series, so it has no single value.",
                expected="exactly one series",
                found=names or "none",
                advice="narrow the selector or aggregate, or read `series`",
            )
        return self.series[0].last.value


def successful(answer: Any, what: str) -> Raw:
    """The answer, if it has the ``status`` that Prometheus and Loki give to a success."""
    raw = fields.mapping(answer, what)
    if raw.get("status") != "success":
        raise fields.unexpected(what, '"status": "success"', dict(raw))
    return raw


def parse_result(raw: Raw) -> QueryResult:
    """The result of a query from its whole answer.

    Shapes: https://prometheus.io/docs/prometheus/latest/querying/api/#expression-query-result-formats
    """
    data = fields.mapping(raw.get("data"), "field 'data'")
    result_type = data.get("resultType")
    result = data.get("result")
    series: tuple[Series, ...]
    string: str | None = None
    if result_type in ("vector", "matrix"):
        series = tuple(_series(item) for item in fields.items(result or [], "field 'result'"))
    elif result_type == "scalar":
        series = (Series({}, (_sample(result),)),)
    elif result_type == "string":
        series, string = (), str(fields.items(result, "field 'result'")[1])
    else:
        raise fields.unexpected(
            "field 'resultType'", "vector, matrix, scalar or string", result_type
        )
    return QueryResult(
        result_type,
        series,
        string,
        warnings=tuple(str(item) for item in fields.optional_items(raw, "warnings")),
        infos=tuple(str(item) for item in fields.optional_items(raw, "infos")),
        raw=raw,
    )


def _series(item: Any) -> Series:
    item = fields.mapping(item, "a series")
    labels = fields.string_map(fields.optional_mapping(item, "metric"))
    pairs = fields.optional_items(item, "values")
    if item.get("value") is not None:
        pairs = [item["value"]]
    return Series(labels, tuple(_sample(pair) for pair in pairs), item)


def _sample(pair: Any) -> Sample:
    if not isinstance(pair, list) or len(pair) != 2:
        raise fields.unexpected("a sample", "[seconds, value as a string]", pair)
    try:
        return Sample(float(pair[0]), float(pair[1]))
    except (TypeError, ValueError):
        raise fields.unexpected("a sample", "[seconds, value as a string]", pair) from None


def _has_histograms(raw: Raw) -> bool:
    return "histogram" in raw or "histograms" in raw
