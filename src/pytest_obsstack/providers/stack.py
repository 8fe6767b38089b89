"""A running stack as tests see it: endpoints, capabilities, and faults where they are possible."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from pytest_obsstack.endpoints import Endpoints
from pytest_obsstack.errors import ObsstackError
from pytest_obsstack.providers.embedded import EmbeddedControl
from pytest_obsstack.providers.process import tail
from pytest_obsstack.providers.state import StackState


class Stack:
    """The stack of this run, whoever started it; what the fixture ``obs_stack`` gives."""

    def __init__(self, state: StackState, capabilities: frozenset[str]) -> None:
        self.state = state
        self.capabilities = capabilities

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

    def stop(self, product: str) -> None:
        """Stop ``sentry``, ``collector``, ``prometheus`` or ``loki``: connections are refused."""
        self._control("stop").stop(product)

    def start(self, product: str) -> None:
        """Start it again; what it had accepted is there again."""
        self._control("start").start(product)

    def restart(self, product: str) -> None:
        self.stop(product)
        self.start(product)

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
        self._control("fail").set_faults(product, [rule])

    def heal(self, product: str) -> None:
        """Take all faults away."""
        self._control("heal").set_faults(product, [])

    def configure(self, product: str, changes: Mapping[str, Any]) -> None:
        """Change settings of a product, as an edited configuration file and a restart would."""
        self._control("configure").configure(product, changes)

    def scrape(self, job: str | None = None) -> Sequence[Mapping[str, Any]]:
        """Let Prometheus scrape now; job, instance, health and error of each target."""
        return self._control("scrape").scrape(job)

    @property
    def steerable(self) -> bool:
        """True where listeners can be stopped and a scrape asked for."""
        return self.state.control is not None and "faults" in self.capabilities

    def status(self) -> dict[str, Any]:
        """Counts and settings of each product as it reports them."""
        return self._control("status").status()

    def logs(self, name: str, lines: int = 200) -> list[str]:
        """The last log lines of a component; the embedded products share one log."""
        if name in self.state.products and self.state.control is not None:
            return tail(self.folder / "embedded.log", lines)
        raise ObsstackError(
            f"No log of {name!r} can be read.",
            expected="a component of an embedded stack",
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

    def _control(self, action: str) -> EmbeddedControl:
        if not self.steerable:
            raise ObsstackError(
                f"This stack cannot be steered: {action} was asked.",
                expected="a stack that this run started, or --obs-allow-writes on a kept one",
                found=f"--obs-stack={self.kind}, capabilities without `faults`",
                advice='mark the test with @pytest.mark.obs_requires("faults")',
            )
        return self._embedded_control
