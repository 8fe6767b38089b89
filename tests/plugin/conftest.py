"""A project for tests that need whole pytest runs; whatever such a test does, nothing is left."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.plugin.inner import Project, wait_until


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """Fails the test if any process of it is still there once all have had time to end."""
    project = Project(tmp_path)
    try:
        yield project
        wait_until(lambda: not project.processes(), "all processes have ended")
    finally:
        for pid in project.processes():
            os.kill(pid, signal.SIGKILL)
