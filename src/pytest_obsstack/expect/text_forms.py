"""A text in its usual encodings: JSON, URL, HTML, base64.

For a text a pattern is made that each encoding of it matches. What a regular expression would match
once it is encoded cannot be said, so what was found is decoded for it.
"""

from __future__ import annotations

import base64
import binascii
import html
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from urllib.parse import unquote_plus

_AROUND = 40
_DECODINGS = 4
"""How often a text may be escaped within another."""
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{8,}={0,2}")
_JSON_ESCAPE = re.compile(r'\\(u[0-9a-fA-F]{4}|["\\/bfnrt])')
_SHORT_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


@dataclass(frozen=True)
class Found:
    """What was found in a text: in which form, and what stands around it."""

    form: str
    excerpt: str


Look = Callable[[str], Found | None]


def looks_for(wanted: str | re.Pattern[str]) -> list[Look]:
    """How to look into a text, one function for each form, the plain one first."""
    if isinstance(wanted, re.Pattern):
        return [
            partial(_search, "as it is", wanted),
            partial(_search_unescaped, wanted),
            partial(_search_base64, wanted),
        ]
    patterns = [("as it is", re.escape(wanted)), ("escaped", _escaped(wanted))]
    patterns += [("base64", re.escape(text)) for text in dict.fromkeys(_base64_forms(wanted))]
    return [partial(_search, form, re.compile(pattern)) for form, pattern in patterns]


def shown_as(wanted: str | re.Pattern[str]) -> str:
    """How messages show what was looked for."""
    return f"/{wanted.pattern}/" if isinstance(wanted, re.Pattern) else repr(wanted)


def _search(form: str, pattern: re.Pattern[str], text: str) -> Found | None:
    match = pattern.search(text)
    if match is None:
        return None
    start = max(0, match.start() - _AROUND)
    return Found(form, text[start : match.end() + _AROUND].replace("\n", " "))


def _search_unescaped(pattern: re.Pattern[str], text: str) -> Found | None:
    for _ in range(_DECODINGS):
        plain = html.unescape(unquote_plus(_without_json_escapes(text)))
        if plain == text:
            return None
        text = plain
        found = _search("escaped", pattern, text)
        if found is not None:
            return found
    return None


def _search_base64(pattern: re.Pattern[str], text: str) -> Found | None:
    for match in _BASE64.finditer(text):
        digits = match[0].rstrip("=").replace("-", "+").replace("_", "/")
        try:
            data = base64.b64decode(digits + "=" * (-len(digits) % 4))
        except binascii.Error:
            continue
        found = _search("base64", pattern, data.decode("utf-8", "replace"))
        if found is not None:
            return found
    return None


def _without_json_escapes(text: str) -> str:
    def plain(match: re.Match[str]) -> str:
        escape = match[1]
        if len(escape) > 1:
            return chr(int(escape[1:], 16))
        return _SHORT_ESCAPES.get(escape, escape)

    # Surrogates that belong together are two escapes.
    return (
        _JSON_ESCAPE.sub(plain, text).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    )


def _escaped(wanted: str) -> str:
    """A pattern in which each character may be escaped as in JSON, a URL or HTML, or not.

    Character by character, because every language escapes others (Go the ``&``, PHP the ``/``),
    and texts are often escaped more than once.
    """
    return "".join(f"(?:{'|'.join(_forms(character))})" for character in wanted)


def _forms(character: str) -> Iterator[str]:
    yield re.escape(character)
    # JSON, RFC 8259 section 7; each level of JSON within JSON doubles the backslashes.
    units = character.encode("utf-16-be").hex()
    yield "".join(rf"\\+u(?i:{units[at : at + 4]})" for at in range(0, len(units), 4))
    short = json.dumps(character)[1:-1]
    if len(short) == 2 or character == "/":
        yield r"\\+" + re.escape(short[-1])
    # RFC 3986 section 2.1, once or more often (%25 is the percent sign itself).
    yield "".join(f"%(?:25)*(?i:{byte:02x})" for byte in character.encode())
    if character == " ":
        yield r"\+"
    yield f"&#(?:{ord(character)}|x(?i:{ord(character):x}));"
    if html.escape(character) != character:
        yield html.escape(character)


def _base64_forms(wanted: str) -> Iterator[str]:
    """The part of each of the three alignments that does not depend on the neighbours."""
    data = wanted.encode()
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + data).decode("ascii").rstrip("=")
        start = {0: 0, 1: 2, 2: 3}[shift]
        # The last digit holds bits of the next byte unless the data ends on a group of three.
        end = len(encoded) if (shift + len(data)) % 3 == 0 else len(encoded) - 1
        text = encoded[start:end]
        if len(text) >= 6:
            yield text
            yield text.replace("+", "-").replace("/", "_")
