"""Text to syntax tree.

The grammar is Prometheus 3's (documentation, "Querying basics" and "Operators"). A construct that
is not enabled by default there (durations that are expressions, experimental functions) is refused
with the text that Prometheus has for it.
"""

from __future__ import annotations

from dataclasses import replace

from pytest_obsstack.embedded.prometheus.format import parse_duration_ms, quote
from pytest_obsstack.embedded.prometheus.model import METRIC_NAME
from pytest_obsstack.embedded.prometheus.promql.ast import (
    SET_OPERATORS,
    Aggregation,
    At,
    Binary,
    Call,
    Cardinality,
    Expr,
    Matcher,
    MatchOperator,
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
from pytest_obsstack.embedded.prometheus.promql.lexer import Token, TokenKind, tokenize
from pytest_obsstack.embedded.prometheus.promql.literals import parse_number, unquote
from pytest_obsstack.embedded.prometheus.promql.regex import RegexError
from pytest_obsstack.embedded.prometheus.promql.signatures import FUNCTIONS

_PRECEDENCE = {
    "or": 1,
    **dict.fromkeys(("and", "unless"), 2),
    **dict.fromkeys(("==", "!=", "<", "<=", ">", ">="), 3),
    **dict.fromkeys(("+", "-"), 4),
    **dict.fromkeys(("*", "/", "%", "atan2"), 5),
    "^": 6,
}
_POWER = _PRECEDENCE["^"]
_WITH_PARAMETER = frozenset(
    {"topk", "bottomk", "count_values", "quantile", "limitk", "limit_ratio"}
)
_EXPERIMENTAL_AGGREGATORS = frozenset({"limitk", "limit_ratio"})
_NO_METRIC_NAMES = frozenset({"on", "ignoring", "group_left", "group_right", "bool", "atan2"})
_NO_LABEL_NAMES = frozenset({"without"})
_MAX_DURATION_S = 2**63 / 1e9


def parse(query: str) -> Expr:
    """The checked expression; raises ``PromqlParseError``."""
    parser = _Parser(query)
    expr = parser.whole_expression()
    check(query, expr)
    return expr


def parse_selector(query: str) -> tuple[Matcher, ...]:
    """The matchers of an instant vector selector, as ``match[]`` takes it.

    Raises ``PromqlParseError``. That one of the matchers must not be empty is for the caller to
    check: the API words it in its own way.
    """
    return _Parser(query).whole_selector().matchers


class _Parser:
    def __init__(self, query: str) -> None:
        self._query = query
        self._tokens = tokenize(query)
        self._index = 0
        # Within an aggregation, Prometheus adds "in aggregation" to what it did not expect.
        self._open_aggregations = 0

    # Tokens

    @property
    def _token(self) -> Token:
        return self._tokens[self._index]

    def _take(self) -> Token:
        token = self._token
        self._index += 1
        return token

    def _is(self, kind: TokenKind, *texts: str) -> bool:
        return self._token.kind == kind and (not texts or self._token.text.lower() in texts)

    def _fail(self, position: int, text: str) -> PromqlParseError:
        return PromqlParseError(self._query, position, text)

    def _unexpected(self, context: str = "", expected: str = "") -> PromqlParseError:
        token = self._token
        if token.kind == "error":
            return self._fail(token.position, token.text)
        if not context and self._open_aggregations:
            context = "aggregation"
        text = f"unexpected {token.describe()}"
        text += f" in {context}" if context else ""
        text += f", expected {expected}" if expected else ""
        return self._fail(token.position, text)

    def _expect(self, symbol: str, context: str = "", expected: str = "") -> Token:
        if not self._is("symbol", symbol):
            raise self._unexpected(context, expected)
        return self._take()

    # Expressions

    def whole_expression(self) -> Expr:
        if self._is("end"):
            raise self._fail(0, "no expression found in input")
        expr = self._expression(0)
        if not self._is("end"):
            raise self._unexpected()
        return expr

    def whole_selector(self) -> VectorSelector:
        if not (self._names_metric() or self._is("symbol", "{")):
            raise self._unexpected()
        selector = self._selector()
        if not self._is("end"):
            raise self._unexpected()
        return selector

    def _expression(self, least_precedence: int) -> Expr:
        left = self._unary()
        while self._is("operator"):
            operator = self._token.text.lower()
            precedence = _PRECEDENCE.get(operator, -1)
            if precedence < least_precedence:
                break
            position = self._take().position
            return_bool = self._is("keyword", "bool")
            if return_bool:
                self._take()
            matching = self._matching(operator)
            right = self._expression(precedence + (operator != "^"))
            left = Binary(operator, left, right, matching, return_bool, position)
        return left

    def _matching(self, operator: str) -> VectorMatching:
        cardinality: Cardinality = "many-to-many" if operator in SET_OPERATORS else "one-to-one"
        if not self._is("keyword", "on", "ignoring"):
            return VectorMatching(cardinality)
        on = self._take().text.lower() == "on"
        labels = self._grouping()
        include: tuple[str, ...] = ()
        if self._is("keyword", "group_left", "group_right"):
            left = self._take().text.lower() == "group_left"
            cardinality = "many-to-one" if left else "one-to-many"
            if self._is("symbol", "("):
                include = self._grouping()
        return VectorMatching(cardinality, on, labels, include)

    def _unary(self) -> Expr:
        if not self._is("operator", "+", "-"):
            return self._postfix(self._primary())
        sign = self._take()
        # A sign binds like a multiplication: only powers bind tighter.
        operand = self._expression(_POWER)
        if isinstance(operand, NumberLiteral):
            value = -operand.value if sign.text == "-" else operand.value
            return replace(operand, value=value, position=sign.position)
        return Unary(sign.text, operand, sign.position)

    def _primary(self) -> Expr:
        token = self._token
        if token.kind in ("number", "duration"):
            return self._number()
        if token.kind == "string":
            self._take()
            return StringLiteral(unquote(token.text), token.position)
        if self._is("symbol", "("):
            self._take()
            expr = self._expression(0)
            self._expect(")")
            return Paren(expr, token.position)
        after = self._tokens[min(self._index + 1, len(self._tokens) - 1)]
        if token.kind == "aggregator" and (
            after.text == "("
            or (after.kind == "keyword" and after.text.lower() in ("by", "without"))
        ):
            return self._aggregation()
        if token.kind == "identifier" and after.kind == "symbol" and after.text == "(":
            return self._call()
        if self._names_metric() or self._is("symbol", "{"):
            return self._selector()
        raise self._unexpected()

    def _number(self) -> NumberLiteral:
        token = self._take()
        if token.kind == "duration":
            try:
                seconds = parse_duration_ms(token.text) / 1000
            except ValueError as error:
                raise self._fail(token.position, str(error)) from None
            return NumberLiteral(seconds, True, token.position)
        try:
            return NumberLiteral(parse_number(token.text), False, token.position)
        except ValueError as error:
            raise self._fail(token.position, f"error parsing number: {error}") from None

    # Calls and aggregations

    def _call(self) -> Call:
        name = self._take()
        args = self._arguments()
        function = FUNCTIONS.get(name.text)
        if function is None:
            text = f"unknown function with name {quote(name.text)}"
            raise self._fail(name.position, text)
        if function.experimental:
            raise self._fail(name.position, f"function {quote(name.text)} is not enabled")
        return Call(function, args, name.position)

    def _arguments(self) -> tuple[Expr, ...]:
        self._expect("(")
        args: list[Expr] = []
        while not self._is("symbol", ")"):
            if args:
                comma = self._expect(",")
                if not self._begins_expression():
                    if self._is("error"):
                        raise self._unexpected()
                    text = "trailing commas not allowed in function call args"
                    raise self._fail(comma.position, text)
            args.append(self._expression(0))
        self._take()
        return tuple(args)

    def _begins_expression(self) -> bool:
        return (
            self._token.kind in ("number", "duration", "string")
            or self._is("symbol", "(", "{")
            or self._is("operator", "+", "-")
            or self._names_metric()
        )

    def _aggregation(self) -> Aggregation:
        self._open_aggregations += 1
        token = self._take()
        operator = token.text.lower()
        modifier = self._aggregation_modifier()
        args = self._arguments()
        if modifier is None:
            modifier = self._aggregation_modifier()
        self._open_aggregations -= 1
        without, grouping = modifier or (False, ())
        if not args:
            text = "no arguments for aggregate expression provided"
            raise self._fail(token.position, text)
        if operator in _EXPERIMENTAL_AGGREGATORS:
            text = (
                f"{operator}() is experimental and must be enabled with "
                "--enable-feature=promql-experimental-functions"
            )
            raise self._fail(token.position, text)
        expected = 2 if operator in _WITH_PARAMETER else 1
        if len(args) != expected:
            text = (
                "wrong number of arguments for aggregate expression provided, "
                f"expected {expected}, got {len(args)}"
            )
            raise self._fail(token.position, text)
        parameter = args[0] if expected == 2 else None
        return Aggregation(operator, args[-1], parameter, grouping, without, token.position)

    def _aggregation_modifier(self) -> tuple[bool, tuple[str, ...]] | None:
        if not self._is("keyword", "by", "without"):
            return None
        without = self._take().text.lower() == "without"
        return without, self._grouping()

    def _grouping(self) -> tuple[str, ...]:
        self._expect("(", "grouping opts", '"("')
        labels: list[str] = []
        while not self._is("symbol", ")"):
            if labels:
                self._expect(",", "grouping opts", '"," or ")"')
                if self._is("symbol", ")"):
                    break
            labels.append(self._grouping_label())
        self._take()
        return tuple(labels)

    def _grouping_label(self) -> str:
        token = self._token
        words = ("identifier", "metric identifier", "aggregator", "keyword", "preprocessor")
        named = token.kind in words or self._is("operator", "and", "or", "unless", "atan2")
        if token.kind != "string" and (not named or token.text.lower() in _NO_LABEL_NAMES):
            raise self._unexpected("grouping opts", "label")
        self._take()
        label = unquote(token.text) if token.kind == "string" else token.text
        if label == "":
            raise self._fail(token.position, 'invalid label name for grouping: ""')
        return label

    # Selectors and what may follow them

    def _names_metric(self) -> bool:
        token = self._token
        if token.kind in ("identifier", "metric identifier", "aggregator", "preprocessor"):
            return True
        word = token.kind in ("keyword", "operator") and token.text[0].isalpha()
        return word and token.text.lower() not in _NO_METRIC_NAMES

    def _selector(self) -> VectorSelector:
        position = self._token.position
        name = self._take().text if not self._is("symbol", "{") else ""
        matchers = self._matchers() if self._is("symbol", "{") else []
        if name:
            matchers.append(Matcher(METRIC_NAME, "=", name))
        return VectorSelector(name, tuple(matchers), position)

    def _matchers(self) -> list[Matcher]:
        self._take()
        matchers: list[Matcher] = []
        while not self._is("symbol", "}"):
            if matchers:
                self._expect(",", "label matching", '"," or "}"')
                if self._is("symbol", "}"):
                    break
            matchers.append(self._matcher())
        self._take()
        return matchers

    def _matcher(self) -> Matcher:
        if not (self._is("identifier") or self._is("string")):
            raise self._unexpected("label matching", 'identifier or "}"')
        label = self._take()
        name = unquote(label.text) if label.kind == "string" else label.text
        operator = self._match_operator()
        if operator is None:
            if label.kind == "string":
                return Matcher(METRIC_NAME, "=", name)
            raise self._unexpected("label matching", "label matching operator")
        if not self._is("string"):
            raise self._unexpected("label matching", "string")
        value = unquote(self._take().text)
        try:
            return Matcher(name, operator, value)
        except RegexError as error:
            raise self._fail(label.position, str(error)) from None

    def _match_operator(self) -> MatchOperator | None:
        operators: dict[str, MatchOperator] = {"=": "=", "!=": "!=", "=~": "=~", "!~": "!~"}
        if self._token.kind not in ("symbol", "operator") or self._token.text not in operators:
            return None
        return operators[self._take().text]

    def _postfix(self, expr: Expr) -> Expr:
        while True:
            if self._is("keyword", "offset"):
                self._take()
                expr = self._with_offset(expr)
            elif self._is("operator", "@"):
                self._take()
                expr = self._with_at(expr)
            elif self._is("symbol", "["):
                expr = self._range_or_subquery(expr)
            else:
                return expr

    def _with_offset(self, expr: Expr) -> Expr:
        sign = self._take().text if self._is("operator", "+", "-") else "+"
        if self._is("symbol", "("):
            raise self._duration_expression()
        if self._token.kind not in ("number", "duration"):
            raise self._unexpected("offset", "number or duration")
        offset_ms = self._milliseconds(self._number())
        offset_ms = -offset_ms if sign == "-" else offset_ms
        selector = expr.selector if isinstance(expr, MatrixSelector) else expr
        if not isinstance(selector, (VectorSelector, Subquery)):
            raise self._fail(
                expr.position,
                "offset modifier must be preceded by an instant vector selector or "
                "range vector selector or a subquery",
            )
        if selector.offset_ms:
            raise self._fail(expr.position, "offset may not be set multiple times")
        changed = replace(selector, offset_ms=offset_ms)
        return self._rewrapped(expr, changed)

    def _with_at(self, expr: Expr) -> Expr:
        at = self._at_time(expr)
        selector = expr.selector if isinstance(expr, MatrixSelector) else expr
        if not isinstance(selector, (VectorSelector, Subquery)):
            raise self._fail(
                expr.position,
                "@ modifier must be preceded by an instant vector selector or "
                "range vector selector or a subquery",
            )
        if selector.at is not None:
            raise self._fail(expr.position, "@ <timestamp> may not be set multiple times")
        return self._rewrapped(expr, replace(selector, at=at))

    @staticmethod
    def _rewrapped(expr: Expr, selector: VectorSelector | Subquery) -> Expr:
        if isinstance(expr, MatrixSelector) and isinstance(selector, VectorSelector):
            return replace(expr, selector=selector)
        return selector

    def _at_time(self, expr: Expr) -> At:
        if self._is("preprocessor"):
            kind = self._take().text.lower()
            for symbol in "()":
                self._expect(symbol, "@", "timestamp")
            return At("start" if kind == "start" else "end")
        sign = self._take().text if self._is("operator", "+", "-") else "+"
        if self._token.kind not in ("number", "duration"):
            raise self._unexpected("@", "timestamp")
        seconds = self._number().value
        seconds = -seconds if sign == "-" else seconds
        if not abs(seconds) < 2**63:
            text = f"timestamp out of bounds for @ modifier: {seconds:f}"
            raise self._fail(expr.position, text)
        return At("time", round(seconds * 1000))

    def _range_or_subquery(self, expr: Expr) -> Expr:
        bracket = self._take()
        range_ms = self._positive_duration("subquery selector", "number or duration")
        if self._is("symbol", "]"):
            self._take()
            return self._range(expr, range_ms, bracket)
        self._expect(":", "subquery or range", '":" or "]"')
        step_ms = None
        if not self._is("symbol", "]"):
            step_ms = self._positive_duration("subquery selector", 'number or duration or "]"')
        self._expect("]", "subquery selector", '"]"')
        return Subquery(expr, range_ms, step_ms, expr.position)

    def _range(self, expr: Expr, range_ms: int, bracket: Token) -> MatrixSelector:
        if not isinstance(expr, VectorSelector):
            raise self._fail(bracket.position, "ranges only allowed for vector selectors")
        if expr.offset_ms:
            raise self._fail(bracket.position, "no offset modifiers allowed before range")
        if expr.at is not None:
            raise self._fail(bracket.position, "no @ modifiers allowed before range")
        return MatrixSelector(expr, range_ms, expr.position)

    def _positive_duration(self, context: str, expected: str) -> int:
        if self._is("symbol", "("):
            raise self._duration_expression()
        sign = self._take() if self._is("operator", "+", "-") else None
        if self._token.kind not in ("number", "duration"):
            raise self._unexpected(context, expected)
        literal = self._number()
        position = literal.position if sign is None else sign.position
        if self._is("operator", "+", "-", "*", "/", "%", "^"):
            raise self._not_enabled(position)
        if literal.value <= 0 or (sign is not None and sign.text == "-"):
            raise self._fail(position, "duration must be greater than 0")
        return self._milliseconds(literal)

    def _milliseconds(self, literal: NumberLiteral) -> int:
        if not abs(literal.value) <= _MAX_DURATION_S:
            raise self._fail(literal.position, "duration out of range")
        return int(round(literal.value * 1e9) // 10**6)

    def _duration_expression(self) -> PromqlParseError:
        self._take()
        return self._not_enabled(self._token.position)

    def _not_enabled(self, position: int) -> PromqlParseError:
        return self._fail(position, "experimental duration expression is not enabled")
