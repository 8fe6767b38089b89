"""PromQL's tokens.

The states follow the published lexical rules: inside braces every word is a label name, inside
brackets a range begins with a duration, elsewhere words may be keywords. A lexical error is a
token of its own, because the parser reports what is wrong before it first.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from pytest_obsstack.embedded.go_quote import quote, quote_rune

TokenKind = Literal[
    "symbol",
    "operator",
    "aggregator",
    "keyword",
    "preprocessor",
    "identifier",
    "metric identifier",
    "number",
    "duration",
    "string",
    "end",
    "error",
]

AGGREGATORS = frozenset(
    {
        *("sum", "avg", "count", "min", "max", "group", "stddev", "stdvar"),
        *("topk", "bottomk", "count_values", "quantile", "limitk", "limit_ratio"),
    }
)
_KEYWORDS = frozenset(
    {"offset", "by", "without", "on", "ignoring", "group_left", "group_right", "bool"}
)
_WORD_OPERATORS = frozenset({"and", "or", "unless", "atan2"})
_WORD = re.compile(r"[A-Za-z_:][A-Za-z0-9_:]*")
_LABEL_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SPACE = re.compile(r"[ \t\n\r]+")
_COMMENT = re.compile(r"#[^\r\n]*")
_SYMBOLS = frozenset("(){}[],=:")
_OPERATORS = re.compile(r"==|!=|<=|>=|[-+*/%^<>@]")
_MATCH_OPERATORS = re.compile(r"=~|!~|!=|=")
_ALPHANUMERIC = re.compile(r"[A-Za-z0-9_]")
_DECIMAL, _HEXADECIMAL = "0123456789", "0123456789abcdefABCDEF"
_UNITS = re.compile(r"[smhdwy]s?(?:\d+[smhdw]s?)*", re.ASCII)
_BROKEN_UNITS = re.compile(r"[smhdwy]s?(?:\d+[smhdw]s?)*(?:\d+|\w)", re.ASCII)
_SIMPLE_ESCAPES = "abfnrtv\\"
_NUMERIC_ESCAPES = {"x": (2, 16, 0xFF), "u": (4, 16, 0x10FFFF), "U": (8, 16, 0x10FFFF)}


@dataclass(frozen=True)
class Token:
    """``text`` as it stands in the query (of an error: its text), ``position`` in characters."""

    kind: TokenKind
    text: str
    position: int

    def describe(self) -> str:
        """How an error text names the token."""
        if self.kind == "end":
            return "end of input"
        if self.text == "@" and self.kind == "operator":
            # Prometheus has no name for this one and shows the number of its kind.
            return '"<Item 57400>" <op:@>'
        if self.kind == "operator":
            return f"<op:{self.text}>"
        if self.kind == "aggregator":
            return f"<aggr:{self.text}>"
        if self.kind == "keyword":
            return f"<{self.text}>"
        short = self.kind in ("identifier", "metric identifier") or len(self.text) <= 10
        text = quote(self.text) if short else quote(self.text[:10]) + "..."
        return text if self.kind in ("symbol", "preprocessor") else f"{self.kind} {text}"


class _LexicalError(Exception):
    def __init__(self, position: int, text: str) -> None:
        super().__init__(text)
        self.position = position
        self.text = text


def tokenize(query: str) -> list[Token]:
    """The tokens; the last is of kind ``end`` or ``error``."""
    lexer = _Lexer(query)
    tokens: list[Token] = []
    try:
        while not tokens or tokens[-1].kind != "end":
            tokens.append(lexer.next())
    except _LexicalError as error:
        tokens.append(Token("error", error.text, error.position))
    return tokens


class _Lexer:
    def __init__(self, query: str) -> None:
        self._query = query
        self._position = 0
        self._open_parentheses = 0
        self._in_braces = False
        self._in_brackets = False
        self._after_colon = False
        self._range_begins = False

    def next(self) -> Token:
        self._skip_blanks()
        if self._range_begins:
            return self._range_token()
        return self._brace_token() if self._in_braces else self._token()

    def _skip_blanks(self) -> None:
        while True:
            blank = _SPACE.match(self._query, self._position)
            if blank is None and not self._range_begins:
                blank = _COMMENT.match(self._query, self._position)
            if blank is None:
                return
            self._position = blank.end()

    def _take(self, kind: TokenKind, length: int) -> Token:
        start = self._position
        self._position += length
        return Token(kind, self._query[start : self._position], start)

    def _fail(self, text: str, position: int | None = None) -> _LexicalError:
        return _LexicalError(self._position if position is None else position, text)

    def _peek(self, offset: int = 0) -> str:
        """The character there, empty at the end of the query."""
        index = self._position + offset
        return self._query[index : index + 1]

    def _token(self) -> Token:
        char = self._peek()
        if char == "":
            if self._open_parentheses:
                raise self._fail("unclosed left parenthesis")
            if self._in_brackets:
                raise self._fail("unclosed left bracket")
            return self._take("end", 0)
        if char.isascii() and (char.isdigit() or (char == "." and _is_digit(self._peek(1)))):
            return self._number_or_duration()
        if char in "\"'`":
            return self._string(char)
        if char == "!" and self._peek(1) != "=":
            raise self._fail(f"unexpected character after '!': {_rune_at(self._peek(1))}")
        if char == "=" and self._peek(1) == "~":
            raise self._fail("unexpected character after '=': '~'")
        operator = _OPERATORS.match(self._query, self._position)
        if operator:
            return self._take("operator", len(operator[0]))
        if self._in_brackets and (char == ":" or _LABEL_WORD.match(char)):
            # Prometheus takes a letter here for a colon.
            if self._after_colon:
                raise self._fail(f"unexpected colon {quote_rune(char)}", self._position)
            self._after_colon = True
            self._position += 1
            return Token("symbol", ":", self._position - 1)
        word = _WORD.match(self._query, self._position)
        if word:
            return self._word(word[0])
        return self._bracketing(char)

    def _bracketing(self, char: str) -> Token:
        if char == "(":
            self._open_parentheses += 1
        elif char == ")":
            self._open_parentheses -= 1
            if self._open_parentheses < 0:
                # Prometheus has gone past the parenthesis when it notices.
                raise self._fail("unexpected right parenthesis ')'", self._position + 1)
        elif char == "{":
            self._in_braces = True
        elif char == "[":
            if self._in_brackets:
                raise self._fail("unexpected left bracket '['")
            self._in_brackets = self._range_begins = True
            self._after_colon = False
        elif char == "]":
            if not self._in_brackets:
                raise self._fail("unexpected right bracket ']'")
            self._in_brackets = False
        elif char == "}" or char not in _SYMBOLS:
            raise self._fail(f"unexpected character: {quote_rune(char)}")
        return self._take("symbol", 1)

    def _range_token(self) -> Token:
        """What may stand between ``[`` and the first duration."""
        char = self._peek()
        if char == "":
            raise self._fail("unexpected end of input in duration expression")
        if char.isascii() and (char.isdigit() or (char == "." and _is_digit(self._peek(1)))):
            self._range_begins = False
            return self._number_or_duration()
        if char == "]":
            self._in_brackets = self._range_begins = False
            return self._take("symbol", 1)
        if char in "()":
            self._open_parentheses += 1 if char == "(" else -1
            if self._open_parentheses < 0:
                raise self._fail("unexpected right parenthesis ')'", self._position + 1)
            return self._take("symbol", 1)
        if char == ":":
            raise self._fail(
                "unexpected colon before duration in duration expression", self._position + 1
            )
        if char in "+-*/%^":
            return self._take("operator", 1)
        raise self._fail(f"unexpected character in duration expression: {quote_rune(char)}")

    def _brace_token(self) -> Token:
        char = self._peek()
        if char == "":
            raise self._fail("unexpected end of input inside braces")
        word = _LABEL_WORD.match(self._query, self._position)
        if word:
            return self._take("identifier", len(word[0]))
        if char in "\"'`":
            return self._string(char)
        operator = _MATCH_OPERATORS.match(self._query, self._position)
        if operator:
            return self._take("symbol" if operator[0] == "=" else "operator", len(operator[0]))
        if char == "!":
            after = _rune_at(self._peek(1))
            raise self._fail(f"unexpected character after '!' inside braces: {after}")
        if char == "{":
            raise self._fail("unexpected left brace '{'")
        if char == "}":
            self._in_braces = False
        elif char != ",":
            raise self._fail(f"unexpected character inside braces: {quote_rune(char)}")
        return self._take("symbol", 1)

    def _word(self, word: str) -> Token:
        lower = word.lower()
        kind: TokenKind = "metric identifier" if ":" in word else "identifier"
        if lower in _WORD_OPERATORS:
            kind = "operator"
        elif lower in AGGREGATORS:
            kind = "aggregator"
        elif lower in _KEYWORDS:
            kind = "keyword"
        elif lower in ("start", "end"):
            kind = "preprocessor"
        elif lower in ("inf", "nan"):
            kind = "number"
        return self._take(kind, len(word))

    def _number_or_duration(self) -> Token:
        end, is_number = self._number_end()
        if is_number:
            return self._take("number", end - self._position)
        units = _UNITS.match(self._query, end)
        if units and not _ALPHANUMERIC.match(self._query, units.end()):
            return self._take("duration", units.end() - self._position)
        broken = _BROKEN_UNITS.match(self._query, end)
        text = self._query[self._position : broken.end() if broken else end]
        raise self._fail(f"bad number or duration syntax: {quote(text)}")

    def _number_end(self) -> tuple[int, bool]:
        """How far a number was read, and whether it is one.

        What is no number that way may still be one that cannot be parsed, such as ``1e5.2``: the
        lexer only sees to it that a point and an exponent come once and underscores between digits.
        """
        query, position, digits = self._query, self._position, _DECIMAL
        if query[position] == "0" and query[position + 1 : position + 2] in ("x", "X"):
            position += 2
            position += query.startswith("_", position)
            digits = _HEXADECIMAL
        start = position
        point = exponent = False
        while (char := query[position : position + 1]) and char in digits + "._eE":
            after = query[position + 1 : position + 2]
            if char == ".":
                if point or after in ("_", ".") or digits is _HEXADECIMAL:
                    return position + 1 + (after in ("_", ".") and not point), False
                point = True
            elif char in "eE" and position > start:
                if exponent:
                    return position + 1, False
                exponent = True
                if after in ("+", "-"):
                    position += 1
                    after = query[position + 1 : position + 2]
                if after == "" or after in "._eE":
                    return position + 1 + len(after), False
            elif char == "_" and (after == "" or after in "._eE"):
                return position + 1 + len(after), False
            position += 1
        return position, position > start and not _ALPHANUMERIC.match(query, position)

    def _string(self, delimiter: str) -> Token:
        start = position = self._position
        while True:
            position += 1
            char = self._query[position : position + 1]
            if char == delimiter:
                return self._take("string", position + 1 - start)
            if delimiter == "`":
                if char == "":
                    raise self._fail("unterminated raw string")
            elif char in ("", "\n"):
                raise self._fail("unterminated quoted string")
            elif char == "\\":
                position = self._escape(position + 1, delimiter)

    def _escape(self, position: int, delimiter: str) -> int:
        """The position of the escape sequence's last character."""
        char = self._query[position : position + 1]
        if char == "":
            raise self._fail("escape sequence not terminated")
        if char in _SIMPLE_ESCAPES or char == delimiter:
            return position
        if char in "01234567":
            digits, base, limit = 3, 8, 255
        elif char in _NUMERIC_ESCAPES:
            digits, base, limit = _NUMERIC_ESCAPES[char]
            position += 1
        else:
            raise self._fail(f"unknown escape sequence {_code_point(char)}")
        value = 0
        for index in range(position, position + digits):
            digit = self._query[index : index + 1]
            if digit == "":
                raise self._fail("escape sequence not terminated")
            if (
                not digit.isascii()
                or digit not in "0123456789abcdefABCDEF"[: 22 if base > 8 else 8]
            ):
                raise self._fail(f"illegal character {_code_point(digit)} in escape sequence")
            value = value * base + int(digit, base)
        if value > limit or 0xD800 <= value < 0xE000:
            raise self._fail("escape sequence is an invalid Unicode code point")
        return position + digits - 1


def _is_digit(char: str) -> bool:
    return char.isascii() and char.isdigit()


def _rune_at(char: str) -> str:
    # Go formats the end of the input, rune -1, as the replacement character.
    return quote_rune(char) if char else "'�'"


def _code_point(char: str) -> str:
    """``U+0071 'q'`` (Go's ``%#U``)."""
    printable = f" '{char}'" if char.isprintable() else ""
    return f"U+{ord(char):04X}{printable}"
