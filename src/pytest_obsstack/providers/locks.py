"""Locks between the workers of a run: many tests at once, or one test alone."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path
from typing import IO


class SharedLock:
    """A readers-writer lock over files, fair to the writer.

    Everybody passes the turnstile first; a waiting writer holds it, so no new reader gets ahead.
    The operating system gives the locks back when a process dies (flock(2)).
    """

    def __init__(self, folder: Path) -> None:
        self._turnstile = folder / "turnstile.lock"
        self._room = folder / "room.lock"

    @contextlib.contextmanager
    def shared(self) -> Iterator[None]:
        """Held together with all others who share; blocks while somebody is exclusive."""
        with self._turnstile.open("w") as turnstile, self._room.open("w") as room:
            fcntl.flock(turnstile, fcntl.LOCK_SH)
            fcntl.flock(room, fcntl.LOCK_SH)
            fcntl.flock(turnstile, fcntl.LOCK_UN)
            yield

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        """Held alone; blocks until all who share are done."""
        with self._turnstile.open("w") as turnstile, self._room.open("w") as room:
            fcntl.flock(turnstile, fcntl.LOCK_EX)
            fcntl.flock(room, fcntl.LOCK_EX)
            yield


def lock_if_free(path: Path) -> IO[str] | None:
    """The lock, held until the file is closed; ``None`` where another process has it."""
    file = path.open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


@contextlib.contextmanager
def one_at_a_time(path: Path) -> Iterator[None]:
    """Held by one process at a time."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
