"""Go string literals, which Prometheus' and Loki's messages are full of."""

from __future__ import annotations

import re

_SIMPLE_ESCAPES = {
    '"': '\\"',
    "\\": "\\\\",
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
}
_NEEDS_ESCAPE = re.compile(r'["\\]|[^\x20-\x7e]')


def quote(text: str, delimiter: str = '"') -> str:
    """The text as a Go string literal (``strconv.Quote``, the verb ``%q``)."""
    return delimiter + _NEEDS_ESCAPE.sub(lambda m: _escape(m[0], delimiter), text) + delimiter


def quote_rune(char: str) -> str:
    r"""The character as a Go rune literal, such as ``'-'`` or ``'\n'``."""
    if char == "'":
        return r"'\''"
    return quote(char, "'")


def _escape(char: str, delimiter: str) -> str:
    if char == '"' and delimiter != '"':
        return char
    if char in _SIMPLE_ESCAPES:
        return _SIMPLE_ESCAPES[char]
    if char.isprintable():
        return char
    code = ord(char)
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
