"""The app as a process: what it is told, when it is ready, and that nothing of it is left."""

from __future__ import annotations

import os
import re
import socket
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pytest_obsstack.endpoints import CollectorEndpoint, Endpoints, SentryEndpoint
from pytest_obsstack.errors import StackUnavailable
from pytest_obsstack.providers import app_spec
from pytest_obsstack.providers.app import AppProcess, app_environment, start_app
from pytest_obsstack.providers.app_spec import AppSpec, simple_app
from pytest_obsstack.providers.ports import free_port, port_is_free
from pytest_obsstack.providers.readiness import probe_url
from pytest_obsstack.providers.shipped import stack_folder
from tests.unit.providers.support import alive, eventually, pid_in

ENDPOINTS = Endpoints(
    sentry=SentryEndpoint("http://127.0.0.1:9000", dsn="http://key@127.0.0.1:9000/1"),
    collector=CollectorEndpoint("http://127.0.0.1:4318"),
)
SERVE = """
import http.server, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/health" else 503)
        self.end_headers()
        self.wfile.write(os.environ.get("TOLD", "").encode())
    def log_message(self, *_): pass
open(os.environ["SERVICE_PID"], "w").write(f"{os.getpid()}\\n")
print("listening", flush=True)
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""


def python(code: str, tmp_path: Path, name: str = "simple-app", **more: Any) -> AppSpec:
    """An app of a few lines that leaves its pid in ``<name>.pid``."""
    env = {"SERVICE_PID": str(tmp_path / f"{name}.pid"), **more.pop("env", {})}
    return AppSpec(command=(sys.executable, "-c", code), service=name, env=env, **more)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "run"
    made.mkdir()
    return made


@pytest.fixture
def started() -> Iterator[list[AppProcess]]:
    apps: list[AppProcess] = []
    yield apps
    for app in apps:
        app.stop()


def start(spec: AppSpec, folder: Path, **more: Any) -> AppProcess:
    options = {"name": "main", "owner_pid": os.getpid(), "probe": probe_url, **more}
    return start_app(spec, ENDPOINTS, folder=folder, **options)


def refusal(spec: AppSpec, folder: Path) -> str:
    with pytest.raises(StackUnavailable) as caught:
        start(spec, folder)
    return re.sub(r"\b127\.0\.0\.1:\d+", "127.0.0.1:PORT", str(caught.value))


# ---- what it is told


def told(
    monkeypatch: pytest.MonkeyPatch, spec: AppSpec | None = None, **env: str
) -> dict[str, str]:
    for name in list(os.environ):
        monkeypatch.delenv(name)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    return app_environment(spec or AppSpec(), ENDPOINTS, instance="simple-app-main", port=5000)


def test_the_standard_variables_tell_where_to_report(monkeypatch: pytest.MonkeyPatch) -> None:
    assert told(monkeypatch) == {
        "PORT": "5000",
        "PYTHONUNBUFFERED": "1",
        "SENTRY_DSN": "http://key@127.0.0.1:9000/1",
        "SENTRY_ENVIRONMENT": "production",
        "SENTRY_RELEASE": "simple-app@1.0.0",
        "OTEL_SERVICE_NAME": "simple-app",
        "OTEL_RESOURCE_ATTRIBUTES": "service.instance.id=simple-app-main,"
        "deployment.environment.name=production",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_BSP_SCHEDULE_DELAY": "20",
        "OTEL_BLRP_SCHEDULE_DELAY": "20",
        "OTEL_METRIC_EXPORT_INTERVAL": "100",
        "OTEL_METRIC_EXPORT_TIMEOUT": "3000",
        "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST": "X-Request-Id",
        "NO_PROXY": "127.0.0.1,localhost,::1",
        "no_proxy": "127.0.0.1,localhost,::1",
    }


def test_the_callers_own_settings_of_the_sdks_do_not_reach_the_app(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = told(
        monkeypatch,
        SENTRY_DSN="http://mine@sentry.example/9",
        SENTRY_DEBUG="1",
        OTEL_TRACES_SAMPLER="always_off",
        OBS_SENTRY_TOKEN="s3cret",
        PYTEST_CURRENT_TEST="x",
        HOME="/home/me",
        APP_ERROR_RATE="0.5",
    )
    assert found["SENTRY_DSN"] == "http://key@127.0.0.1:9000/1"
    assert not {
        "SENTRY_DEBUG",
        "OTEL_TRACES_SAMPLER",
        "OBS_SENTRY_TOKEN",
        "PYTEST_CURRENT_TEST",
    } & {*found}
    assert (found["HOME"], found["APP_ERROR_RATE"]) == ("/home/me", "0.5")


def test_loopback_is_added_to_what_goes_past_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    found = told(monkeypatch, NO_PROXY="intern.example", HTTP_PROXY="http://proxy:3128")
    assert found["NO_PROXY"] == "intern.example,127.0.0.1,localhost,::1"
    assert found["HTTP_PROXY"] == "http://proxy:3128"


def test_variables_of_the_spec_win(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = AppSpec(env={"SENTRY_DSN": "", "PORT": "1", "MINE": "x"}, release=None)
    found = told(monkeypatch, spec)
    assert (found["SENTRY_DSN"], found["PORT"], found["MINE"]) == ("", "1", "x")
    assert "SENTRY_RELEASE" not in found


def test_a_stack_without_tracker_and_collector_names_none() -> None:
    found = app_environment(AppSpec(), Endpoints(), instance="i", port=1)
    assert "SENTRY_DSN" not in found
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" not in found


# ---- ready


def test_an_app_is_ready_when_its_ready_path_answers(
    tmp_path: Path, folder: Path, started: list[AppProcess]
) -> None:
    app = start(python(SERVE, tmp_path), folder)
    started.append(app)
    assert probe_url(f"{app.url}/health") is None
    assert probe_url(f"{app.url}/") == "status 503"
    assert app.instance == "simple-app-main"
    assert app.log_path == folder / "simple-app-main.log"
    assert app.log_lines() == ["listening"]
    assert app.environment["PORT"] == app.url.rpartition(":")[2]
    assert not app.died


def test_an_app_gets_the_port_that_it_must_have(
    tmp_path: Path, folder: Path, started: list[AppProcess]
) -> None:
    port = free_port()
    started.append(start(python(SERVE, tmp_path), folder, port=port))
    assert started[0].url == f"http://127.0.0.1:{port}"
    assert not port_is_free(port)


def test_companions_are_started_and_the_app_is_told_their_urls(
    tmp_path: Path, folder: Path, started: list[AppProcess]
) -> None:
    inventory = python(SERVE, tmp_path, "inventory")
    app = start(python(SERVE, tmp_path, companions={"INVENTORY_URL": inventory}), folder)
    started.append(app)
    companion = app.companions["INVENTORY_URL"]
    assert app.environment["INVENTORY_URL"] == companion.url
    assert companion.environment["OTEL_SERVICE_NAME"] == "inventory"
    assert probe_url(f"{companion.url}/health") is None
    pids = [pid_in(tmp_path / f"{name}.pid") for name in ("simple-app", "inventory")]
    app.stop()
    assert not any(alive(pid) for pid in pids)
    assert app.died


def test_an_app_that_is_left_running_is_described_with_its_companions(
    tmp_path: Path, folder: Path
) -> None:
    inventory = python(SERVE, tmp_path, "inventory")
    spec = python(SERVE, tmp_path, companions={"INVENTORY_URL": inventory})
    app = start(spec, folder, owner_pid=None)
    running = app.left_running()
    assert [process.alive for process in running.processes] == [True, True]
    called = running.companions["INVENTORY_URL"]
    assert (called.url, called.service) == (app.environment["INVENTORY_URL"], "inventory")
    assert called.processes == running.processes[1:]
    assert running.log == str(folder / "simple-app-main.log")
    for process in running.processes:
        assert process.stop(5)
        os.waitpid(process.pid, 0)


def test_an_app_at_a_url_is_asked_and_not_started(
    tmp_path: Path, folder: Path, started: list[AppProcess]
) -> None:
    running = start(python(SERVE, tmp_path), folder)
    started.append(running)
    app = start(AppSpec(url=f"{running.url}/"), folder, name="other")
    assert app.url == running.url
    assert app.process is None
    assert running.ready_s is not None
    assert app.ready_s is None
    assert app.log_lines() == []
    app.stop()
    assert not running.died


# ---- not ready


def test_message_of_an_app_that_dies_at_its_start(tmp_path: Path, folder: Path) -> None:
    code = "import sys; print('reading settings'); sys.exit('no such setting: X')"
    text = re.sub(r"after \d+\.\d s", "after N s", refusal(python(code, tmp_path), folder))
    assert text == (
        "The app simple-app ended while it was starting.\n"
        "  expected  GET http://127.0.0.1:PORT/health answers 2xx\n"
        "  found     exit status 1 after N s\n"
        "  do        check the command and the ready_path of obs_app_spec: "
        f"{sys.executable} -c {code}\n"
        "  last 2 log lines:\n"
        "    | reading settings\n"
        "    | no such setting: X"
    )


def test_message_of_an_app_that_never_becomes_ready(tmp_path: Path, folder: Path) -> None:
    spec = python(SERVE, tmp_path, ready_path="/ready", ready_timeout_s=1.0)
    assert refusal(spec, folder) == (
        "The app simple-app did not become ready.\n"
        "  expected  GET http://127.0.0.1:PORT/ready answers 2xx\n"
        "  found     status 503 for 1 s\n"
        "  do        check the command and the ready_path of obs_app_spec: "
        + f"{sys.executable} -c {SERVE}\n".replace("\n", "\n" + " " * 12).rstrip(" ")
        + "  last log line:\n"
        "    | listening"
    )
    assert not alive(pid_in(tmp_path / "simple-app.pid"))


def test_message_of_an_app_that_cannot_be_executed(folder: Path) -> None:
    text = refusal(AppSpec(command=("./no-such-app", "--fast")), folder)
    assert "  found     exit status 127 after " in text
    assert text.endswith(
        "  last log line:\n    | cannot execute ./no-such-app: No such file or directory"
    )


def test_message_of_an_app_at_a_url_where_nobody_answers(folder: Path) -> None:
    spec = AppSpec(url=f"http://127.0.0.1:{free_port()}", ready_timeout_s=0.1)
    assert refusal(spec, folder) == (
        "The app simple-app did not become ready.\n"
        "  expected  GET http://127.0.0.1:PORT/health answers 2xx\n"
        "  found     no answer (ConnectError) for 0.1 s\n"
        "  do        start the app, or correct the url and the ready_path of obs_app_spec"
    )


@pytest.mark.parametrize(
    ("spec", "expected", "found"),
    [
        (AppSpec(), "an AppSpec with a command or a url", "neither"),
        (
            AppSpec(command=("true",), cwd=Path("gone")),
            "its cwd is a folder",
            "gone is none",
        ),
        (
            AppSpec(command=("true",), ready_path="health"),
            "its ready_path begins with a slash",
            "'health'",
        ),
    ],
)
def test_a_spec_that_cannot_work_is_refused(
    folder: Path, spec: AppSpec, expected: str, found: str
) -> None:
    assert refusal(spec, folder) == (
        "The app simple-app cannot be started.\n"
        f"  expected  {expected}\n"
        f"  found     {found}\n"
        "  do        correct the fixture obs_app_spec"
    )


@pytest.mark.parametrize("dying", ["app", "companion"])
def test_nothing_is_left_running_where_one_of_them_fails(
    tmp_path: Path, folder: Path, dying: str
) -> None:
    codes = {"app": SERVE, "companion": SERVE}
    # It dies only once the other one is there.
    other = tmp_path / ("inventory.pid" if dying == "app" else "simple-app.pid")
    codes[dying] = f"import os, time\nwhile not os.path.exists({str(other)!r}): time.sleep(0.01)"
    inventory = python(codes["companion"], tmp_path, "inventory")
    spec = python(codes["app"], tmp_path, companions={"INVENTORY_URL": inventory})
    name = "simple-app" if dying == "app" else "inventory"
    assert refusal(spec, folder).startswith(f"The app {name} ended while it was starting.")
    assert not alive(pid_in(other))


def test_an_interrupted_start_leaves_nothing_running(tmp_path: Path, folder: Path) -> None:
    pid_path = tmp_path / "simple-app.pid"

    def interrupt(_: str) -> str | None:
        if eventually(pid_path.exists, within_s=0.01):
            raise KeyboardInterrupt
        return "not yet"

    with pytest.raises(KeyboardInterrupt):
        start(python(SERVE, tmp_path), folder, probe=interrupt)
    assert not alive(pid_in(pid_path))


# ---- the sample app and ports


def test_the_sample_app_names_the_packages_that_are_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(app_spec, "_found", lambda name: name == "flask")
    with pytest.raises(StackUnavailable) as caught:
        simple_app()
    assert str(caught.value) == (
        "The sample app cannot run.\n"
        "  expected  the packages of the extra `app` are installed\n"
        "  found     no module named gunicorn, opentelemetry.sdk\n"
        "  do        pip install 'pytest-obsstack[app]', or override the fixture obs_app_spec so "
        "that it returns your own app"
    )


def test_the_sample_app_has_the_inventory_beside_it() -> None:
    spec = simple_app()
    assert (spec.service, spec.companions["APP_INVENTORY_URL"].service) == (
        "simple-app",
        "inventory",
    )
    assert (stack_folder() / "app" / "app.py").is_file()


def test_a_port_on_which_somebody_listens_is_not_free() -> None:
    with closing(socket.socket()) as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert not port_is_free(port)
    assert port_is_free(port)
