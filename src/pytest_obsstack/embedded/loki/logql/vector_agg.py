"""Aggregations of a vector: ``sum by (a) (…)``, ``topk(2, …)``, ``sort(…)``."""

from __future__ import annotations

import math
from collections.abc import Callable

from pytest_obsstack.embedded.loki.logql.errors import NotSupported
from pytest_obsstack.embedded.loki.logql.range_agg import Vector, mean, variance
from pytest_obsstack.embedded.loki.logql.samples import grouped
from pytest_obsstack.embedded.loki.logql.syntax import Grouping, VectorAggregation
from pytest_obsstack.embedded.loki.store import LabelKey

_REDUCTIONS: dict[str, Callable[[list[float]], float]] = {
    "sum": sum,
    "avg": mean,
    "min": min,
    "max": max,
    "count": lambda values: float(len(values)),
    "stddev": lambda values: math.sqrt(variance(values)),
    "stdvar": variance,
}


def aggregate(aggregation: VectorAggregation, vector: Vector) -> Vector:
    """The aggregated vector; ``sort`` and ``sort_desc`` give it an order."""
    op = aggregation.op
    if op in ("sort", "sort_desc"):
        ordered = sorted(
            vector.items(), key=lambda pair: _order(pair[1], descending=op == "sort_desc")
        )
        return dict(ordered)
    groups = _groups(vector, aggregation.grouping or Grouping(()))
    if op in _REDUCTIONS:
        reduce = _REDUCTIONS[op]
        return {key: reduce([value for _, value in members]) for key, members in groups.items()}
    if op in ("topk", "bottomk"):
        chosen: Vector = {}
        for members in groups.values():
            members.sort(key=lambda pair: _order(pair[1], descending=op == "topk"))
            chosen.update(members[: aggregation.parameter])
        return chosen
    raise NotSupported(op)


def _groups(vector: Vector, grouping: Grouping) -> dict[LabelKey, list[tuple[LabelKey, float]]]:
    groups: dict[LabelKey, list[tuple[LabelKey, float]]] = {}
    for labels, value in sorted(vector.items()):
        groups.setdefault(grouped(labels, grouping), []).append((labels, value))
    return groups


def _order(value: float, *, descending: bool) -> tuple[bool, float]:
    """A key that puts what is not a number last."""
    return math.isnan(value), -value if descending else value
