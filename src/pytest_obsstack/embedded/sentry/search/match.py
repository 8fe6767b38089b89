"""A search tree as a predicate over the fields of one record."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from typing import Any, Literal

from pytest_obsstack.embedded.sentry.search.syntax import (
    And,
    Filter,
    FreeText,
    Has,
    InvalidSearch,
    Node,
)
from pytest_obsstack.embedded.sentry.times import parse_iso, parse_period_ns

FieldType = Literal[
    "string", "integer", "number", "duration", "date", "boolean", "text", "percentage"
]
"""``text`` is searched in, ``duration`` is in milliseconds, ``date`` in Unix nanoseconds."""
Getter = Callable[[str], Any]
"""A field's value: text, number, boolean, a list of texts, or ``None``."""
Predicate = Callable[[Getter], bool]

_COMPARE = {
    "=": operator.eq,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
_DURATION = re.compile(
    r"(\d+(?:\.\d+)?)(ms|milliseconds?|s|sec|min|m|hr|h|day|d|wk|w)?", re.IGNORECASE
)
_MS = {
    "ms": 1,
    "millisecond": 1,
    "milliseconds": 1,
    "s": 1000,
    "sec": 1000,
    "min": 60_000,
    "m": 60_000,
    "hr": 3_600_000,
    "h": 3_600_000,
    "day": 86_400_000,
    "d": 86_400_000,
    "wk": 604_800_000,
    "w": 604_800_000,
}
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[kmb])?", re.IGNORECASE)
_SUFFIX = {"k": 1e3, "m": 1e6, "b": 1e9}


def compile_search(node: Node, type_of: Callable[[str], FieldType], now_ns: int) -> Predicate:
    """A predicate for ``node``. Raises ``InvalidSearch`` for a value that its field cannot have,
    and whatever ``type_of`` raises for a key that is not known.
    """  # noqa: D205 - one sentence
    if isinstance(node, FreeText):
        return _text_predicate("message", node.text)
    if isinstance(node, Has):
        type_of(node.key)
        return _has_predicate(node.key, negated=node.negated)
    if isinstance(node, Filter):
        return _filter_predicate(node, type_of(node.key), now_ns)
    parts = [compile_search(part, type_of, now_ns) for part in node.parts]
    if isinstance(node, And):
        return lambda get: all(part(get) for part in parts)
    return lambda get: any(part(get) for part in parts)


def text_of(value: Any) -> str:
    """A value as it is compared with text: booleans as ``true`` and ``false``, nothing as empty."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def duration_ms(text: str) -> float | None:
    """Milliseconds of ``500ms``, ``1.5s``, ``2min``; a bare number is milliseconds already."""
    match = _DURATION.fullmatch(text)
    return float(match[1]) * _MS[(match[2] or "ms").lower()] if match else None


def _has_predicate(key: str, *, negated: bool) -> Predicate:
    return lambda get: (get(key) in (None, "", [])) is negated


def _filter_predicate(node: Filter, kind: FieldType, now_ns: int) -> Predicate:
    if node.operator == "=" and node.values == ("",):
        return _has_predicate(node.key, negated=not node.negated)
    tests = [_value_predicate(node, value, kind, now_ns) for value in node.values]
    key, negated = node.key, node.negated

    def matches(get: Getter) -> bool:
        found = get(key)
        candidates = found if isinstance(found, list) else [found]
        hit = any(test(candidate) for candidate in candidates for test in tests)
        return hit is not negated

    return matches


def _value_predicate(
    node: Filter, value: str, kind: FieldType, now_ns: int
) -> Callable[[Any], bool]:
    if kind == "date":
        return _date_test(node, value, now_ns)
    if kind == "duration":
        return _number_test(node, duration_ms(value), value, "a duration such as 500ms or 2s")
    if kind in ("integer", "number", "percentage") or node.operator != "=":
        return _number_test(node, _number(value), value, "a number")
    if kind == "boolean":
        return _boolean_test(node, value)
    if kind == "text" and "*" not in value:
        lowered = value.lower()
        return lambda found: lowered in text_of(found).lower()
    return _string_test(value)


def _string_test(value: str) -> Callable[[Any], bool]:
    if "*" in value.replace("\\*", ""):
        pattern = _wildcard(value)
        return lambda found: pattern.fullmatch(text_of(found)) is not None
    wanted = value.replace("\\*", "*")
    number = _number(wanted)

    def equals(found: Any) -> bool:
        if isinstance(found, (int, float)) and not isinstance(found, bool) and number is not None:
            return found == number
        return text_of(found) == wanted

    return equals


def _number_test(
    node: Filter, number: float | None, value: str, expected: str
) -> Callable[[Any], bool]:
    if number is None:
        raise InvalidSearch(f"{node.key}: Invalid value {value!r}. Expected {expected}.")
    compare = _COMPARE[node.operator]

    def test(found: Any) -> bool:
        measured = _number(found) if isinstance(found, str) else found
        if measured is None or isinstance(measured, bool):
            return False
        return bool(compare(measured, number))

    return test


def _boolean_test(node: Filter, value: str) -> Callable[[Any], bool]:
    wanted = {"true": True, "1": True, "false": False, "0": False}.get(value.lower())
    if wanted is None:
        raise InvalidSearch(f"{node.key}: Invalid value {value!r}. Expected true or false.")
    return lambda found: found is not None and bool(found) is wanted


def _date_test(node: Filter, value: str, now_ns: int) -> Callable[[Any], bool]:
    """``-24h`` is within the last day, ``+24h`` before it; else an ISO time with an operator."""
    period = parse_period_ns(value[1:]) if value[:1] in ("-", "+") else None
    if period is not None:
        limit = now_ns - period
        if value[0] == "-":
            return lambda found: found is not None and found >= limit
        return lambda found: found is not None and found <= limit
    moment = parse_iso(value)
    if moment is None:
        raise InvalidSearch(
            f"{node.key}: Invalid date {value!r}. Expected +/-duration (e.g. +1h) "
            "or ISO 8601-like (e.g. 2026-11-23T10:24:00)."
        )
    compare = _COMPARE[node.operator]
    return lambda found: found is not None and bool(compare(found, moment))


def _text_predicate(key: str, text: str) -> Predicate:
    if "*" in text:
        pattern = _wildcard(f"*{text}*")
        return lambda get: pattern.fullmatch(text_of(get(key))) is not None
    lowered = text.lower()
    return lambda get: lowered in text_of(get(key)).lower()


def _wildcard(value: str) -> re.Pattern[str]:
    r"""``*`` stands for anything, ``\*`` for itself; case does not matter, as in Sentry."""
    parts: Sequence[str] = re.split(r"(\\\*|\*)", value)
    translate = {"*": ".*", "\\*": r"\*"}
    pattern = "".join(translate.get(part, re.escape(part)) for part in parts)
    return re.compile(pattern, re.IGNORECASE | re.DOTALL)


def _number(text: str) -> float | None:
    if not _NUMBER.fullmatch(text):
        return None
    factor = _SUFFIX.get(text[-1].lower())
    return float(text) if factor is None else float(text[:-1]) * factor
