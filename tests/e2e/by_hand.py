"""The guide's commands as somebody types them in the folder ``stack``, in a copy of it."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_obsstack import Stack
from pytest_obsstack.providers.ports import free_port
from pytest_obsstack.providers.shipped import stack_folder
from pytest_obsstack.waiting import until

PATIENCE_S = 120.0
PORTS = (
    *("SENTRY_PORT", "APP_PORT", "GRAFANA_PORT", "PROMETHEUS_PORT", "LOKI_PORT", "TEMPO_PORT"),
    *("OTLP_PORT", "COLLECTOR_METRICS_PORT", "COLLECTOR_HEALTH_PORT"),
)


class ByHand:
    """A copy of the folder ``stack`` with variables that keep it off everybody else's project."""

    def __init__(self, stack: Stack, folder: Path) -> None:
        self.folder = folder / "stack"
        shutil.copytree(stack_folder(), self.folder, ignore=shutil.ignore_patterns("*.env"))
        shutil.copy(stack_folder() / ".env", self.folder)
        compose = stack.state.compose
        assert compose is not None
        # Whatever this run lays over the stack's own files: local images, for instance.
        own = str(stack_folder())
        more = [path for path in compose.compose.files if not path.startswith(own)]
        sentry = stack.endpoints.sentry
        assert sentry is not None
        self._words = compose.compose.words
        self.token = secrets.token_hex(32)
        self.ports = dict(zip(PORTS, _free_ports(len(PORTS)), strict=True))
        self.flavour = "lite" if sentry.flavour == "embedded" else sentry.flavour
        self._environment = {
            **os.environ,
            **{name: str(port) for name, port in self.ports.items()},
            "SENTRY_PUBLIC_URL": self.sentry_url,
            "SENTRY_FLAVOUR": self.flavour,
            "COMPOSE_PROJECT_NAME": f"obsstack-by-hand-{secrets.token_hex(4)}",
            "COMPOSE_FILE": ":".join(["docker-compose.yml", *more]),
            "OBSSTACK": str(Path(sys.executable).with_name("obsstack")),
            "OBSSTACK_RUN": "by-hand-test",
            "OBSSTACK_OWNER": f"{os.getpid()}@{socket.gethostname()}",
            "OBSSTACK_KEPT": "false",
        }
        if self.flavour == "lite":
            # The only one that is told its token; others make one for their user.
            self._environment["SENTRY_API_TOKEN"] = self.token

    @property
    def sentry_url(self) -> str:
        return f"http://127.0.0.1:{self.ports['SENTRY_PORT']}"

    @property
    def app_url(self) -> str:
        return f"http://127.0.0.1:{self.ports['APP_PORT']}"

    @property
    def dsn_env(self) -> str:
        """What ``sentry-init.sh`` has written for app and collector."""
        return (self.folder / "dsn.env").read_text("utf-8")

    def compose(self, *arguments: str) -> str:
        """``docker compose ARGUMENTS``; fails where it does."""
        return self.run(*self._words, *arguments)

    def run(self, *command: str) -> str:
        """All that a command prints; fails where it does."""
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}"
        return done.stdout

    def init(self) -> str:
        return self.run("./sentry-init.sh")

    def project_token(self) -> tuple[str, str, str]:
        """Organisation, project and a token to ask the tracker with."""
        printed = self.run(
            self._environment["OBSSTACK"],
            *("sentry-setup", "--json", "--url", self.sentry_url, "--flavour", self.flavour),
            *self._login(),
        )
        found = json.loads(printed)
        return found["organization"], found["project"], found["token"]

    def _login(self) -> list[str]:
        admin = self.folder / "sentry-admin.env"
        if not admin.exists():
            return ["--token", self.token]
        values = dict(line.partition("=")[::2] for line in admin.read_text().splitlines())
        self._environment["SENTRY_ADMIN_PASSWORD"] = values["SENTRY_ADMIN_PASSWORD"]
        return ["--email", values["SENTRY_ADMIN_EMAIL"]]

    def containers(self) -> dict[str, Mapping[str, Any]]:
        """By service, what ``compose ps`` tells; ended ones too."""
        lines = self.compose("ps", "--all", "--format", "json").splitlines()
        found = [json.loads(line) for line in lines if line.startswith("{")]
        return {container["Service"]: container for container in found}

    def started_at(self) -> dict[str, str]:
        """By service, when its container was started last."""
        names = {name: each["Name"] for name, each in self.containers().items()}
        template = "{{.State.StartedAt}}"
        return {
            service: self.run("docker", "inspect", "--format", template, name).strip()
            for service, name in names.items()
        }

    def wait_healthy(self, *services: str) -> dict[str, str]:
        """The health by service, once each is healthy, or runs where it has no health check."""
        found: dict[str, str] = {}

        def poll() -> bool | None:
            found.clear()
            for name, container in self.containers().items():
                found[name] = container["Health"] or container["State"]
            wanted = services or tuple(found)
            good = all(found.get(name) in ("healthy", "running") for name in wanted)
            return True if good else None

        assert until(poll, timeout_s=PATIENCE_S).value, found
        return found

    def down(self) -> None:
        self.compose("down", "--volumes", "--timeout", "3")


def _free_ports(count: int) -> list[int]:
    ports: list[int] = []
    while len(ports) < count:
        port = free_port()
        if port not in ports:
            ports.append(port)
    return ports
