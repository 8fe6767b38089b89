"""Types and arguments of a parsed expression, checked in Prometheus' order."""

from __future__ import annotations

from pytest_obsstack.embedded.go_quote import quote
from pytest_obsstack.embedded.prometheus.model import METRIC_NAME
from pytest_obsstack.embedded.prometheus.promql.ast import (
    COMPARISONS,
    SET_OPERATORS,
    Aggregation,
    Binary,
    Call,
    Expr,
    MatrixSelector,
    NumberLiteral,
    Paren,
    StringLiteral,
    Subquery,
    Unary,
    VectorSelector,
)
from pytest_obsstack.embedded.prometheus.promql.errors import PromqlParseError
from pytest_obsstack.embedded.prometheus.promql.signatures import DOCUMENTED_TYPES, ValueType


def check(query: str, expr: Expr) -> None:
    """Raises ``PromqlParseError`` for the first thing that is wrong."""
    _Checker(query).check(expr)


class _Checker:
    def __init__(self, query: str) -> None:
        self._query = query

    def _fail(self, position: int, text: str) -> PromqlParseError:
        return PromqlParseError(self._query, position, text)

    def _expect(self, expr: Expr, wanted: ValueType, context: str) -> None:
        self.check(expr)
        if expr.type != wanted:
            raise self._fail(
                expr.position,
                f"expected type {DOCUMENTED_TYPES[wanted]} in {context}, "
                f"got {DOCUMENTED_TYPES[expr.type]}",
            )

    def check(self, expr: Expr) -> None:
        if isinstance(expr, (NumberLiteral, StringLiteral)):
            return
        if isinstance(expr, VectorSelector):
            self._check_selector(expr)
        elif isinstance(expr, MatrixSelector):
            self.check(expr.selector)
        elif isinstance(expr, Paren):
            self.check(expr.expr)
        elif isinstance(expr, Subquery):
            self.check(expr.expr)
            if expr.expr.type != "vector":
                raise self._fail(
                    expr.position,
                    f"subquery is only allowed on instant vector, got {expr.expr.type} instead",
                )
        elif isinstance(expr, Unary):
            self._check_unary(expr)
        elif isinstance(expr, Aggregation):
            self._check_aggregation(expr)
        elif isinstance(expr, Call):
            self._check_call(expr)
        else:
            self._check_binary(expr)

    def _check_selector(self, selector: VectorSelector) -> None:
        if selector.name:
            for matcher in selector.matchers[:-1]:
                if matcher.name == METRIC_NAME:
                    names = f"{quote(selector.name)} or {quote(matcher.value)}"
                    text = f"metric name must not be set twice: {names}"
                    raise self._fail(selector.position, text)
        elif all(matcher.matches("") for matcher in selector.matchers):
            text = "vector selector must contain at least one non-empty matcher"
            raise self._fail(selector.position, text)

    def _check_unary(self, expr: Unary) -> None:
        self.check(expr.expr)
        if expr.expr.type not in ("scalar", "vector"):
            raise self._fail(
                expr.position,
                "unary expression only allowed on expressions of type scalar or instant vector, "
                f"got {quote(DOCUMENTED_TYPES[expr.expr.type])}",
            )

    def _check_aggregation(self, expr: Aggregation) -> None:
        self._expect(expr.expr, "vector", "aggregation expression")
        if expr.parameter is not None:
            wanted: ValueType = "string" if expr.operator == "count_values" else "scalar"
            self._expect(expr.parameter, wanted, "aggregation parameter")

    def _check_call(self, call: Call) -> None:
        function, given = call.function, len(call.args)
        expected = len(function.takes)
        if function.variadic == 0:
            if given != expected:
                raise self._wrong_count(call, str(expected))
        elif given < expected - 1:
            raise self._wrong_count(call, f"at least {expected - 1}")
        elif function.variadic > 0 and given > expected - 1 + function.variadic:
            raise self._wrong_count(call, f"at most {expected - 1 + function.variadic}")
        for index, arg in enumerate(call.args):
            wanted = function.takes[min(index, expected - 1)]
            self._expect(arg, wanted, f"call to function {quote(function.name)}")

    def _wrong_count(self, call: Call, expected: str) -> PromqlParseError:
        name = quote(call.function.name)
        text = f"expected {expected} argument(s) in call to {name}, got {len(call.args)}"
        return self._fail(call.position, text)

    def _check_binary(self, expr: Binary) -> None:
        self.check(expr.left)
        self.check(expr.right)
        types = (expr.left.type, expr.right.type)
        if expr.return_bool and expr.operator not in COMPARISONS:
            text = "bool modifier can only be used on comparison operators"
            raise self._fail(expr.operator_position, text)
        scalars = types == ("scalar", "scalar")
        if expr.operator in COMPARISONS and not expr.return_bool and scalars:
            text = "comparisons between scalars must use BOOL modifier"
            raise self._fail(expr.operator_position, text)
        for label in expr.matching.labels:
            if expr.matching.on and label in expr.matching.include:
                text = f"label {quote(label)} must not occur in ON and GROUP clause at once"
                raise self._fail(expr.operator_position, text)
        for side in (expr.left, expr.right):
            if side.type not in ("scalar", "vector"):
                text = "binary expression must contain only scalar and instant vector types"
                raise self._fail(side.position, text)
        if types != ("vector", "vector"):
            if expr.matching.labels:
                text = "vector matching only allowed between instant vectors"
                raise self._fail(expr.position, text)
        elif expr.operator in SET_OPERATORS and expr.matching.cardinality != "many-to-many":
            text = f"no grouping allowed for {quote(expr.operator)} operation"
            raise self._fail(expr.position, text)
        if expr.operator in SET_OPERATORS and "scalar" in types:
            text = f"set operator {quote(expr.operator)} not allowed in binary scalar expression"
            raise self._fail(expr.position, text)
