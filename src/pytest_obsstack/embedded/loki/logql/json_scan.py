"""A forgiving reader of JSON objects.

Loki reads log lines with a parser that takes what it can: whatever stands before the first fault,
and nothing after the object's end matters. Its messages are part of the answers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Kind = Literal["string", "number", "boolean", "null", "object", "array"]

NOT_AN_OBJECT = "Value looks like object, but can't find closing '}' symbol"
_UNFINISHED = "Value is array, but can't find closing ']' symbol"
_OPEN_STRING = "Value is string, but can't find closing '\"' symbol"
_MALFORMED = "Malformed JSON error"
_UNKNOWN_TYPE = "Unknown value type"

_SPACE = re.compile(r"[ \t\r\n]*")
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_BARE = re.compile(r"[^ \t\r\n,}\]]*")
_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*"|[][{}]', re.DOTALL)


class JsonScanError(ValueError):
    """Where the object cannot be read any further; ``str()`` is the parser's message."""


@dataclass(frozen=True, slots=True)
class JsonValue:
    """A value as its text: ``raw`` as it stands in the line, of a string without the quotes."""

    kind: Kind
    raw: str

    @property
    def text(self) -> str:
        """A string with its escapes resolved, everything else as it stands."""
        return unescape(self.raw) if self.kind == "string" else self.raw


def members(text: str) -> Iterator[tuple[str, JsonValue]]:
    """Keys and values of the object that ``text`` begins with; raises ``JsonScanError``."""
    at = _skip(text, 0)
    if text[at : at + 1] != "{":
        raise JsonScanError(NOT_AN_OBJECT)
    at = _skip(text, at + 1)
    if at >= len(text):
        raise JsonScanError(_MALFORMED)
    while text[at] != "}":
        if text[at] != '"':
            raise JsonScanError(NOT_AN_OBJECT)
        key = _STRING.match(text, at)
        if key is None:
            raise JsonScanError(_MALFORMED)
        at = _skip(text, key.end())
        if text[at : at + 1] != ":":
            raise JsonScanError(_MALFORMED)
        value, at = _value(text, _skip(text, at + 1))
        yield unescape(key[1]), value
        at = _skip(text, at)
        if text[at : at + 1] == ",":
            at = _skip(text, at + 1)
        elif at < len(text) and text[at] != "}":
            raise JsonScanError(NOT_AN_OBJECT)
        if at >= len(text):
            raise JsonScanError(_UNFINISHED)


def items(text: str) -> Iterator[JsonValue]:
    """The items of the array that ``text`` begins with; raises ``JsonScanError``."""
    at = _skip(text, 0)
    if text[at : at + 1] != "[":
        raise JsonScanError(_UNFINISHED)
    at = _skip(text, at + 1)
    while at < len(text) and text[at] != "]":
        value, at = _value(text, at)
        yield value
        at = _skip(text, at)
        if text[at : at + 1] == ",":
            at = _skip(text, at + 1)
        elif text[at : at + 1] != "]":
            raise JsonScanError(_UNFINISHED)


def find(text: str, path: tuple[str | int, ...]) -> JsonValue | None:
    """The value at a path of keys and indexes; None where there is none."""
    value = JsonValue("object", text)
    try:
        for step in path:
            found: JsonValue | None = None
            if isinstance(step, int):
                if value.kind == "array":
                    found = next((v for i, v in enumerate(items(value.raw)) if i == step), None)
            elif value.kind == "object":
                found = next((v for key, v in members(value.raw) if key == step), None)
            if found is None:
                return None
            value = found
    except JsonScanError:
        return None  # what is cut off is not there
    return value


def unescape(raw: str) -> str:
    """The text of a JSON string; what is no valid escape makes it empty."""
    if "\\" not in raw:
        return raw
    try:
        text: str = json.loads(f'"{raw}"', strict=False)
    except ValueError:
        return ""
    return without_surrogates(text)


def without_surrogates(text: str) -> str:
    """Half a surrogate pair is no character: it becomes U+FFFD."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _skip(text: str, at: int) -> int:
    space = _SPACE.match(text, at)
    return space.end() if space else at


def _value(text: str, at: int) -> tuple[JsonValue, int]:
    first = text[at : at + 1]
    if not first:
        raise JsonScanError(_MALFORMED)
    if first == '"':
        string = _STRING.match(text, at)
        if string is None:
            raise JsonScanError(_OPEN_STRING)
        return JsonValue("string", string[1]), string.end()
    if first in "[{":
        end = _block_end(text, at)
        if end < 0:
            raise JsonScanError(_UNFINISHED if first == "[" else NOT_AN_OBJECT)
        return JsonValue("array" if first == "[" else "object", text[at:end]), end
    bare = _BARE.match(text, at)
    raw = bare[0] if bare else ""
    kind = _bare_kind(raw)
    if kind is None:
        raise JsonScanError(_UNKNOWN_TYPE)
    return JsonValue(kind, raw), at + len(raw)


def _bare_kind(raw: str) -> Kind | None:
    if raw in ("true", "false"):
        return "boolean"
    if raw == "null":
        return "null"
    return "number" if raw[:1] in "-0123456789" and raw else None


def _block_end(text: str, at: int) -> int:
    """The end of the object or array at ``at``; -1 where it is not closed."""
    opening = text[at]
    closing = "]" if opening == "[" else "}"
    depth = 0
    for bracket in _BRACKET.finditer(text, at):
        if bracket[0] == opening:
            depth += 1
        elif bracket[0] == closing:
            depth -= 1
            if depth == 0:
                return bracket.end()
    return -1
