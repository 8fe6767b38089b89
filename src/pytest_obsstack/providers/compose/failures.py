"""Why a stack of containers did not start: which service, what its health check and its log say."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_obsstack.errors import StackUnavailable
from pytest_obsstack.providers.compose.command import Compose, ComposeFailed, reason
from pytest_obsstack.providers.ports import FREE_IT, TAKEN

LOG_LINES = 50
_PORT_TAKEN = re.compile(r"[^\n]*(?:port is already allocated|address already in use)")
_ADDRESS = re.compile(r"[0-9.]+:\d+")


def port_taken(output: str) -> str | None:
    """The address that somebody else has, where Compose failed for that; else ``None``.

    A container's name can be "already in use", too.
    """
    match = _PORT_TAKEN.search(output)
    if match is None:
        return None
    address = _ADDRESS.search(match[0])
    return "a port" if address is None else address[0]


def start_failure(
    compose: Compose, output: str, waiting: Mapping[str, str] | None = None
) -> StackUnavailable:
    """The error for a start that failed; asks the engine which container is to blame.

    ``output`` is what Compose printed; ``waiting`` what did not answer in time, by service.
    """
    address = port_taken(output)
    if address is not None:
        return StackUnavailable(
            "The stack of containers cannot have its ports.",
            expected=f"{address} on this machine is free",
            found=TAKEN,
            advice=FREE_IT,
        )
    containers = _containers(compose)
    culprit = _culprit(containers, waiting or {})
    if culprit is None:
        return StackUnavailable(
            "The stack of containers did not start.",
            expected="Compose starts every service",
            found=reason(output),
            advice=f"see what `{' '.join(compose.words)} up` says below",
            log_lines=output.strip("\n").splitlines()[-LOG_LINES:],
        )
    service = culprit["Service"]
    found = [_condition(culprit)]
    if waiting and service in waiting:
        found.append(waiting[service])
    found += health_output(compose, culprit["Name"])
    return StackUnavailable(
        f"The service {service} did not become ready.",
        expected="it runs, its health check passes and it answers",
        found="\n".join(found),
        advice=f"read the last lines of its log below; all logs are in {compose.folder}/logs; "
        "a slow machine gets more time by --obs-start-timeout",
        log_lines=service_log(compose, service),
    )


def service_log(compose: Compose, service: str, lines: int = LOG_LINES) -> list[str]:
    """The last log lines of a service; none where it has no container."""
    for container in _containers(compose):
        if container["Service"] == service:
            return container_log(compose, container["Name"], lines)
    return []


def container_log(compose: Compose, container: str, lines: int) -> list[str]:
    """The last log lines of a container; none where it is gone."""
    status, output = compose.engine("logs", "--tail", str(lines), container)
    return output.splitlines()[-lines:] if status == 0 else []


def save_logs(compose: Compose, folder: Path) -> list[str]:
    """Keep the log of every container, with times, in ``folder``; the names that were written."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    written = []
    with contextlib.suppress(ComposeFailed):
        for container in compose.all_containers():
            name = container["Name"].removeprefix(f"{compose.project}-")
            status, output = compose.engine("logs", "--timestamps", container["Name"])
            if status == 0:
                (folder / f"{name}.log").write_text(output, "utf-8")
                written.append(name)
    return written


def health_output(compose: Compose, container: str) -> list[str]:
    """What the last health check of a container printed; empty where it has none."""
    status, output = compose.engine("inspect", "--format", "{{json .State.Health}}", container)
    if status != 0:
        return []
    with contextlib.suppress(ValueError, LookupError, TypeError):
        last = json.loads(output)["Log"][-1]
        said = last["Output"].strip() or "no output"
        return [f"health check: exit status {last['ExitCode']}, {said.splitlines()[-1]}"]
    return []


def _containers(compose: Compose) -> list[dict[str, Any]]:
    try:
        return compose.containers()
    except ComposeFailed:
        return []


def _culprit(
    containers: Sequence[dict[str, Any]], waiting: Mapping[str, str]
) -> dict[str, Any] | None:
    """The container that explains the failure best: one that died, then one that is unhealthy."""

    def rank(container: Mapping[str, Any]) -> int:
        state, health = container.get("State", ""), container.get("Health", "")
        if state in ("exited", "dead") and container.get("ExitCode", 0) != 0:
            return 0
        if state == "restarting":
            return 1
        if health == "unhealthy":
            return 2
        if state in ("exited", "dead") and container["Service"] in waiting:
            return 3
        if container["Service"] in waiting:
            return 4
        if health == "starting":
            return 5
        return 9

    ranked = sorted(containers, key=rank)
    return ranked[0] if ranked and rank(ranked[0]) < 9 else None


def _condition(container: Mapping[str, Any]) -> str:
    state, health = container.get("State", "unknown"), container.get("Health")
    if state in ("exited", "dead"):
        return f"it ended with exit status {container.get('ExitCode', '?')}"
    return f"its container is {state}" + (f", {health}" if health else "")
