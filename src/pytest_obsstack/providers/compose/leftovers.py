"""Finding stacks of containers that runs have left behind, and removing them."""

from __future__ import annotations

import json
import os
import socket
from dataclasses import dataclass

from pytest_obsstack.errors import ObsstackError
from pytest_obsstack.providers.compose.command import Compose, ComposeFailed
from pytest_obsstack.providers.compose.engine import Engine
from pytest_obsstack.providers.compose.project import LABEL
from pytest_obsstack.providers.compose.removal import KINDS, PROJECT_LABEL
from pytest_obsstack.providers.guard import exists

_BY_HAND = "by-hand"
"""The label of a stack that a person runs with ``docker compose``; see ``stack/``."""


@dataclass(frozen=True)
class Leftover:
    """A project of this package that is on the machine."""

    project: str
    run_id: str
    owner: str
    """``PID@HOST`` of the process that it was to end with."""
    kept: bool

    @property
    def stays(self) -> str | None:
        """Why it is not to be removed; ``None`` for one that nobody uses any more."""
        if self.run_id == _BY_HAND:
            return "it was started by hand"
        pid, _, host = self.owner.partition("@")
        if self.kept or not pid.isdecimal():
            return None
        # What runs on another machine that uses this engine cannot be told.
        if host != socket.gethostname() or exists(int(pid)):
            return f"a run still uses it, process {pid} on {host}"
        return None


def find_leftovers(engine: Engine) -> list[Leftover]:
    """Every project whose containers, networks or volumes carry this package's labels."""
    compose = _nothing(engine)
    labels_of: dict[str, dict[str, str]] = {}
    for kind in KINDS:
        every = ["--all"] if kind == "container" else []
        listing = [kind, "ls", *every, "--quiet", "--filter", f"label={LABEL}.run"]
        status, output = compose.engine(*listing)
        if status != 0:
            raise ObsstackError(
                f"{engine.client} does not tell what it runs.",
                expected=f"`{engine.client} {' '.join(listing)}` succeeds",
                found=output.strip(),
            )
        names = output.split()
        if not names:
            continue
        template = "{{json .Config.Labels}}" if kind == "container" else "{{json .Labels}}"
        _, output = compose.engine(kind, "inspect", "--format", template, *names)
        for line in output.splitlines():
            # One that ended meanwhile has no labels to tell.
            labels = json.loads(line) if line.startswith("{") else {}
            if project := labels.get(PROJECT_LABEL):
                told = {name: value for name, value in labels.items() if value}
                labels_of.setdefault(project, {}).update(told)
    return [
        Leftover(
            project,
            labels.get(f"{LABEL}.run", ""),
            labels.get(f"{LABEL}.owner", ""),
            labels.get(f"{LABEL}.kept") == "true",
        )
        for project, labels in sorted(labels_of.items())
    ]


def remove(engine: Engine, leftover: Leftover) -> None:
    """Take a project down; raises ``ObsstackError`` with what Compose says."""
    compose = _nothing(engine, leftover.project)
    try:
        compose.down()
    except ComposeFailed as failed:
        raise ObsstackError(
            f"The project {leftover.project} could not be removed.",
            expected="its containers, networks and volumes are gone",
            found=failed.found,
            advice=f"{' '.join(compose.down_command())}",
        ) from None


def _nothing(engine: Engine, project: str = "") -> Compose:
    return Compose(
        engine.words, engine.client, project, (), (), (), folder=os.sep, directory=os.sep
    )
