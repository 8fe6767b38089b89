"""Steering the containers of a running stack: stop, start, pause, logs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pytest_obsstack.errors import StackUnavailable
from pytest_obsstack.providers.compose.command import ComposeFailed
from pytest_obsstack.providers.compose.failures import service_log, start_failure
from pytest_obsstack.providers.compose.project import PARTS
from pytest_obsstack.providers.readiness import probe_url
from pytest_obsstack.providers.state import ComposeState
from pytest_obsstack.waiting import until

_STOP_GRACE_S = 5


class ComposeControl:
    """Stops, starts and reads the services of one project, by component or by service name."""

    def __init__(
        self,
        state: ComposeState,
        timeout_s: float,
        probe: Callable[[str], str | None] = probe_url,
    ) -> None:
        self._state = state
        self._compose = state.compose
        self._timeout_s = timeout_s
        self._probe = probe

    def stop(self, component: str) -> None:
        """End the container in order: connections are refused until ``start``."""
        self._call("stop", "--timeout", str(_STOP_GRACE_S), self._service(component))

    def start(self, component: str) -> None:
        """Start it again, and return when it answers."""
        self._call("start", self._service(component))
        self._await_answer(component)

    def restart(self, component: str) -> None:
        """``compose restart``, as the guide does it; returns when it answers again.

        One call, which looks at no other service: ``start`` waits for those that it depends on,
        which a test may have stopped. Its ports stay, because they were chosen before the start.
        """
        self._call("restart", "--timeout", str(_STOP_GRACE_S), self._service(component))
        self._await_answer(component)

    def pause(self, component: str) -> None:
        """Freeze its processes: connections are accepted, and nothing answers."""
        self._call("pause", self._service(component))

    def unpause(self, component: str) -> None:
        self._call("unpause", self._service(component))
        self._await_answer(component)

    def recreate(self, component: str) -> None:
        """Start it anew with the variables as they are now; the others stay."""
        self._call("up", "--detach", "--no-deps", "--no-build", self._service(component))
        self._await_answer(component)

    def logs(self, component: str, lines: int) -> list[str]:
        """The last log lines of a component or service; ``StackUnavailable`` for an unknown one."""
        there = self.status()
        if component not in there and self._service(component) not in _services(there):
            raise StackUnavailable(
                f"The service {component} has no container.",
                expected=f"one of {', '.join(sorted(there))} in project {self._compose.project}",
                found="none of that name",
                advice="`obsstack status` tells which containers there are",
            )
        return service_log(self._compose, self._service(component), lines)

    def status(self) -> dict[str, Any]:
        """By component or service: state, health, image, whether connections are ``listening``."""
        names = {part.service: name for name, part in PARTS.items()}
        return {
            names.get(container["Service"], container["Service"]): {
                "state": container.get("State", "unknown"),
                "health": container.get("Health") or None,
                "image": container.get("Image", ""),
                "listening": container.get("State") == "running",
                "name": container["Name"],
            }
            for container in self._compose.containers()
        }

    def close(self) -> None:
        """Nothing is held open."""

    def _service(self, component: str) -> str:
        return PARTS[component].service if component in PARTS else component

    def _call(self, *arguments: str) -> None:
        try:
            self._compose.run(*arguments)
        except ComposeFailed as failed:
            lines = failed.last_lines
            raise StackUnavailable(
                f"Compose could not {arguments[0]} the service {arguments[-1]}.",
                expected=f"`compose {' '.join(arguments)}` succeeds",
                found=lines[-1] if lines else "it failed without a word",
                advice="`obsstack status` tells which containers there are",
                log_lines=lines,
            ) from None

    def _await_answer(self, component: str) -> None:
        url = self._state.ready_urls.get(component)
        if url is None:
            return
        wrong = ""

        def poll() -> bool | None:
            nonlocal wrong
            wrong = self._probe(url) or ""
            return None if wrong else True

        if not until(poll, timeout_s=self._timeout_s).value:
            service = self._service(component)
            raise start_failure(self._compose, "", {service: f"GET {url}: {wrong}"})


def _services(status: Mapping[str, Any]) -> list[str]:
    return [PARTS[name].service if name in PARTS else name for name in status]
