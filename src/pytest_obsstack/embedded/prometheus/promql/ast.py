"""The syntax tree of a PromQL expression. Positions are in characters; times in milliseconds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from pytest_obsstack.embedded.prometheus.promql.regex import Pattern, compile_pattern
from pytest_obsstack.embedded.prometheus.promql.signatures import Signature, ValueType

MatchOperator = Literal["=", "!=", "=~", "!~"]
Cardinality = Literal["one-to-one", "many-to-one", "one-to-many", "many-to-many"]

COMPARISONS = frozenset({"==", "!=", "<", "<=", ">", ">="})
SET_OPERATORS = frozenset({"and", "or", "unless"})


class Matcher:
    """A label matcher; an absent label has the empty value. Raises ``RegexError``."""

    __slots__ = ("_pattern", "name", "operator", "value")

    def __init__(self, name: str, operator: MatchOperator, value: str) -> None:
        self.name = name
        self.operator = operator
        self.value = value
        self._pattern: Pattern | None = None
        if operator in ("=~", "!~"):
            self._pattern = compile_pattern(value)

    def matches(self, value: str) -> bool:
        if self._pattern is None:
            return (value == self.value) is (self.operator == "=")
        return (self._pattern.fullmatch(value) is not None) is (self.operator == "=~")


@dataclass(frozen=True)
class At:
    """The modifier ``@``: a time, or the start or end of the query."""

    kind: Literal["time", "start", "end"]
    timestamp_ms: int = 0


@dataclass(frozen=True)
class NumberLiteral:
    value: float
    is_duration: bool
    position: int
    type: ValueType = "scalar"


@dataclass(frozen=True)
class StringLiteral:
    value: str
    position: int
    type: ValueType = "string"


@dataclass(frozen=True)
class VectorSelector:
    """``name`` is that before the braces; the matchers include it."""

    name: str
    matchers: tuple[Matcher, ...]
    position: int
    offset_ms: int = 0
    at: At | None = None
    type: ValueType = "vector"


@dataclass(frozen=True)
class MatrixSelector:
    selector: VectorSelector
    range_ms: int
    position: int
    type: ValueType = "matrix"


@dataclass(frozen=True)
class Subquery:
    """``step_ms`` is ``None`` where the server's default holds."""

    expr: Expr
    range_ms: int
    step_ms: int | None
    position: int
    offset_ms: int = 0
    at: At | None = None
    type: ValueType = "matrix"


@dataclass(frozen=True)
class Call:
    function: Signature
    args: tuple[Expr, ...]
    position: int

    @property
    def type(self) -> ValueType:
        return self.function.returns


@dataclass(frozen=True)
class Aggregation:
    operator: str
    expr: Expr
    parameter: Expr | None
    grouping: tuple[str, ...]
    without: bool
    position: int
    type: ValueType = "vector"


@dataclass(frozen=True)
class VectorMatching:
    """``labels`` of ``on`` or ``ignoring``; ``include`` of ``group_left`` or ``group_right``."""

    cardinality: Cardinality = "one-to-one"
    on: bool = False
    labels: tuple[str, ...] = ()
    include: tuple[str, ...] = ()


@dataclass(frozen=True)
class Binary:
    operator: str
    left: Expr
    right: Expr
    matching: VectorMatching
    return_bool: bool
    operator_position: int

    @property
    def position(self) -> int:
        return self.left.position

    @property
    def type(self) -> ValueType:
        scalars = self.left.type == "scalar" and self.right.type == "scalar"
        return "scalar" if scalars else "vector"


@dataclass(frozen=True)
class Unary:
    operator: str
    expr: Expr
    position: int

    @property
    def type(self) -> ValueType:
        return self.expr.type


@dataclass(frozen=True)
class Paren:
    expr: Expr
    position: int

    @property
    def type(self) -> ValueType:
        return self.expr.type


Expr: TypeAlias = (
    NumberLiteral
    | StringLiteral
    | VectorSelector
    | MatrixSelector
    | Subquery
    | Call
    | Aggregation
    | Binary
    | Unary
    | Paren
)


def children(expr: Expr) -> tuple[Expr, ...]:
    if isinstance(expr, (NumberLiteral, StringLiteral, VectorSelector)):
        return ()
    if isinstance(expr, MatrixSelector):
        return (expr.selector,)
    if isinstance(expr, Call):
        return expr.args
    if isinstance(expr, Aggregation):
        return (expr.expr,) if expr.parameter is None else (expr.expr, expr.parameter)
    if isinstance(expr, Binary):
        return (expr.left, expr.right)
    return (expr.expr,)


def walk(expr: Expr) -> Iterator[Expr]:
    """The expression and all in it, parents first."""
    yield expr
    for child in children(expr):
        yield from walk(child)


def unwrap(expr: Expr) -> Expr:
    """The expression without the parentheses around it."""
    while isinstance(expr, Paren):
        expr = expr.expr
    return expr
