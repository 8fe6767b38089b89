"""LogQL text as tokens, with the positions that Loki reports.

Loki scans with Go's ``text/scanner`` and adds durations, sizes, ranges and two-character operators
by hand, after which the scanner no longer knows its line: such tokens are reported at line 0.
A character that starts no token is an identifier to it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pytest_obsstack.embedded.loki.logql.errors import ParseError
from pytest_obsstack.embedded.loki.logql.units import (
    UnitError,
    parse_duration,
    parse_prometheus_duration,
    parse_size,
)

END = "$end"
IDENTIFIER, STRING, NUMBER = "IDENTIFIER", "STRING", "NUMBER"
DURATION, BYTES, RANGE, PARSER_FLAG = "DURATION", "BYTES", "RANGE", "PARSER_FLAG"

RANGE_OPERATIONS = frozenset(
    f"{name}_over_time"
    for name in (
        *("count", "bytes", "sum", "avg", "min", "max", "first", "last"),
        *("stddev", "stdvar", "quantile", "absent"),
    )
) | {"rate", "rate_counter", "bytes_rate"}
VECTOR_OPERATIONS = frozenset(
    {"sum", "avg", "min", "max", "count", "stddev", "stdvar", "topk", "bottomk", "approx_topk"}
    | {"sort", "sort_desc"}
)
CONVERSIONS = frozenset({"bytes", "duration", "duration_seconds"})
# Words that are functions only where a parenthesis or a grouping follows, labels otherwise.
_FUNCTIONS = (
    {name: name.upper() for name in RANGE_OPERATIONS | VECTOR_OPERATIONS}
    | {name: f"{name.upper()}_CONV" for name in CONVERSIONS}
    | {"label_replace": "LABEL_REPLACE", "vector": "VECTOR", "ip": "ip", "variants": "variants"}
)
_KEYWORDS = frozenset(
    {"by", "without", "bool", "on", "ignoring", "group_left", "group_right", "offset"}
    | {"and", "or", "unless", "json", "regexp", "logfmt", "unpack", "pattern", "decolorize"}
    | {"line_format", "label_format", "unwrap", "drop", "keep"}
)
_TWO = frozenset({"!=", "=~", "!~", "|=", "|~", "|>", "!>", ">=", "<=", "=="})
_ONE = frozenset("{}(),|=<>+-*/%^")

_BLANK = re.compile(r"[ \t\r\n]+|#[^\n]*")
_WORD = re.compile(r"[^\W\d]\w*")
_NUMBER = re.compile(r"0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_DURATION_TAIL = re.compile(r"[\dhmsdwynuµμ.]+")
_SIZE_TAIL = re.compile(r"[\dbBkKmMgGtTpPeEi.]+")
_FLAG = re.compile(r"--(?:strict|keep-empty)(?![\w-])")
_CALL_FOLLOWS = re.compile(r"[ \t\r\n]*(?:\(|(?:by|without)\b)", re.IGNORECASE)
_ESCAPE = re.compile(
    r"\\(?:[abfnrtv\\\"]|x[0-9a-fA-F]{2}|[0-7]{3}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|(?P<bad>.?))",
    re.DOTALL,
)
_SIMPLE_ESCAPES = dict(zip('abfnrtv\\"', '\a\b\f\n\r\t\v\\"', strict=True))


@dataclass(frozen=True, slots=True)
class Token:
    """A token by its name in error texts (``kind``).

    ``text`` is what it stands for (a string unquoted), ``amount`` the nanoseconds of a duration or
    range, the bytes of a size.
    """

    kind: str
    text: str
    line: int
    column: int
    amount: int = 0


class TokenStream:
    """The tokens of a query, scanned one ahead: a fault counts only once it is reached."""

    def __init__(self, query: str) -> None:
        self._query = query
        self._at = 0
        self.peek = self._scan()
        """The next token; at the end again and again ``$end``."""

    def advance(self) -> Token:
        """The next token, which is taken."""
        token, self.peek = self.peek, self._scan()
        return token

    def take(self, *kinds: str) -> Token | None:
        """The next token if it is one of ``kinds``, else None and nothing is taken."""
        return self.advance() if self.peek.kind in kinds else None

    def expect(self, kind: str, *others: str) -> Token:
        """The next token, which must be of ``kind``. ``others`` are what else could stand there."""
        if self.peek.kind != kind:
            raise self.unexpected(kind, *others)
        return self.advance()

    def unexpected(self, *expected: str) -> ParseError:
        """What is said of the next token; Loki lists what it expected only up to four."""
        reason = f"syntax error: unexpected {self.peek.kind}"
        if expected:
            reason += ", expecting " + " or ".join(expected)
        return ParseError(reason, self.peek.line, self.peek.column)

    def _scan(self) -> Token:
        while blank := _BLANK.match(self._query, self._at):
            self._at = blank.end()
        return self._next()

    def _position(self, at: int) -> tuple[int, int]:
        before = self._query[:at]
        return before.count("\n") + 1, at - (before.rfind("\n") + 1) + 1

    def _token(
        self, kind: str, end: int, text: str, *, lost: bool = False, amount: int = 0
    ) -> Token:
        line, column = self._position(self._at)
        self._at = end
        return Token(kind, text, 0 if lost else line, column, amount)

    def _next(self) -> Token:
        query, at = self._query, self._at
        if at >= len(query):
            return self._end()
        char = query[at]
        if char in '"`':
            return self._string(char)
        if char == "[":
            return self._range()
        number = _NUMBER.match(query, at)
        if number is not None:
            return self._number(number[0])
        if char == "-":
            flag = _FLAG.match(query, at)
            if flag is not None:
                return self._token(PARSER_FLAG, flag.end(), flag[0], lost=True)
            measured = self._measure("-")
            if measured is not None:
                return measured
        if query[at : at + 2] in _TWO:
            return self._token(query[at : at + 2], at + 2, query[at : at + 2], lost=True)
        word = _WORD.match(query, at)
        if word is not None:
            return self._word(word[0])
        return self._token(char if char in _ONE else IDENTIFIER, at + 1, char)

    def _end(self) -> Token:
        # Loki's scanner has no position at all yet where a query is empty.
        if not self._query:
            return Token(END, "", 0, 0)
        line, column = self._position(len(self._query))
        return Token(END, "", line, column)

    def _word(self, word: str) -> Token:
        end = self._at + len(word)
        lower = word.lower() if word.lower() in ("by", "without") else word
        if word in _FUNCTIONS and _CALL_FOLLOWS.match(self._query, end):
            return self._token(_FUNCTIONS[word], end, word)
        return self._token(lower if lower in _KEYWORDS else IDENTIFIER, end, word)

    def _number(self, number: str) -> Token:
        measured = self._measure(number)
        if measured is not None:
            return measured
        return self._token(NUMBER, self._at + len(number), number)

    def _measure(self, start: str) -> Token | None:
        """A duration or a size that begins with ``start``; None where there is none."""
        after = self._at + len(start)
        tail = _DURATION_TAIL.match(self._query, after)
        if tail is not None:
            text = start + tail[0]
            try:
                amount = parse_duration(text)
                return self._token(DURATION, tail.end(), text, lost=True, amount=amount)
            except UnitError:
                pass  # it may still be a size, or a number beside a word
        tail = _SIZE_TAIL.match(self._query, after) if start != "-" else None
        if tail is not None:
            text = start + tail[0]
            try:
                amount = parse_size(text)
                return self._token(BYTES, tail.end(), text, lost=True, amount=amount)
            except UnitError:
                pass  # a number beside a word
        return None

    def _range(self) -> Token:
        close = self._query.find("]", self._at)
        _, column = self._position(self._at)
        if close < 0:
            raise ParseError("missing closing ']' in duration", 0, column)
        text = self._query[self._at + 1 : close]
        try:
            amount = parse_prometheus_duration(text)
        except UnitError as error:
            raise ParseError(str(error), 0, column) from error
        return self._token(RANGE, close + 1, text, lost=True, amount=amount)

    def _string(self, mark: str) -> Token:
        query, at = self._query, self._at + 1
        line, column = self._position(self._at)
        parts: list[str] = []
        while at < len(query):
            char = query[at]
            if char == mark:
                # A raw string has no escapes; Go drops carriage returns from it.
                text = "".join(parts).replace("\r", "") if mark == "`" else "".join(parts)
                return self._token(STRING, at + 1, text)
            if mark == '"' and char == "\n":
                break
            if mark == '"' and char == "\\":
                escape = _ESCAPE.match(query, at)
                if escape is None or escape["bad"] is not None:
                    raise ParseError("invalid char escape", line, column)
                parts.append(_unescape(escape[0][1:]))
                at = escape.end()
                continue
            parts.append(char)
            at += 1
        raise ParseError("literal not terminated", line, column)


def _unescape(code: str) -> str:
    if code in _SIMPLE_ESCAPES:
        return _SIMPLE_ESCAPES[code]
    return chr(int(code[1:], 16)) if code[0] in "xuU" else chr(int(code, 8))
