"""Run a command and end it, and all that it started, when its owner dies.

``python -I -S guard.py --owner PID --grace SECONDS -- COMMAND…``

pytest may be killed without a chance to clean up; this small process is what then ends the app and
the embedded stack. It uses the standard library alone and starts in some 15 ms. SIGTERM and SIGINT
are passed on as SIGTERM; what is still there after the grace time is killed with its process group.
With ``--owner 0`` nobody is watched, and from ``RELEASE`` on nobody any more: a stack that is to be
kept has an owner until it can be found again. The exit status is the command's own, or 128 + the
number of the signal that ended it, or 127 where it cannot be executed.

With ``--signal group`` SIGTERM goes to all processes of the command, not to the first alone:
Docker's older clients do not hand it on to their plugins.

With ``--when gone`` the command is not run at once but when the owner is gone or SIGTERM comes, and
not at all after ``RELEASE``: that is how containers are removed, which are nobody's children here.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys

RELEASE = signal.SIGUSR1
"""The signal after which the command outlives its owner."""

_POLL_S = 0.25


def owner_descriptor(pid: int) -> int:
    """A file descriptor that becomes readable when the process ends, zombies included.

    Linux has ``pidfd_open``, macOS and BSD have kqueue; -1 where neither works. Raises
    ``ProcessLookupError`` if the process is gone already.
    """
    if hasattr(os, "pidfd_open"):
        try:
            return os.pidfd_open(pid)
        except ProcessLookupError:
            raise
        except OSError:
            return -1
    if sys.platform != "linux" and hasattr(select, "kqueue"):
        queue = select.kqueue()
        end = select.kevent(
            pid,
            filter=select.KQ_FILTER_PROC,
            flags=select.KQ_EV_ADD,
            fflags=select.KQ_NOTE_EXIT,
        )
        queue.control([end], 0)
        return os.dup(queue.fileno())
    return -1


def exists(pid: int) -> bool:
    """Whether there is a process of that id, whoever it belongs to."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def main(arguments: list[str]) -> int:
    separator = arguments.index("--")
    options = dict(zip(arguments[:separator:2], arguments[1:separator:2], strict=True))
    owner = int(options["--owner"])
    grace_s = float(options["--grace"])

    asked: list[int] = []
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda given, _frame: asked.append(given))
    released: list[int] = []
    signal.signal(RELEASE, lambda given, _frame: released.append(given))
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    # Without a handler the end of the command would not write to the wake-up pipe.
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)

    owner_gone = False
    owner_done = -1
    try:
        owner_done = owner_descriptor(owner) if owner else -1
    except ProcessLookupError:
        owner_gone = True
    if owner_gone and options.get("--when") != "gone":
        return 1
    # A group of its own, so that whatever the command leaves behind can be found and ended.
    program = arguments[separator + 1 :]
    if options.get("--when") == "gone" and not owner_gone:
        _await_end(owner, owner_done, wake_read, asked, released)
        if released:
            return 0
        asked.clear()
    try:
        command = subprocess.Popen(program, preexec_fn=os.setpgrp)  # noqa: PLW1509 - no threads here, and process_group= needs 3.11
    except OSError as error:
        sys.stderr.write(f"cannot execute {program[0]}: {error.strerror}\n")
        return 127
    while command.poll() is None and not asked:
        watched = owner != 0 and not released and options.get("--when") != "gone"
        descriptors = [wake_read, owner_done] if watched and owner_done >= 0 else [wake_read]
        timeout_s = _POLL_S if watched and owner_done < 0 else None
        readable = select.select(descriptors, [], [], timeout_s)[0]
        if wake_read in readable:
            os.read(wake_read, 512)
        gone = owner_done in readable or (timeout_s and not exists(owner))
        # An owner that releases and ends at once has released.
        if gone and not released:
            break
    if command.poll() is None:
        _end(command, grace_s, whole_group=options.get("--signal") == "group")
    _signal_group(command.pid, signal.SIGKILL)
    status = command.returncode
    return status if status >= 0 else 128 - status


def _await_end(
    owner: int, owner_done: int, wake_read: int, asked: list[int], released: list[int]
) -> None:
    """Return once the owner is gone, or a signal has come that ends or releases."""
    while not (asked or released):
        descriptors = [wake_read, owner_done] if owner_done >= 0 else [wake_read]
        timeout_s = _POLL_S if owner and owner_done < 0 else None
        readable = select.select(descriptors, [], [], timeout_s)[0]
        if wake_read in readable:
            os.read(wake_read, 512)
        if owner_done in readable or (timeout_s and not exists(owner)):
            return


def _end(command: subprocess.Popen[bytes], grace_s: float, *, whole_group: bool) -> None:
    if whole_group:
        _signal_group(command.pid, signal.SIGTERM)
    else:
        command.terminate()
    try:
        command.wait(grace_s)
    except subprocess.TimeoutExpired:
        _signal_group(command.pid, signal.SIGKILL)
        command.wait()


def _signal_group(group: int, number: int) -> None:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return  # Nothing of the group is left; macOS says EPERM for a group of zombies.


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
