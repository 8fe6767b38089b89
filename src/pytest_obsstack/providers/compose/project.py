"""What a run's Compose project is made of: names, ports, credentials, files, profiles.

Decided before anything starts, from the options alone, and written into the run's folder; so every
address is known in advance, stays the same when a container is restarted, and can be read again by
whoever ends the stack.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from pytest_obsstack.errors import StackUnavailable
from pytest_obsstack.options import Options
from pytest_obsstack.options.kinds import GUIDE_PORTS, is_url
from pytest_obsstack.providers.compose.command import Compose
from pytest_obsstack.providers.compose.engine import Engine
from pytest_obsstack.providers.ports import free_port, port_is_free, require_free_port
from pytest_obsstack.providers.shipped import stack_folder
from pytest_obsstack.providers.state import write_private

PROJECT_PREFIX = "obsstack-"
LABEL = "io.pytest-obsstack"
"""Prefix of the labels ``run``, ``owner``, ``kept`` and, of images, ``stands-in-for``, ``version``,
``flavour``."""
ADMIN_EMAIL = "admin@example.com"
DEFAULT_TRACKER = "glitchtip"
IMAGE_NAMES = "docker-compose.images.json"
"""In the run's folder: names for images that are built and have none."""
_MOST_CPUS = 2
DSN_FILE = "dsn.env"
"""What the collector is told of the tracker's project, in the stack's folder."""
ALERTMANAGERS = "alertmanagers"
"""The folder in the run's, whose files tell Prometheus whom to notify of alerts."""


@dataclass(frozen=True)
class Part:
    """One component: its service, and where that listens in the stack's own network."""

    service: str
    port: int
    variable: str
    """Of the port on this machine, which the compose file reads."""
    profiles: tuple[str, ...]
    ready_path: str
    extra_ports: Mapping[str, int] = field(default_factory=dict)
    """Further published ports, by variable."""

    @property
    def address(self) -> str:
        """``sentry:9000``: as other containers reach it."""
        return f"{self.service}:{self.port}"


PARTS: Mapping[str, Part] = MappingProxyType(
    {
        "sentry": Part("sentry", 9000, "SENTRY_PORT", ("errors",), "/_health/"),
        "collector": Part(
            "otel-collector",
            4318,
            "OTLP_PORT",
            (),
            "/",
            {"COLLECTOR_METRICS_PORT": 8888, "COLLECTOR_HEALTH_PORT": 13133},
        ),
        "prometheus": Part("prometheus", 9090, "PROMETHEUS_PORT", ("metrics",), "/-/ready"),
        "loki": Part("loki", 3100, "LOKI_PORT", ("logs",), "/ready"),
        "tempo": Part("tempo", 3200, "TEMPO_PORT", ("traces",), "/ready"),
        "grafana": Part("grafana", 3000, "GRAFANA_PORT", ("dashboards",), "/api/health"),
    }
)
READY_PATHS: Mapping[str, str] = MappingProxyType({"bugsink": "/health/ready"})
"""Of the trackers whose path is not Sentry's."""
WORKER_SERVICES = ("postgres", "redis", "sentry-worker", "sentry-cron")
"""What GlitchTip needs beside its web server (profile ``database``)."""


@dataclass(frozen=True)
class Project:
    """A stack of containers as it is going to be."""

    compose: Compose
    tracker: str | None
    """``glitchtip``, ``bugsink`` or ``lite``; ``None`` for one at a URL."""
    ports: Mapping[str, int]
    """Ports of 127.0.0.1, by the variable that the compose file reads."""
    wishes_met: Mapping[str, bool]
    """False for a component of a kept stack that could not have the guide's port."""
    components: tuple[str, ...]
    """What runs in containers, the app apart."""
    admin_password: str = field(repr=False)
    api_token: str = field(repr=False)
    grafana_password: str = field(repr=False)
    variables: Mapping[str, str] = field(repr=False)

    def url(self, component: str, *, variable: str | None = None) -> str:
        """``http://127.0.0.1:PORT`` of a component."""
        return f"http://127.0.0.1:{self.ports[variable or PARTS[component].variable]}"

    def services(self) -> tuple[str, ...]:
        """What ``up`` starts before the tracker is set up: all but the collector and the app."""
        own = [PARTS[name].service for name in self.components if name != "collector"]
        return (*own, *(WORKER_SERVICES if self.tracker == "glitchtip" else ()))

    def ready_url(self, component: str) -> str:
        part = PARTS[component]
        if component == "collector":
            return self.url(component, variable="COLLECTOR_HEALTH_PORT") + part.ready_path
        path = part.ready_path
        if component == "sentry" and self.tracker is not None:
            path = READY_PATHS.get(self.tracker, path)
        return self.url(component) + path

    def write(self) -> None:
        """Write the variables into a file that only its owner reads, and what else is to be there.

        A file of image names has to be there before any is known.
        """
        write_private(Path(self.compose.folder) / IMAGE_NAMES, json.dumps({"services": {}}))
        write_variables(Path(self.compose.env_files[0]), self.variables)
        # Read by the Prometheus in its container, which is another user.
        alertmanagers = Path(self.compose.folder) / ALERTMANAGERS
        alertmanagers.mkdir(exist_ok=True)
        alertmanagers.chmod(0o755)


def plan(
    options: Options,
    engine: Engine,
    folder: Path,
    *,
    run_id: str,
    owner_pid: int,
    kept: bool,
    files: Sequence[Path],
    environ: Mapping[str, str] | None = None,
) -> Project:
    """The project of a run; ``files`` are laid over the stack's own compose files.

    Relative paths in them count from the folder of the first, as Compose does it with several
    files, and not from the stack's.
    A kept stack prefers the guide's ports and takes the admin's password from
    ``SENTRY_ADMIN_PASSWORD`` where it is given; all else is random. Raises ``StackUnavailable``
    where a port of ``--obs-port`` is taken or a file is missing.
    """
    surroundings = os.environ if environ is None else environ
    stack = stack_folder()
    choice = options.use.get("sentry", DEFAULT_TRACKER)
    tracker = None if is_url(choice) else choice
    components = tuple(name for name in PARTS if not is_url(options.use.get(name, "")))
    own = [stack / "docker-compose.yml"]
    lock = stack / "docker-compose.lock.yml"
    if lock.exists():
        # Before the tracker's own file, whose image it would take the place of.
        own.append(lock)
    if tracker not in (None, DEFAULT_TRACKER):
        own.append(stack / f"docker-compose.{tracker}.yml")
    profiles = {profile for name in components for profile in PARTS[name].profiles}
    if tracker == "glitchtip":
        profiles.add("database")
    others = _existing(files)
    compose = Compose(
        words=engine.words,
        client=engine.client,
        project=PROJECT_PREFIX + run_id,
        files=tuple(map(str, (*own, *others, folder / IMAGE_NAMES))),
        env_files=(str(folder / "compose.env"),),
        profiles=tuple(sorted(profiles)),
        folder=str(folder),
        directory=str(others[0].parent if others else stack),
    )
    ports, wishes_met = _ports(options, components, prefer_guide_ports=kept)
    # The owner's password is for a person, who may choose it; what machines use is random.
    given = surroundings.get("SENTRY_ADMIN_PASSWORD") if kept else None
    admin_password = given or secrets.token_urlsafe(12)
    api_token = secrets.token_hex(32)
    grafana_password = secrets.token_urlsafe(12)
    sentry_url = f"http://127.0.0.1:{ports['SENTRY_PORT']}" if "SENTRY_PORT" in ports else ""
    variables = {
        **{name: str(port) for name, port in ports.items()},
        "SENTRY_PUBLIC_URL": sentry_url,
        "SENTRY_ADMIN_EMAIL": surroundings.get("SENTRY_ADMIN_EMAIL", ADMIN_EMAIL)
        if kept
        else ADMIN_EMAIL,
        "SENTRY_ADMIN_PASSWORD": admin_password,
        "SENTRY_API_TOKEN": api_token,
        "SENTRY_SECRET_KEY": secrets.token_hex(32),
        "POSTGRES_PASSWORD": secrets.token_hex(16),
        "GRAFANA_ADMIN_PASSWORD": grafana_password,
        "OBSSTACK_FOLDER": str(stack),
        "OBSSTACK_ALERTMANAGERS": str(folder / ALERTMANAGERS),
        "OBSSTACK_DSN_ENV": str(folder / DSN_FILE),
        # A tracker that takes no spans over OTLP would only make the app's exports fail.
        "COLLECTOR_TRACES_CONFIG": "config.yaml"
        if tracker in (None, "lite")
        else "traces-to-tempo-alone.yaml",
        # The engine refuses more than there are.
        "OBSSTACK_CPUS": str(min(_MOST_CPUS, os.cpu_count() or 1)),
        "OBSSTACK_RUN": run_id,
        "OBSSTACK_OWNER": f"{owner_pid}@{socket.gethostname()}",
        "OBSSTACK_KEPT": "true" if kept else "false",
    }
    return Project(
        compose=compose,
        tracker=tracker,
        ports=ports,
        wishes_met=wishes_met,
        components=components,
        admin_password=admin_password,
        api_token=api_token,
        grafana_password=grafana_password,
        variables=variables,
    )


def write_variables(path: Path, variables: Mapping[str, str]) -> None:
    """Write a file that Compose reads variables from; only its owner can read it."""
    lines = [f'{name}="{_quoted(value)}"\n' for name, value in variables.items()]
    write_private(path, "".join(lines))


def _quoted(value: str) -> str:
    """The value as it stands between double quotes: a password may have any character."""
    for character in ("\\", '"', "$"):
        value = value.replace(character, f"\\{character}")
    return value.replace("\n", "\\n")


def _existing(files: Iterable[Path]) -> list[Path]:
    found = []
    for path in files:
        if not path.is_file():
            raise StackUnavailable(
                "A compose file is missing.",
                expected=f"{path} is a file",
                found="there is none",
                advice="correct --obs-compose-file or the fixture obs_compose_files",
            )
        found.append(path.resolve())
    return found


def _ports(
    options: Options, components: Sequence[str], *, prefer_guide_ports: bool
) -> tuple[dict[str, int], dict[str, bool]]:
    """A free port for everything that is published, and which wishes could be met.

    All are chosen together, so that no two are the same.
    """
    ports: dict[str, int] = {}
    met: dict[str, bool] = {}
    for component in (*components, "app"):
        if component == "app":
            variable, extra = "APP_PORT", {}
        else:
            variable, extra = PARTS[component].variable, dict(PARTS[component].extra_ports)
        required = options.port.get(component)
        if required is not None:
            require_free_port(component, required, what=f"The container of {component}")
            ports[variable] = required
        elif prefer_guide_ports:
            met[component] = port_is_free(GUIDE_PORTS[component])
            ports[variable] = GUIDE_PORTS[component] if met[component] else _another(ports)
        else:
            ports[variable] = _another(ports)
        for name in extra:
            ports[name] = _another(ports)
    return ports, met


def _another(taken: Mapping[str, int]) -> int:
    while True:
        port = free_port()
        if port not in taken.values():
            return port
