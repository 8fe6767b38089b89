"""The requests of one test, summed up."""

from __future__ import annotations

import pytest

from pytest_obsstack.record.exchanges import Exchange, Exchanges
from pytest_obsstack.record.hops import Hop, first_broken


def exchanges(*statuses: int | None) -> Exchanges:
    return Exchanges(
        [
            Exchange("GET", "/", status, "a" * 16, started_s=100.0 + n, ended_s=100.5 + n)
            for n, status in enumerate(statuses)
        ]
    )


@pytest.mark.parametrize(
    ("statuses", "summary"),
    [
        ((), "no request"),
        ((200,), "1 request (200)"),
        ((200, 500, 500), "3 requests (200, 500 ×2)"),
        ((500, 200, 500), "3 requests (500 ×2, 200)"),
        ((None,), "1 request (no response)"),
        ((None, 200, None), "3 requests (no response ×2, 200)"),
    ],
)
def test_requests_are_counted_by_status(statuses: tuple[int | None, ...], summary: str) -> None:
    assert exchanges(*statuses).summary() == summary


def test_the_first_start_and_the_last_end_are_known_whatever_the_order() -> None:
    found = exchanges(200, 200)
    found.all.reverse()
    assert (found.first_started_s, found.last_ended_s) == (100.0, 101.5)


def test_without_requests_there_is_neither_start_nor_end() -> None:
    assert (exchanges().first_started_s, exchanges().last_ended_s) == (None, None)


def test_only_the_first_broken_hop_is_the_cause() -> None:
    hops = [Hop("a", "fine"), Hop("b", "gone", broken=True), Hop("c", "gone", broken=True)]
    assert first_broken(hops) == hops[1]
    assert first_broken(hops[:1]) is None
    assert first_broken([]) is None
