"""What ``start`` writes down for ``stop``: whether an engine was started, and how things were."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

FILE = "engine.json"


@dataclass
class State:
    """Of one folder; written before anything is changed."""

    started: bool = False
    """Whether an engine of our own runs, or ran, in this folder."""
    pid: int = 0
    network: str = ""
    """Which network of this machine the engine is in, as the kernel names it: the rules below are
    of that one alone."""
    absent: list[str] = field(default_factory=list)
    """Paths outside of the folder that an engine makes and that were not there."""
    ip_forward: dict[str, str] = field(default_factory=dict)
    """Settings of the kernel that an engine changes → what they were."""
    forward_policy: dict[str, str] = field(default_factory=dict)
    """Command of iptables that had no rules of Docker's → its policy for FORWARD as it was."""
    made_bridge: bool = False
    """Whether there was no ``docker0`` before."""
    mounted_cgroup: bool = False

    def save(self, folder: Path) -> None:
        partial = folder / f"{FILE}.partial"
        partial.write_text(json.dumps(asdict(self), indent=2) + "\n")
        partial.replace(folder / FILE)

    @classmethod
    def load(cls, folder: Path) -> State | None:
        """``None`` where nothing was started with that folder."""
        path = folder / FILE
        return cls(**json.loads(path.read_text())) if path.exists() else None
