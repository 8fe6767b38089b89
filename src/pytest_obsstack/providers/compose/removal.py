"""Remove a Compose project, and look whether anything of it is left.

``python -I -S removal.py --client docker --project NAME --lock FILE -- docker compose``

Run so it is the reaper's work: pytest is gone, a call that it was in the middle of may be ending,
and nobody would see what came into being after the first look. It uses the standard library alone.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

PROJECT_LABEL = "com.docker.compose.project"
KINDS = ("container", "network", "volume")
_ATTEMPTS = 3
_LATE_S = 2.0
"""How long the engine may need to end what it began for a caller who is gone."""
_LOOK_TIMEOUT_S = 60.0
_SHOWN = 3
_DOWN_TIMEOUT_S = 120.0


def down_command(words: Sequence[str], project: str) -> list[str]:
    """What removes the project, known by its labels alone: no file has to be there any more."""
    return [
        *(*words, "--project-name", project),
        *("down", "--volumes", "--remove-orphans", "--timeout", "3"),
    ]


def remove(
    words: Sequence[str], client: str, project: str, env: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """Exit status and output of Compose; 0 only where nothing of the project is there any more.

    Containers of ``compose run`` go as well. What came into being meanwhile is removed by another
    attempt.
    """
    status, output = 0, ""
    for _ in range(_ATTEMPTS):
        status, output = _call(down_command(words, project), env, _DOWN_TIMEOUT_S)
        left = remaining(client, project, env)
        if status == 0 and not left:
            return 0, output
        if left:
            more = f" and {len(left) - _SHOWN} more" if len(left) > _SHOWN else ""
            output = f"{output.rstrip()}\nstill there: {', '.join(left[:_SHOWN])}{more}"
    return status or 1, output


def remaining(client: str, project: str, env: Mapping[str, str] | None = None) -> list[str]:
    """``container 0123456789ab``, …: what carries the project's label.

    Empty where the engine does not answer: Compose has said so then.
    """
    found = []
    for kind in KINDS:
        every = ["--all"] if kind == "container" else []
        label = ["--quiet", "--filter", f"label={PROJECT_LABEL}={project}"]
        status, output = _call([client, kind, "ls", *every, *label], env, _LOOK_TIMEOUT_S)
        if status == 0:
            found += [f"{kind} {name}" for name in output.split()]
    return found


def _call(
    command: Sequence[str], env: Mapping[str, str] | None, timeout_s: float
) -> tuple[int, str]:
    try:
        done = subprocess.run(
            command,
            # The caller's folder may be gone.
            cwd=os.sep,
            env=None if env is None else dict(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return 124, f"{command[0]} did not answer within {timeout_s:g} s"
    except OSError as error:
        return 127, f"{command[0]} cannot be executed: {error.strerror}"
    return done.returncode, done.stdout


def main(arguments: list[str]) -> int:
    separator = arguments.index("--")
    options = dict(zip(arguments[:separator:2], arguments[1:separator:2], strict=True))
    words = arguments[separator + 1 :]
    client, project = options["--client"], options["--project"]
    # The run's folder may have been removed by hand.
    with contextlib.suppress(OSError), open(options["--lock"], "ab") as lock:  # noqa: PTH123 - pathlib would double the start-up
        # Held by calls that change the project; they end soon when their owner has.
        fcntl.flock(lock, fcntl.LOCK_EX)
    status, output = remove(words, client, project)
    print(output, flush=True)  # noqa: T201 - into the reaper's log
    time.sleep(_LATE_S)
    if remaining(client, project):
        status, output = remove(words, client, project)
        print(output, flush=True)  # noqa: T201 - likewise
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
