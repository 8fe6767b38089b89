"""Waits for something to become visible: this module alone owns clock, sleep and deadline.

One question is polled until it has an answer or the deadline has passed. That is *presence*; that
something is absent is never proven by waiting (see the fences of ``expect``).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from pytest_obsstack.errors import BackendUnavailable

if TYPE_CHECKING:
    from tenacity import RetryCallState

FIRST_DELAY_S = 0.003
"""Seconds between the first poll and the second: about what an embedded server needs."""
DELAY_FACTOR = 1.5
MAX_DELAY_S = 0.1
"""Seconds between two polls at most, so that a slow arrival is seen soon after it happened."""

T = TypeVar("T")


@dataclass(frozen=True)
class Waited(Generic[T]):
    """The outcome of a wait."""

    value: T | None
    """What the last poll gave; ``None`` when the deadline passed without it."""
    polls: int
    """Number of polls, 1 at least."""
    waited_s: float
    """Seconds from the first poll's start to the last one's end."""
    unanswered_polls: int = 0
    """How many of the polls found the backend unavailable."""


def until(
    poll: Callable[[], T | None],
    *,
    timeout_s: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Waited[T]:
    """The first answer of ``poll`` that is not ``None``; ``Waited(None, …)`` after ``timeout_s``.

    Polls at least once, never sleeps past the deadline, and begins one last poll at the deadline or
    after it, so that "not found" means "not there when the time was up" even if a poll is slow.

    A poll that raises ``BackendUnavailable`` is repeated like one without an answer. If the last
    poll failed so, that error is raised, with the number of failed polls: nobody knows then whether
    the thing is there. Any other exception ends the wait at once and is raised as it is.
    """
    # tenacity imports asyncio (some 40 ms), which a run without a stack must not pay.
    from tenacity import Retrying, retry_if_result

    start = clock()
    deadline = start + timeout_s
    poll_started = start
    polls = unanswered = 0
    failure: BackendUnavailable | None = None

    def one_poll() -> T | None:
        nonlocal poll_started, polls, unanswered, failure
        poll_started = clock()
        polls += 1
        try:
            value = poll()
        except BackendUnavailable as error:
            failure = error
            unanswered += 1
            return None
        failure = None
        return value

    def is_over(_: RetryCallState) -> bool:
        # A backend that hangs until its timeout is not asked again after the deadline.
        return poll_started >= deadline or (failure is not None and clock() >= deadline)

    def delay_s(state: RetryCallState) -> float:
        # Bounded exponent: a wait of hours must not overflow the power.
        growth = DELAY_FACTOR ** min(state.attempt_number - 1, 64)
        return max(0.0, min(FIRST_DELAY_S * growth, MAX_DELAY_S, deadline - clock()))

    value = Retrying(
        sleep=sleep,
        stop=is_over,
        wait=delay_s,
        retry=retry_if_result(lambda value: value is None),
        retry_error_callback=lambda _: None,
    )(one_poll)
    waited_s = clock() - start
    if failure is not None:
        raise _with_polls(failure, polls, unanswered, waited_s) from failure
    return Waited(value, polls, waited_s, unanswered)


def _with_polls(
    error: BackendUnavailable, polls: int, unanswered: int, waited_s: float
) -> BackendUnavailable:
    count = f"{unanswered} of {polls} polls in {waited_s:.1f} s got no answer"
    return BackendUnavailable(
        error.summary,
        expected=error.expected,
        found=f"{error.found}\n{count}" if error.found else count,
        advice=error.advice,
        log_lines=error.log_lines,
    )
