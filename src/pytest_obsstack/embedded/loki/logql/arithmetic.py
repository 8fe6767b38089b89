"""Binary operators on two numbers, as Loki calculates them."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable

_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
COMPARISONS = frozenset(_COMPARISONS)


def calculate(op: str, left: float, right: float) -> float:
    """The result; a comparison gives 1 or 0. Division by zero is not a number, in Loki alone."""
    if op in _COMPARISONS:
        return float(_COMPARISONS[op](left, right))
    if op == "+":
        return left + right
    if op == "-":
        return left - right
    if op == "*":
        return left * right
    if op == "^":
        return _power(left, right)
    if right == 0 or math.isnan(left) or math.isnan(right):
        return math.nan
    if op == "%":
        return math.nan if math.isinf(left) else math.fmod(left, right)
    return left / right


def _power(base: float, exponent: float) -> float:
    try:
        result = base**exponent
    except OverflowError:
        odd = exponent % 2 == 1
        return -math.inf if base < 0 and odd else math.inf
    except ZeroDivisionError:
        return math.inf
    # A negative base with a fraction as exponent is complex in Python, not a number in Go.
    return math.nan if isinstance(result, complex) else float(result)
