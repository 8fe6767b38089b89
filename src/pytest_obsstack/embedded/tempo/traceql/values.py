"""The values that TraceQL compares, and what it makes of two of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

Type = Literal[
    "nil", "attribute", "int", "float", "string", "bool", "duration", "status", "kind", "array"
]


@dataclass(frozen=True)
class Duration:
    """A length of time in nanoseconds."""

    ns: int


@dataclass(frozen=True)
class Keyword:
    """A span's status (``error ok unset``) or kind (``server client …``)."""

    type: Literal["status", "kind"]
    word: str


Value = None | bool | int | float | str | Duration | Keyword | tuple[Any, ...]

STATUSES = ("error", "ok", "unset")
KINDS = ("unspecified", "internal", "server", "client", "producer", "consumer")

_NUMERIC = frozenset({"int", "float", "duration"})
_EQUALITY = frozenset({"=", "!="})
_ORDER = frozenset({">", ">=", "<", "<="})
_VALID: dict[str, frozenset[str]] = {
    "bool": _EQUALITY | {"&&", "||"},
    "int": _EQUALITY | _ORDER,
    "float": _EQUALITY | _ORDER,
    "duration": _EQUALITY | _ORDER,
    "string": _EQUALITY | _ORDER | {"=~", "!~"},
    "nil": _EQUALITY,
    "status": _EQUALITY,
    "kind": _EQUALITY,
}
_FLIPPED = {">": "<", "<": ">", ">=": "<=", "<=": ">="}


def type_of(value: Value) -> Type:
    if value is None:
        return "nil"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int"
    if isinstance(value, float):
        return "float"
    if isinstance(value, str):
        return "string"
    if isinstance(value, Duration):
        return "duration"
    if isinstance(value, Keyword):
        return value.type
    return "array"


def types_match(left: Type, right: Type) -> bool:
    """Whether Tempo lets an operator stand between the two; ``attribute`` is known only later."""
    either = {left, right}
    return left == right or bool(either & {"attribute", "nil", "array"}) or either <= _NUMERIC


def operator_valid(operator: str, operand: Type) -> bool:
    return operand in ("attribute", "array") or operator in _VALID[operand]


def compare(operator: str, left: Value, right: Value) -> bool:
    """The result of a comparison; of types that do not fit it is false.

    Of a list one element has to fit, for ``!=`` and ``!~`` all of them.
    """
    if isinstance(left, tuple) and isinstance(right, tuple):
        return False
    if isinstance(right, tuple):
        flipped = _FLIPPED.get(operator, operator)
        return compare(flipped, right, left) if operator not in ("=~", "!~") else False
    if isinstance(left, tuple):
        results = [_compare_scalars(operator, element, right) for element in left]
        return all(results) if operator in ("!=", "!~") else any(results)
    return _compare_scalars(operator, left, right)


def _compare_scalars(operator: str, left: Value, right: Value) -> bool:
    left_type, right_type = type_of(left), type_of(right)
    # An absent attribute fits nothing, not even !=.
    if "nil" in (left_type, right_type) or not types_match(left_type, right_type):
        return False
    if not (operator_valid(operator, left_type) and operator_valid(operator, right_type)):
        return False
    if operator in ("=~", "!~"):
        matches = compiled(str(right)).fullmatch(str(left)) is not None
        return matches is (operator == "=~")
    if operator in ("=", "!="):
        return (_comparable(left) == _comparable(right)) is (operator == "=")
    return _ordered(operator, _comparable(left), _comparable(right))


def _ordered(operator: str, left: Any, right: Any) -> bool:
    if operator == ">":
        return bool(left > right)
    if operator == ">=":
        return bool(left >= right)
    if operator == "<":
        return bool(left < right)
    return bool(left <= right)


def _comparable(value: Value) -> Any:
    if isinstance(value, Duration):
        return value.ns
    # Text is compared byte by byte.
    return value.encode() if isinstance(value, str) else value


# RE2, which Tempo compiles with, has none of these.
_NOT_RE2 = re.compile(r"\(\?<?[=!]|\(\?P=|\(\?\(|(?<!\\)(?:\\\\)*\\[1-9]")
# These it has, and Python has not or takes otherwise.
_RE2_ALONE = re.compile(r"\\[pPQEzC]|\[\[:|\(\?[a-zA-Z]*U|\\x\{")

_COMPILED: dict[str, re.Pattern[str]] = {}
_MAX_COMPILED = 1000


class BadRegex(Exception):
    """Not a regular expression of RE2."""


class UnsupportedRegex(Exception):
    """One of RE2 that Python's engine cannot stand in for."""


def compiled(text: str) -> re.Pattern[str]:
    """For a match of the whole text, ``.`` included line ends, as Tempo's matcher has it."""
    found = _COMPILED.get(text)
    if found is None:
        if _NOT_RE2.search(text):
            raise BadRegex(text)
        if _RE2_ALONE.search(text):
            raise UnsupportedRegex(text)
        try:
            # \d, \w, \s and \b mean ASCII in RE2.
            found = re.compile(text, re.ASCII | re.DOTALL)
        except re.error as error:
            raise BadRegex(text) from error
        if len(_COMPILED) >= _MAX_COMPILED:
            _COMPILED.clear()
        _COMPILED[text] = found
    return found
