"""Binary operators: arithmetic, comparisons, sets, and how the series of two sides are matched."""

from __future__ import annotations

from collections.abc import Callable

from pytest_obsstack.embedded.prometheus.engine.numeric import ARITHMETIC, COMPARISON
from pytest_obsstack.embedded.prometheus.engine.values import QueryError, Vector
from pytest_obsstack.embedded.prometheus.model import (
    METRIC_NAME,
    Labels,
    drop_labels,
    keep_labels,
    label_value,
    labels_text,
    with_labels,
    without_name,
)
from pytest_obsstack.embedded.prometheus.promql.ast import VectorMatching


def scalars(operator: str, left: float, right: float) -> float:
    if operator in ARITHMETIC:
        return ARITHMETIC[operator](left, right)
    return float(COMPARISON[operator](left, right))


def vector_and_scalar(
    operator: str, vector: Vector, scalar: float, *, scalar_is_left: bool, return_bool: bool
) -> Vector:
    """A comparison keeps the vector's values, whichever side the vector is on."""
    result: Vector = []
    if operator in ARITHMETIC:
        function = ARITHMETIC[operator]
        for labels, value in vector:
            left, right = (scalar, value) if scalar_is_left else (value, scalar)
            result.append((without_name(labels), function(left, right)))
        return result
    holds = COMPARISON[operator]
    for labels, value in vector:
        left, right = (scalar, value) if scalar_is_left else (value, scalar)
        if return_bool:
            result.append((without_name(labels), float(holds(left, right))))
        elif holds(left, right):
            result.append((labels, value))
    return result


def signature_of(matching: VectorMatching) -> Callable[[Labels], Labels]:
    """From a series' labels to those that series are matched by."""
    if matching.on:
        kept = frozenset(matching.labels)
        return lambda labels: keep_labels(labels, kept)
    dropped = frozenset({*matching.labels, METRIC_NAME})
    return lambda labels: drop_labels(labels, dropped)


def set_operation(operator: str, left: Vector, right: Vector, matching: VectorMatching) -> Vector:
    signature = signature_of(matching)
    if operator == "or":
        seen = {signature(labels) for labels, _ in left}
        return left + [sample for sample in right if signature(sample[0]) not in seen]
    present = {signature(labels) for labels, _ in right}
    wanted = operator == "and"
    return [sample for sample in left if (signature(sample[0]) in present) is wanted]


def vectors(
    operator: str, left: Vector, right: Vector, matching: VectorMatching, *, return_bool: bool
) -> Vector:
    """Arithmetic and comparisons of two vectors; raises ``QueryError`` where a match is unclear."""
    if not left or not right:
        return []
    swapped = matching.cardinality == "one-to-many"
    many, one = (right, left) if swapped else (left, right)
    signature = signature_of(matching)
    partners = _unique_partners(one, signature, matching)
    produced: dict[Labels, set[Labels]] = {}
    result: Vector = []
    for labels, value in many:
        key = signature(labels)
        partner = partners.get(key)
        if partner is None:
            continue
        pair = (partner[1], value) if swapped else (value, partner[1])
        computed = _compute(operator, *pair, return_bool=return_bool)
        if computed is None:
            continue
        metric = _result_labels(labels, partner[0], operator, matching, return_bool=return_bool)
        _note_result(produced, key, metric, matching)
        result.append((metric, computed))
    return result


def _unique_partners(
    one: Vector, signature: Callable[[Labels], Labels], matching: VectorMatching
) -> dict[Labels, tuple[Labels, float]]:
    partners: dict[Labels, tuple[Labels, float]] = {}
    for labels, value in one:
        key = signature(labels)
        if key in partners:
            side = "left" if matching.cardinality == "one-to-many" else "right"
            both = f"[{labels_text(labels)}, {labels_text(partners[key][0])}]"
            raise QueryError(
                f"found duplicate series for the match group {labels_text(key)} on the {side} "
                f"hand-side of the operation: {both};many-to-many matching not allowed: "
                "matching labels must be unique on one side"
            )
        partners[key] = (labels, value)
    return partners


def _compute(operator: str, left: float, right: float, *, return_bool: bool) -> float | None:
    """``None`` where a comparison does not hold."""
    if operator in ARITHMETIC:
        return ARITHMETIC[operator](left, right)
    holds = COMPARISON[operator](left, right)
    if return_bool:
        return float(holds)
    return left if holds else None


def _result_labels(
    many: Labels, one: Labels, operator: str, matching: VectorMatching, *, return_bool: bool
) -> Labels:
    labels = without_name(many) if operator in ARITHMETIC else many
    if matching.cardinality == "one-to-one":
        names = frozenset(matching.labels)
        labels = keep_labels(labels, names) if matching.on else drop_labels(labels, names)
    if matching.include:
        labels = with_labels(labels, {name: label_value(one, name) for name in matching.include})
    return without_name(labels) if return_bool else labels


def _note_result(
    produced: dict[Labels, set[Labels]], key: Labels, metric: Labels, matching: VectorMatching
) -> None:
    """Refuse a second result of a match group (or one with the same labels as the first)."""
    earlier = produced.setdefault(key, set())
    if matching.cardinality == "one-to-one" and earlier:
        raise QueryError(
            "multiple matches for labels: many-to-one matching must be explicit "
            "(group_left/group_right)"
        )
    if metric in earlier:
        raise QueryError("multiple matches for labels: grouping labels must ensure unique matches")
    earlier.add(metric)
