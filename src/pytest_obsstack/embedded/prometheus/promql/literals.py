"""The values of number and string literals, read as Go reads them."""

from __future__ import annotations

import re

from pytest_obsstack.embedded.go_quote import quote

_INTEGER = re.compile(r"0[xX](_?[0-9a-fA-F])+|0(_?[0-7])*|[1-9](_?[0-9])*")
_FLOAT = re.compile(
    r"([0-9](_?[0-9])*)?\.?([0-9](_?[0-9])*)?(e[+-]?[0-9](_?[0-9])*)?|inf|nan", re.IGNORECASE
)
_ESCAPE = re.compile(rb"\\([0-7]{3}|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)", re.DOTALL)
_SIMPLE = {
    b"a": b"\a",
    b"b": b"\b",
    b"f": b"\f",
    b"n": b"\n",
    b"r": b"\r",
    b"t": b"\t",
    b"v": b"\v",
}


def parse_number(text: str) -> float:
    """Raises ``ValueError`` with the text of Go's ``strconv``."""
    if _INTEGER.fullmatch(text):
        digits = text.replace("_", "")
        octal = len(digits) > 1 and digits[0] == "0" and digits[1] not in "xX"
        value = int(digits, 8) if octal else int(digits, 0)
        if value < 2**63:
            return float(value)
    if _FLOAT.fullmatch(text):
        return float(text)
    raise ValueError(f"strconv.ParseFloat: parsing {quote(text)}: invalid syntax")


def unquote(literal: str) -> str:
    r"""The value of a string literal that the lexer let through.

    ``\x`` and octal escapes stand for bytes; where they do not make up UTF-8, the replacement
    character takes their place, as in Prometheus' JSON answers.
    """
    inner = literal[1:-1]
    if literal[0] == "`" or "\\" not in inner:
        return inner
    return _ESCAPE.sub(_unescaped, inner.encode()).decode("utf-8", "replace")


def _unescaped(match: re.Match[bytes]) -> bytes:
    sequence = match[1]
    if sequence in _SIMPLE:
        return _SIMPLE[sequence]
    if sequence[:1] in b"xuU" and len(sequence) > 1:
        code = int(sequence[1:], 16)
        return bytes([code]) if sequence[:1] == b"x" else chr(code).encode()
    return bytes([int(sequence, 8)]) if len(sequence) == 3 else sequence
