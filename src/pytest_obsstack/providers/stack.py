"""A running stack as tests see it: endpoints, capabilities, and faults where they are possible."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pytest_obsstack.endpoints import Endpoints
from pytest_obsstack.errors import ObsstackError
from pytest_obsstack.providers.embedded import EmbeddedControl
from pytest_obsstack.providers.process import tail
from pytest_obsstack.providers.state import StackState

if TYPE_CHECKING:
    from pytest_obsstack.providers.compose.control import ComposeControl

_LOOPBACK = "127.0.0.1"


class Steering(Protocol):
    """What every stack that this package starts can do with its components."""

    def stop(self, product: str, /) -> None: ...

    def start(self, product: str, /) -> None: ...

    def restart(self, product: str, /) -> None: ...

    def status(self) -> dict[str, Any]: ...

    def close(self) -> None: ...


class Stack:
    """The stack of this run, whoever started it; what the fixture ``obs_stack`` gives."""

    def __init__(
        self, state: StackState, capabilities: frozenset[str], *, start_timeout_s: float = 60.0
    ) -> None:
        self.state = state
        self.capabilities = capabilities
        self._start_timeout_s = start_timeout_s

    @property
    def kind(self) -> str:
        return self.state.kind

    @property
    def endpoints(self) -> Endpoints:
        """Where each product answers; ``None`` for one that the stack has not."""
        return self.state.endpoints

    @property
    def folder(self) -> Path:
        """The run's folder: journals of everything that arrived, logs."""
        return self.state.folder

    @property
    def ours(self) -> bool:
        """Whether this package started it on this machine, so that a run can have it alone."""
        return self.state.control is not None or self.state.compose is not None

    @property
    def callback_bind(self) -> str:
        """The address at which a server of a test listens to be reached by the stack."""
        return _LOOPBACK if self.state.compose is None else self.state.compose.callback_bind

    @property
    def callback_host(self) -> str:
        """What the stack calls that address, in the URL of a webhook for instance."""
        return _LOOPBACK if self.state.compose is None else self.state.compose.callback_host

    def stop(self, product: str) -> None:
        """Stop a component (``sentry``, ``collector``, …): connections are refused.

        In containers any service may be named, ``sentry-worker`` for instance.
        """
        self._steering("stop").stop(product)

    def start(self, product: str) -> None:
        """Start it again, and return when it answers; what it had accepted is there again."""
        self._steering("start").start(product)

    def restart(self, product: str) -> None:
        """Stop it and start it again; returns when it answers, at the address that it had."""
        self._steering("restart").restart(product)

    def pause(self, product: str) -> None:
        """Freeze a container: connections are accepted, and nothing answers until ``unpause``."""
        self._containers("pause").pause(product)

    def unpause(self, product: str) -> None:
        """Let it go on; returns when it answers."""
        self._containers("unpause").unpause(product)

    def recreate(self, product: str) -> None:
        """Start a container anew with the variables as they are now; returns when it answers."""
        self._containers("recreate").recreate(product)

    def fail(
        self,
        product: str,
        *,
        status: int | None = None,
        path: str = ".*",
        method: str | None = None,
        body: str = "",
        headers: Mapping[str, str] | None = None,
        delay_s: float = 0.0,
        times: int | None = None,
    ) -> None:
        """Make requests to ``product`` whose path matches answer ``status``, or only late.

        The fault replaces an earlier one of the product and stays until ``heal``, or for ``times``
        requests.
        """
        rule = {
            "status": status,
            "path": path,
            "method": method,
            "body": body,
            "headers": dict(headers or {}),
            "delay_s": delay_s,
            "times": times,
        }
        self._injection("fail").set_faults(product, [rule])

    def heal(self, product: str) -> None:
        """Take all faults away."""
        self._injection("heal").set_faults(product, [])

    def configure(self, product: str, changes: Mapping[str, Any]) -> None:
        """Change settings of a product, as an edited configuration file and a restart would."""
        self._injection("configure").configure(product, changes)

    def add_alertmanager(self, name: str, address: str) -> None:
        """Let the Prometheus of a stack of containers notify ``host:port`` too, some seconds later.

        Until ``remove_alertmanager`` of the same name.
        """
        path = self._alertmanager_file("add_alertmanager", name)
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps([{"targets": [address]}]), "utf-8")
        partial.chmod(0o644)
        partial.replace(path)

    def remove_alertmanager(self, name: str) -> None:
        self._alertmanager_file("remove_alertmanager", name).unlink(missing_ok=True)

    def _alertmanager_file(self, action: str, name: str) -> Path:
        from pytest_obsstack.providers.compose.project import ALERTMANAGERS

        self._need("compose", action)
        files = self.folder / ALERTMANAGERS
        if not files.is_dir():
            raise ObsstackError(
                "The Prometheus of this stack cannot be told of another Alertmanager.",
                expected=f"the folder {files}, which it reads",
                found="none: an earlier version started this stack",
                advice="remove it (obsstack down) and start it again",
            )
        return files / f"{name}.json"

    def evaluate(self) -> int:
        """Let Prometheus evaluate its rules now, beside their own intervals; how many there are."""
        return self._injection("evaluate").evaluate()

    def scrape(self, job: str | None = None) -> Sequence[Mapping[str, Any]]:
        """Let Prometheus scrape now; job, instance, health and error of each target."""
        return self._injection("scrape").scrape(job)

    def mutate(self, rule: Mapping[str, Any]) -> None:
        """Change what arrives of one trace: the faults of ``--obs-mutate``."""
        self._injection("mutate").mutate(rule)

    def mutation(self, trace_id: str) -> Mapping[str, Any] | None:
        """What the mutation of that trace has met so far."""
        return self._injection("mutation").mutation(trace_id)

    def end_mutation(self, trace_id: str) -> list[str]:
        """End it; what was changed, in a few words each."""
        return self._injection("end_mutation").end_mutation(trace_id)

    @property
    def steerable(self) -> bool:
        """True where requests can be made to fail and a scrape asked for."""
        return self.state.control is not None and "injection" in self.capabilities

    def status(self) -> dict[str, Any]:
        """By component: whether it is ``listening``, and what else it tells of itself."""
        return self._steering("status").status()

    def logs(self, name: str, lines: int = 200) -> list[str]:
        """The last log lines of a component; the embedded products share one log."""
        if self.state.compose is not None:
            return self._containers("logs").logs(name, lines)
        if name in self.state.products and self.state.control is not None:
            return tail(self.folder / "embedded.log", lines)
        raise ObsstackError(
            f"No log of {name!r} can be read.",
            expected="a component of a stack that this machine runs",
            found=f"--obs-stack={self.kind}, components: {', '.join(self.state.products)}",
        )

    def close(self) -> None:
        """Close connections; the stack goes on."""
        if "_embedded_control" in self.__dict__:
            self._embedded_control.close()

    @cached_property
    def _embedded_control(self) -> EmbeddedControl:
        if self.state.control is None:
            raise ObsstackError("This stack has no control interface.")
        return EmbeddedControl(self.state.control)

    @cached_property
    def _compose_control(self) -> ComposeControl:
        from pytest_obsstack.providers.compose.control import ComposeControl

        if self.state.compose is None:
            raise ObsstackError("This stack does not run in containers.")
        return ComposeControl(self.state.compose, self._start_timeout_s)

    def _steering(self, action: str) -> Steering:
        self._need("faults", action)
        if self.state.compose is not None:
            return self._compose_control
        return self._embedded_control

    def _injection(self, action: str) -> EmbeddedControl:
        self._need("injection", action)
        return self._embedded_control

    def _containers(self, action: str) -> ComposeControl:
        self._need("compose", action)
        return self._compose_control

    def _need(self, capability: str, action: str) -> None:
        have = {
            "compose": self.state.compose is not None,
            "injection": self.state.control is not None,
            "faults": self.state.control is not None or self.state.compose is not None,
        }
        if have[capability] and capability in self.capabilities:
            return
        raise ObsstackError(
            f"This stack cannot be steered: {action} was asked.",
            expected=_EXPECTED[capability],
            found=f"--obs-stack={self.kind}, capabilities without `{capability}`",
            advice=f'mark the test with @pytest.mark.obs_requires("{capability}")',
        )


_EXPECTED = {
    "compose": "a stack of containers: --obs-stack=compose",
    "injection": "an embedded stack that this run started, or --obs-allow-writes on a kept one",
    "faults": "a stack that this run started, or --obs-allow-writes on a kept one",
}
