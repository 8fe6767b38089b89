"""An app that runs in a container: how it is looked at, and how it ends."""

from __future__ import annotations

from pathlib import Path

from pytest_obsstack.providers.app import AppProcess
from pytest_obsstack.providers.app_spec import AppSpec
from pytest_obsstack.providers.compose.command import Compose, reason
from pytest_obsstack.providers.compose.failures import container_log
from pytest_obsstack.providers.state import RunningApp

_STOP_GRACE_S = 5


class AppContainer(AppProcess):
    """An app in a container, with its companions."""

    def __init__(
        self, spec: AppSpec, url: str, instance: str, compose: Compose, container: str, folder: Path
    ) -> None:
        super().__init__(spec, url, instance)
        self.compose = compose
        self.container = container
        self._kept_log = folder / f"{container}.log"

    @property
    def started_here(self) -> bool:
        return True

    @property
    def died(self) -> bool:
        status, output = self.compose.engine(
            "inspect", "--format", "{{.State.Status}}", self.container
        )
        return status != 0 or output.strip() in ("exited", "dead")

    @property
    def found(self) -> str:
        status, output = self.compose.engine(
            "inspect", "--format", "{{.State.ExitCode}}", self.container
        )
        return f"exit status {output.strip()}" if status == 0 else reason(output)

    def log_lines(self, lines: int = 200) -> list[str]:
        if self._kept_log.exists():
            return self._kept_log.read_text("utf-8").splitlines()[-lines:]
        return container_log(self.compose, self.container, lines)

    def ask_to_stop(self) -> None:
        """Stopping is one call, which waits: ``stop``."""

    def stop(self) -> None:
        """SIGTERM, so that SDKs flush; logs are kept and the containers removed.

        The app and its companions end at the same time.
        """
        parts = [
            self,
            *(part for part in self.companions.values() if isinstance(part, AppContainer)),
        ]
        names = [part.container for part in parts]
        self.compose.engine("stop", "--time", str(_STOP_GRACE_S), *names)
        for part in parts:
            part.keep_log()
        self.compose.engine("rm", "--force", "--volumes", *names)

    def keep_log(self) -> None:
        """Write what the container has logged into the run's folder."""
        status, output = self.compose.engine("logs", self.container)
        if status == 0:
            self._kept_log.write_text(output, "utf-8")

    def left_running(self) -> RunningApp:
        companions = {name: part.left_running() for name, part in self.companions.items()}
        return RunningApp(
            url=self.url,
            instance=self.instance,
            service=self.spec.service,
            environment=dict(self.environment),
            container=self.container,
            companions=companions,
        )
