"""The app under test as a process of its own: what it is told, when it is ready, how it ends."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from pytest_obsstack.endpoints import Endpoints
from pytest_obsstack.errors import StackUnavailable
from pytest_obsstack.providers.app_spec import AppSpec
from pytest_obsstack.providers.ports import free_port
from pytest_obsstack.providers.process import ManagedProcess, tail
from pytest_obsstack.providers.state import RunningApp
from pytest_obsstack.waiting import until

# Short delays, so that a test waits milliseconds where production waits seconds.
_SHORT_DELAYS = {
    "OTEL_BSP_SCHEDULE_DELAY": "20",
    "OTEL_BLRP_SCHEDULE_DELAY": "20",
    "OTEL_METRIC_EXPORT_INTERVAL": "100",
    "OTEL_METRIC_EXPORT_TIMEOUT": "3000",
}
LOOPBACK = "127.0.0.1,localhost,::1"
REQUEST_ID_HEADER = "X-Request-Id"
"""Sent with requests whose sampling the app decides, and told to OpenTelemetry's instrumentations:
they put it on the span of the request, which has a trace of its own then."""


class AppProcess:
    """A running app with its companions."""

    def __init__(self, spec: AppSpec, url: str, instance: str) -> None:
        self.spec = spec
        self.url = url
        self.inner_url = url
        """Its address as the other parts of the stack call it."""
        self.instance = instance
        self.environment: dict[str, str] = {}
        self.reaches: Endpoints | None = None
        """The stack as the app reaches it; ``None`` where somebody else has told the app."""
        self.process: ManagedProcess | None = None
        self.companions: dict[str, AppProcess] = {}
        self.attached_log: Path | None = None
        self.read_log: Callable[[int], list[str]] | None = None
        """Reads the log of an app that somebody else started, where that is no file."""
        self.ready_s: float | None = None
        """Unix seconds when it first answered this run; ``None`` where the run did not start it."""

    @property
    def log_path(self) -> Path | None:
        """``None`` for an app whose output somebody else has."""
        return self.attached_log if self.process is None else self.process.log_path

    def log_lines(self, lines: int = 200) -> list[str]:
        """The last lines that the app wrote to stdout and stderr."""
        if self.read_log is not None:
            return self.read_log(lines)
        return [] if self.log_path is None else tail(self.log_path, lines)

    @property
    def started_here(self) -> bool:
        """Whether this run started it, so that nobody else uses it."""
        return self.process is not None

    @property
    def found(self) -> str:
        """How it ended, for a message; of one that has ``died``."""
        return f"exit status {self.process.returncode}" if self.process is not None else "it ended"

    @property
    def died(self) -> bool:
        return self.process is not None and self.process.returncode is not None

    def ask_to_stop(self) -> None:
        """SIGTERM to the app, then to its companions; returns at once."""
        if self.process is not None:
            self.process.ask_to_stop()
        for companion in self.companions.values():
            companion.ask_to_stop()

    def stop(self) -> None:
        """SIGTERM, so that SDKs flush; returns when all processes are gone."""
        self.ask_to_stop()
        if self.process is not None:
            self.process.stop()
        for companion in self.companions.values():
            companion.stop()

    def left_running(self) -> RunningApp:
        """Leave the app to later runs: what they need to know of it, to use and to end it."""
        companions = {name: part.left_running() for name, part in self.companions.items()}
        processes = [] if self.process is None else [self.process.detach()]
        for companion in companions.values():
            processes += companion.processes
        return RunningApp(
            url=self.url,
            instance=self.instance,
            service=self.spec.service,
            processes=tuple(processes),
            environment=dict(self.environment),
            log=None if self.log_path is None else str(self.log_path),
            companions=companions,
        )


def app_environment(
    spec: AppSpec, endpoints: Endpoints, *, instance: str, port: int
) -> dict[str, str]:
    """The variables of an app's process: what it is told, over the caller's own environment."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        # Neither the developer's own DSN nor coverage or pytest settings may reach the app.
        if not name.startswith(("SENTRY_", "OTEL_", "PYTEST_", "OBS_"))
    }
    told = told_variables(spec, endpoints, instance=instance, port=port)
    own_host = {
        "PYTHONUNBUFFERED": "1",
        "NO_PROXY": _joined(inherited.get("NO_PROXY"), LOOPBACK),
        "no_proxy": _joined(inherited.get("no_proxy"), LOOPBACK),
    }
    return {**inherited, **own_host, **told, **spec.env}


def told_variables(
    spec: AppSpec, endpoints: Endpoints, *, instance: str, port: int
) -> dict[str, str]:
    """The standard variables by which an app is told where to listen and where to report."""
    told = {
        "PORT": str(port),
        "OTEL_SERVICE_NAME": spec.service,
        "OTEL_RESOURCE_ATTRIBUTES": f"service.instance.id={instance},"
        f"deployment.environment.name={spec.environment}",
        "SENTRY_ENVIRONMENT": spec.environment,
        **_SHORT_DELAYS,
        "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST": REQUEST_ID_HEADER,
    }
    if spec.release is not None:
        told["SENTRY_RELEASE"] = spec.release
    if endpoints.sentry is not None and endpoints.sentry.dsn is not None:
        told["SENTRY_DSN"] = endpoints.sentry.dsn
    if endpoints.collector is not None:
        told["OTEL_EXPORTER_OTLP_ENDPOINT"] = endpoints.collector.otlp_url
        told["OTEL_EXPORTER_OTLP_PROTOCOL"] = "http/protobuf"
    return told


def start_app(
    spec: AppSpec,
    endpoints: Endpoints,
    *,
    folder: Path,
    name: str,
    owner_pid: int | None,
    probe: Callable[[str], str | None],
    port: int | None = None,
) -> AppProcess:
    """Start the app and its companions at the same time, and return when all are ready.

    ``name`` becomes the service instance id and the log file's name in ``folder``. ``probe`` asks a
    URL and returns what is wrong, or ``None`` when it answers 2xx. Raises ``StackUnavailable`` with
    the app's last log lines; nothing is left running then.
    """
    started: list[AppProcess] = []
    try:
        companions = {
            variable: _launch(companion, endpoints, folder, name, owner_pid, {}, None, started)
            for variable, companion in spec.companions.items()
        }
        urls = {variable: companion.url for variable, companion in companions.items()}
        app = _launch(spec, endpoints, folder, name, owner_pid, urls, port, started)
        app.companions = companions
        for part in started:
            wait_ready(part, probe)
    except BaseException:
        for part in reversed(started):
            part.stop()
        raise
    return app


def _launch(
    spec: AppSpec,
    endpoints: Endpoints,
    folder: Path,
    name: str,
    owner_pid: int | None,
    urls: Mapping[str, str],
    port: int | None,
    started: list[AppProcess],
) -> AppProcess:
    _check(spec)
    instance = f"{spec.service}-{name}"
    if spec.url is not None:
        app = AppProcess(spec, spec.url.rstrip("/"), instance)
        started.append(app)
        return app
    chosen = free_port() if port is None else port
    app = AppProcess(spec, f"http://127.0.0.1:{chosen}", instance)
    app.environment = {
        **app_environment(spec, endpoints, instance=instance, port=chosen),
        **urls,
    }
    app.process = ManagedProcess.start(
        spec.command,
        env=app.environment,
        cwd=spec.cwd,
        log_path=folder / f"{instance}.log",
        owner_pid=owner_pid,
    )
    started.append(app)
    return app


def _check(spec: AppSpec) -> None:
    expected = found = None
    if not spec.command and spec.url is None:
        expected, found = "an AppSpec with a command or a url", "neither"
    elif spec.cwd is not None and not spec.cwd.is_dir():
        expected, found = "its cwd is a folder", f"{spec.cwd} is none"
    elif not spec.ready_path.startswith("/"):
        expected, found = "its ready_path begins with a slash", repr(spec.ready_path)
    if expected is not None:
        raise StackUnavailable(
            f"The app {spec.service} cannot be started.",
            expected=expected,
            found=found,
            advice="correct the fixture obs_app_spec",
        )


def wait_ready(app: AppProcess, probe: Callable[[str], str | None]) -> None:
    """Return when the app answers; raises ``StackUnavailable`` with its last log lines."""
    url = app.url + app.spec.ready_path
    wrong = "it was not asked"

    def poll() -> str | None:
        nonlocal wrong
        problem = probe(url)
        if problem is None:
            return "ready"
        wrong = problem
        return "died" if app.died else None

    began = time.monotonic()
    outcome = until(poll, timeout_s=app.spec.ready_timeout_s).value
    if outcome == "ready":
        app.ready_s = time.time() if app.started_here else None
        return
    if app.died:
        summary = f"The app {app.spec.service} ended while it was starting."
        found = f"{app.found} after {time.monotonic() - began:.1f} s"
    else:
        summary = f"The app {app.spec.service} did not become ready."
        found = f"{wrong} for {app.spec.ready_timeout_s:g} s"
    advice = "start the app, or correct the url and the ready_path of obs_app_spec"
    if app.process is not None:
        command = " ".join(app.spec.command)
        advice = f"check the command and the ready_path of obs_app_spec: {command}"
    elif app.started_here:
        advice = (
            f"check the service {app.spec.compose_service} of the compose files, and compose_port "
            "and ready_path of obs_app_spec"
        )
    raise StackUnavailable(
        summary,
        expected=f"GET {url} answers 2xx",
        found=found,
        advice=advice,
        log_lines=app.log_lines(20),
    )


def _joined(first: str | None, second: str) -> str:
    return f"{first},{second}" if first else second
