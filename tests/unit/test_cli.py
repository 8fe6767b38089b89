"""``obsstack``: what it prints, as text and JSON, and how it fails."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_obsstack import cli
from pytest_obsstack.endpoints import (
    CollectorEndpoint,
    Endpoints,
    LokiEndpoint,
    PrometheusEndpoint,
    SentryEndpoint,
)
from pytest_obsstack.options import Options
from pytest_obsstack.providers.home import Home
from pytest_obsstack.providers.process import ProcessIdentity
from pytest_obsstack.providers.state import ProductState, RunningApp, StackState, write_state
from pytest_obsstack.provision import ending, session
from tests.unit.providers.support import dead_pid, sleeper

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """The home of an empty project, which is the current folder."""
    (tmp_path / "pyproject.toml").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "60")
    return Home(tmp_path / ".obsstack")


@pytest.fixture
def obsstack(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Runs the program; gives its exit status, output and errors."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["obsstack", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capsys.readouterr()
        code = ended.value.code
        return (0 if code is None else int(code)), out, err

    return run


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    """The process of a stack that was left running."""
    made = sleeper()
    yield made
    if made.poll() is None:
        made.kill()
    made.wait()


@pytest.fixture
def kept(home: Home, process: subprocess.Popen[bytes]) -> StackState:
    """A stack that was left running, with its app."""
    folder = home.new_run() / "stack"
    folder.mkdir()
    home.mark_in_use(folder.parent)
    app_log = folder / "app.log"
    app_log.write_text("one\ntwo\nthree\n")
    (folder / "embedded.log").write_text("sentry answers\nloki answers\n")
    state = StackState(
        kind="embedded",
        run_id="20260101-120000-abcdef",
        folder=folder,
        endpoints=Endpoints(
            sentry=SentryEndpoint(
                "http://127.0.0.1:9000",
                token="t0ken",
                organization="obsstack",
                project="simple-app",
                dsn="http://key@127.0.0.1:9000/1",
                admin_email="admin@example.com",
                admin_password="admin",
            ),
            collector=CollectorEndpoint("http://127.0.0.1:4318"),
            prometheus=PrometheusEndpoint("http://127.0.0.1:9090"),
            loki=LokiEndpoint("http://127.0.0.1:3100"),
        ),
        products={"sentry": ProductState("http://127.0.0.1:9000", "26.1.0", "Sentry")},
        ready_after_s=0.52649,
        kept=True,
        process=ProcessIdentity.of(process.pid),
        app=RunningApp("http://127.0.0.1:5000", "i", "simple-app", log=str(app_log)),
    )
    write_state(home.kept_path, state)
    return state


def plain(text: str) -> str:
    """A message without its frame and line breaks."""
    return " ".join(re.sub(r"[│╭╮╰╯─┃]", " ", text).split())


# ---- no stack


@pytest.mark.parametrize("command", [["status"], ["logs", "sentry"], ["status", "--json"]])
def test_without_a_stack_it_says_how_to_get_one(
    obsstack: Run, home: Home, command: list[str]
) -> None:
    status, out, err = obsstack(*command)
    assert (status, out) == (1, "")
    assert err == (
        "No stack is running.\n"
        f"  expected  a stack that was left running, in {home.kept_path}\n"
        "  found     no such file\n"
        "  do        `obsstack up` starts one\n"
    )


def test_a_stack_that_has_ended_is_told_from_none(
    obsstack: Run, home: Home, kept: StackState
) -> None:
    pid = dead_pid()
    write_state(home.kept_path, replace(kept, process=ProcessIdentity(pid, "x")))
    status, _, err = obsstack("status")
    assert status == 1
    assert err == (
        "The stack has ended.\n"
        f"  expected  process {pid} runs\n"
        "  found     it does not\n"
        "  do        `obsstack down` clears it away, `obsstack up` starts a new one\n"
    )


def test_down_without_a_stack_is_no_failure(obsstack: Run, home: Home) -> None:
    assert obsstack("down") == (0, "no stack was left running\n", "")
    status, out, _ = obsstack("down", "--json")
    assert (status, json.loads(out)) == (
        0,
        {"stopped": False, "reason": "no stack was left running"},
    )


# ---- a running stack


def test_status_shows_where_everything_answers(obsstack: Run, kept: StackState) -> None:
    status, out, err = obsstack("status")
    assert (status, err) == (0, "")
    assert "obsstack: embedded stack, run 20260101-120000-abcdef" in plain(out)
    assert "sentry http://127.0.0.1:9000 26.1.0 Sentry" in plain(out)
    assert "app http://127.0.0.1:5000 simple-app" in plain(out)
    assert out.endswith(
        "log in at http://127.0.0.1:9000 as admin@example.com, admin\n"
        "the app answers at http://127.0.0.1:5000\n"
        "the stack keeps running: `obsstack status` shows it, `obsstack down` removes it\n"
    )
    assert "t0ken" not in out


def test_status_as_json_gives_every_endpoint_key_and_token(
    obsstack: Run, kept: StackState, process: subprocess.Popen[bytes]
) -> None:
    status, out, err = obsstack("status", "--json")
    assert (status, err) == (0, "")
    assert json.loads(out) == {
        "kind": "embedded",
        "run_id": "20260101-120000-abcdef",
        "folder": str(kept.folder),
        "ready_after_s": 0.526,
        "containers": None,
        "pid": process.pid,
        "endpoints": kept.endpoints.to_json(),
        "products": {
            "sentry": {
                "url": "http://127.0.0.1:9000",
                "version": "26.1.0",
                "stands_in_for": "Sentry",
                "usual_port": True,
            }
        },
        "app": {
            "url": "http://127.0.0.1:5000",
            "service": "simple-app",
            "instance": "i",
            "usual_port": True,
        },
    }
    assert json.loads(out)["endpoints"]["sentry"]["token"] == "t0ken"


def test_a_stack_without_an_app_has_none_in_json(
    obsstack: Run, home: Home, kept: StackState
) -> None:
    write_state(home.kept_path, kept.with_app(None))
    assert json.loads(obsstack("status", "--json")[1])["app"] is None


def test_the_home_may_be_named(
    obsstack: Run, kept: StackState, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / ".git").touch()
    monkeypatch.chdir(elsewhere)
    assert obsstack("status", "--home", str(tmp_path / "none"))[0] == 1
    assert obsstack("status", "--home", str(tmp_path / ".obsstack"))[0] == 0


@pytest.mark.parametrize("component", ["sentry", "collector", "prometheus", "loki"])
def test_logs_of_the_embedded_products_are_one(
    obsstack: Run, kept: StackState, component: str
) -> None:
    assert obsstack("logs", component) == (0, "sentry answers\nloki answers\n", "")


def test_logs_of_the_app_are_its_own(obsstack: Run, kept: StackState) -> None:
    assert obsstack("logs", "app", "-n", "2") == (0, "two\nthree\n", "")
    assert json.loads(obsstack("logs", "app", "-n", "1", "--json")[1]) == {
        "component": "app",
        "lines": ["three"],
    }
    assert obsstack("logs", "app", "-n", "0") == (0, "", "")


def test_an_app_whose_log_is_not_known_is_an_error(
    obsstack: Run, home: Home, kept: StackState
) -> None:
    write_state(home.kept_path, kept.with_app(None))
    assert obsstack("logs", "app") == (
        1,
        "",
        "The app's log is not known.\n  expected  an app that was started with the stack\n",
    )


def test_down_ends_the_stack_and_keeps_what_arrived(
    obsstack: Run, home: Home, kept: StackState, process: subprocess.Popen[bytes]
) -> None:
    assert obsstack("down") == (0, f"stopped; what arrived is in {kept.folder}\n", "")
    assert process.wait(5) != 0
    assert not home.kept_path.exists()
    assert not (kept.folder.parent / "in-use").exists()
    assert (kept.folder / "embedded.log").exists()


def test_down_clears_away_a_stack_that_has_ended(
    obsstack: Run, home: Home, kept: StackState, process: subprocess.Popen[bytes]
) -> None:
    process.kill()
    process.wait()
    status, out, _ = obsstack("down", "--json")
    assert (status, json.loads(out)) == (0, {"stopped": True, "folder": str(kept.folder)})
    assert not home.kept_path.exists()


@pytest.mark.parametrize("command", [["down"], ["down", "--all"]])
def test_a_stack_that_does_not_end_is_told_and_not_forgotten(
    obsstack: Run,
    home: Home,
    kept: StackState,
    process: subprocess.Popen[bytes],
    monkeypatch: pytest.MonkeyPatch,
    command: list[str],
) -> None:
    monkeypatch.setattr(ending, "end_stack", lambda _: False)
    status, _, err = obsstack(*command)
    assert status == 1
    assert err == (
        "The stack did not end.\n"
        "  expected  its processes end within 10 s of SIGTERM\n"
        f"  found     process {process.pid} is still there\n"
        "  do        end it by hand, then run `obsstack down` again\n"
    )
    assert home.kept_path.exists()
    assert (kept.folder.parent / "in-use").exists()


# ---- up


class FakeSession:
    """In the place of the one that starts things."""

    made: list[FakeSession]

    def __init__(self, options: Options, run: Any) -> None:
        self.options = options
        self.run = run
        self.closed = False
        self.made.append(self)
        self.stack = type("Stack", (), {"state": self.state})

    state: StackState

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def sessions(monkeypatch: pytest.MonkeyPatch, kept: StackState) -> list[FakeSession]:
    FakeSession.made = []
    FakeSession.state = kept
    monkeypatch.setattr(session, "Session", FakeSession)
    return FakeSession.made


def test_up_keeps_the_stack_and_prints_it(
    obsstack: Run, home: Home, sessions: list[FakeSession]
) -> None:
    status, out, _ = obsstack("up", "--no-app", "--port", "loki=3200", "--port=app=5001", "--json")
    assert (status, json.loads(out)["kind"]) == (0, "embedded")
    (made,) = sessions
    assert made.options.keep_stack
    assert made.options.port == {"loki": 3200, "app": 5001}
    assert (made.options.home, made.run.owner_pid) == (home.path, 0)
    assert made.closed


RANGE = "expected COMPONENT=PORT with a port from 1 to 65535"


@pytest.mark.parametrize(
    ("word", "problem"),
    [
        ("sentry", RANGE),
        ("sentry=", RANGE),
        ("sentry=http", RANGE),
        ("sentry=0", RANGE),
        ("sentry=65536", RANGE),
        ("loki=²", RANGE),
        (
            "jaeger=1",
            (
                "no component 'jaeger'; there are sentry, collector, prometheus, loki, tempo, "
                "grafana, app"
            ),
        ),
    ],
)
def test_a_wrong_port_is_a_usage_error(
    obsstack: Run, sessions: list[FakeSession], word: str, problem: str
) -> None:
    status, out, err = obsstack("up", "--port", word)
    assert (status, out) == (2, "")
    assert f"Invalid value: --port {word}: {problem}" in plain(err)
    assert sessions == []


@pytest.mark.parametrize("running", [True, False])
def test_a_wrong_component_is_a_usage_error(
    obsstack: Run, home: Home, kept: StackState, running: bool
) -> None:
    if not running:
        home.kept_path.unlink()
    status, out, err = obsstack("logs", "grafana")
    assert (status, out) == (2, "")
    assert (
        "Invalid value: 'grafana'; expected one of sentry, collector, prometheus, loki, app"
    ) in plain(err)


def test_an_unknown_command_is_a_usage_error(obsstack: Run) -> None:
    status, _, err = obsstack("start")
    assert status == 2
    assert "No such command 'start'" in plain(err)


def test_help_names_the_commands(obsstack: Run) -> None:
    status, out, _ = obsstack("--help")
    assert status == 0
    assert all(command in out for command in ("up", "down", "status", "logs"))


def test_a_home_that_cannot_be_written_is_told_without_a_traceback(
    obsstack: Run, tmp_path: Path
) -> None:
    if os.geteuid() == 0:
        # Root may write everywhere but below a file.
        (tmp_path / "file").touch()
        target = tmp_path / "file" / "home"
    else:
        (tmp_path / "closed").mkdir(mode=0o500)
        target = tmp_path / "closed" / "home"
    status, out, err = obsstack("up", "--no-app", "--home", str(target))
    assert (status, out) == (1, "")
    first, expected, found, advice = err.splitlines()
    assert first == "The folder of runs cannot be used."
    assert expected.startswith(f"  expected  {target}/runs/")
    assert found.startswith("  found     [Errno ")
    assert advice == "  do        name another folder: --obs-home, or --home of obsstack"
