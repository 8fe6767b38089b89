"""What is known of a running stack, in one file that xdist workers and later runs read.

The file holds tokens and is written with mode 0600, in one step.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from pytest_obsstack.endpoints import Endpoints
from pytest_obsstack.errors import StackUnavailable
from pytest_obsstack.options.kinds import StackKind
from pytest_obsstack.providers.compose.command import Compose
from pytest_obsstack.providers.process import ProcessIdentity

FORMAT = 2


@dataclass(frozen=True)
class Control:
    """How the embedded process is steered."""

    url: str
    token: str = field(repr=False)


@dataclass(frozen=True)
class ComposeState:
    """What another process needs to know of a running Compose project."""

    compose: Compose
    tracker: str | None
    """``glitchtip``, ``bugsink`` or ``lite``; ``None`` for one at a URL."""
    ports: dict[str, int]
    """Of this machine, by the variable that the compose files read."""
    ready_urls: dict[str, str]
    """Of this machine, by component."""
    callback_bind: str
    """The address of this machine at which containers reach a server that a test starts."""
    callback_host: str
    """What containers call that address."""


@dataclass(frozen=True)
class ProductState:
    """One product as it runs: for the header, the reports and ``obsstack status``."""

    url: str
    version: str
    stands_in_for: str | None = None
    """The real product that an embedded one stands in for."""
    wish_met: bool = True
    """False where the port that was wished for belongs to somebody else."""


@dataclass(frozen=True)
class RunningApp:
    """An app process that outlives its run."""

    url: str
    instance: str
    service: str
    processes: tuple[ProcessIdentity, ...] = ()
    """Its own and those of the services that it calls."""
    environment: dict[str, str] = field(default_factory=dict, repr=False)
    log: str | None = None
    wish_met: bool = True
    """False where the guide's port belongs to somebody else."""
    container: str | None = None
    """Of an app in a container: its name."""
    companions: dict[str, RunningApp] = field(default_factory=dict)
    """The services that it calls, by the variable that tells it their URL."""


@dataclass(frozen=True)
class StackState:
    """Everything about a running stack that another process needs to use and to end it."""

    kind: StackKind
    run_id: str
    folder: Path
    endpoints: Endpoints
    products: dict[str, ProductState]
    ready_after_s: float
    kept: bool = False
    control: Control | None = None
    compose: ComposeState | None = None
    process: ProcessIdentity | None = None
    """The embedded stack's process; of containers the one that removes them if pytest dies."""
    app: RunningApp | None = None

    @property
    def alive(self) -> bool:
        """False where the process of a kept stack is gone; containers are to be asked for."""
        if self.kept and self.compose is not None:
            # Whoever keeps containers lets the process go that would remove them.
            return True
        return self.process is None or self.process.alive

    def require_alive(self) -> None:
        """Raise ``StackUnavailable`` where it is not alive."""
        if not self.alive:
            raise StackUnavailable(
                "The stack has ended.",
                expected=f"process {self.process.pid if self.process else '?'} runs",
                found="it does not",
                advice="`obsstack down` clears it away, `obsstack up` starts a new one",
            )

    def with_app(self, app: RunningApp | None) -> StackState:
        return replace(self, app=app)

    def with_endpoints(self, endpoints: Endpoints) -> StackState:
        return replace(self, endpoints=endpoints)

    def to_json(self) -> dict[str, Any]:
        data = asdict(self)
        data["format"] = FORMAT
        data["folder"] = str(self.folder)
        data["endpoints"] = self.endpoints.to_json()
        data["compose"] = None if self.compose is None else asdict(self.compose)
        return data

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> StackState:
        control, process, app = data["control"], data["process"], data["app"]
        compose = data["compose"]
        return cls(
            kind=data["kind"],
            run_id=data["run_id"],
            folder=Path(data["folder"]),
            endpoints=Endpoints.from_json(data["endpoints"]),
            products={name: ProductState(**part) for name, part in data["products"].items()},
            ready_after_s=data["ready_after_s"],
            kept=data["kept"],
            control=Control(**control) if control else None,
            compose=_compose_state(compose) if compose else None,
            process=ProcessIdentity(**process) if process else None,
            app=_running_app(app) if app else None,
        )


def _compose_state(data: dict[str, Any]) -> ComposeState:
    project: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in data["compose"].items()
    }
    return ComposeState(**{**data, "compose": Compose(**project)})


def _running_app(data: dict[str, Any]) -> RunningApp:
    processes = tuple(ProcessIdentity(**process) for process in data["processes"])
    companions = {name: _running_app(part) for name, part in data.get("companions", {}).items()}
    return RunningApp(**{**data, "processes": processes, "companions": companions})


def write_state(path: Path, state: StackState) -> None:
    """Readers see the old file or the new one, never a part, and never one that others may read."""
    write_private(path, json.dumps(state.to_json(), indent=1))


def read_state(path: Path) -> StackState | None:
    """The state, or ``None`` where there is no file or one of another version of this package."""
    try:
        data = json.loads(path.read_text("utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        return None
    return StackState.from_json(data)


def write_private(path: Path, text: str) -> None:
    """Write a file of mode 0600 in one step."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    partial.replace(path)
