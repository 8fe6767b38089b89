"""The folder of runs: one sub-folder a run, the kept stack's state, old runs cleared away."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from pytest_obsstack.errors import StackUnavailable

RUNS_KEPT = 5
"""Folders of earlier runs that stay, so that a run can be looked at afterwards."""

_IN_USE = "in-use"


class Home:
    """``.obsstack`` of a project."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def kept_path(self) -> Path:
        """State of the stack that ``--obs-keep-stack`` or ``obsstack up`` left running."""
        return self.path / "kept.json"

    @property
    def kept_lock_path(self) -> Path:
        return self.path / "kept.lock"

    @property
    def kept_app_lock_path(self) -> Path:
        """Held by the run that drives the kept app."""
        return self.path / "kept-app.lock"

    def new_run(self) -> Path:
        """A new, empty folder."""
        return self.make_run(self.run_path())

    def run_path(self) -> Path:
        """Where a new run would be; the name sorts by time and is unique."""
        name = time.strftime("%Y%m%d-%H%M%S") + "-" + os.urandom(3).hex()
        return self.path / "runs" / name

    def make_run(self, folder: Path) -> Path:
        """Create the folder of a run; several workers may do so at once.

        Raises ``StackUnavailable`` where it cannot be created.
        """
        try:
            self._prepare()
            folder.mkdir(parents=True, mode=0o700, exist_ok=True)
        except OSError as error:
            raise StackUnavailable(
                "The folder of runs cannot be used.",
                expected=f"{folder} can be created",
                found=str(error),
                advice="name another folder: --obs-home, or --home of obsstack",
            ) from error
        return folder

    def clear_old_runs(self, *in_use: Path) -> None:
        """Delete all but the newest runs; never one that is in use or still running."""
        folders = sorted((self.path / "runs").glob("*-*"))
        for folder in folders[:-RUNS_KEPT]:
            if folder in in_use or (folder / _IN_USE).exists() or _runs(folder):
                continue
            shutil.rmtree(folder, ignore_errors=True)

    def mark_in_use(self, folder: Path) -> None:
        """Keep the folder of a run however many follow: a kept stack lives in it."""
        (folder / _IN_USE).touch()

    def release(self, folder: Path) -> None:
        """The kept stack of this folder has ended."""
        (folder / _IN_USE).unlink(missing_ok=True)

    def _prepare(self) -> None:
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        # The folder holds tokens and payloads: git must not pick it up in anybody's repository.
        ignore = self.path / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n")


def _runs(folder: Path) -> bool:
    """Whether the stack of a run of somebody else, who is not done yet, is alive."""
    from pytest_obsstack.providers.state import read_state

    state = read_state(folder / "state.json")
    # A kept stack of containers has no process any more, and its folder is marked as in use.
    return state is not None and state.process is not None and state.process.alive


def find_home(start: Path, name: str = ".obsstack") -> Path:
    """The home that belongs to ``start``: the nearest one upwards, else beside the project's root.

    The root is the nearest folder upwards with a ``pyproject.toml``, ``pytest.ini``, ``setup.cfg``,
    ``tox.ini`` or ``.git``, else ``start`` itself.
    """
    folders = [start, *start.parents]
    for folder in folders:
        if (folder / name).is_dir():
            return folder / name
    marks = ("pyproject.toml", "pytest.ini", "setup.cfg", "tox.ini", ".git")
    for folder in folders:
        if any((folder / mark).exists() for mark in marks):
            return folder / name
    return start / name
