from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone

import pytest

from pytest_obsstack.clients.sentry.listing import MARGIN_S, newest_until
from pytest_obsstack.errors import ObsstackError

NOW = 1_800_000_000.0


def newest(
    *ages_s: float, since_s: float | None, limit: int = 10, clock_ahead_s: float = 0.0
) -> list[float]:
    """Ages of the entries that are given, of a list with these ages."""

    def received(age_s: float) -> datetime:
        return datetime.fromtimestamp(NOW - age_s, timezone.utc)

    found = newest_until(
        "GlitchTip",
        iter(ages_s),
        received,
        since_s=since_s,
        clock_ahead_s=lambda: clock_ahead_s,
        limit=limit,
    )
    return list(found)


def test_the_list_is_read_back_to_the_beginning_and_a_little_further() -> None:
    ages = (1.0, 9.0, 10.0 + MARGIN_S - 1, 10.0 + MARGIN_S + 1, 500.0)
    assert newest(*ages, since_s=NOW - 10.0) == [1.0, 9.0, 12.0]


@pytest.mark.parametrize(("ahead_s", "read"), [(0.0, 2), (100.0, 1), (-100.0, 3)])
def test_the_beginning_is_one_by_the_trackers_clock(ahead_s: float, read: int) -> None:
    ages = (-95.0, 5.0, 105.0, 500.0)
    assert len(newest(*ages, since_s=NOW - 10.0, clock_ahead_s=ahead_s)) == read


def test_without_a_beginning_all_is_read() -> None:
    assert newest(1.0, 1e6, since_s=None) == [1.0, 1e6]


def test_nothing_is_fetched_beyond_the_beginning() -> None:
    def entries() -> Iterator[float]:
        yield 1.0
        yield 1000.0
        raise AssertionError("one page too many")

    found = newest_until(
        "GlitchTip",
        entries(),
        lambda age_s: datetime.fromtimestamp(NOW - age_s, timezone.utc),
        since_s=NOW,
        clock_ahead_s=lambda: 0.0,
    )
    assert list(found) == [1.0]


def test_a_list_as_long_as_the_bound_is_read_to_its_end() -> None:
    assert newest(*[1.0] * 10, since_s=NOW - 5) == [1.0] * 10
    assert newest(*[1.0] * 10, 1000.0, since_s=NOW - 5) == [1.0] * 10


def test_a_bound_that_is_hit_is_an_error_and_never_nothing_there() -> None:
    with pytest.raises(ObsstackError) as caught:
        newest(*[1.0] * 11, since_s=NOW - 5)
    assert str(caught.value) == (
        "GlitchTip has too many events since the test began to look at each.\n"
        "  expected  at most 10 events in the project\n"
        "  found     more than 10, and GlitchTip cannot search by trace\n"
        "  do        let fewer tests report to one project at a time, or use a tracker that "
        "searches by trace (--obs-use sentry=lite, or the URL of a Sentry)"
    )
