"""What the plugin keeps in ``config.stash``: the options, and the session once somebody asks."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_obsstack.options import Options
from pytest_obsstack.providers.home import Home

if TYPE_CHECKING:
    from pytest_obsstack.expect.opening import ProbeObserver
    from pytest_obsstack.provision.run import Run
    from pytest_obsstack.provision.session import Session


class SessionHolder:
    """Makes this process' ``Session`` at its first use, so that an unused plugin loads nothing."""

    def __init__(self, options: Options, workerinput: dict[str, Any] | None) -> None:
        self.options = options
        self.is_worker = workerinput is not None
        given = (workerinput or {}).get("obsstack")
        if given is None:
            self.folder = Home(options.home).run_path()
            self.owner_pid = os.getpid()
        else:
            self.folder = Path(given["folder"])
            self.owner_pid = given["owner_pid"]
        self.worker: str = (workerinput or {}).get("workerid", "main")
        self.workers: int = (workerinput or {}).get("workercount", 1)
        self.failed = False
        """Whether some test of the run has failed."""
        self._session: Session | None = None

    def for_worker(self) -> dict[str, Any]:
        """What the controller tells each worker."""
        return {"folder": str(self.folder), "owner_pid": self.owner_pid}

    @property
    def run(self) -> Run:
        from pytest_obsstack.provision.run import Run

        return Run(self.folder, self.owner_pid, self.worker, self.workers)

    def get(self) -> Session:
        """The session; creates the run's folder."""
        if self._session is None:
            from pytest_obsstack.provision.session import Session

            Home(self.options.home).make_run(self.folder)
            self._session = Session(self.options, self.run)
        return self._session

    @property
    def used(self) -> bool:
        """Whether any process of the run asked for the stack."""
        return self.folder.exists()

    def close(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None


OPTIONS = pytest.StashKey[Options]()
SESSION = pytest.StashKey[SessionHolder]()
OBSERVER: pytest.StashKey[ProbeObserver] = pytest.StashKey()
"""Who looks on while tests use their probes, if anybody does."""
