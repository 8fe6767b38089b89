"""Sentry's search language: text to a tree (docs.sentry.io/concepts/search).

::

    query   = or
    or      = and { "OR" and }
    and     = unit { ["AND"] unit }
    unit    = "(" or ")" | filter | words
    filter  = ["!"] key ":" value            !has:key, key:[a,b], key:>=5, key:"a b", key:*part*
    key     = name | "quoted name" | tags[name] | tags[name,number]

Words that stand together are one free text, as in Sentry.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Operator = Literal["=", ">", ">=", "<", "<="]


class InvalidSearch(ValueError):
    """A query that cannot be read; the message is for the one who wrote it."""


@dataclass(frozen=True)
class Filter:
    """``key:value``; several values are alternatives."""

    key: str
    operator: Operator
    values: tuple[str, ...]
    negated: bool = False


@dataclass(frozen=True)
class Has:
    """``has:key``."""

    key: str
    negated: bool = False


@dataclass(frozen=True)
class FreeText:
    """Words without a key."""

    text: str


@dataclass(frozen=True)
class And:
    """All of them; without any, everything."""

    parts: tuple[Node, ...]


@dataclass(frozen=True)
class Or:
    """At least one of them."""

    parts: tuple[Node, ...]


Node = Filter | Has | FreeText | And | Or

_MAX_DEPTH = 50
_SPACE = re.compile(r"\s+")
_KEY = re.compile(
    r'(!?)(?:"((?:[^"\\]|\\.)*)"|((?:tags|flags)\[[^\]]*\]|[A-Za-z_][\w.\-]*(?:\([^)\s]*\))?)):'
)
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_OPERATOR = re.compile(r">=|<=|>|<|=")
_BARE = re.compile(r"[^\s()]+")
_BARE_IN_LIST = re.compile(r"[^\s,\]\[]+")
_BOOLEAN = re.compile(r"(AND|OR)(?=[\s(]|$)", re.IGNORECASE)


def parse_search(text: str) -> Node:
    """The tree of a query; an empty one matches everything. Raises ``InvalidSearch``."""
    parser = _Parser(text)
    node = parser.or_(0)
    if not parser.at_end():
        raise parser.error("expected the end")
    return node


def required_filters(node: Node) -> Iterator[Filter]:
    """Equalities that every match fulfils: an index can be asked for them."""
    parts = node.parts if isinstance(node, And) else (node,)
    for part in parts:
        if isinstance(part, And):
            yield from required_filters(part)
        elif (
            isinstance(part, Filter)
            and not part.negated
            and part.operator == "="
            and "*" not in "".join(part.values)
        ):
            yield part


def keys_of(node: Node) -> Iterator[str]:
    """Every key that the query names, ``message`` for free text."""
    if isinstance(node, (And, Or)):
        for part in node.parts:
            yield from keys_of(part)
    else:
        yield "message" if isinstance(node, FreeText) else node.key


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def at_end(self) -> bool:
        self._skip_space()
        return self._at >= len(self._text)

    def error(self, expected: str) -> InvalidSearch:
        found = self._text[self._at : self._at + 20] or "the end"
        return InvalidSearch(
            f"Error parsing search query: {expected} at column {self._at + 1}, found {found!r}. "
            "Enclose any text with parentheses or colons in double quotes."
        )

    def or_(self, depth: int) -> Node:
        parts = [self._and(depth)]
        while self._take_word("OR"):
            parts.append(self._and(depth))
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _and(self, depth: int) -> Node:
        parts: list[Node] = []
        wanted = False
        while not self.at_end() and self._text[self._at] != ")" and not self._sees_word("OR"):
            if self._take_word("AND"):
                if not parts or wanted:
                    raise self.error("expected a term")
                wanted = True
                continue
            parts.append(self._unit(depth))
            wanted = False
        if wanted or (not parts and (depth or self._at or self._sees_word("OR"))):
            raise self.error("expected a term")
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _unit(self, depth: int) -> Node:
        if self._text[self._at] == "(":
            if depth >= _MAX_DEPTH:
                raise self.error(f"expected at most {_MAX_DEPTH} parentheses within each other")
            self._at += 1
            node = self.or_(depth + 1)
            self._skip_space()
            if self._text[self._at : self._at + 1] != ")":
                raise self.error("expected ')'")
            self._at += 1
            return node
        match = _KEY.match(self._text, self._at)
        return self._words() if match is None else self._filter(match)

    def _filter(self, match: re.Match[str]) -> Node:
        self._at = match.end()
        negated = match[1] == "!"
        key = _unescape(match[2]) if match[2] is not None else match[3]
        if key == "has":
            return Has(self._value(), negated)
        operator: Operator = "="
        found = _OPERATOR.match(self._text, self._at)
        if found is not None:
            operator = found[0]  # type: ignore[assignment]
            self._at = found.end()
        if self._text[self._at : self._at + 1] == "[":
            return Filter(key, operator, self._list(), negated)
        return Filter(key, operator, (self._value(),), negated)

    def _value(self) -> str:
        quoted = _QUOTED.match(self._text, self._at)
        if quoted is not None:
            self._at = quoted.end()
            return _unescape(quoted[1])
        bare = _BARE.match(self._text, self._at)
        if bare is None or bare[0].startswith('"'):
            raise self.error("expected a value")
        self._at = bare.end()
        return bare[0]

    def _list(self) -> tuple[str, ...]:
        self._at += 1
        values: list[str] = []
        while True:
            self._skip_space()
            match = _QUOTED.match(self._text, self._at)
            bare = match or _BARE_IN_LIST.match(self._text, self._at)
            if bare is None:
                raise self.error("expected a value in the list")
            values.append(bare[0] if match is None else _unescape(match[1]))
            self._at = bare.end()
            self._skip_space()
            end = self._text[self._at : self._at + 1]
            self._at += 1
            if end == "]":
                return tuple(values)
            if end != ",":
                self._at -= 1
                raise self.error("expected ',' or ']'")

    def _words(self) -> FreeText:
        words: list[str] = []
        while not self.at_end() and self._text[self._at] not in "()":
            if self._sees_word("OR") or self._sees_word("AND"):
                break
            if _KEY.match(self._text, self._at):
                break
            words.append(self._value())
        if not words:
            raise self.error("expected a term")
        return FreeText(" ".join(words))

    def _sees_word(self, word: str) -> bool:
        self._skip_space()
        match = _BOOLEAN.match(self._text, self._at)
        return match is not None and match[1].upper() == word

    def _take_word(self, word: str) -> bool:
        if not self._sees_word(word):
            return False
        self._at += len(word)
        return True

    def _skip_space(self) -> None:
        match = _SPACE.match(self._text, self._at)
        if match is not None:
            self._at = match.end()


def _unescape(text: str) -> str:
    """Quotes were escaped to stand in quotes; an escaped ``*`` stays so, for the matcher."""
    return text.replace('\\"', '"')
