from __future__ import annotations

import pytest

from tests.compose.standins.glitchtip.queue import IN_WORK, REJECTED, WAITING, Item, Queue
from tests.unit.compose_images.glitchtip.fakes import Lists


def item(number: int) -> Item:
    return Item(f"d{number}", 10**18 + number, "envelope", {"project_id": 1}, b"\xff\x00{}\n")


@pytest.fixture
def lists() -> Lists:
    return Lists()


@pytest.fixture
def queue(lists: Lists) -> Queue:
    return Queue(lists)


def taken(queue: Queue) -> list[str]:
    found = []
    while (data := queue.take(0.1)) is not None:
        found.append(Item.decode(data).delivery)
    return found


def test_an_item_is_the_same_after_its_way_through_the_queue(queue: Queue) -> None:
    queue.put(item(1))
    data = queue.take(0.1)
    assert data is not None
    assert Item.decode(data) == item(1)


def test_the_oldest_is_taken_first(queue: Queue) -> None:
    for number in range(3):
        queue.put(item(number))
    assert taken(queue) == ["d0", "d1", "d2"]


def test_what_is_taken_is_in_work_until_it_is_done(queue: Queue) -> None:
    queue.put(item(1))
    assert queue.depths() == (1, 0)
    data = queue.take(0.1)
    assert data is not None
    assert queue.depths() == (0, 1)
    queue.done(data)
    assert queue.depths() == (0, 0)


def test_what_a_dead_worker_had_comes_first_and_in_order(queue: Queue) -> None:
    for number in range(4):
        queue.put(item(number))
    queue.take(0.1)
    queue.take(0.1)
    assert queue.take_back() == 2
    assert queue.depths() == (4, 0)
    assert taken(queue) == ["d0", "d1", "d2", "d3"]


def test_what_is_rejected_is_set_aside_and_kept(queue: Queue, lists: Lists) -> None:
    queue.put(item(1))
    data = queue.take(0.1)
    assert data is not None
    queue.reject(data)
    assert lists.lists == {WAITING: [], IN_WORK: [], REJECTED: [data]}


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"delivery": "x"}'])
def test_what_is_no_item_is_refused(data: bytes) -> None:
    with pytest.raises((ValueError, KeyError)):
        Item.decode(data)
