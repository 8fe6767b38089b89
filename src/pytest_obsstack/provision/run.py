"""Which run a process belongs to: where it writes, with whom it ends, which worker it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Run:
    """One run of pytest (all its workers) or one call of ``obsstack up``."""

    folder: Path
    owner_pid: int
    """The process with which everything that is not kept ends."""
    worker: str = "main"
    """Name of this process among the workers: ``main``, ``gw0``, …"""
    workers: int = 1

    @property
    def state_path(self) -> Path:
        return self.folder / "state.json"

    @property
    def first_worker(self) -> bool:
        return self.worker in ("main", "gw0")
