"""Which spans of a trace a query finds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from pytest_obsstack.embedded.tempo.traceql.syntax import (
    Attribute,
    Binary,
    Exists,
    Expression,
    Filter,
    Intrinsic,
    Not,
    Spanset,
    Static,
)
from pytest_obsstack.embedded.tempo.traceql.values import Value, compare

Field = Attribute | Intrinsic


class SearchedSpan(Protocol):
    """What a query asks of a span."""

    def value_of(self, asked: Field) -> Value:
        """The value; None where the span has none. Of events a tuple with that of each."""


@dataclass
class Found:
    """A span that fits, and the values by which it does, in the order of the query."""

    span: SearchedSpan
    values: dict[Field, Value] = field(default_factory=dict)


def matching(spanset: Spanset, spans: Sequence[SearchedSpan]) -> list[Found]:
    """The spans that the query finds in one trace, in the order in which they are given."""
    if isinstance(spanset, Filter):
        return _filtered(spanset.expression, spans)
    left, right = matching(spanset.left, spans), matching(spanset.right, spans)
    if spanset.operator == "&&" and not (left and right):
        return []
    merged = {id(found.span): found for found in left}
    for found in right:
        known = merged.setdefault(id(found.span), found)
        known.values.update(found.values)
    return [merged[id(span)] for span in spans if id(span) in merged]


def _filtered(expression: Expression, spans: Sequence[SearchedSpan]) -> list[Found]:
    result: list[Found] = []
    for span in spans:
        found = Found(span)
        if _evaluate(expression, found) is True:
            result.append(found)
    return result


def _evaluate(expression: Expression, found: Found) -> Value:
    if isinstance(expression, Static):
        return expression.value
    if isinstance(expression, (Attribute, Intrinsic)):
        return found.span.value_of(expression)
    if isinstance(expression, Not):
        operand = _evaluate(expression.operand, found)
        return not operand if isinstance(operand, bool) else False
    if isinstance(expression, Exists):
        value = _evaluate(expression.operand, found)
        present = value not in (None, ())
        if present and expression.present:
            _note(expression.operand, value, found)
        return present is expression.present
    if expression.operator in ("&&", "||"):
        # Both sides are looked at: what they find is told with the span.
        left, right = _evaluate(expression.left, found), _evaluate(expression.right, found)
        if expression.operator == "||":
            # What stands on the right may be of any type once the left is true.
            return left is True or (left is False and right is True)
        return left is True and right is True
    return _compared(expression, found)


def _compared(expression: Binary, found: Found) -> bool:
    left, right = _evaluate(expression.left, found), _evaluate(expression.right, found)
    fits = compare(expression.operator, left, right)
    if fits:
        _note(expression.left, _telling(expression.operator, left, right), found)
        _note(expression.right, right, found)
    return fits


def _telling(operator: str, left: Value, right: Value) -> Value:
    """Of several events the first that fits."""
    if not isinstance(left, tuple):
        return left
    return next((each for each in left if compare(operator, each, right)), left)


def _note(expression: Expression, value: Value, found: Found) -> None:
    if isinstance(expression, (Attribute, Intrinsic)):
        found.values.setdefault(expression, value)
