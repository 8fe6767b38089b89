"""The functions that templates may call: Go's own, and those that Loki adds.

Each takes its arguments in Go's order; a piped value comes last. A ``FunctionError`` is what Go's
function returns as an error.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal
from functools import reduce
from html import escape
from typing import Any
from urllib.parse import quote_plus, unquote_plus

from pytest_obsstack.embedded.loki.logql.regexps import RegexpError, compile_search
from pytest_obsstack.embedded.loki.logql.template.values import (
    is_true,
    printf,
    show,
    to_float,
    to_int,
    type_name,
)
from pytest_obsstack.embedded.loki.logql.units import UnitError, parse_go_duration, parse_size

LINE = "__line__"
REFUSED = frozenset(
    {"__timestamp__", "now", "date", "toDate", "toDateInZone", "unixToTime"}
    | {"unixEpoch", "unixEpochMillis", "unixEpochNanos", "js", "call"}
)
"""Functions that a real Loki has and this one has not."""

_REFERENCE = re.compile(r"\$(?:\$|\{(\w+)\}|(\w+))")


class FunctionError(Exception):
    """An error that a function returns; ``str()`` is its text."""


def _text(function: Callable[..., Any], *kinds: str) -> Callable[..., Any]:
    """``function`` with its arguments checked: ``s`` is a text, ``i`` an integer."""

    def checked(*arguments: Any) -> Any:
        if len(arguments) != len(kinds):
            raise FunctionError(f"wrong number of args: want {len(kinds)} got {len(arguments)}")
        for kind, argument in zip(kinds, arguments, strict=True):
            expected = "string" if kind == "s" else "int"
            if type_name(argument) != expected:
                found = type_name(argument)
                raise FunctionError(f"wrong type for value; expected {expected}; got {found}")
        return function(*arguments)

    return checked


# Text ---------------------------------------------------------------------------------------------


def _truncate(count: int, text: str) -> str:
    if count < 0 and len(text) + count > 0:
        return text[len(text) + count :]
    return text[:count] if 0 <= count < len(text) else text


def _substring(start: int, end: int, text: str) -> str:
    if start < 0:
        return text[:end]
    return text[start:] if end < 0 or end > len(text) else text[start:end]


def _align_left(width: int, text: str) -> str:
    return text[:width].ljust(width)


def _align_right(width: int, text: str) -> str:
    return text[max(0, len(text) - width) :].rjust(width)


def _title(text: str) -> str:
    return re.sub(r"(?:^|(?<=[\s\-]))\w", lambda match: match[0].upper(), text)


def _indent(count: int, text: str) -> str:
    pad = " " * count
    return pad + text.replace("\n", "\n" + pad)


def _replace_all(pattern: str, text: str, replacement: str) -> str:
    def expand(match: re.Match[str]) -> str:
        return _REFERENCE.sub(lambda ref: _group(match, ref[1] or ref[2]), replacement)

    return _compiled(pattern).sub(expand, text)


def _group(match: re.Match[str], name: str | None) -> str:
    """What a reference stands for: ``$$`` a dollar sign, an unknown group nothing."""
    if name is None:
        return "$"
    try:
        return match[int(name) if name.isdigit() else name] or ""
    except (IndexError, KeyError):
        return ""


def _replace_all_literal(pattern: str, text: str, replacement: str) -> str:
    return _compiled(pattern).sub(lambda _: replacement, text)


def _count(pattern: str, text: str) -> int:
    return sum(1 for _ in _compiled(pattern).finditer(text))


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return compile_search(pattern)
    except RegexpError as error:
        raise FunctionError(str(error)) from error


def _decode_base64(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode("utf-8", "replace")
    except binascii.Error as error:
        raise FunctionError(f"illegal base64 data: {error}") from error


def _go_replace(text: str, old: str, new: str, count: int) -> str:
    return text.replace(old, new, count)


# Numbers ------------------------------------------------------------------------------------------


def _divide(left: Any, right: Any) -> int:
    dividend, divisor = to_int(left), to_int(right)
    if divisor == 0:
        raise FunctionError("runtime error: integer divide by zero")
    quotient = abs(dividend) // abs(divisor)
    return quotient if (dividend < 0) == (divisor < 0) else -quotient


def _modulo(left: Any, right: Any) -> int:
    dividend, divisor = to_int(left), to_int(right)
    return dividend - divisor * _divide(dividend, divisor)


def _decimal(value: Any) -> Decimal:
    return Decimal(repr(to_float(value)))


def _divide_decimals(left: Decimal, right: Decimal) -> Decimal:
    if right == 0:
        raise FunctionError("runtime error: decimal division by 0")
    return left / right


def _fold(operation: Callable[[Decimal, Decimal], Decimal]) -> Callable[..., float]:
    return lambda *values: float(reduce(operation, map(_decimal, values)))


def _round(value: Any, places: int, _threshold: float = 0.5) -> float:
    return float(_decimal(value).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP))


def _seconds(text: str) -> float:
    try:
        return parse_go_duration(text) / 1e9
    except UnitError as error:
        raise FunctionError(str(error)) from error


def _bytes(text: str) -> float:
    try:
        return float(parse_size(text))
    except UnitError as error:
        raise FunctionError(str(error)) from error


# Go's own -----------------------------------------------------------------------------------------


def _length(value: Any) -> int:
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, (list, dict)):
        return len(value)
    raise FunctionError(f"len of type {type_name(value)}")


def _index(value: Any, *steps: Any) -> Any:
    for step in steps:
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, (list, str)) and isinstance(step, int):
            if not 0 <= step < len(value):
                raise FunctionError(f"index out of range: {step}")
            value = value[step] if isinstance(value, list) else value.encode()[step]
        else:
            raise FunctionError(f"can't index item of type {type_name(value)}")
    return value


def _slice(value: Any, *bounds: int) -> Any:
    if not isinstance(value, (list, str)):
        raise FunctionError(f"can't slice item of type {type_name(value)}")
    return value[slice(*bounds)] if len(bounds) == 2 else value[bounds[0] if bounds else 0 :]


def _equal(first: Any, *others: Any) -> bool:
    if not others:
        raise FunctionError("missing argument for comparison")
    return any(_same(first, other) for other in others)


def _same(left: Any, right: Any) -> bool:
    if left is not None and right is not None and type(left) is not type(right):
        raise FunctionError("incompatible types for comparison")
    return bool(left == right)


def _less(left: Any, right: Any) -> bool:
    if type(left) is not type(right):
        raise FunctionError("incompatible types for comparison")
    if not isinstance(left, (str, int, float)) or isinstance(left, bool):
        raise FunctionError("invalid type for comparison")
    return bool(left < right)


def _print(*values: Any) -> str:
    """``fmt.Sprint``: a space between two values of which none is a text."""
    parts: list[str] = []
    for at, value in enumerate(values):
        if at and not isinstance(value, str) and not isinstance(values[at - 1], str):
            parts.append(" ")
        parts.append(show(value))
    return "".join(parts)


def _from_json(text: str) -> Any:
    try:
        return json.loads(text, parse_int=float)
    except ValueError:
        return None  # as Loki's: what does not parse is nil


FUNCTIONS: dict[str, Callable[..., Any]] = {
    # Go's own
    "eq": _equal,
    "ne": lambda left, right: not _same(left, right),
    "lt": _less,
    "le": lambda left, right: _less(left, right) or _same(left, right),
    "gt": lambda left, right: _less(right, left),
    "ge": lambda left, right: not _less(left, right),
    "not": lambda value: not is_true(value),
    "len": _length,
    "index": _index,
    "slice": _slice,
    "print": _print,
    "println": lambda *values: " ".join(map(show, values)) + "\n",
    "printf": printf,
    "html": lambda *values: escape(_print(*values)).replace("&#x27;", "&#39;"),
    "urlquery": lambda *values: quote_plus(_print(*values)),
    # text
    "ToLower": _text(str.lower, "s"),
    "ToUpper": _text(str.upper, "s"),
    "Replace": _text(_go_replace, "s", "s", "s", "i"),
    "Trim": _text(str.strip, "s", "s"),
    "TrimLeft": _text(str.lstrip, "s", "s"),
    "TrimRight": _text(str.rstrip, "s", "s"),
    "TrimPrefix": _text(str.removeprefix, "s", "s"),
    "TrimSuffix": _text(str.removesuffix, "s", "s"),
    "TrimSpace": _text(str.strip, "s"),
    "lower": _text(str.lower, "s"),
    "upper": _text(str.upper, "s"),
    "title": _text(_title, "s"),
    "trunc": _text(_truncate, "i", "s"),
    "substr": _text(_substring, "i", "i", "s"),
    "contains": _text(lambda part, text: part in text, "s", "s"),
    "hasPrefix": _text(lambda part, text: text.startswith(part), "s", "s"),
    "hasSuffix": _text(lambda part, text: text.endswith(part), "s", "s"),
    "indent": _text(_indent, "i", "s"),
    "nindent": _text(lambda count, text: "\n" + _indent(count, text), "i", "s"),
    "replace": _text(lambda old, new, text: text.replace(old, new), "s", "s", "s"),
    "repeat": _text(lambda count, text: text * max(count, 0), "i", "s"),
    "trim": _text(str.strip, "s"),
    "trimAll": _text(lambda chars, text: text.strip(chars), "s", "s"),
    "trimPrefix": _text(lambda part, text: text.removeprefix(part), "s", "s"),
    "trimSuffix": _text(lambda part, text: text.removesuffix(part), "s", "s"),
    "alignLeft": _text(_align_left, "i", "s"),
    "alignRight": _text(_align_right, "i", "s"),
    "regexReplaceAll": _text(_replace_all, "s", "s", "s"),
    "regexReplaceAllLiteral": _text(_replace_all_literal, "s", "s", "s"),
    "count": _text(_count, "s", "s"),
    "urlencode": _text(quote_plus, "s"),
    "urldecode": _text(unquote_plus, "s"),
    "b64enc": _text(lambda text: base64.b64encode(text.encode()).decode(), "s"),
    "b64dec": _text(_decode_base64, "s"),
    "fromJson": _text(_from_json, "s"),
    "default": lambda fallback, *given: given[0] if given and is_true(given[0]) else fallback,
    # numbers
    "int": to_int,
    "float64": to_float,
    "add": lambda *values: sum(map(to_int, values)),
    "sub": lambda left, right: to_int(left) - to_int(right),
    "mul": lambda *values: math.prod(map(to_int, values)),
    "div": _divide,
    "mod": _modulo,
    "max": lambda *values: max(map(to_int, values)),
    "min": lambda *values: min(map(to_int, values)),
    "addf": _fold(lambda left, right: left + right),
    "subf": _fold(lambda left, right: left - right),
    "mulf": _fold(lambda left, right: left * right),
    "divf": _fold(_divide_decimals),
    "maxf": lambda *values: max(map(to_float, values)),
    "minf": lambda *values: min(map(to_float, values)),
    "ceil": lambda value: float(math.ceil(to_float(value))),
    "floor": lambda value: float(math.floor(to_float(value))),
    "round": _round,
    "duration": _text(_seconds, "s"),
    "duration_seconds": _text(_seconds, "s"),
    "bytes": _text(_bytes, "s"),
}
SHORT_CIRCUIT = frozenset({"and", "or"})
"""Evaluated by the renderer, which stops at the first argument that decides."""
