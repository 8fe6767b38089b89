"""Which Compose there is, whether its engine answers, and what to do where one of them is missing.

Compose is looked for as ``docker compose``, ``docker-compose`` and ``podman compose``, in that
order; ``--obs-compose-command`` names another one. The stack's files need Compose 2.24 (optional
``env_file`` and ``depends_on``).
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from pytest_obsstack.errors import StackUnavailable
from pytest_obsstack.providers.compose.command import reason

CANDIDATES: tuple[tuple[str, ...], ...] = (
    ("docker", "compose"),
    ("docker-compose",),
    ("podman", "compose"),
)
LEAST_VERSION = (2, 24)
_TIMEOUT_S = 30.0
_VERSION = re.compile(r"(\d+)\.(\d+)(?:\.\d+)?")
# Without the plugin, Docker's client takes the arguments for its own.
_NO_PLUGIN = re.compile(r"unknown flag: --short|is not a docker command|unknown command")
_ENGINE_ADVICE = (
    "start it (`sudo systemctl start docker`, Docker Desktop, `podman machine start`), or point "
    "DOCKER_HOST at one that runs; where permission is denied, join the group docker; "
    "--obs-stack=embedded needs none"
)


@dataclass(frozen=True)
class Engine:
    """A Compose that works, and the engine behind it."""

    words: tuple[str, ...]
    """How Compose is called."""
    client: str
    """The engine's own command: ``docker`` or ``podman``."""
    compose_version: str
    engine_version: str


@dataclass(frozen=True)
class _Outcome:
    status: int
    output: str
    errors: str

    @property
    def said(self) -> str:
        """What the command gave as its reason."""
        written = (self.errors or self.output).strip()
        if _NO_PLUGIN.search(written):
            return "the program has no such command; Compose's plugin is not installed"
        return reason(written) if written else f"exit status {self.status} and no output"


def find_engine(command: str | None = None) -> Engine:
    """The first Compose that works; ``command`` is the only one tried where it is given.

    Raises ``StackUnavailable``: no executable, no Compose, one too old, or an engine that does not
    answer, each with what was tried.
    """
    candidates = CANDIDATES if command is None else (tuple(shlex.split(command)),)
    tried: list[str] = []
    old: list[str] = []
    for words in candidates:
        if not words or shutil.which(words[0]) is None:
            tried.append(f"{' '.join(words) or '(nothing)'}: no such program on PATH")
            continue
        outcome = _run([*words, "version", "--short"])
        if outcome.status != 0:
            tried.append(f"{' '.join(words)}: {outcome.said}")
            continue
        version = outcome.output.strip().splitlines()[-1] if outcome.output.strip() else ""
        found = _VERSION.search(version)
        if found is None or (int(found[1]), int(found[2])) < LEAST_VERSION:
            old.append(f"{' '.join(words)}: version {version or '(not told)'}")
            continue
        client = _client(words)
        return Engine(words, client, found[0], _engine_version(client))
    least = ".".join(map(str, LEAST_VERSION))
    raise StackUnavailable(
        "The stack of containers cannot be started: there is no usable Compose.",
        expected=f"Compose {least} or newer, as "
        + (repr(command) if command else ", ".join(" ".join(words) for words in CANDIDATES)),
        found="\n".join((*old, *tried)),
        advice="install Docker's Compose plugin (package docker-compose-plugin, or docker-compose "
        "of a distribution), or name the command with --obs-compose-command; "
        "--obs-stack=embedded needs no containers",
    )


def _client(words: Sequence[str]) -> str:
    return "podman" if words[0].startswith("podman") else "docker"


def _engine_version(client: str) -> str:
    if shutil.which(client) is None:
        raise StackUnavailable(
            f"The stack of containers cannot be started: there is no {client}.",
            expected=f"the program {client} on PATH, beside Compose",
            found="no such program",
            advice=f"install {client}; --obs-stack=embedded needs no containers",
        )
    outcome = _run([client, "version", "--format", "{{.Server.Version}}"])
    if outcome.status != 0 or not outcome.output.strip():
        raise StackUnavailable(
            f"The stack of containers cannot be started: {client}'s engine does not answer.",
            expected=f"`{client} version` tells a server's version",
            found=outcome.said,
            advice=_ENGINE_ADVICE,
        )
    return outcome.output.strip()


def _run(command: Sequence[str]) -> _Outcome:
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return _Outcome(1, "", f"no answer within {_TIMEOUT_S:g} s")
    except OSError as error:
        return _Outcome(1, "", f"cannot be executed: {error.strerror}")
    return _Outcome(done.returncode, done.stdout, done.stderr)
