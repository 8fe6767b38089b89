"""The figures of the stack in containers: start, end, and the suite on it.

They need an engine and images, so they are measured only where ``OBSSTACK_COMPOSE_FILES`` is set:
the compose files of local images, separated as paths on ``PATH`` are, or ``/dev/null`` for the
upstream ones. Images are fetched or built before anything is measured.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.measure import Result, Unmeasured

ROOT = Path(__file__).resolve().parents[1]
VARIABLE = "OBSSTACK_COMPOSE_FILES"
TRACKERS = ("glitchtip", "lite")
START = "up → all healthy, initialised, DSN told, app answers"
_GOALS_S = {"local": 25.0, "upstream": 60.0}
"""Of the start: on 2 cores with local images, on 4 with upstream ones."""
_DOWN_GOAL_S = 10.0
_SUITE_GOAL_S = 40.0
"""Twice the goal of the embedded stack."""


def start_and_end(runs: int) -> list[Result | Unmeasured]:
    """How long ``obsstack up`` and ``obsstack down`` take, for each tracker."""
    which = images()
    if which is None:
        return [_unmeasured("local"), _unmeasured("upstream")]
    found: list[Result | Unmeasured] = []
    for tracker in TRACKERS:
        ups, downs = [], []
        # The first does not count: it fetches what is not there.
        for _ in range(runs + 1):
            with tempfile.TemporaryDirectory() as folder:
                ups.append(_timed(*_up(tracker, folder)))
                downs.append(_timed(*_obsstack("down", folder)))
        name = f"containers of {which} images, {tracker}"
        found.append(Result(f"{name}: {START}", "s", _GOALS_S[which], tuple(ups[1:])))
        found.append(Result(f"{name}: down → nothing left", "s", _DOWN_GOAL_S, tuple(downs[1:])))
    return [*found, _unmeasured("upstream" if which == "local" else "local")]


def suite(runs: int) -> list[Result | Unmeasured]:
    """The whole end-to-end suite on a stack that runs already, for each tracker."""
    which = images()
    if which is None:
        return []
    found: list[Result | Unmeasured] = []
    for tracker in TRACKERS:
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(_up(tracker, folder)[0], check=True, stdout=subprocess.DEVNULL)
            command = [
                *(sys.executable, "-m", "pytest", "-m", "e2e", "tests/e2e", "-q"),
                *("-p", "no:cacheprovider", "--obs-stack=compose", f"--obs-use=sentry={tracker}"),
                *(f"--obs-home={folder}", "--obs-keep-stack"),
            ]
            try:
                environment = {"OBS_COMPOSE_FILE": " ".join(files_for(tracker))}
                values = tuple(_timed(command, environment) for _ in range(runs))
            finally:
                _timed(*_obsstack("down", folder))
        name = f"whole e2e suite in containers of {which} images, {tracker}, stack running"
        found.append(Result(name, "s", _SUITE_GOAL_S, values))
    return found


def images() -> str | None:
    """``local`` or ``upstream``; ``None`` where there are none to measure with."""
    named = os.environ.get(VARIABLE)
    if named is None:
        return None
    return "local" if files_for(TRACKERS[0]) else "upstream"


def files_for(tracker: str) -> list[str]:
    """The compose files of local images for a tracker: those named, or its own beside them."""
    named = os.environ.get(VARIABLE, "").split(os.pathsep)
    found = []
    for path in (Path(name) for name in named if name and name != os.devnull):
        own = path.with_name(f"docker-compose.{tracker}.local.yml")
        found.append(str((own if own.exists() else path).resolve()))
    return found


def _unmeasured(which: str) -> Unmeasured:
    goal = f"≤ {_GOALS_S[which]:g} s" + (" on 4 cores" if which == "upstream" else "")
    reason = "unmeasured until run with " + (
        "a registry" if which == "upstream" else f"{VARIABLE} set"
    )
    return Unmeasured(f"containers of {which} images: {START}", goal, reason)


def _up(tracker: str, folder: str) -> tuple[list[str], Mapping[str, str]]:
    files = [f"--compose-file={path}" for path in files_for(tracker)]
    return _obsstack("up", folder, "--stack", "compose", f"--use=sentry={tracker}", *files)


def _obsstack(command: str, folder: str, *more: str) -> tuple[list[str], Mapping[str, str]]:
    program = str(Path(sys.executable).with_name("obsstack"))
    return [program, command, "--home", folder, *more], {}


def _timed(command: Sequence[str], environment: Mapping[str, str]) -> float:
    started = time.perf_counter()
    subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **environment},
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return time.perf_counter() - started
