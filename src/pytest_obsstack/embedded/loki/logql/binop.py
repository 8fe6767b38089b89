"""Binary operators between vectors and numbers."""

from __future__ import annotations

from pytest_obsstack.embedded.loki.logql.arithmetic import COMPARISONS, calculate
from pytest_obsstack.embedded.loki.logql.errors import EvaluationError
from pytest_obsstack.embedded.loki.logql.range_agg import Vector
from pytest_obsstack.embedded.loki.logql.syntax import BinaryOperation, Matching
from pytest_obsstack.embedded.loki.store import LabelKey, label_key

_SET_OPERATORS = frozenset({"and", "or", "unless"})
_MANY_TO_MANY = "many-to-many matching not allowed: matching labels must be unique on one side"


def combine(operation: BinaryOperation, left: Vector | float, right: Vector | float) -> Vector:
    """The vector of an operation of which at least one side is a vector. ``EvaluationError``."""
    if isinstance(left, float):
        if isinstance(right, float):
            raise EvaluationError("two numbers are no vector")  # the parser calculates them
        return _with_number(operation, right, left, number_is_left=True)
    if isinstance(right, float):
        return _with_number(operation, left, right, number_is_left=False)
    if operation.op in _SET_OPERATORS:
        return _set_operation(operation, left, right)
    if operation.matching.group == "right":
        return _matched(operation, many=right, one=left, swapped=True)
    return _matched(operation, many=left, one=right, swapped=False)


def _with_number(
    operation: BinaryOperation, vector: Vector, number: float, *, number_is_left: bool
) -> Vector:
    result: Vector = {}
    for labels, value in vector.items():
        pair = (number, value) if number_is_left else (value, number)
        kept = _result(operation, pair[0], pair[1], value)
        if kept is not None:
            result[labels] = kept
    return result


def _result(operation: BinaryOperation, left: float, right: float, kept: float) -> float | None:
    """The value of a pair; None where a comparison filters it away, ``kept`` where it does not."""
    value = calculate(operation.op, left, right)
    if operation.op in COMPARISONS and not operation.returns_bool:
        return kept if value else None
    return value


def _signature(labels: LabelKey, matching: Matching) -> LabelKey:
    return tuple(pair for pair in labels if (pair[0] in matching.labels) == matching.on)


def _set_operation(operation: BinaryOperation, left: Vector, right: Vector) -> Vector:
    matching = operation.matching
    rights = {_signature(labels, matching) for labels in right}
    if operation.op == "or":
        lefts = {_signature(labels, matching) for labels in left}
        extra = {k: v for k, v in right.items() if _signature(k, matching) not in lefts}
        return {**left, **extra}
    wanted = operation.op == "and"
    return {k: v for k, v in left.items() if (_signature(k, matching) in rights) == wanted}


def _matched(operation: BinaryOperation, many: Vector, one: Vector, *, swapped: bool) -> Vector:
    """Each series of ``many`` with its partner in ``one``, where signatures are unique."""
    matching = operation.matching
    partners: dict[LabelKey, tuple[LabelKey, float]] = {}
    for labels, value in one.items():
        signature = _signature(labels, matching)
        if signature in partners:
            side = "left" if swapped else "right"
            raise EvaluationError(f"found duplicate series on the {side} hand-side;{_MANY_TO_MANY}")
        partners[signature] = (labels, value)
    result: Vector = {}
    seen: set[LabelKey] = set()
    for labels, value in many.items():
        signature = _signature(labels, matching)
        if signature not in partners:
            continue
        partner_labels, partner = partners[signature]
        left, right = (partner, value) if swapped else (value, partner)
        kept = _result(operation, left, right, left)
        if kept is None:
            continue
        if not matching.group and signature in seen:
            raise EvaluationError(
                "multiple matches for labels: many-to-one matching must be explicit "
                "(group_left/group_right)"
            )
        seen.add(signature)
        key = _result_labels(labels, partner_labels, signature, matching)
        if key in result:
            raise EvaluationError(
                "multiple matches for labels: grouping labels must ensure unique matches"
            )
        result[key] = kept
    return result


def _result_labels(
    labels: LabelKey, partner: LabelKey, signature: LabelKey, matching: Matching
) -> LabelKey:
    if not matching.group:
        return signature
    included = {name: value for name, value in partner if name in matching.include}
    own = {name: value for name, value in labels if name not in matching.include}
    return label_key({**own, **included})
