"""Small processes for the tests of what starts and ends processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from pytest_obsstack.providers.process import ProcessIdentity

GUARD = Path(sys.modules[ProcessIdentity.__module__].__file__ or "").with_name("guard.py")


def eventually(condition: Callable[[], object], within_s: float = 5.0) -> bool:
    """Whether the condition holds before the time is up."""
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def alive(pid: int) -> bool:
    """False for a zombie, too."""
    return ProcessIdentity.of(pid).alive


def pid_in(path: Path) -> int:
    """The pid that a script writes to a file, once it is there."""
    assert eventually(lambda: path.exists() and path.read_text().endswith("\n")), path
    return int(path.read_text())


def sleeper() -> subprocess.Popen[bytes]:
    """A process that stays until it is ended."""
    return subprocess.Popen(["sleep", "60"])


def dead_pid() -> int:
    """A pid that no process has at this moment."""
    ended = subprocess.Popen(["true"])
    ended.wait()
    return ended.pid


def end(pid: int, number: int) -> None:
    """Send a signal to a process of ours, if it is still there."""
    if alive(pid):
        os.kill(pid, number)
