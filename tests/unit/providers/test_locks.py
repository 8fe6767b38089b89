"""Locks between workers: readers together, the writer alone, and nobody starves."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal

import pytest

from pytest_obsstack.providers.locks import SharedLock, one_at_a_time

Side = Literal["shared", "exclusive", "single"]
_CONTEXT = multiprocessing.get_context("spawn")
_SOON_S = 5.0
_NOT_S = 0.15
"""How long a process that has to wait is watched for not going on."""


def enter(folder: Path, side: Side) -> contextlib.AbstractContextManager[None]:
    if side == "single":
        return one_at_a_time(folder / "single.lock")
    lock = SharedLock(folder)
    return lock.shared() if side == "shared" else lock.exclusive()


def work(folder: str, orders: Connection) -> None:
    """A worker: enters the side that it is sent, says so, and leaves when it is told."""
    orders.send("ready")
    while True:
        side = orders.recv()
        if side == "end":
            return
        with enter(Path(folder), side):
            orders.send("inside")
            orders.recv()
        orders.send("outside")


class Worker:
    """Another process that takes the lock."""

    def __init__(self, folder: Path) -> None:
        self.pipe, theirs = _CONTEXT.Pipe()
        self.process: Any = _CONTEXT.Process(target=work, args=(str(folder), theirs), daemon=True)
        self.process.start()

    def asks(self, side: Side) -> None:
        self.pipe.send(side)

    def is_inside(self, within_s: float = _SOON_S) -> bool:
        return self.pipe.poll(within_s) and self.pipe.recv() == "inside"

    def waits(self) -> bool:
        return not self.pipe.poll(_NOT_S)

    def leaves(self) -> None:
        self.pipe.send("leave")
        assert self.pipe.poll(_SOON_S)
        assert self.pipe.recv() == "outside"

    def dies(self) -> None:
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.join(_SOON_S)


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Worker]]:
    folder = tmp_path_factory.mktemp("locks")
    made = [Worker(folder) for _ in range(3)]
    for worker in made:
        assert worker.pipe.poll(20)
        assert worker.pipe.recv() == "ready"
    yield made
    for worker in made:
        if worker.process.is_alive():
            worker.pipe.send("end")
        worker.process.join(_SOON_S)


def test_many_share_the_lock(workers: list[Worker]) -> None:
    for worker in workers:
        worker.asks("shared")
    assert all(worker.is_inside() for worker in workers)
    for worker in workers:
        worker.leaves()


def test_one_who_wants_it_alone_waits_for_all_who_share(workers: list[Worker]) -> None:
    first, second, writer = workers
    for reader in (first, second):
        reader.asks("shared")
        assert reader.is_inside()
    writer.asks("exclusive")
    assert writer.waits()
    first.leaves()
    assert writer.waits()
    second.leaves()
    assert writer.is_inside()
    writer.leaves()


def test_all_wait_for_the_one_who_has_it_alone(workers: list[Worker]) -> None:
    writer, reader, other = workers
    writer.asks("exclusive")
    assert writer.is_inside()
    reader.asks("shared")
    other.asks("exclusive")
    assert reader.waits()
    assert other.waits()
    writer.leaves()
    first, last = (reader, other) if reader.is_inside(_NOT_S) else (other, reader)
    if first is other:
        assert other.is_inside()
    first.leaves()
    assert last.is_inside()
    last.leaves()


def test_a_waiting_writer_goes_before_readers_that_come_later(workers: list[Worker]) -> None:
    reader, writer, late = workers
    reader.asks("shared")
    assert reader.is_inside()
    writer.asks("exclusive")
    assert writer.waits()
    late.asks("shared")
    assert late.waits(), "it would keep the writer out for ever"
    reader.leaves()
    assert writer.is_inside()
    assert late.waits()
    writer.leaves()
    assert late.is_inside()
    late.leaves()


def test_one_at_a_time(workers: list[Worker]) -> None:
    first, second, _ = workers
    first.asks("single")
    assert first.is_inside()
    second.asks("single")
    assert second.waits()
    first.leaves()
    assert second.is_inside()
    second.leaves()


def test_threads_of_one_process_exclude_each_other_as_well(tmp_path: Path) -> None:
    lock, inside = SharedLock(tmp_path), threading.Event()

    def read() -> None:
        with lock.shared():
            inside.set()

    with lock.exclusive():
        reader = threading.Thread(target=read)
        reader.start()
        assert not inside.wait(_NOT_S)
    assert inside.wait(_SOON_S)
    reader.join()


def test_an_exception_gives_the_lock_back(tmp_path: Path) -> None:
    lock = SharedLock(tmp_path)
    for side in (lock.exclusive, lock.shared, lock.exclusive):
        with pytest.raises(KeyboardInterrupt), side():
            raise KeyboardInterrupt


def test_a_killed_process_gives_the_lock_back(workers: list[Worker]) -> None:
    holder, writer, _ = workers
    holder.asks("exclusive")
    assert holder.is_inside()
    writer.asks("exclusive")
    assert writer.waits()
    holder.dies()
    assert writer.is_inside()
    writer.leaves()
