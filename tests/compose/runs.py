"""Whole runs on a real engine: a project of its own, and what the engine has of it.

Everything here is known by the project's name, which holds the name of the run's folder: whatever
else the engine runs is never looked at, and never touched.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_obsstack.providers.ports import free_port
from tests.plugin.inner import Ended, Project

PATIENCE_S = 240.0
"""For a start on a machine that does much else."""
KINDS = ("container", "network", "volume")
USE = ("sentry=lite", "grafana=http://127.0.0.1:1")
"""The smallest stack: a tracker without a database, and no dashboards."""

CONFTEST = """
import json
import time
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.fixture
def note(obs_stack, obs_app, request):
    '''Tell the outer test what this run has.'''

    def write(**facts):
        compose = obs_stack.state.compose.compose
        known = {"project": compose.project, "app": obs_app.container, "url": obs_app.url}
        line = json.dumps({"test": request.node.name, **known, **facts})
        with (HERE / "notes").open("a") as file:
            file.write(line + "\\n")

    return write


@pytest.fixture
def wait_for():
    def wait(name):
        deadline = time.monotonic() + 240
        while not (HERE / name).exists():
            assert time.monotonic() < deadline, f"nobody wrote {name}"
            time.sleep(0.02)

    return wait
"""


def docker(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def left(project: str) -> list[str]:
    """What the engine still has of a project."""
    found = []
    for kind in KINDS:
        every = ["--all"] if kind == "container" else []
        label = f"label=com.docker.compose.project={project}"
        names = docker(kind, "ls", *every, "--quiet", "--filter", label).split()
        found += [f"{kind} {name}" for name in names]
    return found


def inspect(project: str, kind: str) -> list[dict[str, Any]]:
    """Everything of one kind, as the engine describes it."""
    names = [each.split()[1] for each in left(project) if each.split()[0] == kind]
    found: list[dict[str, Any]] = json.loads(docker(kind, "inspect", *names)) if names else []
    return found


@dataclass
class Repo(Project):
    """A folder with tests whose stack runs in containers."""

    files: Sequence[Path] = ()

    def __post_init__(self) -> None:
        self.write("conftest.py", CONFTEST)
        self.write("pytest.ini", "[pytest]\n")

    def begin(
        self, *arguments: str, env: Mapping[str, str] | None = None, workers: int = 0
    ) -> subprocess.Popen[str]:
        """Start pytest on a stack of containers."""
        use = [f"--obs-use={choice}" for choice in USE]
        files = [f"--obs-compose-file={file}" for file in self.files]
        options = ["--obs-stack=compose", *use, *files, *arguments]
        return self.start(*options, env=env, workers=workers)

    def pytest(
        self, *arguments: str, env: Mapping[str, str] | None = None, workers: int = 0
    ) -> Ended:
        """Run pytest on a stack of containers to its end."""
        return finished(self.begin(*arguments, env=env, workers=workers))

    def obsstack_up(self, *arguments: str) -> Ended:
        """A stack that stays, off the guide's ports, which others may want."""
        use = [f"--use={choice}" for choice in USE]
        files = [f"--compose-file={file}" for file in self.files]
        parts = ("sentry", "collector", "prometheus", "loki", "tempo", "app")
        ports = [f"--port={name}={free_port()}" for name in parts]
        return self.cli("up", "--stack=compose", *use, *files, *ports, *arguments)

    def begin_obsstack(
        self, *arguments: str, env: Mapping[str, str] | None = None
    ) -> subprocess.Popen[str]:
        """Start ``obsstack``."""
        program = str(Path(sys.executable).with_name("obsstack"))
        return self._popen([program, *arguments], env or {})

    def cli(self, *arguments: str, env: Mapping[str, str] | None = None) -> Ended:
        """Run ``obsstack`` to its end."""
        return finished(self.begin_obsstack(*arguments, env=env))

    def projects(self) -> list[str]:
        """Of every run so far."""
        return [f"obsstack-{folder.name}" for folder in self.run_folders()]

    def left(self) -> list[str]:
        return [part for project in self.projects() for part in left(project)]

    def clean(self) -> None:
        """Whatever a test did: nothing of it stays."""
        for pid in self.processes():
            os.kill(pid, signal.SIGKILL)
        for project in self.projects():
            command = ["docker", "compose", "-p", project, "down", "--volumes", "--timeout", "1"]
            subprocess.run([*command, "--remove-orphans"], capture_output=True, check=False)


def finished(process: subprocess.Popen[str]) -> Ended:
    output, _ = process.communicate(timeout=PATIENCE_S)
    return Ended(process.returncode, output)


def wait_until(condition: Callable[[], object], what: str, within_s: float = PATIENCE_S) -> float:
    """Seconds that it took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < within_s, f"{what}: not within {within_s:g} s"
        time.sleep(0.05)
    return time.monotonic() - began


def errors(run: Ended, folder: Path) -> str:
    """The texts of the errors that pytest shows, without what differs from run to run."""
    from tests.unit.providers.compose.support import normalised

    # The result of a test stands on a line of its own where progress was told.
    lines = [line[4:] for line in run.lines if line.startswith("E   ") and not line.endswith("%]")]
    return normalised("\n".join(lines), folder)
