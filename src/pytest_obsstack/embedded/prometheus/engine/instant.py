"""Functions of an instant vector that turn each value into another, and those of the calendar."""

from __future__ import annotations

import calendar
import math
from collections.abc import Callable
from datetime import datetime, timedelta, timezone

from pytest_obsstack.embedded.prometheus.engine.numeric import (
    ceil,
    divide,
    floor,
    larger,
    smaller,
    total,
)
from pytest_obsstack.embedded.prometheus.engine.values import Vector
from pytest_obsstack.embedded.prometheus.model import without_name

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def _logarithm(function: Callable[[float], float]) -> Callable[[float], float]:
    def wrapped(value: float) -> float:
        if value > 0:
            return function(value)
        return -math.inf if value == 0 else math.nan

    return wrapped


def _sign(value: float) -> float:
    return value if math.isnan(value) or value == 0 else math.copysign(1.0, value)


def _atanh(value: float) -> float:
    if abs(value) == 1:
        return math.copysign(math.inf, value)
    return total(math.atanh)(value)


def _exp(value: float) -> float:
    try:
        return math.exp(value)
    except OverflowError:
        return math.inf


def _cosh(value: float) -> float:
    try:
        return math.cosh(value)
    except OverflowError:
        return math.inf


ELEMENTWISE: dict[str, Callable[[float], float]] = {
    "abs": abs,
    "acos": total(math.acos),
    "acosh": total(math.acosh),
    "asin": total(math.asin),
    "asinh": math.asinh,
    "atan": math.atan,
    "atanh": _atanh,
    "ceil": ceil,
    "cos": total(math.cos),
    "cosh": _cosh,
    "deg": lambda value: value * 180 / math.pi,
    "exp": _exp,
    "floor": floor,
    "ln": _logarithm(math.log),
    "log10": _logarithm(math.log10),
    "log2": _logarithm(math.log2),
    "rad": lambda value: value * math.pi / 180,
    "sgn": _sign,
    "sin": total(math.sin),
    "sinh": total(math.sinh),
    "sqrt": total(math.sqrt),
    "tan": total(math.tan),
    "tanh": math.tanh,
}


def _moment(seconds: float) -> datetime | None:
    """``None`` outside of the years that Python's calendar knows (1 to 9999)."""
    try:
        return _EPOCH + timedelta(seconds=math.trunc(seconds))
    except (OverflowError, ValueError):
        return None


_CALENDAR: dict[str, Callable[[datetime], int]] = {
    "day_of_month": lambda moment: moment.day,
    "day_of_week": lambda moment: moment.isoweekday() % 7,
    "day_of_year": lambda moment: moment.timetuple().tm_yday,
    "days_in_month": lambda moment: calendar.monthrange(moment.year, moment.month)[1],
    "hour": lambda moment: moment.hour,
    "minute": lambda moment: moment.minute,
    "month": lambda moment: moment.month,
    "year": lambda moment: moment.year,
}
CALENDAR_FUNCTIONS = frozenset(_CALENDAR)


def calendar_part(function: str, seconds: float) -> float:
    """A part of the time in UTC; NaN for a time that is none."""
    moment = _moment(seconds)
    return math.nan if moment is None else float(_CALENDAR[function](moment))


def mapped(vector: Vector, function: Callable[[float], float]) -> Vector:
    """Each value mapped; as it is another metric then, the name goes."""
    return [(without_name(labels), function(value)) for labels, value in vector]


def clamped(vector: Vector, least: float, most: float) -> Vector:
    if most < least:
        return []
    return mapped(vector, lambda value: larger(least, smaller(most, value)))


def rounded(vector: Vector, to_nearest: float) -> Vector:
    """To the nearest multiple, halves up."""
    inverse = divide(1.0, to_nearest)
    return mapped(vector, lambda value: divide(floor(value * inverse + 0.5), inverse))


def sorted_by_value(vector: Vector, *, descending: bool) -> Vector:
    """NaN last in either direction."""
    numbers = [sample for sample in vector if not math.isnan(sample[1])]
    others = [sample for sample in vector if math.isnan(sample[1])]
    return sorted(numbers, key=lambda sample: sample[1], reverse=descending) + others
