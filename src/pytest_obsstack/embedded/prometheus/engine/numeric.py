"""Arithmetic as Go does it: no exceptions for infinities and NaN, compensated sums."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Sequence

_NAN, _INF = math.nan, math.inf


def kahan_add(increment: float, total: float, compensation: float) -> tuple[float, float]:
    """One step of a compensated (Neumaier) sum: new total, new compensation."""
    new = total + increment
    if math.isinf(new):
        return new, 0.0
    if abs(total) >= abs(increment):
        return new, compensation + ((total - new) + increment)
    return new, compensation + ((increment - new) + total)


def kahan_sum(values: Iterable[float]) -> float:
    total = compensation = 0.0
    for value in values:
        total, compensation = kahan_add(value, total, compensation)
    return total if math.isinf(total) else total + compensation


def mean(values: Sequence[float]) -> float:
    """The mean of at least one value.

    A sum divided by the number, as long as the sum does not overflow; from there on incremental,
    so that the last digits agree with Prometheus'.
    """
    total, compensation, average = values[0], 0.0, 0.0
    incremental = False
    for count, value in enumerate(values[1:], 2):
        if not incremental:
            new, new_compensation = kahan_add(value, total, compensation)
            if not math.isinf(new):
                total, compensation = new, new_compensation
                continue
            incremental = True
            average = total / (count - 1)
            compensation /= count - 1
        share = (count - 1) / count
        average, compensation = kahan_add(value / count, share * average, share * compensation)
    if incremental:
        return average + compensation
    return total / len(values) + compensation / len(values)


def quantile(q: float, values: Iterable[float]) -> float:
    """Interpolated between neighbours; NaN counts as smallest. Outside of [0, 1] infinite."""
    if math.isnan(q):
        return _NAN
    if q < 0 or q > 1:
        return _INF if q > 1 else -_INF
    ordered = sorted(values, key=lambda v: (not math.isnan(v), 0.0 if math.isnan(v) else v))
    if not ordered:
        return _NAN
    rank = q * (len(ordered) - 1)
    lower = max(0, math.floor(rank))
    upper = min(len(ordered) - 1, lower + 1)
    weight = rank - math.floor(rank)
    return ordered[lower] * (1 - weight) + ordered[upper] * weight


def divide(left: float, right: float) -> float:
    if right != 0:
        return left / right
    if left == 0 or math.isnan(left):
        return _NAN
    return math.copysign(_INF, left) * math.copysign(1.0, right)


def modulo(left: float, right: float) -> float:
    """The remainder with the sign of the left side; NaN where there is none."""
    try:
        return math.fmod(left, right)
    except ValueError:
        return _NAN


def power(base: float, exponent: float) -> float:
    try:
        return math.pow(base, exponent)
    except OverflowError:
        odd = exponent.is_integer() and exponent % 2 == 1
        return -_INF if base < 0 and odd else _INF
    except ValueError:
        if base != 0:
            return _NAN
        # Zero to a negative power: the sign counts for odd integers alone.
        odd = exponent.is_integer() and exponent % 2 == 1
        return math.copysign(_INF, base) if odd else _INF


def smaller(left: float, right: float) -> float:
    """``math.Min`` of Go: negative infinity wins over NaN, NaN over the rest."""
    if left == -_INF or right == -_INF:
        return -_INF
    if math.isnan(left) or math.isnan(right):
        return _NAN
    return min(left, right)


def larger(left: float, right: float) -> float:
    return -smaller(-left, -right)


def floor(value: float) -> float:
    return math.copysign(float(math.floor(value)), value) if math.isfinite(value) else value


def ceil(value: float) -> float:
    return math.copysign(float(math.ceil(value)), value) if math.isfinite(value) else value


def total(
    function: Callable[[float], float], *, overflow: float = _INF
) -> Callable[[float], float]:
    """The function with NaN outside of its domain and an infinity where it overflows."""

    def wrapped(value: float) -> float:
        try:
            return function(value)
        except ValueError:
            return _NAN
        except OverflowError:
            return math.copysign(overflow, value)

    return wrapped


ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": divide,
    "%": modulo,
    "^": power,
    "atan2": math.atan2,
}
COMPARISON: dict[str, Callable[[float, float], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
