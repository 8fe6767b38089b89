"""Values in templates (text, numbers, booleans, lists, maps, nil) as Go prints and tests them."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import Any

from pytest_obsstack.embedded.go_quote import quote
from pytest_obsstack.embedded.loki.go_text import GoNumberError, parse_float

_VERB = re.compile(r"%([-+# 0]*)(\d+)?(?:\.(\d+))?([a-zA-Z%])")


def is_true(value: Any) -> bool:
    """False for what is empty or zero."""
    return bool(value)


def show(value: Any) -> str:
    """``%v``."""
    if value is None:
        return "<no value>"
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _general(value)
    if isinstance(value, (list, tuple)):
        return "[" + " ".join(_inner(item) for item in value) + "]"
    if isinstance(value, dict):
        return "map[" + " ".join(f"{key}:{_inner(value[key])}" for key in sorted(value)) + "]"
    return str(value)


def _inner(value: Any) -> str:
    return "<nil>" if value is None else show(value)


def _general(value: float) -> str:
    """``%v`` of a float: the shortest text, with an exponent below 1e-4 and from 1e21 on."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("+Inf" if value > 0 else "-Inf")
    if value == 0 or 1e-4 <= abs(value) < 1e21:
        return format(Decimal(repr(value)), "f").removesuffix(".0")
    return re.sub(r"\.0(?=e)", "", repr(value))


def type_name(value: Any) -> str:
    """The Go type that a message names."""
    names = {str: "string", bool: "bool", int: "int", float: "float64", type(None): "nil"}
    return names.get(type(value), "[]interface {}" if isinstance(value, list) else "map")


def to_int(value: Any) -> int:
    """An integer of anything; 0 where there is none in it."""
    if isinstance(value, str):
        try:
            return int(value, 0) if value.strip() == value and value else 0
        except ValueError:
            return int(to_float(value))
    return int(to_float(value))


def to_float(value: Any) -> float:
    """A number of anything; 0 where there is none in it."""
    if isinstance(value, (bool, int, float)):
        return float(value) if math.isfinite(value) else 0.0
    if isinstance(value, str):
        try:
            number = parse_float(value)
        except GoNumberError:
            return 0.0
        return number if math.isfinite(number) else 0.0
    return 0.0


def printf(form: str, *arguments: Any) -> str:
    """``fmt.Sprintf`` with the verbs that make sense for these values."""
    rest = list(arguments)

    def put(match: re.Match[str]) -> str:
        flags, width, precision, verb = match.groups()
        if verb == "%":
            return "%"
        if not rest:
            return f"%!{verb}(MISSING)"
        text = _formatted(rest.pop(0), verb, flags, precision)
        return _padded(text, flags, int(width or 0), numeric=verb in "dfeExX")

    text = _VERB.sub(put, form)
    if rest:
        extra = ", ".join(f"{type_name(value)}={show(value)}" for value in rest)
        return f"{text}%!(EXTRA {extra})"
    return text


def _formatted(value: Any, verb: str, flags: str, precision: str | None) -> str:
    places = None if precision is None else int(precision)
    text = None
    if verb == "v" or (verb == "s" and not isinstance(value, (bool, int, float))):
        text = show(value)
        text = text if places is None or not isinstance(value, str) else text[:places]
    elif verb == "q" and isinstance(value, str):
        text = quote(value)
    elif verb == "t" and isinstance(value, bool):
        text = show(value)
    elif verb == "d" and isinstance(value, int) and not isinstance(value, bool):
        text = str(value)
    elif verb in "xX" and isinstance(value, (int, str)) and not isinstance(value, bool):
        text = format(value, "x") if isinstance(value, int) else value.encode().hex()
        text = text.upper() if verb == "X" else text
    elif verb in "feE" and isinstance(value, float):
        text = format(value, f".{6 if places is None else places}{verb}")
    elif verb == "g" and isinstance(value, float):
        text = _general(value) if places is None else format(value, f".{places}g")
    if text is None:
        return f"%!{verb}({type_name(value)}={show(value)})"
    signed = "+" in flags and verb in "dfeg" and not text.startswith("-")
    return "+" + text if signed else text


def _padded(text: str, flags: str, width: int, *, numeric: bool) -> str:
    if "-" in flags:
        return text.ljust(width)
    if "0" in flags and numeric:
        return text.zfill(width)
    return text.rjust(width)
