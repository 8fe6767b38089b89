"""How sure an observed share is: the exact interval of a binomial proportion."""

from __future__ import annotations

import math
from collections.abc import Callable

_HALVINGS = 60


def clopper_pearson(successes: int, trials: int, confidence: float) -> tuple[float, float]:
    """The rates under which ``successes`` of ``trials`` are not too unlikely, both ends included.

    Exact, and never narrower than it says: whatever the true rate, the interval has it with at
    least ``confidence`` (0 to 1). C. J. Clopper and E. S. Pearson, Biometrika 26 (1934).
    """
    half = (1 - confidence) / 2
    low = high = 0.0
    if successes > 0:
        # The rate at which so many or more are as unlikely as that.
        low = _solved(lambda rate: 1 - _at_most(successes - 1, trials, rate), half)
    high = 1.0
    if successes < trials:
        high = _solved(lambda rate: 1 - _at_most(successes, trials, rate), 1 - half)
    return low, high


def _at_most(successes: int, trials: int, rate: float) -> float:
    """The probability of so many or fewer."""
    if rate <= 0:
        return 1.0
    if rate >= 1:
        return 1.0 if successes >= trials else 0.0
    # By logarithms: the coefficients are too large for floats from some thousand trials on.
    log_rate, log_rest = math.log(rate), math.log1p(-rate)
    terms = (
        math.lgamma(trials + 1)
        - math.lgamma(k + 1)
        - math.lgamma(trials - k + 1)
        + k * log_rate
        + (trials - k) * log_rest
        for k in range(successes + 1)
    )
    return min(1.0, math.fsum(map(math.exp, terms)))


def _solved(rising: Callable[[float], float], wanted: float) -> float:
    """Where a function that rises from 0 to 1 on that interval has a value."""
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if rising(middle) < wanted:
            low = middle
        else:
            high = middle
    return (low + high) / 2
