"""What Tempo checks in a tree before it is run (``validate``)."""

from __future__ import annotations

from pytest_obsstack.embedded.tempo.traceql.errors import QueryError, Unsupported
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
from pytest_obsstack.embedded.tempo.traceql.values import (
    BadRegex,
    Type,
    UnsupportedRegex,
    compiled,
    operator_valid,
    type_of,
    types_match,
)

_INTRINSIC_TYPES: dict[str, Type] = {
    "duration": "duration",
    "traceDuration": "duration",
    "status": "status",
    "kind": "kind",
    "span:childCount": "int",
}
_SEVERAL_A_SPAN = ("event",)


def check(spanset: Spanset) -> None:
    """Raises ``QueryError`` with Tempo's text, or ``Unsupported``."""
    if isinstance(spanset, Filter):
        _check_expression(spanset.expression)
        if type_implied(spanset.expression) not in ("attribute", "bool"):
            raise QueryError(f"span filter field expressions must resolve to a boolean: {spanset}")
    else:
        check(spanset.left)
        check(spanset.right)


def type_implied(expression: Expression) -> Type:
    """The type as far as the text tells it."""
    if isinstance(expression, Static):
        return type_of(expression.value)
    if isinstance(expression, Attribute):
        return "attribute"
    if isinstance(expression, Intrinsic):
        return _INTRINSIC_TYPES.get(expression.name, "string")
    return "bool"


def _check_expression(expression: Expression) -> None:
    if isinstance(expression, Binary):
        _check_expression(expression.left)
        _check_expression(expression.right)
        _check_binary(expression)
    elif isinstance(expression, Not):
        _check_expression(expression.operand)
        if type_implied(expression.operand) not in ("attribute", "bool"):
            raise QueryError(f"illegal operation for the given type: {expression}")
    elif isinstance(expression, Exists):
        _check_exists(expression)


def _check_exists(expression: Exists) -> None:
    operand = expression.operand
    _check_expression(operand)
    if expression.present:
        return
    if isinstance(operand, Intrinsic):
        raise QueryError(f"{operand}=nil is not valid because intrinsics cannot be nil")
    if operand == Attribute("resource", "service.name"):
        raise QueryError(f"{operand}=nil is not valid because resource.service.name cannot be nil")
    if _is_of_events(operand):
        raise Unsupported(f"the TraceQL operator = nil on {operand}")


def _check_binary(expression: Binary) -> None:
    left, right = type_implied(expression.left), type_implied(expression.right)
    if not types_match(left, right):
        raise QueryError(f"binary operations must operate on the same type: {expression}")
    if not all(operator_valid(expression.operator, each) for each in (left, right)):
        raise QueryError(f"illegal operation for the given types: {expression}")
    if expression.operator in ("=~", "!~"):
        _check_regex(expression)
    if expression.operator in ("!=", "!~") and (
        _is_of_events(expression.left) or _is_of_events(expression.right)
    ):
        # A span has several events, and which of them the answer is about is Tempo's secret.
        raise Unsupported(f"the TraceQL operator {expression.operator} on events")


def _check_regex(expression: Binary) -> None:
    right = expression.right
    if not isinstance(right, Static) or not isinstance(right.value, str):
        raise QueryError(f"invalid type for =~ or !~: {right}")
    try:
        compiled(right.value)
    except BadRegex as error:
        raise QueryError(f"invalid regex: {right}") from error
    except UnsupportedRegex as error:
        raise Unsupported(f"the regular expression {right}") from error


def _is_of_events(expression: Expression) -> bool:
    return (isinstance(expression, Attribute) and expression.scope in _SEVERAL_A_SPAN) or (
        isinstance(expression, Intrinsic) and expression.name == "event:name"
    )
