from __future__ import annotations

import pytest

from tests.compose.standins.glitchtip.queue import REJECTED, Item, Queue
from tests.compose.standins.glitchtip.worker import PAUSES_S, Outcome, Worker, outcome_of
from tests.unit.compose_images.glitchtip.fakes import Lists
from tests.unit.compose_images.glitchtip.test_queue import item

STORED: Outcome = "stored"


class Web:
    """Answers with ``outcomes``, one after another, then stores; ends the worker when asked so."""

    def __init__(self, *outcomes: Outcome, end_after: int = 1000) -> None:
        self.stored: list[str] = []
        self.pauses: list[float] = []
        self.calls = 0
        self._outcomes = iter(outcomes)
        self._end_after = end_after

    def __call__(self, data: bytes) -> Outcome:
        self.calls += 1
        outcome = next(self._outcomes, STORED)
        if outcome == "stored":
            self.stored.append(Item.decode(data).delivery)
        return outcome

    def ending(self) -> bool:
        return self.calls >= self._end_after


class CountedLists(Lists):
    """Ends the worker once nothing waits."""

    def __init__(self) -> None:
        super().__init__()
        self.empty = False

    def blmove(self, first: str, second: str, timeout: float, src: str, dest: str) -> bytes | None:
        value = super().blmove(first, second, timeout, src, dest)
        self.empty = value is None
        return value


@pytest.fixture
def lists() -> CountedLists:
    return CountedLists()


def work(lists: CountedLists, web: Web) -> None:
    queue = Queue(lists)
    Worker(
        queue,
        web,
        ending=lambda: lists.empty or web.ending(),
        pause=web.pauses.append,
    ).run()


def put(lists: Lists, count: int) -> Queue:
    queue = Queue(lists)
    for number in range(count):
        queue.put(item(number))
    return queue


def test_everything_that_waits_is_stored_in_order(lists: CountedLists) -> None:
    queue, web = put(lists, 3), Web()
    work(lists, web)
    assert web.stored == ["d0", "d1", "d2"]
    assert queue.depths() == (0, 0)


def test_while_web_is_away_an_item_is_tried_again_with_growing_pauses(lists: CountedLists) -> None:
    queue, web = put(lists, 2), Web("away", "away", "away", "away", "away", "away")
    work(lists, web)
    assert web.stored == ["d0", "d1"]
    assert web.pauses == [*PAUSES_S, PAUSES_S[-1], PAUSES_S[-1]]
    assert queue.depths() == (0, 0)


def test_what_web_refuses_holds_up_nothing_else(lists: CountedLists) -> None:
    put(lists, 2)
    web = Web("rejected")
    work(lists, web)
    assert web.stored == ["d1"]
    assert [Item.decode(data).delivery for data in lists.lists[REJECTED]] == ["d0"]


def test_a_worker_that_ends_while_web_is_away_leaves_the_item_to_the_next(
    lists: CountedLists,
) -> None:
    queue = put(lists, 2)
    work(lists, Web("away", "away", end_after=2))
    assert queue.depths() == (1, 1)

    web = Web()
    work(lists, web)
    assert web.stored == ["d0", "d1"]
    assert queue.depths() == (0, 0)


def test_a_worker_killed_before_it_noted_that_an_item_is_stored_brings_it_again(
    lists: CountedLists,
) -> None:
    """Twice to web, which stores it once: see the tests of the journal."""
    queue = put(lists, 1)
    queue.take(0.1)
    web = Web()
    work(lists, web)
    assert web.stored == ["d0"]


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, "stored"),
        (400, "rejected"),
        (401, "away"),
        (404, "away"),
        (500, "away"),
        (503, "away"),
    ],
)
def test_only_a_refusal_of_the_item_itself_sets_it_aside(status: int, outcome: Outcome) -> None:
    assert outcome_of(status) == outcome
