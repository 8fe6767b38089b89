"""Starting the app under test in containers: the service of the compose files, and copies of it.

A container is told where to report by the same variables as a process is, with the addresses of the
stack's own network in the place of this machine's ports.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pytest_obsstack.endpoints import Endpoints
from pytest_obsstack.errors import StackUnavailable
from pytest_obsstack.providers.app import told_variables, wait_ready
from pytest_obsstack.providers.app_spec import AppSpec
from pytest_obsstack.providers.compose.app_container import AppContainer
from pytest_obsstack.providers.compose.command import Compose, ComposeFailed
from pytest_obsstack.providers.compose.failures import start_failure
from pytest_obsstack.providers.compose.launch import PORT_CHOICES, PortsTaken, start
from pytest_obsstack.providers.compose.network import Network
from pytest_obsstack.providers.compose.project import LABEL, write_variables
from pytest_obsstack.providers.ports import free_port
from pytest_obsstack.providers.state import write_private

_LABELS = {f"{LABEL}.{name}": f"${{OBSSTACK_{name.upper()}}}" for name in ("run", "owner", "kept")}
"""The stack's own services have them; somebody else's do not."""
_METRIC_INTERVAL_MS = "250"
"""Above the scrape interval of the stack's Prometheus: an exemplar is part of one export alone, and
the next one would take it away before it is scraped."""
PUBLISHED = ("app",)
"""Services whose port the stack's own files publish."""
_OWN_COMPANIONS: Mapping[str, tuple[str, ...]] = {"app": ("APP_INVENTORY_URL",)}
"""Variables by which the stack's own files tell an app of a service that it calls."""


@dataclass(frozen=True)
class _Wanted:
    """A container of an app that is to be."""

    spec: AppSpec
    port: int
    """On this machine."""
    host: str
    """Its name in the stack's network."""
    environment: Mapping[str, str]

    @property
    def inner_url(self) -> str:
        return f"http://{self.host}:{self.spec.compose_port}"


class AppContainers:
    """Starts the app's containers of one run."""

    def __init__(
        self,
        compose: Compose,
        network: Network,
        folder: Path,
        *,
        timeout_s: float,
        probe: Callable[[str], str | None],
    ) -> None:
        self._compose = compose
        self._network = network
        self._folder = folder
        self._timeout_s = timeout_s
        self._probe = probe

    def start_main(
        self, spec: AppSpec, endpoints: Endpoints, *, name: str, port: int, fixed_port: bool = False
    ) -> AppContainer:
        """``up`` the app's service and its companions'; returns when all answer.

        ``name`` becomes part of the service instance id. Where somebody has taken the ports
        meanwhile, others are chosen, but for a ``fixed_port``. Raises ``StackUnavailable``.
        """
        wanted = port
        for attempt in range(PORT_CHOICES):
            try:
                return self._up(spec, endpoints, name, wanted, planned=wanted == port)
            except PortsTaken as taken:
                if fixed_port or attempt == PORT_CHOICES - 1:
                    raise start_failure(self._compose, str(taken)) from None
                wanted = free_port()
        raise AssertionError("unreachable")

    def _up(
        self, spec: AppSpec, endpoints: Endpoints, name: str, port: int, *, planned: bool
    ) -> AppContainer:
        companions = {
            variable: _Wanted(part, free_port(), _service(part), self._told(part, endpoints, name))
            for variable, part in spec.companions.items()
        }
        urls = {variable: wanted.inner_url for variable, wanted in companions.items()}
        told = self._told(spec, endpoints, name, urls)
        main = _Wanted(spec, port, _service(spec), told)
        services = {each.host: self._override(each) for each in (main, *companions.values())}
        path = self._folder / "docker-compose.app.json"
        write_private(path, json.dumps({"services": services}, indent=1))
        compose = self._compose.with_file(path)
        if not planned:
            write_variables(self._folder / "app.env", {"APP_PORT": str(port)})
            compose = compose.with_variables(self._folder / "app.env")
        start(compose, list(services), self._timeout_s)
        names = {container["Service"]: container["Name"] for container in compose.containers()}

        def described(wanted: _Wanted) -> AppContainer:
            return self._container(wanted, name, names[wanted.host], compose)

        return self._ready(described(main), {k: described(v) for k, v in companions.items()})

    def start_copy(
        self, spec: AppSpec, endpoints: Endpoints, *, name: str, port: int | None
    ) -> AppContainer:
        """One more container of the app's service, with other variables and a port of its own.

        The services that it calls are copied as well. Raises ``StackUnavailable``; nothing is left
        then.
        """
        started: list[AppContainer] = []
        try:
            companions = {
                variable: self._run(part, endpoints, name, None, {}, started)
                for variable, part in spec.companions.items()
            }
            urls = dict.fromkeys(_OWN_COMPANIONS.get(_service(spec), ()), "")
            urls |= {variable: app.inner_url for variable, app in companions.items()}
            app = self._run(spec, endpoints, name, port, urls, started)
            return self._ready(app, companions)
        except BaseException:
            for each in reversed(started):
                each.stop()
            raise

    def _run(
        self,
        spec: AppSpec,
        endpoints: Endpoints,
        name: str,
        port: int | None,
        urls: Mapping[str, str],
        started: list[AppContainer],
    ) -> AppContainer:
        container = f"{self._compose.project}-{spec.service}-{name}"
        told = self._told(spec, endpoints, name, urls)
        wanted = _Wanted(spec, free_port() if port is None else port, container, told)
        path = self._folder / f"docker-compose.{spec.service}-{name}.json"
        service = {"environment": _literal(told), "labels": _LABELS}
        override = {"services": {_service(spec): service}}
        write_private(path, json.dumps(override, indent=1))
        compose = self._compose.with_file(path)
        app = self._container(wanted, name, container, compose)
        started.append(app)
        try:
            compose.run(
                *("run", "--detach", "--no-deps", "--name", container),
                *("--publish", f"127.0.0.1:{wanted.port}:{spec.compose_port}"),
                _service(spec),
            )
        except ComposeFailed as failed:
            raise StackUnavailable(
                f"The container of a copy of the app {spec.service} did not start.",
                expected=f"`compose run {_service(spec)}` succeeds",
                found=failed.last_lines[-1] if failed.last_lines else "no output",
                log_lines=failed.last_lines,
            ) from None
        return app

    def _ready(self, app: AppContainer, companions: Mapping[str, AppContainer]) -> AppContainer:
        app.companions.update(companions)
        for each in (*companions.values(), app):
            wait_ready(each, self._probe)
        return app

    def _container(
        self, wanted: _Wanted, name: str, container: str, compose: Compose
    ) -> AppContainer:
        spec = replace(
            wanted.spec, ready_timeout_s=max(wanted.spec.ready_timeout_s, self._timeout_s)
        )
        app = AppContainer(
            spec,
            f"http://127.0.0.1:{wanted.port}",
            f"{spec.service}-{name}",
            compose,
            container,
            self._folder,
        )
        app.inner_url = wanted.inner_url
        app.environment = dict(wanted.environment)
        return app

    def _told(
        self,
        spec: AppSpec,
        endpoints: Endpoints,
        name: str,
        urls: Mapping[str, str] = MappingProxyType({}),
    ) -> dict[str, str]:
        """The variables of a container; ``urls`` are those of the services that it calls."""
        direct = self._network.without_proxy(urls.values())
        instance = f"{spec.service}-{name}"
        told = {
            "HOST": "0.0.0.0",  # noqa: S104 - inside its container; outside it is 127.0.0.1 alone
            # Whatever a dsn.env beside the compose files says: this run's project, or none.
            "SENTRY_DSN": "",
            **told_variables(spec, endpoints, instance=instance, port=spec.compose_port),
            "OTEL_METRIC_EXPORT_INTERVAL": _METRIC_INTERVAL_MS,
            # Docker gives containers the proxies of its own configuration.
            "NO_PROXY": direct,
            "no_proxy": direct,
            **urls,
            **spec.env,
        }
        return {name: self._network.inside(value) for name, value in told.items()}

    def _override(self, wanted: _Wanted) -> dict[str, Any]:
        """What a service is told, and what one of somebody else's file lacks."""
        override: dict[str, Any] = {
            "environment": _literal(wanted.environment),
            "labels": _LABELS,
        }
        if wanted.host not in PUBLISHED:
            override["ports"] = [f"127.0.0.1:{wanted.port}:{wanted.spec.compose_port}"]
        return override


def _literal(values: Mapping[str, str]) -> dict[str, str]:
    """Values in which Compose finds no variable to replace."""
    return {name: value.replace("$", "$$") for name, value in values.items()}


def _service(spec: AppSpec) -> str:
    if spec.compose_service is None:
        raise StackUnavailable(
            f"The service {spec.service} cannot run in a container.",
            expected="an AppSpec with the name of its compose_service",
            found="none",
            advice="name it in the fixture obs_app_spec, for the app's companions, too",
        )
    return spec.compose_service
