"""Text to syntax tree.

The grammar is Prometheus 3's (documentation, "Querying basics" and "Operators"). A construct that
is not enabled by default there (durations that are expressions, experimental functions) is refused
with the text that Prometheus has for it.
"""

from __future__ import annotations

from dataclasses import replace

from pytest_obsstack.embedded.go_quote import quote
from pytest_obsstack.embedded.prometheus.format import parse_duration_ms
from pytest_obsstack.embedded.prometheus.promql.ast import (
    SET_OPERATORS,
    Aggregation,
    At,
    Binary,
    Call,
    Cardinality,
    Expr,
    MatrixSelector,
    NumberLiteral,
    Paren,
    StringLiteral,
    Subquery,
    Unary,
    VectorMatching,
    VectorSelector,
)
from pytest_obsstack.embedded.prometheus.promql.check import check
from pytest_obsstack.embedded.prometheus.promql.errors import PromqlParseError
from pytest_obsstack.embedded.prometheus.promql.lexer import Token
from pytest_obsstack.embedded.prometheus.promql.literals import parse_number, unquote
from pytest_obsstack.embedded.prometheus.promql.selectors import SelectorParser
from pytest_obsstack.embedded.prometheus.promql.signatures import FUNCTIONS

_PRECEDENCE = {
    "or": 1,
    **dict.fromkeys(("and", "unless"), 2),
    **dict.fromkeys(("==", "!=", "<", "<=", ">", ">="), 3),
    **dict.fromkeys(("+", "-"), 4),
    **dict.fromkeys(("*", "/", "%", "atan2"), 5),
    "^": 6,
}
_ARITHMETIC = ("+", "-", "*", "/", "%", "^")
_POWER = _PRECEDENCE["^"]
_WITH_PARAMETER = frozenset(
    {"topk", "bottomk", "count_values", "quantile", "limitk", "limit_ratio"}
)
_EXPERIMENTAL_AGGREGATORS = frozenset({"limitk", "limit_ratio"})
_MAX_DURATION_S = 2**63 / 1e9


def parse(query: str) -> Expr:
    """The checked expression; raises ``PromqlParseError``."""
    parser = _Parser(query)
    expr = parser.whole_expression()
    check(query, expr)
    return expr


class _Parser(SelectorParser):
    def whole_expression(self) -> Expr:
        if self.at("end"):
            raise self.fail(0, "no expression found in input")
        expr = self._expression(0)
        if not self.at("end"):
            raise self.unexpected()
        return expr

    def _expression(self, least_precedence: int) -> Expr:
        left = self._unary()
        while self.at("operator"):
            operator = self.token.text.lower()
            precedence = _PRECEDENCE.get(operator, -1)
            if precedence < least_precedence:
                break
            position = self.take().position
            return_bool = self.at("keyword", "bool")
            if return_bool:
                self.take()
            matching = self._matching(operator)
            right = self._expression(precedence + (operator != "^"))
            left = Binary(operator, left, right, matching, return_bool, position)
        return left

    def _matching(self, operator: str) -> VectorMatching:
        cardinality: Cardinality = "many-to-many" if operator in SET_OPERATORS else "one-to-one"
        if not self.at("keyword", "on", "ignoring"):
            return VectorMatching(cardinality)
        on = self.take().text.lower() == "on"
        labels = self.grouping()
        include: tuple[str, ...] = ()
        if self.at("keyword", "group_left", "group_right"):
            left = self.take().text.lower() == "group_left"
            cardinality = "many-to-one" if left else "one-to-many"
            if self.at("symbol", "(") or not self._begins_expression():
                include = self.grouping()
        return VectorMatching(cardinality, on, labels, include)

    def _unary(self) -> Expr:
        if not self.at("operator", "+", "-"):
            return self._postfix(self._primary())
        sign = self.take()
        # A sign binds like a multiplication: only powers bind tighter.
        operand = self._expression(_POWER)
        if isinstance(operand, NumberLiteral):
            value = -operand.value if sign.text == "-" else operand.value
            return replace(operand, value=value, position=sign.position)
        return Unary(sign.text, operand, sign.position)

    def _primary(self) -> Expr:
        token = self.token
        if token.kind in ("number", "duration"):
            return self._number()
        if token.kind == "string":
            self.take()
            return StringLiteral(unquote(token.text), token.position)
        if self.at("symbol", "("):
            self.take()
            expr = self._expression(0)
            self.expect(")")
            return Paren(expr, token.position)
        after = self.following
        if token.kind == "aggregator" and (
            after.text == "("
            or (after.kind == "keyword" and after.text.lower() in ("by", "without"))
        ):
            return self._aggregation()
        if token.kind == "identifier" and after.kind == "symbol" and after.text == "(":
            return self._call()
        if self.names_metric() or self.at("symbol", "{"):
            return self.selector()
        raise self.unexpected()

    def _number(self) -> NumberLiteral:
        token = self.take()
        if token.kind == "duration":
            try:
                seconds = parse_duration_ms(token.text) / 1000
            except ValueError as error:
                raise self.fail(token.position, str(error)) from None
            return NumberLiteral(seconds, True, token.position)
        try:
            return NumberLiteral(parse_number(token.text), False, token.position)
        except ValueError as error:
            raise self.fail(token.position, f"error parsing number: {error}") from None

    # Calls and aggregations

    def _call(self) -> Call:
        name = self.take()
        args = self._arguments()
        function = FUNCTIONS.get(name.text)
        if function is None:
            text = f"unknown function with name {quote(name.text)}"
            raise self.fail(name.position, text)
        if function.experimental:
            raise self.fail(name.position, f"function {quote(name.text)} is not enabled")
        return Call(function, args, name.position)

    def _arguments(self) -> tuple[Expr, ...]:
        self.expect("(")
        args: list[Expr] = []
        while not self.at("symbol", ")"):
            if args:
                comma = self.expect(",")
                if not self._begins_expression():
                    if self.at("error"):
                        raise self.unexpected()
                    text = "trailing commas not allowed in function call args"
                    raise self.fail(comma.position, text)
            args.append(self._expression(0))
        self.take()
        return tuple(args)

    def _begins_expression(self) -> bool:
        return (
            self.token.kind in ("number", "duration", "string")
            or self.at("symbol", "(", "{")
            or self.at("operator", "+", "-")
            or self.names_metric()
        )

    def _aggregation(self) -> Aggregation:
        self.open_aggregations += 1
        token = self.take()
        operator = token.text.lower()
        modifier = self._aggregation_modifier()
        args = self._arguments()
        if modifier is None:
            if self.at("error"):
                # A modifier might follow, so Prometheus has read on before it looks at the rest.
                raise self.unexpected()
            modifier = self._aggregation_modifier()
        self.open_aggregations -= 1
        without, grouping = modifier or (False, ())
        if not args:
            text = "no arguments for aggregate expression provided"
            raise self.fail(token.position, text)
        if operator in _EXPERIMENTAL_AGGREGATORS:
            text = (
                f"{operator}() is experimental and must be enabled with "
                "--enable-feature=promql-experimental-functions"
            )
            raise self.fail(token.position, text)
        expected = 2 if operator in _WITH_PARAMETER else 1
        if len(args) != expected:
            text = (
                "wrong number of arguments for aggregate expression provided, "
                f"expected {expected}, got {len(args)}"
            )
            raise self.fail(token.position, text)
        parameter = args[0] if expected == 2 else None
        return Aggregation(operator, args[-1], parameter, grouping, without, token.position)

    def _aggregation_modifier(self) -> tuple[bool, tuple[str, ...]] | None:
        if not self.at("keyword", "by", "without"):
            return None
        without = self.take().text.lower() == "without"
        return without, self.grouping()

    # Selectors and what may follow them

    def _postfix(self, expr: Expr) -> Expr:
        while True:
            if self.at("keyword", "offset"):
                self.take()
                expr = self._with_offset(expr)
            elif self.at("operator", "@"):
                self.take()
                expr = self._with_at(expr)
            elif self.at("symbol", "["):
                expr = self._range_or_subquery(expr)
            else:
                return expr

    def _with_offset(self, expr: Expr) -> Expr:
        sign = self.take().text if self.at("operator", "+", "-") else "+"
        if self.at("symbol", "("):
            self._duration(0, "offset", "number or duration")
        if self.token.kind not in ("number", "duration"):
            raise self.unexpected("offset", "number or duration")
        offset_ms = self._milliseconds(self._number())
        offset_ms = -offset_ms if sign == "-" else offset_ms
        selector = expr.selector if isinstance(expr, MatrixSelector) else expr
        if not isinstance(selector, (VectorSelector, Subquery)):
            raise self.fail(
                expr.position,
                "offset modifier must be preceded by an instant vector selector or "
                "range vector selector or a subquery",
            )
        if selector.offset_ms:
            raise self.fail(expr.position, "offset may not be set multiple times")
        changed = replace(selector, offset_ms=offset_ms)
        return self._rewrapped(expr, changed)

    def _with_at(self, expr: Expr) -> Expr:
        at = self._at_time(expr)
        selector = expr.selector if isinstance(expr, MatrixSelector) else expr
        if not isinstance(selector, (VectorSelector, Subquery)):
            raise self.fail(
                expr.position,
                "@ modifier must be preceded by an instant vector selector or "
                "range vector selector or a subquery",
            )
        if selector.at is not None:
            raise self.fail(expr.position, "@ <timestamp> may not be set multiple times")
        return self._rewrapped(expr, replace(selector, at=at))

    @staticmethod
    def _rewrapped(expr: Expr, selector: VectorSelector | Subquery) -> Expr:
        if isinstance(expr, MatrixSelector) and isinstance(selector, VectorSelector):
            return replace(expr, selector=selector)
        return selector

    def _at_time(self, expr: Expr) -> At:
        if self.at("preprocessor"):
            kind = self.take().text.lower()
            for symbol in "()":
                self.expect(symbol, "@", "timestamp")
            return At("start" if kind == "start" else "end")
        sign = self.take().text if self.at("operator", "+", "-") else "+"
        if self.token.kind not in ("number", "duration"):
            raise self.unexpected("@", "timestamp")
        seconds = self._number().value
        seconds = -seconds if sign == "-" else seconds
        if not abs(seconds) < 2**63:
            text = f"timestamp out of bounds for @ modifier: {seconds:f}"
            raise self.fail(expr.position, text)
        return At("time", round(seconds * 1000))

    def _range_or_subquery(self, expr: Expr) -> Expr:
        bracket = self.take()
        range_ms = self._positive_duration("subquery selector", "number or duration")
        if self.at("symbol", "]"):
            self.take()
            return self._range(expr, range_ms, bracket)
        self.expect(":", "subquery or range", '":" or "]"')
        step_ms = None
        if not self.at("symbol", "]"):
            step_ms = self._positive_duration("subquery selector", 'number or duration or "]"')
        self.expect("]", "subquery selector", '"]"')
        return Subquery(expr, range_ms, step_ms, expr.position)

    def _range(self, expr: Expr, range_ms: int, bracket: Token) -> MatrixSelector:
        if not isinstance(expr, VectorSelector):
            raise self.fail(bracket.position, "ranges only allowed for vector selectors")
        if expr.offset_ms:
            raise self.fail(bracket.position, "no offset modifiers allowed before range")
        if expr.at is not None:
            raise self.fail(bracket.position, "no @ modifiers allowed before range")
        return MatrixSelector(expr, range_ms, expr.position)

    def _positive_duration(self, context: str, expected: str) -> int:
        literal = self._duration(0, context, expected)
        if self.at("error"):
            # An operator might follow, so Prometheus has read on before it looks at the value.
            raise self.unexpected()
        if literal.value <= 0:
            raise self.fail(literal.position, "duration must be greater than 0")
        return self._milliseconds(literal)

    def _duration(self, least_precedence: int, context: str, expected: str) -> NumberLiteral:
        """A number or duration, with signs.

        An expression of durations is refused where Prometheus notices it: at its first operand,
        when it has been read.
        """
        if self.at("operator", "+", "-"):
            sign = self.take()
            operand = self._duration(_POWER, context, expected)
            value = -operand.value if sign.text == "-" else operand.value
            left = replace(operand, value=value, position=sign.position)
        elif self.at("symbol", "("):
            self.take()
            inner = self._duration(0, context, expected)
            self.expect(")", context, expected)
            raise self._not_enabled(inner)
        elif self.token.kind in ("number", "duration"):
            left = self._number()
        else:
            raise self.unexpected(context, expected)
        if self.at("operator", *_ARITHMETIC):
            precedence = _PRECEDENCE[self.token.text]
            if precedence >= least_precedence:
                self.take()
                self._duration(precedence + 1, context, expected)
                if self.at("error"):
                    raise self.unexpected()
                raise self._not_enabled(left)
        return left

    def _milliseconds(self, literal: NumberLiteral) -> int:
        if not abs(literal.value) <= _MAX_DURATION_S:
            raise self.fail(literal.position, "duration out of range")
        return int(round(literal.value * 1e9) // 10**6)

    def _not_enabled(self, operand: NumberLiteral) -> PromqlParseError:
        return self.fail(operand.position, "experimental duration expression is not enabled")
