"""TraceQL's tokens, as Tempo's lexer on top of Go's ``text/scanner`` makes them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from pytest_obsstack.embedded.tempo.traceql.errors import ParseError
from pytest_obsstack.embedded.tempo.traceql.values import Duration, Value

Kind = Literal["word", "sign", "scope", "intrinsic scope", "attribute", "literal", "end"]


@dataclass(frozen=True)
class Token:
    """``text`` as Tempo names it in errors; ``value`` of a literal."""

    kind: Kind
    text: str
    line: int
    column: int
    value: Value = None


ATTRIBUTE_SCOPES = ("resource", "span", "parent", "event", "link", "instrumentation")
INTRINSIC_SCOPES = ("trace", "span", "event", "link", "instrumentation")

# The longest first.
_SIGNS = (
    *("!>>", "!<<", "&>>", "&<<"),
    *("!=", "=~", "!~", ">=", "<=", "&&", "||", ">>", "<<", "!>", "!<", "&~", "&>", "&<"),
    *(",", "{", "}", "(", ")", "=", ">", "<", "+", "-", "/", "%", "*", "^", "!", "|", "~"),
)
_SPACE = re.compile(r"(?:[ \t\r\n]|//[^\n]*|/\*.*?\*/)+", re.DOTALL)
_WORD = re.compile(r"[^\W\d]\w*")
_NUMBER = re.compile(r"0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_DURATION_TAIL = re.compile(r"[0-9nsumhµdwy.]+")
_ATTRIBUTE_END = frozenset("{}()=~!<>&|^,")
_SIMPLE_ESCAPES = {
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
    "\\": "\\",
    '"': '"',
}
_ESCAPE = re.compile(r"\\(?:([abfnrtv\\\"])|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))")

_DURATION_UNITS_NS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
    "d": 86400 * 10**9,
    "w": 7 * 86400 * 10**9,
    "y": 365 * 86400 * 10**9,
}
_DURATION_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|ms|s|m|h|d|w|y)")


def tokens(query: str) -> Iterator[Token]:
    """All tokens and an ``end``; raises ``ParseError``."""
    return _Scanner(query).scan()


def parse_duration(text: str) -> int | None:
    """Nanoseconds of ``1h30m``, ``1.5s``, ``2d``; None where it is none."""
    total, position = 0.0, 0
    while position < len(text):
        part = _DURATION_PART.match(text, position)
        if part is None:
            return None
        total += float(part[1]) * _DURATION_UNITS_NS[part[2]]
        position = part.end()
    return round(total) if text else None


class _Scanner:
    def __init__(self, query: str) -> None:
        self._query = query
        self._at = 0

    def scan(self) -> Iterator[Token]:
        while True:
            space = _SPACE.match(self._query, self._at)
            self._at = space.end() if space else self._at
            if self._at >= len(self._query):
                yield self._token("end", "$end", self._at)
                return
            yield from self._next()

    def _next(self) -> Iterator[Token]:
        start, sign = self._at, self._query[self._at]
        number = _NUMBER.match(self._query, start)
        if sign == "." and not (number and number[0] != "."):
            self._at += 1
            yield self._token("scope", ".", start)
            yield self._attribute(start)
        elif number is not None and number[0] != ".":
            yield self._number(number)
        elif sign == '"':
            yield self._string()
        elif sign == "`":
            yield self._raw_string()
        elif sign == "'":
            raise self._error("invalid char literal", start)
        elif (word := _WORD.match(self._query, start)) is not None:
            yield from self._word(word)
        else:
            found = next((each for each in _SIGNS if self._query.startswith(each, start)), None)
            if found is None:
                raise self._error("syntax error: unexpected IDENTIFIER", start)
            self._at += len(found)
            yield self._token("sign", found, start)

    def _word(self, match: re.Match[str]) -> Iterator[Token]:
        text, start = match[0], match.start()
        self._at = match.end()
        after = self._query[self._at : self._at + 1]
        if after == "." and text in ATTRIBUTE_SCOPES:
            self._at += 1
            yield self._token("scope", f"{text}.", start)
            yield self._attribute(start)
        elif after == ":" and text in INTRINSIC_SCOPES:
            self._at += 1
            yield self._token("intrinsic scope", f"{text}:", start)
        else:
            yield self._token("word", text, start)

    def _attribute(self, start: int) -> Token:
        """The name after a scope: up to a space or an operator, with parts in quotes."""
        name = ""
        quoted = False
        while self._at < len(self._query):
            sign = self._query[self._at]
            if sign == '"':
                quoted = True
                name += self._quoted_part(start)
            elif sign.isspace() or sign in _ATTRIBUTE_END:
                break
            else:
                name += sign
                self._at += 1
        if not name and not quoted:
            raise self._error("syntax error: unexpected END_ATTRIBUTE, expecting IDENTIFIER", start)
        return self._token("attribute", name, start)

    def _quoted_part(self, start: int) -> str:
        text = ""
        self._at += 1
        while self._at < len(self._query):
            sign = self._query[self._at]
            self._at += 1
            if sign == '"':
                return text
            if sign == "\\":
                sign = self._query[self._at : self._at + 1]
                self._at += 1
                if sign not in ("\\", '"'):
                    raise self._error("invalid escape sequence", start)
            text += sign
        raise self._error('unexpected EOF, expecting "', start)

    def _number(self, match: re.Match[str]) -> Token:
        text, start = match[0], match.start()
        self._at = match.end()
        tail = _DURATION_TAIL.match(self._query, self._at)
        if tail is not None:
            duration_ns = parse_duration(text + tail[0])
            if duration_ns is not None:
                self._at = tail.end()
                return self._token("literal", "DURATION", start, Duration(duration_ns))
        if text.isdigit() or text[:2] in ("0x", "0X"):
            if text != "0" and text.startswith("0"):
                raise self._error(f'strconv.Atoi: parsing "{text}": invalid syntax', start)
            return self._token("literal", "INTEGER", start, int(text))
        return self._token("literal", "FLOAT", start, float(text))

    def _string(self) -> Token:
        start = self._at
        position = start + 1
        text = ""
        while True:
            sign = self._query[position : position + 1]
            if sign in ("", "\n"):
                raise self._error("literal not terminated", start)
            if sign == '"':
                self._at = position + 1
                return self._token("literal", "STRING", start, text)
            if sign == "\\":
                escape = _ESCAPE.match(self._query, position)
                if escape is None:
                    raise self._error("invalid char escape", start)
                text += _unescaped(escape)
                position = escape.end()
            else:
                text += sign
                position += 1

    def _raw_string(self) -> Token:
        start = self._at
        end = self._query.find("`", start + 1)
        if end < 0:
            raise self._error("literal not terminated", start)
        self._at = end + 1
        text = self._query[start + 1 : end].replace("\r", "")
        return self._token("literal", "STRING", start, text)

    def _token(self, kind: Kind, text: str, start: int, value: Value = None) -> Token:
        return Token(kind, text, *self._position(start), value)

    def _position(self, start: int) -> tuple[int, int]:
        before = self._query[:start]
        return before.count("\n") + 1, start - (before.rfind("\n") + 1) + 1

    def _error(self, message: str, start: int) -> ParseError:
        return ParseError(message, *self._position(start))


def _unescaped(match: re.Match[str]) -> str:
    simple, byte, short, long = match.groups()
    if simple:
        return _SIMPLE_ESCAPES[simple]
    return chr(int(byte or short or long, 16))
