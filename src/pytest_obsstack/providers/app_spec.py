"""What an app is and how it is run, as the fixture ``obs_app_spec`` gives it; the sample app's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import util
from pathlib import Path

from pytest_obsstack.errors import StackUnavailable
from pytest_obsstack.providers.shipped import stack_folder

SIGNALS = frozenset({"errors", "spans", "logs", "metrics"})
"""What an app reports, unless its spec says otherwise."""
SENTRY_LOGS = "sentry_logs"
"""A signal that few apps have: the structured logs of Sentry's SDK (``enable_logs``)."""


@dataclass(frozen=True)
class AppSpec:
    """An app and how to run it; override the fixture ``obs_app_spec`` to return yours.

    Give ``command`` for a process that this run starts, ``compose_service`` for a container, or
    ``url`` for an app that runs already.
    The app is told where to report by the standard variables alone (``SENTRY_DSN``,
    ``OTEL_EXPORTER_OTLP_ENDPOINT``, ``PORT``, …), so any language works.
    """

    command: Sequence[str] = ()
    """Program and arguments; the app listens on 127.0.0.1 at the port of its variable ``PORT``."""
    url: str | None = None
    compose_service: str | None = None
    """With ``--obs-stack=compose``: the service of the compose files that is this app. Without one,
    ``command`` runs as a process beside the containers."""
    compose_port: int = 5000
    """The port at which that service listens in its container; it is told as ``PORT``."""
    cwd: Path | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    """Variables beside the standard ones; they win over them."""
    service: str = "simple-app"
    """``OTEL_SERVICE_NAME``."""
    signals: frozenset[str] = SIGNALS
    """What the app reports: of ``errors`` (over Sentry's SDK), ``spans``, ``logs`` and ``metrics``
    (over OpenTelemetry), and ``sentry_logs``, the structured logs of Sentry's SDK. Only these are
    waited for, by ``expect_nowhere`` for instance."""
    environment: str = "production"
    release: str | None = "simple-app@1.0.0"
    ready_path: str = "/health"
    """Answers 2xx once the app serves."""
    ready_timeout_s: float = 30.0
    last_log_line: str | None = None
    """Regular expression of the line that the app logs last in each request, if it has one.

    It is the fence of the logs: once it has arrived, so has all that the request logged before.
    """
    log_delay_s: float | None = None
    """For an app without such a line: how long after a response its log records are exported.

    By default the delay that it was told (``OTEL_BLRP_SCHEDULE_DELAY``) and a margin; five seconds,
    the longest default of any SDK, for an app that somebody else has told.
    """
    background_threads: bool = False
    """Whether it reports anything after a response, from threads or tasks of its own.

    No request proves when these have ended, so absence can be asserted only after
    ``obs.expect_background_end(…)``.
    """
    ends_after_body: bool = False
    """Whether transactions and spans of streamed responses end after the body, as ASGI apps' do.

    A WSGI app's end before it, so that what the making of the body reports may come later.
    """
    sentry_queue_size: int = 100
    """How many envelopes its Sentry SDK lets wait (``transport_queue_size``); more are dropped.

    Absence is asserted only where fewer than half of that can have been waiting.
    """
    sentry_log_delay_s: float = 6.5
    """How long after a response the structured logs of Sentry's SDK are sent at the latest.

    They have no fence. The Python SDK waits for five to six seconds between two batches.
    """
    processes: int | None = None
    """How many processes answer its requests, each with a ``service.instance.id`` of its own that
    begins with the one it was told. By default what its variable ``WEB_CONCURRENCY`` says, else 1.
    """
    companions: Mapping[str, AppSpec] = field(default_factory=dict)
    """Services that the app calls, by the variable that tells the app their URL."""

    def compose_services(self) -> tuple[str, ...]:
        """The services of the compose files that are this app and its companions."""
        own = () if self.compose_service is None else (self.compose_service,)
        parts = (part.compose_services() for part in self.companions.values())
        return (*own, *(service for services in parts for service in services))


def simple_app() -> AppSpec:
    """The guide's Flask app, run by gunicorn, with the service ``inventory`` beside it.

    Raises ``StackUnavailable`` where its packages are not installed (extra ``app``).
    """
    missing = [name for name in ("flask", "gunicorn", "opentelemetry.sdk") if not _found(name)]
    if missing:
        raise StackUnavailable(
            "The sample app cannot run.",
            expected="the packages of the extra `app` are installed",
            found=f"no module named {', '.join(missing)}",
            advice="pip install 'pytest-obsstack[app]', or override the fixture obs_app_spec "
            "so that it returns your own app",
        )
    import sys

    folder = stack_folder() / "app"
    command = [
        *(sys.executable, "-m", "gunicorn"),
        *("-c", str(folder / "gunicorn.conf.py"), "--chdir", str(folder), "app:app"),
    ]
    app = AppSpec(
        command=command,
        compose_service="app",
        last_log_line=r"^request finished",
        sentry_queue_size=5000,
    )
    inventory = replace(
        app, compose_service="inventory", service="inventory", release="inventory@1.0.0"
    )
    return replace(app, companions={"APP_INVENTORY_URL": inventory})


def _found(module: str) -> bool:
    try:
        return util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False
