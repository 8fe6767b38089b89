"""Lifecycle tests on a real engine. They run only where they are asked for.

``OBSSTACK_COMPOSE_FILES`` names the compose files, separated as in PATH, that are laid over the
stack's with the tracker ``lite``; ``tests/compose/build_images.py`` writes one, for images that it
builds. Where the engine can pull, an empty file will do.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.compose.runs import Repo, wait_until

VARIABLE = "OBSSTACK_COMPOSE_FILES"


@pytest.fixture(scope="session")
def compose_files() -> list[Path]:
    """Skips where there is no engine to run on; never starts one."""
    named = os.environ.get(VARIABLE, "")
    if not named:
        pytest.skip(f"{VARIABLE} is not set: no engine and no images to run on")
    files = [Path(name).resolve() for name in named.split(os.pathsep)]
    for file in files:
        assert file.is_file(), f"{VARIABLE} names {file}, which is no file"
    asked = subprocess.run(["docker", "version"], capture_output=True, text=True, check=False)
    # Whoever sets the variable wants these tests to run: an engine that is not there is an error.
    assert asked.returncode == 0, f"{VARIABLE} is set, but docker says: {asked.stderr.strip()}"
    return files


@pytest.fixture
def repo(compose_files: list[Path], tmp_path: Path) -> Iterator[Repo]:
    """Fails the test where a process or anything of the engine's is left of it."""
    repo = Repo(tmp_path, files=compose_files)
    try:
        yield repo
        wait_until(lambda: not repo.processes(), "all processes have ended", 30)
        assert repo.left() == []
    finally:
        repo.clean()
