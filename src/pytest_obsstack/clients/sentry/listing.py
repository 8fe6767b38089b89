"""A bounded look at the newest entries of a list: how a tracker without a search is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import TypeVar

from pytest_obsstack.errors import ObsstackError

T = TypeVar("T")

MAX_LISTED = 2000
"""Events that one question reads at most: some megabytes of bodies."""
MARGIN_S = 3.0
"""Seconds by which the difference of two clocks may be wrong: servers tell theirs in whole ones."""


def newest_until(
    product: str,
    entries: Iterable[T],
    received: Callable[[T], datetime | None],
    *,
    since_s: float | None,
    clock_ahead_s: Callable[[], float],
    limit: int = MAX_LISTED,
) -> Iterator[T]:
    """The entries of a list that begins with the newest, back to ``since_s`` (Unix seconds).

    ``received`` is the tracker's own time of an entry, by which the list is sorted;
    ``clock_ahead_s`` gives, once the list has begun to be read, how far its clock is ahead of the
    one that ``since_s`` is of. Raises
    ``ObsstackError`` where ``limit`` entries do not reach back so far: what was not read is not
    known, and must not pass for absent.
    """
    for number, entry in enumerate(entries):
        time = received(entry)
        if since_s is not None and time is not None:
            first_s = since_s + clock_ahead_s() - MARGIN_S
            if time.timestamp() < first_s:
                return
        if number >= limit:
            raise ObsstackError(
                f"{product} has too many events since the test began to look at each.",
                expected=f"at most {limit} events in the project",
                found=f"more than {limit}, and {product} cannot search by trace",
                advice="let fewer tests report to one project at a time, or use a tracker that "
                "searches by trace (--obs-use sentry=lite, or the URL of a Sentry)",
            )
        yield entry
