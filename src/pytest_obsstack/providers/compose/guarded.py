"""A call that is ended in order when this process is interrupted, and also when it is killed.

Starting containers, building and pulling take long. Left to itself, such a call would go on after
its caller was killed, and make containers that nobody removes. So it runs under the guard of
``providers.guard``, and holds a lock for which the reaper waits before it removes the project.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from pytest_obsstack.providers.process import GUARD

_GRACE_S = 3.0
TIMED_OUT = 124
"""The exit status of a call that did not end in time, as of timeout(1)."""


def call_guarded(
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    lock: Path,
    tell: Callable[[str], None] | None = None,
    timeout_s: float | None = None,
) -> tuple[int, str]:
    """Exit status and output, both streams as one; ``tell`` is told each line as it comes.

    Whatever exception comes up meanwhile, a Ctrl-C too: the call has ended before it goes on.
    """
    guarded = [
        *(sys.executable, "-I", "-S", str(GUARD)),
        *("--owner", str(os.getpid()), "--grace", str(_GRACE_S), "--signal", "group"),
        *("--", *command),
    ]
    lines: list[str] = []
    over = threading.Event()
    with (
        _held(lock) as held,
        subprocess.Popen(
            guarded,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            pass_fds=held,
            # Ctrl-C in the terminal reaches this process alone, which ends the call in order.
            start_new_session=True,
        ) as process,
        _deadline(timeout_s, process, over),
    ):
        try:
            for line in process.stdout or ():
                if line.strip():
                    lines.append(line.rstrip())
                    if tell is not None:
                        tell(lines[-1])
        except BaseException:
            process.terminate()
            # Somebody has to read what it says at its end, or that would kill it before it is done.
            process.communicate()
            raise
        status = process.wait()
    if over.is_set():
        lines.append(f"it did not end within {timeout_s:g} s")
        return TIMED_OUT, "\n".join(lines)
    return status, "\n".join(lines)


@contextlib.contextmanager
def _held(lock: Path) -> Iterator[tuple[int, ...]]:
    """The lock's descriptor for the guard, which keeps it until the call has ended."""
    try:
        file = lock.open("ab")
    except OSError:
        # The folder of a kept stack was removed by hand: nobody waits for the lock either.
        yield ()
        return
    with file:
        fcntl.flock(file, fcntl.LOCK_SH)
        yield (file.fileno(),)


@contextlib.contextmanager
def _deadline(
    timeout_s: float | None, process: subprocess.Popen[str], over: threading.Event
) -> Iterator[None]:
    if timeout_s is None:
        yield
        return

    def end() -> None:
        over.set()
        process.terminate()

    timer = threading.Timer(timeout_s, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
