"""From text to a tree that has been checked."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_obsstack.embedded.tempo.traceql.check import check
from pytest_obsstack.embedded.tempo.traceql.errors import ParseError, QueryError, Unsupported
from pytest_obsstack.embedded.tempo.traceql.lexer import Token, tokens
from pytest_obsstack.embedded.tempo.traceql.syntax import (
    Attribute,
    Binary,
    Exists,
    Expression,
    Filter,
    Intrinsic,
    Join,
    Not,
    Spanset,
    Static,
)
from pytest_obsstack.embedded.tempo.traceql.values import KINDS, STATUSES, Duration, Keyword

_COMPARISONS = ("=", "!=", "<", "<=", ">", ">=", "=~", "!~")
_ARITHMETIC = ("+", "-", "*", "/", "%", "^")
_STRUCTURAL = (
    *("!>>", "!<<", "&>>", "&<<", ">>", "<<", "!>", "!<", "!~", "&~", "&>", "&<", ">", "<", "~"),
)
_INTRINSICS = frozenset(
    {"duration", "name", "status", "statusMessage", "kind"}
    | {"rootName", "rootServiceName", "traceDuration"}
)
_SCOPED_INTRINSICS = {
    "trace:duration": "traceDuration",
    "trace:rootName": "rootName",
    "trace:rootService": "rootServiceName",
    "trace:id": "trace:id",
    "span:duration": "duration",
    "span:name": "name",
    "span:kind": "kind",
    "span:status": "status",
    "span:statusMessage": "statusMessage",
    "span:id": "span:id",
    "span:parentID": "span:parentID",
    "span:childCount": "span:childCount",
    "event:name": "event:name",
    "instrumentation:name": "instrumentation:name",
    "instrumentation:version": "instrumentation:version",
}
_UNSUPPORTED_INTRINSICS = frozenset(
    {"parent", "nestedSetLeft", "nestedSetRight", "nestedSetParent"}
    | {"event:timeSinceStart", "link:traceID", "link:spanID"}
)
_PIPELINE_WORDS = frozenset(
    {"by", "coalesce", "select", "count", "avg", "max", "min", "sum"}
    | {"rate", "count_over_time", "min_over_time", "max_over_time", "avg_over_time"}
    | {"sum_over_time", "quantile_over_time", "histogram_over_time", "compare"}
    | {"topk", "bottomk"}
)
_RESERVED = frozenset(
    {*_INTRINSICS, *_UNSUPPORTED_INTRINSICS, *_PIPELINE_WORDS, *KINDS, *STATUSES}
    | {"true", "false", "nil", "with", "id", "traceID", "spanID", "parentID"}
    | {"childCount", "timeSinceStart", "version", "rootService"}
)


@dataclass(frozen=True)
class Query:
    """``most_recent``: the hint that Grafana gives; the newest traces come first anyhow."""

    spanset: Spanset
    most_recent: bool = False


def parse(text: str) -> Query:
    """Raises ``QueryError`` where Tempo would refuse it, ``Unsupported`` where only this does."""
    query = _Parser(text).query()
    check(query.spanset)
    return query


def parse_attribute(text: str) -> Attribute | Intrinsic:
    """An identifier as ``/api/v2/search/tag/…/values`` takes it; raises as ``parse`` does."""
    try:
        spanset = _Parser(f"{{{text}}}").query().spanset
    except ParseError as error:
        raise QueryError(f"failed to parse identifier {text}: {error}") from error
    found = spanset.expression if isinstance(spanset, Filter) else None
    if not isinstance(found, (Attribute, Intrinsic)):
        raise QueryError(f"failed to parse identifier {text}: expected Attribute")
    return found


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens = list(tokens(text))
        self._at = 0

    def query(self) -> Query:
        spanset = self._spansets()
        token = self._peek()
        if token.text == "|" and token.kind == "sign":
            following = self._tokens[self._at + 1]
            raise Unsupported(f"TraceQL pipelines ({_stage(following)})")
        hint = self._accept_word("with") and self._hints()
        self._expect_end()
        return Query(spanset, most_recent=bool(hint))

    # Spansets

    def _spansets(self) -> Spanset:
        left = self._spanset()
        while True:
            token = self._peek()
            if token.kind == "sign" and token.text in ("&&", "||"):
                self._at += 1
                # Both bind alike, from left to right, as in Tempo's grammar.
                left = Join(token.text, left, self._spanset())
            elif token.kind == "sign" and token.text in _STRUCTURAL:
                raise Unsupported(f"structural operators of TraceQL ({token.text})")
            elif token.kind == "sign" and token.text in _ARITHMETIC:
                raise self._unexpected(token)
            else:
                return left

    def _spanset(self) -> Spanset:
        token = self._peek()
        if self._accept("("):
            inner = self._spansets()
            following = self._peek()
            if following.text == "|" and following.kind == "sign":
                raise Unsupported(f"TraceQL pipelines ({_stage(self._tokens[self._at + 1])})")
            self._expect(")")
            return inner
        if self._accept("{"):
            expression: Expression = Static(value=True)
            if not self._accept("}"):
                expression = self._disjunction()
                self._expect("}")
            return Filter(expression)
        if token.kind == "word" and token.text in _PIPELINE_WORDS and self._at == 0:
            raise Unsupported(f"TraceQL pipelines ({_stage(token)})")
        if self._at and self._previous().text in ("&&", "||", "("):
            raise self._unexpected(token, ", expecting { or (")
        raise self._unexpected(token)

    def _hints(self) -> bool:
        self._expect("(")
        name = self._take()
        self._expect("=")
        value = self._take()
        self._expect(")")
        if name.text != "most_recent":
            raise Unsupported(f"the TraceQL hint {name.text}")
        return value.text == "true"

    # Expressions

    def _disjunction(self) -> Expression:
        left = self._comparison()
        while self._peek().kind == "sign" and self._peek().text in ("&&", "||"):
            operator = self._take().text
            left = Binary(operator, left, self._comparison())
        return left

    def _comparison(self) -> Expression:
        left = self._unary()
        while True:
            token = self._peek()
            if token.kind != "sign":
                return left
            if token.text in _ARITHMETIC:
                raise Unsupported(f"arithmetic of TraceQL ({token.text})")
            if token.text not in _COMPARISONS:
                return left
            self._at += 1
            left = self._compared(token.text, left)

    def _compared(self, operator: str, left: Expression | None) -> Expression:
        right = self._unary()
        if operator in ("=", "!="):
            left_nil, right_nil = _is_nil(left), _is_nil(right)
            if left_nil and right_nil:
                return Static(value=False)
            if left is not None and right_nil:
                return Exists(left, present=operator == "!=")
            if left_nil:
                return Exists(right, present=operator == "!=")
        if left is None or _is_nil(left) or _is_nil(right):
            raise self._unexpected(self._previous())
        return Binary(operator, left, right)

    def _unary(self) -> Expression:
        token = self._take()
        if token.kind == "literal":
            return Static(token.value)
        if token.kind == "sign" and token.text == "!":
            return Not(self._unary())
        if token.kind == "sign" and token.text == "-":
            return self._negative(token)
        if token.kind == "sign" and token.text == "(":
            inner = self._disjunction()
            self._expect(")")
            return inner
        if token.kind == "scope":
            return self._attribute(token)
        if token.kind == "intrinsic scope":
            return self._scoped_intrinsic(token)
        if token.kind == "word":
            return self._word(token)
        raise self._unexpected(token)

    def _negative(self, sign: Token) -> Expression:
        operand = self._unary()
        if isinstance(operand, Static) and not isinstance(operand.value, bool):
            if isinstance(operand.value, (int, float)):
                return Static(-operand.value)
            if isinstance(operand.value, Duration):
                return Static(Duration(-operand.value.ns))
        raise Unsupported(f"arithmetic of TraceQL ({sign.text}{operand})")

    def _attribute(self, scope: Token) -> Expression:
        name = self._take().text
        if scope.text == "parent.":
            raise Unsupported("parent attributes of TraceQL")
        if scope.text == "link.":
            raise Unsupported("link attributes of TraceQL")
        return Attribute(scope.text.rstrip("."), name)

    def _scoped_intrinsic(self, scope: Token) -> Expression:
        token = self._take()
        name = scope.text + token.text
        if name in _UNSUPPORTED_INTRINSICS:
            raise Unsupported(f"the TraceQL intrinsic {name}")
        if token.kind != "word" or name not in _SCOPED_INTRINSICS:
            raise self._unexpected(token)
        return Intrinsic(_SCOPED_INTRINSICS[name])

    def _word(self, token: Token) -> Expression:
        word = token.text
        if word in ("true", "false"):
            return Static(word == "true")
        if word == "nil":
            return Static(None)
        if word in STATUSES:
            return Static(Keyword("status", word))
        if word in KINDS:
            return Static(Keyword("kind", word))
        if word in _INTRINSICS:
            return Intrinsic(word)
        if word in _UNSUPPORTED_INTRINSICS:
            raise Unsupported(f"the TraceQL intrinsic {word}")
        if word in ("minInt", "maxInt"):
            return Static(2**63 - 1 if word == "maxInt" else -(2**63))
        if word in _RESERVED:
            raise self._unexpected(token)
        raise ParseError(f"unknown identifier: {word}", token.line, token.column)

    # Tokens

    def _peek(self) -> Token:
        return self._tokens[self._at]

    def _previous(self) -> Token:
        return self._tokens[self._at - 1]

    def _take(self) -> Token:
        token = self._peek()
        if token.kind != "end":
            self._at += 1
        return token

    def _accept(self, sign: str) -> bool:
        found = self._peek().kind == "sign" and self._peek().text == sign
        self._at += found
        return found

    def _accept_word(self, word: str) -> bool:
        found = self._peek().kind == "word" and self._peek().text == word
        self._at += found
        return found

    def _expect(self, sign: str) -> None:
        if not self._accept(sign):
            raise self._unexpected(self._peek())

    def _expect_end(self) -> None:
        if self._peek().kind != "end":
            raise self._unexpected(self._peek())

    def _unexpected(self, token: Token, expecting: str = "") -> ParseError:
        text = token.text
        if token.kind == "word" and text not in _RESERVED:
            text = "IDENTIFIER"
        return ParseError(f"syntax error: unexpected {text}{expecting}", token.line, token.column)


def _is_nil(expression: Expression | None) -> bool:
    return isinstance(expression, Static) and expression.value is None


def _stage(token: Token) -> str:
    return f"{token.text}()" if token.kind == "word" else f"| {token.text}"
