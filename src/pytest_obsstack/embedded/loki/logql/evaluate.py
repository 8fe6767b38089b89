"""Metric queries: a vector or a number for each step."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from pytest_obsstack.embedded.loki.logql.binop import combine
from pytest_obsstack.embedded.loki.logql.errors import EvaluationError, ParseError
from pytest_obsstack.embedded.loki.logql.range_agg import RangeEvaluator, Vector
from pytest_obsstack.embedded.loki.logql.regexps import RegexpError, compile_anchored
from pytest_obsstack.embedded.loki.logql.syntax import (
    BinaryOperation,
    Grouping,
    LabelReplace,
    MetricExpr,
    NumberLiteral,
    RangeAggregation,
    VectorAggregation,
    VectorLiteral,
)
from pytest_obsstack.embedded.loki.logql.vector_agg import aggregate
from pytest_obsstack.embedded.loki.store import LabelKey, Store, label_key

_ADDITIVE = frozenset({"count_over_time", "rate", "bytes_over_time", "bytes_rate", "sum_over_time"})

Value = Vector | float
Evaluator = Callable[[int], Value]

_REFERENCE = re.compile(r"\$(?:\$|\{(\w+)\}|(\w+))")


def evaluate(store: Store, query: MetricExpr, steps_ns: Sequence[int]) -> list[Value]:
    """The value at each step (Unix nanoseconds, ascending). Raises ``LogQLError``."""
    evaluator = _evaluator(store, query, steps_ns[0], steps_ns[-1])
    return [evaluator(step_ns) for step_ns in steps_ns]


def keeps_order(query: MetricExpr) -> bool:
    """Whether the order of the query's vector is part of the answer."""
    return isinstance(query, VectorAggregation) and query.op in ("sort", "sort_desc")


def _evaluator(store: Store, query: MetricExpr, first_ns: int, last_ns: int) -> Evaluator:
    if isinstance(query, NumberLiteral):
        number = query.value
        return lambda _: number
    if isinstance(query, VectorLiteral):
        vector: Vector = {(): query.value}
        return lambda _: vector
    if isinstance(query, RangeAggregation):
        return RangeEvaluator(store, query, first_ns, last_ns, query.grouping).at
    if isinstance(query, BinaryOperation):
        left = _evaluator(store, query.left, first_ns, last_ns)
        right = _evaluator(store, query.right, first_ns, last_ns)
        operation = query
        return lambda step_ns: combine(operation, left(step_ns), right(step_ns))
    if isinstance(query, VectorAggregation) and query.op == "sum":
        summed = query.inner
        if isinstance(summed, RangeAggregation) and summed.op in _ADDITIVE:
            # The sum of sums is the sum of all samples: no series of its own for each label set.
            grouping = query.grouping or Grouping(())
            return RangeEvaluator(store, summed, first_ns, last_ns, grouping).at
    inner = _evaluator(store, query.inner, first_ns, last_ns)
    if isinstance(query, VectorAggregation):
        aggregation = query
        if aggregation.op == "approx_topk":
            raise EvaluationError("approx_topk is not enabled. See -limits.shard_aggregations")
        return lambda step_ns: aggregate(aggregation, _vector(inner(step_ns)))
    replace = _label_replacement(query)
    return lambda step_ns: replace(_vector(inner(step_ns)))


def _vector(value: Value) -> Vector:
    return {(): value} if isinstance(value, float) else value


def _label_replacement(query: LabelReplace) -> Callable[[Vector], Vector]:
    try:
        pattern = compile_anchored(query.pattern)
    except RegexpError as error:
        raise ParseError(f"invalid regex in label_replace: {error}") from error

    def replaced(labels: LabelKey) -> LabelKey:
        by_name = dict(labels)
        match = pattern.fullmatch(by_name.get(query.source, ""))
        if match is None:
            return labels
        value = _REFERENCE.sub(lambda ref: _group(match, ref[1] or ref[2]), query.replacement)
        by_name[query.target] = value
        return label_key({name: value for name, value in by_name.items() if value})

    def replace(vector: Vector) -> Vector:
        result: Vector = {}
        for labels, value in vector.items():
            key = replaced(labels)
            if key in result:
                raise EvaluationError("vector cannot contain metrics with the same labelset")
            result[key] = value
        return result

    return replace


def _group(match: re.Match[str], name: str | None) -> str:
    if name is None:
        return "$"
    try:
        return match[int(name) if name.isdigit() else name] or ""
    except (IndexError, KeyError):
        return ""
