"""LogQL queries: metric expressions around the selectors and pipelines of ``parse_stages``."""

from __future__ import annotations

from typing import Literal

from pytest_obsstack.embedded.loki.logql.arithmetic import calculate
from pytest_obsstack.embedded.loki.logql.check import check_range_aggregation, check_stages
from pytest_obsstack.embedded.loki.logql.errors import LogQLError, NotSupported, ParseError
from pytest_obsstack.embedded.loki.logql.lexer import (
    DURATION,
    END,
    IDENTIFIER,
    NUMBER,
    RANGE,
    RANGE_OPERATIONS,
    STRING,
    VECTOR_OPERATIONS,
    Token,
    TokenStream,
)
from pytest_obsstack.embedded.loki.logql.parse_stages import (
    check_selective,
    parse_number,
    parse_pipeline,
    parse_selector,
)
from pytest_obsstack.embedded.loki.logql.syntax import (
    BinaryOperation,
    Expr,
    Grouping,
    LabelReplace,
    LogQuery,
    LogRange,
    Matcher,
    Matching,
    MetricExpr,
    NumberLiteral,
    RangeAggregation,
    Stage,
    Unwrap,
    VectorAggregation,
    VectorLiteral,
)

_RANGE_TOKENS = frozenset(name.upper() for name in RANGE_OPERATIONS)
_VECTOR_TOKENS = frozenset(name.upper() for name in VECTOR_OPERATIONS)
# How tightly a binary operator binds.
_PRECEDENCE = (
    {"or": 1, "and": 2, "unless": 2}
    | dict.fromkeys(("==", "!=", ">", ">=", "<", "<="), 3)
    | {"+": 4, "-": 4, "*": 5, "/": 5, "%": 5, "^": 6}
)
_SET_OPERATORS = frozenset({"and", "or", "unless"})
_NEED_PARAMETER = frozenset({"topk", "bottomk", "approx_topk"})


def parse_query(text: str) -> Expr:
    """The syntax tree of a query whose stages can work; raises ``LogQLError``."""
    tokens = TokenStream(text)
    found = _expression(tokens, 0)
    if tokens.peek.kind != END:
        raise tokens.unexpected()
    return found


def parse_matchers(text: str) -> tuple[Matcher, ...]:
    """A selector alone, which may select everything (``series``, ``labels``)."""
    tokens = TokenStream(text)
    matchers = parse_selector(tokens)
    if tokens.peek.kind != END:
        raise LogQLError("only label matchers are supported")
    check_stages((), matchers)
    return matchers


def _expression(tokens: TokenStream, least: int, first: Expr | None = None) -> Expr:
    """Operators that bind at least as tightly as ``least``, and their operands.

    ``first`` is the first operand where it has already been read.
    """
    left = _operand(tokens) if first is None else first
    while _PRECEDENCE.get(tokens.peek.kind, -1) >= max(least, 1):
        op = tokens.advance().kind
        returns_bool, matching = _modifiers(tokens)
        # Only ^ is right-associative.
        right = _expression(tokens, _PRECEDENCE[op] + (0 if op == "^" else 1))
        left = _binary(op, left, right, matching, returns_bool=returns_bool)
    return left


def _operand(tokens: TokenStream) -> Expr:
    kind = tokens.peek.kind
    if kind == "{":
        return _log_query(tokens)
    if kind == "(":
        tokens.advance()
        inner = _expression(tokens, 0)
        if not tokens.take(")"):
            raise tokens.unexpected()
        return inner
    if kind in (NUMBER, "+", "-"):
        return NumberLiteral(parse_number(tokens))
    if kind in _RANGE_TOKENS:
        return _range_aggregation(tokens)
    if kind in _VECTOR_TOKENS:
        return _vector_aggregation(tokens)
    if kind == "LABEL_REPLACE":
        return _label_replace(tokens)
    if kind == "VECTOR":
        tokens.advance()
        tokens.expect("(")
        value = float(tokens.expect(NUMBER).text)
        tokens.expect(")")
        return VectorLiteral(value)
    if kind == "variants":
        raise NotSupported("variants(…) of (…)")
    raise tokens.unexpected()


def _log_query(tokens: TokenStream) -> LogQuery:
    matchers = parse_selector(tokens)
    stages, _ = parse_pipeline(tokens)
    return _checked(matchers, stages)


def _checked(matchers: tuple[Matcher, ...], stages: tuple[Stage, ...]) -> LogQuery:
    check_stages(stages, matchers)
    check_selective(matchers)
    return LogQuery(matchers, stages)


def _range_aggregation(tokens: TokenStream) -> RangeAggregation:
    op = tokens.advance().text
    tokens.expect("(")
    parameter = None
    if tokens.peek.kind == NUMBER:
        parameter = parse_number(tokens)
        tokens.expect(",")
        log_range = _log_range(tokens, "{", "(")
    else:
        log_range = _log_range(tokens, NUMBER, "{", "(")
    tokens.expect(")")
    found = RangeAggregation(op, log_range, _grouping(tokens), parameter)
    check_range_aggregation(found)
    return found


def _log_range(tokens: TokenStream, *expected: str) -> LogRange:
    """A selector, its range, and a pipeline before or after it; parentheses around any of it."""
    matchers, stages, unwrap, span = _range_parts(tokens, *expected)
    if span is None:
        raise tokens.unexpected()
    range_ns, offset_ns = span
    return LogRange(_checked(matchers, stages), range_ns, offset_ns, unwrap)


_Span = tuple[int, int]
_RangeParts = tuple[tuple[Matcher, ...], tuple[Stage, ...], Unwrap | None, _Span | None]


def _range_parts(tokens: TokenStream, *expected: str) -> _RangeParts:
    if tokens.take("("):
        matchers, stages, unwrap, span = _range_parts(tokens, "{", "(")
        if not tokens.take(")"):
            raise tokens.unexpected(*((")",) if span else ()))
    elif tokens.peek.kind == "{":
        matchers = parse_selector(tokens)
        span = _span(tokens)
        stages, unwrap = parse_pipeline(tokens, unwraps=True)
    else:
        raise tokens.unexpected(*expected)
    if span is None:
        span = _span(tokens)
        if span is None and unwrap is not None:
            raise tokens.unexpected(RANGE, "|")
    return matchers, stages, unwrap, span


def _span(tokens: TokenStream) -> _Span | None:
    """(range, offset) in nanoseconds; None where no range follows."""
    span = tokens.take(RANGE)
    if span is None:
        return None
    offset = tokens.expect(DURATION).amount if tokens.take("offset") else 0
    return span.amount, offset


def _vector_aggregation(tokens: TokenStream) -> VectorAggregation:
    op = tokens.advance().text
    grouping = _grouping(tokens)
    if grouping is None:
        tokens.expect("(", "by", "without")
    else:
        tokens.expect("(")
    number = NumberLiteral(parse_number(tokens)) if tokens.peek.kind == NUMBER else None
    parameter = number if number is not None and tokens.take(",") else None
    inner = _expression(tokens, 0, number if parameter is None else None)
    # A log query may still become an operand here, so Loki lists nothing.
    if isinstance(inner, LogQuery) or not tokens.take(")"):
        raise tokens.unexpected()
    grouping = grouping or _grouping(tokens)
    return VectorAggregation(op, inner, grouping, _parameter(op, parameter))


def _parameter(op: str, given: NumberLiteral | None) -> int | None:
    if op not in _NEED_PARAMETER:
        if given is not None:
            raise ParseError(f"unsupported parameter for operation {op}({_number_text(given)},")
        return None
    if given is None:
        raise ParseError(f"parameter required for operation {op}")
    if not given.value.is_integer():
        raise ParseError(f"invalid parameter {op}({_number_text(given)},")
    if given.value <= 0:
        text = f"{op}({_number_text(given)}"
        raise ParseError(f"invalid parameter (must be greater than 0) {text}")
    return int(given.value)


def _number_text(number: NumberLiteral) -> str:
    return f"{number.value:g}"


def _grouping(tokens: TokenStream) -> Grouping | None:
    word = tokens.take("by", "without")
    if word is None:
        return None
    return Grouping(_label_list(tokens, IDENTIFIER, ")"), word.kind == "without")


def _label_list(tokens: TokenStream, *expected: str) -> tuple[str, ...]:
    tokens.expect("(")
    if tokens.take(")"):
        return ()
    if tokens.peek.kind != IDENTIFIER:
        raise tokens.unexpected(*expected)
    labels = [tokens.advance().text]
    while not tokens.take(")"):
        if not tokens.take(","):
            raise tokens.unexpected(",", ")")
        labels.append(tokens.expect(IDENTIFIER).text)
    return tuple(labels)


def _label_replace(tokens: TokenStream) -> LabelReplace:
    tokens.advance()
    tokens.expect("(")
    inner = _expression(tokens, 0)
    if isinstance(inner, LogQuery) or tokens.peek.kind != ",":
        raise tokens.unexpected()
    texts = []
    for _ in range(4):
        tokens.expect(",")
        texts.append(tokens.expect(STRING).text)
    tokens.expect(")")
    return LabelReplace(inner, *texts)


def _modifiers(tokens: TokenStream) -> tuple[bool, Matching]:
    returns_bool = tokens.take("bool") is not None
    word: Token | None = tokens.take("on", "ignoring")
    if word is None:
        return returns_bool, Matching()
    labels = _label_list(tokens, IDENTIFIER, ")")
    group = tokens.take("group_left", "group_right")
    if group is None:
        return returns_bool, Matching(word.kind == "on", labels)
    include = _label_list(tokens, IDENTIFIER, ")") if tokens.peek.kind == "(" else ()
    side: Literal["left", "right"] = "left" if group.kind == "group_left" else "right"
    return returns_bool, Matching(word.kind == "on", labels, side, include)


def _binary(
    op: str, left: Expr, right: Expr, matching: Matching, *, returns_bool: bool
) -> MetricExpr:
    left, right = _leg(op, left, "left"), _leg(op, right, "right")
    if isinstance(left, NumberLiteral) and isinstance(right, NumberLiteral):
        return NumberLiteral(calculate(op, left.value, right.value))
    return BinaryOperation(op, left, right, matching, returns_bool)


def _leg(op: str, operand: Expr, side: str) -> MetricExpr:
    if isinstance(operand, LogQuery):
        kind = "PipelineExpr" if operand.stages else "MatchersExpr"
        raise ParseError(
            f"unexpected type for {side} leg of binary operation ({op}): *syntax.{kind}"
        )
    if op in _SET_OPERATORS and isinstance(operand, NumberLiteral):
        raise ParseError(
            f"unexpected literal for {side} leg of logical/set binary operation ({op}): "
            f"{operand.value:f}"
        )
    return operand
