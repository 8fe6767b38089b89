"""Server-side expressions of alert rules: thresholds and reductions.

Source: pkg/expr. A value is a number with labels, or a series that has to be reduced first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_obsstack.embedded.grafana.frames import Frame
from pytest_obsstack.embedded.grafana.refusal import Unsupported

EXPRESSIONS = "__expr__"
"""The uid of the data source that expressions name."""


class ExpressionError(ValueError):
    """An expression that cannot be evaluated; the text is Grafana's."""


@dataclass(frozen=True)
class Number:
    """One value of one label set."""

    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True)
class NumberSeries:
    """Several values over time, the oldest first."""

    labels: Mapping[str, str]
    values: Sequence[float]


Values = list[Number | NumberSeries]
"""What a query or an expression gives; empty is "no data"."""

_PREDICATES: Mapping[str, tuple[int, Callable[..., bool]]] = {
    "gt": (1, lambda value, a: value > a),
    "lt": (1, lambda value, a: value < a),
    "eq": (1, lambda value, a: value == a),
    "ne": (1, lambda value, a: value != a),
    "gte": (1, lambda value, a: value >= a),
    "lte": (1, lambda value, a: value <= a),
    "within_range": (2, lambda value, a, b: a < value < b),
    "outside_range": (2, lambda value, a, b: value < a or value > b),
    "within_range_included": (2, lambda value, a, b: a <= value <= b),
    "outside_range_included": (2, lambda value, a, b: value <= a or value >= b),
}
_REDUCERS: Mapping[str, Callable[[Sequence[float]], float]] = {
    "last": lambda values: values[-1],
    "mean": lambda values: sum(values) / len(values),
    "sum": sum,
    "min": min,
    "max": max,
    "count": lambda values: float(len(values)),
}


def values_of(frames: Sequence[Frame]) -> Values:
    """Numbers of ``numeric-multi`` frames, series of the others."""
    found: Values = []
    for frame in frames:
        if len(frame.fields) != 2 or frame.fields[1].type != "float64":
            continue
        column = frame.fields[1]
        labels = {
            name: value for name, value in (column.labels or {}).items() if name != "__name__"
        }
        if frame.meta.get("type") == "numeric-multi":
            found.extend(Number(labels, value) for value in column.values)
        else:
            found.append(NumberSeries(labels, list(column.values)))
    return found


def evaluate(model: Mapping[str, Any], results: Mapping[str, Values]) -> Values:
    """The values of an expression; raises ``ExpressionError`` or ``Unsupported``."""
    kind = model.get("type")
    if kind not in ("threshold", "reduce"):
        raise Unsupported(f"expressions of type {kind}")
    reference = str(model.get("expression") or "").removeprefix("$")
    if not reference:
        raise ExpressionError(f"no variable specified to reference for refId {model.get('refId')}")
    if reference not in results:
        raise ExpressionError(
            f"expression [{model.get('refId')}] depends on [{reference}], which is not in the rule"
        )
    given = results[reference]
    return _threshold(model, given) if kind == "threshold" else _reduced(model, given)


def _threshold(model: Mapping[str, Any], given: Values) -> Values:
    conditions = model.get("conditions")
    if not isinstance(conditions, list) or len(conditions) != 1:
        raise ExpressionError("threshold expression requires exactly one condition")
    if "unloadEvaluator" in conditions[0]:
        raise Unsupported("thresholds with a recovery threshold")
    evaluator = conditions[0].get("evaluator") or {}
    kind, params = str(evaluator.get("type")), evaluator.get("params") or []
    if kind not in _PREDICATES:
        known = ", ".join(_PREDICATES)
        raise ExpressionError(
            f"invalid condition: expected threshold function to be one of [{known}], got {kind}"
        )
    count, predicate = _PREDICATES[kind]
    if len(params) < count:
        raise ExpressionError(
            f"invalid condition: incorrect number of arguments for threshold function '{kind}': "
            f"got {len(params)} but need {count}"
        )
    found: Values = []
    for each in given:
        if isinstance(each, Number):
            met = predicate(each.value, *params[:count])
            found.append(Number(each.labels, 1.0 if met else 0.0))
        else:
            met_at = [float(predicate(value, *params[:count])) for value in each.values]
            found.append(NumberSeries(each.labels, met_at))
    return found


def _reduced(model: Mapping[str, Any], given: Values) -> Values:
    reducer = str(model.get("reducer") or "").lower()
    if reducer not in _REDUCERS:
        raise Unsupported(f"the reducer {reducer}")
    settings = model.get("settings") or {}
    mode = settings.get("mode") or ""
    if mode not in ("", "dropNN"):
        raise Unsupported(f"reductions in mode {mode}")
    found: Values = []
    for each in given:
        if isinstance(each, Number):
            found.append(each)
            continue
        values = list(each.values)
        if mode == "dropNN":
            values = [value for value in values if math.isfinite(value)]
        found.append(Number(each.labels, _reduce(reducer, values)))
    return found


def _reduce(reducer: str, values: Sequence[float]) -> float:
    if not values:
        return 0.0 if reducer in ("sum", "count") else math.nan
    if reducer not in ("last", "count") and any(math.isnan(value) for value in values):
        return math.nan
    return float(_REDUCERS[reducer](values))
