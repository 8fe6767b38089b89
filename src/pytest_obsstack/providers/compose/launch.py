"""Starting the containers of a stack, in the order that its parts need, and waiting for them.

Everything but the collector and the app starts at once; those two have to know the project's DSN,
which the error tracker gives only when it runs. Nothing here waits for a fixed time.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from pytest_obsstack.providers.compose import removal
from pytest_obsstack.providers.compose.command import (
    Compose,
    ComposeFailed,
    clean_environment,
)
from pytest_obsstack.providers.compose.failures import port_taken, save_logs, start_failure
from pytest_obsstack.providers.compose.images import ensure_images
from pytest_obsstack.providers.compose.project import PARTS, Project
from pytest_obsstack.providers.process import ManagedProcess, ProcessIdentity
from pytest_obsstack.providers.readiness import probe_url
from pytest_obsstack.waiting import until

_LOOK_EVERY_S = 1.0
"""How often the engine is asked for dead containers while they are waited for."""
_DOWN_TIMEOUT_S = 60.0
PORT_CHOICES = 3
"""How often ports are chosen, where somebody was faster in taking one."""


class PortsTaken(Exception):
    """Somebody took a port between its choice and its use; another choice may work."""


def start_reaper(compose: Compose, owner_pid: int) -> ProcessIdentity:
    """A process that removes the project when its owner ends, until it is released."""
    return ManagedProcess.start(
        [
            *(sys.executable, "-I", "-S", removal.__file__),
            *("--client", compose.client, "--project", compose.project),
            *("--lock", str(compose.lock), "--", *compose.words),
        ],
        env=clean_environment(),
        cwd=Path(os.sep),
        log_path=Path(compose.folder) / "reaper.log",
        owner_pid=owner_pid,
        grace_s=_DOWN_TIMEOUT_S,
        when_gone=True,
    ).detach()


def launch(
    project: Project,
    *,
    more_services: Sequence[str],
    tell: Callable[[str], None],
    timeout_s: float,
) -> None:
    """Start all services that need no DSN; ``more_services`` only have their images fetched.

    Raises ``StackUnavailable``, or ``PortsTaken`` where it is worth trying with other ports.
    """
    services = project.services()
    later = [PARTS[name].service for name in project.components if name == "collector"]
    ensure_images(project.compose, (*services, *later), more_services, tell)
    start(project.compose, services, timeout_s)


def start(compose: Compose, services: Sequence[str], timeout_s: float) -> None:
    """``up`` these services; returns when they run and what they depend on is healthy."""
    try:
        compose.run(
            *("up", "--detach", "--no-build", "--quiet-pull", *services), timeout_s=timeout_s
        )
    except ComposeFailed as failed:
        if port_taken(failed.output) is not None:
            raise PortsTaken(failed.output) from None
        save_logs(compose, Path(compose.folder) / "logs")
        raise start_failure(compose, failed.output) from None


def wait_ready(
    project: Project,
    components: Sequence[str],
    *,
    timeout_s: float,
    probe: Callable[[str], str | None] = probe_url,
) -> None:
    """Return when every component answers; raises ``StackUnavailable`` for the first that cannot.

    A container that has ended is told at once, not when the time is up.
    """
    pending = {name: project.ready_url(name) for name in components}
    wrong: dict[str, str] = {}
    dead: list[str] = []
    looked_s = time.monotonic()

    def poll() -> bool | None:
        nonlocal looked_s
        for name, url in list(pending.items()):
            problem = probe(url)
            if problem is None:
                del pending[name]
            else:
                wrong[name] = f"GET {url}: {problem}"
        if pending and time.monotonic() - looked_s > _LOOK_EVERY_S:
            dead[:] = _ended(project.compose, [PARTS[name].service for name in pending])
            looked_s = time.monotonic()
        return True if not pending or dead else None

    until(poll, timeout_s=timeout_s)
    if not pending:
        return
    waiting = {PARTS[name].service: wrong[name] for name in pending}
    save_logs(project.compose, Path(project.compose.folder) / "logs")
    raise start_failure(project.compose, "", waiting)


def take_down(compose: Compose, reaper: ProcessIdentity | None) -> None:
    """Remove the project; raises ``ComposeFailed``, and the reaper stays for another attempt."""
    compose.down()
    if reaper is not None:
        reaper.release()


def missing_services(compose: Compose, services: Sequence[str]) -> list[str]:
    """Those of the services that have no running container; raises ``ComposeFailed``."""
    running = {
        container["Service"]
        for container in compose.containers()
        if container.get("State") in ("running", "paused", "restarting")
    }
    return [service for service in services if service not in running]


def _ended(compose: Compose, services: Sequence[str]) -> list[str]:
    return [
        container["Service"]
        for container in compose.containers()
        if container["Service"] in services and container.get("State") in ("exited", "dead")
    ]
