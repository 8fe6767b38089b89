"""A process that this run started: its log, its end, and the guard that ends it if pytest dies."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_obsstack.providers.guard import RELEASE, owner_descriptor

GUARD = Path(__file__).with_name("guard.py")
_KILL_AFTER_S = 3.0
_BYTES_A_LINE = 200
"""More than most lines of a log have."""
_LOG_TAIL_BYTES = 65536


class ManagedProcess:
    """A running command; ``stop`` ends it and everything that it started."""

    def __init__(self, popen: subprocess.Popen[bytes], log_path: Path, grace_s: float) -> None:
        self._popen = popen
        self._grace_s = grace_s
        self.log_path = log_path

    @classmethod
    def start(
        cls,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        log_path: Path,
        cwd: Path | None = None,
        owner_pid: int | None,
        grace_s: float = 5.0,
        when_gone: bool = False,
    ) -> ManagedProcess:
        """Start ``command`` with exactly ``env``; output goes to the end of ``log_path``.

        When the process ``owner_pid`` ends, however it ends, the command is ended within
        ``grace_s``; with ``None`` it outlives everybody. A command that cannot be executed shows as
        an early end with the reason in the log. ``when_gone``: the command is what is to be done
        once the owner has ended, unless the process is released before.
        """
        guarded = [
            sys.executable,
            *("-I", "-S", str(GUARD)),
            *("--owner", str(owner_pid or 0), "--grace", str(grace_s)),
            *(("--when", "gone") if when_gone else ()),
            "--",
            *command,
        ]
        with log_path.open("ab") as log:
            popen = subprocess.Popen(
                guarded,
                env=dict(env),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl-C in the terminal goes to the foreground session alone; the stack is ended
                # in order by pytest, not by the same signal at the same time.
                start_new_session=True,
            )
        return cls(popen, log_path, grace_s)

    @property
    def pid(self) -> int:
        """The guard's pid: signalling it reaches the command."""
        return self._popen.pid

    @property
    def returncode(self) -> int | None:
        """``None`` while it runs."""
        return self._popen.poll()

    def ask_to_stop(self) -> None:
        """SIGTERM; returns at once. ``stop`` is still to follow: several end side by side so."""
        if self._popen.poll() is None:
            self._popen.terminate()

    def stop(self) -> None:
        """SIGTERM, the grace time, then SIGKILL; returns when it is gone."""
        if self._popen.poll() is not None:
            return
        # Not `Popen.wait` with a timeout, which looks twenty times a second.
        if not _terminate(self.pid, self._grace_s + _KILL_AFTER_S):
            self._popen.kill()
        self._popen.wait()

    def detach(self) -> ProcessIdentity:
        """Leave the process to whoever reads its identity from a state file."""
        identity = ProcessIdentity.of(self.pid)
        # Popen warns, when it is collected, of a process that nobody has waited for.
        self._popen.returncode = 0
        return identity


@dataclass(frozen=True)
class ProcessIdentity:
    """A pid together with the time of its start, so that a reused pid is not mistaken for it."""

    pid: int
    started: str

    @classmethod
    def of(cls, pid: int) -> ProcessIdentity:
        return cls(pid, _start_mark(pid) or "")

    @property
    def alive(self) -> bool:
        return bool(self.started) and _start_mark(self.pid) == self.started

    def ask_to_stop(self) -> None:
        """SIGTERM; returns at once."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGTERM)

    def release(self) -> None:
        """Let a managed process outlive its owner, from now on."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, RELEASE)

    def stop(self, timeout_s: float) -> bool:
        """SIGTERM, then wait; False if it is still there. For processes of an earlier run."""
        if not self.alive:
            return True
        return _terminate(self.pid, timeout_s)


def _terminate(pid: int, timeout_s: float) -> bool:
    """SIGTERM, and whether the process ends in that time; a zombie has ended."""
    try:
        # Before the signal: afterwards the pid may be another one's.
        ended = owner_descriptor(pid)
    except ProcessLookupError:
        return True
    identity = ProcessIdentity.of(pid) if ended < 0 else None
    try:
        os.kill(pid, signal.SIGTERM)
        if identity is not None:
            return _gone_within(identity, timeout_s)
        return bool(select.select([ended], [], [], timeout_s)[0])
    except ProcessLookupError:
        return True
    finally:
        if ended >= 0:
            os.close(ended)


def _gone_within(identity: ProcessIdentity, timeout_s: float) -> bool:
    import time

    deadline = time.monotonic() + timeout_s
    while identity.alive and time.monotonic() < deadline:
        time.sleep(0.02)
    return not identity.alive


def _start_mark(pid: int) -> str | None:
    """Something that two processes of the same pid do not share; ``None`` for a dead one."""
    if Path("/proc/self/stat").exists():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            # proc(5): the command name, in parentheses, may hold spaces; fields 3 and 22 follow.
            fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2]
            state, started = fields.split()[0], fields.split()[19]
            return None if state in "ZX" else started
        return None
    answer = subprocess.run(
        ["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return answer.stdout.strip() or None


def tail(path: Path, lines: int = 20) -> list[str]:
    """The last lines of a log file; empty where there is none yet.

    They are looked for in its last 64 KiB, or further back where so many lines are asked for.
    """
    window_bytes = max(_LOG_TAIL_BYTES, lines * _BYTES_A_LINE)
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - window_bytes))
            text = file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return []
    found = text.splitlines()
    if size > window_bytes and len(found) > 1:
        del found[0]  # Most likely the end of a line only.
    return found[-lines:] if lines > 0 else []
