"""Instant and range queries: text to a result, with its annotations."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TypeAlias

from pytest_obsstack.embedded.prometheus.engine.annotations import Annotations
from pytest_obsstack.embedded.prometheus.engine.evaluator import Evaluator
from pytest_obsstack.embedded.prometheus.engine.values import RangeSeries, Vector
from pytest_obsstack.embedded.prometheus.model import Labels
from pytest_obsstack.embedded.prometheus.promql.ast import Expr
from pytest_obsstack.embedded.prometheus.promql.parser import parse
from pytest_obsstack.embedded.prometheus.promql.signatures import DOCUMENTED_TYPES
from pytest_obsstack.embedded.prometheus.store import SeriesStore


@dataclass(frozen=True)
class QueryOptions:
    lookback_ms: int = 300_000
    default_step_ms: int = 60_000
    timeout_s: float = 120.0
    max_samples: int = 50_000_000


@dataclass(frozen=True)
class ScalarResult:
    at_ms: int
    value: float


@dataclass(frozen=True)
class StringResult:
    at_ms: int
    value: str


@dataclass(frozen=True)
class VectorResult:
    at_ms: int
    vector: Vector


@dataclass(frozen=True)
class MatrixResult:
    series: list[RangeSeries]


Result: TypeAlias = ScalarResult | StringResult | VectorResult | MatrixResult


@dataclass(frozen=True)
class Answer:
    result: Result
    warnings: list[str] = field(default_factory=list)
    infos: list[str] = field(default_factory=list)


class NotForRange(Exception):
    """An expression whose type cannot be evaluated over a range; ``str()`` is Prometheus' text."""

    def __init__(self, expr: Expr) -> None:
        super().__init__(
            f'invalid expression type "{DOCUMENTED_TYPES[expr.type]}" for range query, '
            "must be Scalar or instant Vector"
        )


def instant_query(store: SeriesStore, query: str, at_ms: int, options: QueryOptions) -> Answer:
    """Raises ``PromqlParseError`` or ``QueryError``."""
    expr = parse(query)
    annotations = Annotations(query)
    evaluator = _evaluator(store, annotations, at_ms, at_ms, options)
    result: Result
    if expr.type == "scalar":
        result = ScalarResult(at_ms, evaluator.scalar(expr, at_ms))
    elif expr.type == "string":
        result = StringResult(at_ms, evaluator.string(expr))
    elif expr.type == "vector":
        result = VectorResult(at_ms, evaluator.vector(expr, at_ms))
    else:
        window = evaluator.window(expr, at_ms)
        result = MatrixResult(sorted(window.series, key=lambda series: series.labels))
    return Answer(result, annotations.warnings(), annotations.infos())


def range_query(
    store: SeriesStore, query: str, start_ms: int, end_ms: int, step_ms: int, options: QueryOptions
) -> Answer:
    """Raises ``PromqlParseError``, ``NotForRange`` or ``QueryError``."""
    expr = parse(query)
    if expr.type not in ("scalar", "vector"):
        raise NotForRange(expr)
    annotations = Annotations(query)
    evaluator = _evaluator(store, annotations, start_ms, end_ms, options)
    points: dict[Labels, tuple[list[int], list[float]]] = {}
    for at_ms in range(start_ms, end_ms + 1, step_ms):
        evaluator.check_deadline()
        if expr.type == "scalar":
            vector: Vector = [((), evaluator.scalar(expr, at_ms))]
        else:
            vector = evaluator.vector(expr, at_ms)
        for labels, value in vector:
            timestamps, values = points.setdefault(labels, ([], []))
            timestamps.append(at_ms)
            values.append(value)
    series = [RangeSeries(labels, *points[labels]) for labels in sorted(points)]
    return Answer(MatrixResult(series), annotations.warnings(), annotations.infos())


def _evaluator(
    store: SeriesStore, annotations: Annotations, start_ms: int, end_ms: int, options: QueryOptions
) -> Evaluator:
    return Evaluator(
        store,
        annotations,
        start_ms=start_ms,
        end_ms=end_ms,
        lookback_ms=options.lookback_ms,
        default_step_ms=options.default_step_ms,
        max_samples=options.max_samples,
        deadline_s=time.monotonic() + options.timeout_s,
    )
