"""Whole pytest runs with ``--obs-stack=compose``, up to their bad end."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.plugin.inner import Ended, Project, ended, interrupt, wait_until
from tests.unit.providers.compose.fake_engine import Behaviour, FakeEngine
from tests.unit.providers.compose.support import DSN, TRACKER

CONFTEST = """
import time
from pathlib import Path

import pytest

from pytest_obsstack import AppSpec

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def obs_app_spec():
    return AppSpec(compose_service="shop", compose_port=8000, service="shop", ready_path="/")


@pytest.fixture(scope="session")
def obs_compose_files():
    return [HERE / "docker-compose.yml"]


@pytest.fixture
def wait_for():
    '''Wait for a file that the outer test writes.'''

    def wait(name):
        deadline = time.monotonic() + 60
        while not (HERE / name).exists():
            assert time.monotonic() < deadline, f"nobody wrote {name}"
            time.sleep(0.01)

    return wait


@pytest.fixture
def note(obs_stack, obs_app):
    '''Tell the outer test which stack and which app this run has.'''
    project = obs_stack.state.compose.compose.project
    (HERE / f"{project}.{obs_app.container}.note").write_text(obs_app.url)
"""
TESTS = """
import pytest

@pytest.mark.parametrize("number", range(2))
def test_it(number, note, wait_for):
    wait_for("go")
"""
FILE = "services:\n  shop: {image: 'shop:1', depends_on: [db]}\n  db: {image: 'mysql:9'}\n"


@pytest.fixture
def project(
    engine: FakeEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Project]:
    """A project whose app is a service of its own compose file."""
    engine.images |= {"shop:1", "mysql:9"}
    folder = tmp_path / "repo"
    folder.mkdir()
    project = Project(folder)
    project.write("conftest.py", CONFTEST)
    project.write("docker-compose.yml", FILE)
    project.write("test_it.py", TESTS)
    try:
        yield project
        wait_until(lambda: not project.processes(), "all processes have ended")
    finally:
        for pid in project.processes():
            os.kill(pid, signal.SIGKILL)


def arguments(*more: str) -> list[str]:
    return [
        *("--obs-stack=compose", f"--obs-use=sentry={TRACKER}", f"--obs-sentry-dsn={DSN}"),
        *("--obs-sentry-token=0123", "--obs-sentry-organization=o", "--obs-sentry-project=p"),
        *more,
    ]


def notes(project: Project) -> dict[str, str]:
    """The app's container by the stack's project, of each run that has noted them."""
    names = [path.name.split(".") for path in project.folder.glob("*.note")]
    return {stack: container for stack, container, _ in names}


def errors(run: Ended) -> str:
    return "\n".join(line[4:] for line in run.lines if line.startswith("E   "))


Moment = Callable[[Project, FakeEngine], bool]


def images_are_pulled(_project: Project, engine: FakeEngine) -> bool:
    return engine.hanging.is_set()


def containers_start(_project: Project, engine: FakeEngine) -> bool:
    return engine.hanging.is_set()


def a_test_runs(project: Project, _engine: FakeEngine) -> bool:
    return bool(notes(project))


MOMENTS = [
    pytest.param(images_are_pulled, "pull", id="while images are pulled"),
    pytest.param(containers_start, "up", id="while containers start"),
    pytest.param(a_test_runs, None, id="in a test"),
]


def begun(
    project: Project, engine: FakeEngine, moment: Moment, hang: str | None
) -> subprocess.Popen[str]:
    """A run that has come to the moment."""
    if hang == "pull":
        engine.images.remove("mysql:9")
    engine.hang = hang
    run = project.start(*arguments())
    wait_until(lambda: moment(project, engine), moment.__name__)
    return run


@pytest.mark.parametrize(("moment", "hang"), MOMENTS)
def test_ctrl_c_removes_all_before_pytest_itself_ends(
    moment: Moment, hang: str | None, project: Project, engine: FakeEngine
) -> None:
    run = begun(project, engine, moment, hang)
    interrupt(run)
    outcome = ended(run)
    assert outcome.status == pytest.ExitCode.INTERRUPTED, outcome.output
    assert "KeyboardInterrupt" in outcome.output
    assert engine.left() == []
    # Compose, which may still have been at work; the reaper may look once more.
    commands = project.processes().values()
    assert not [command for command in commands if "removal.py" not in command]


@pytest.mark.parametrize(("moment", "hang"), MOMENTS)
def test_when_pytest_is_killed_all_is_removed_without_it(
    moment: Moment, hang: str | None, project: Project, engine: FakeEngine
) -> None:
    run = begun(project, engine, moment, hang)
    run.kill()
    ended(run)
    wait_until(lambda: engine.lines("down"), "the project is removed")
    wait_until(lambda: engine.left() == [], "nothing is left")


def test_two_runs_side_by_side_do_not_meet(project: Project, engine: FakeEngine) -> None:
    first, second = (project.start(*arguments()) for _ in range(2))
    try:
        wait_until(lambda: len(notes(project)) == 2, "both runs test")
        stacks = {container.project for container in engine.containers.values()}
        assert stacks == set(notes(project))
        for stack, container in notes(project).items():
            assert container == f"{stack}-shop-1"
        published = [port for container in engine.containers.values() for port in container.ports]
        assert len(published) == len(set(published))
    finally:
        project.write("go", "")
    for run in (first, second):
        outcome = ended(run)
        assert outcome.status == 0, outcome.output
    assert engine.left() == []


def test_two_workers_share_one_stack_and_have_an_app_each(
    project: Project, engine: FakeEngine
) -> None:
    run = project.start(*arguments(), workers=2)
    try:
        wait_until(lambda: len(list(project.folder.glob("*.note"))) == 2, "both workers test")
        assert len(notes(project)) == 1
        (stack,) = notes(project)
        containers = {path.name.split(".")[1] for path in project.folder.glob("*.note")}
        assert f"{stack}-shop-1" in containers
        (copy,) = containers - {f"{stack}-shop-1"}
        assert re.fullmatch(rf"{stack}-shop-gw1-[0-9a-f]{{6}}", copy)
    finally:
        project.write("go", "")
    outcome = ended(run)
    assert outcome.status == 0, outcome.output
    assert engine.left() == []


def test_logs_of_all_containers_are_kept_where_a_test_failed(
    project: Project, engine: FakeEngine
) -> None:
    engine.behaviours["loki"] = Behaviour(log=("the log of loki",))
    engine.behaviours["shop"] = Behaviour(log=("the log of the shop",))
    project.write("test_it.py", "def test_it(note): raise RuntimeError('as it is')\n")
    run = project.run(*arguments())
    assert run.status == pytest.ExitCode.TESTS_FAILED, run.output
    (folder,) = project.run_folders()
    # The app ends first, so that what it reports at its end arrives; its log is kept by then.
    assert [path.read_text() for path in folder.glob("*-shop-1.log")] == ["the log of the shop\n"]
    kept = {path.name: path.read_text() for path in (folder / "logs").iterdir()}
    assert kept["loki-1.log"] == "2026-11-26T08:00:00.000000000Z the log of loki\n"
    assert {"tempo-1.log", "grafana-1.log", "db-1.log"} <= kept.keys()
    assert engine.left() == []


def test_where_all_passed_no_logs_of_the_stack_are_kept(
    project: Project, engine: FakeEngine
) -> None:
    project.write("test_it.py", "def test_it(note): pass\n")
    run = project.run(*arguments())
    assert run.status == 0, run.output
    (folder,) = project.run_folders()
    assert not (folder / "logs").exists()
    assert engine.left() == []
    assert "docker" not in " ".join(project.processes().values())


def test_a_dsn_of_the_developers_shell_reaches_nobody(project: Project, engine: FakeEngine) -> None:
    shell = {"SENTRY_DSN": "https://developers-own@sentry.example/1", "SENTRY_PORT": "1"}
    run = project.start(*arguments(), env=shell)
    try:
        wait_until(lambda: notes(project), "a test runs")
        assert engine.service("shop").environment["SENTRY_DSN"] == DSN
        for container in engine.containers.values():
            assert "developers-own" not in str(container.environment)
    finally:
        project.write("go", "")
    outcome = ended(run)
    assert outcome.status == 0, outcome.output


def test_a_dsn_that_is_none(project: Project, engine: FakeEngine) -> None:
    run = project.run(*arguments("--obs-sentry-dsn=http://tracker.example:9000/1"))
    assert run.status == pytest.ExitCode.USAGE_ERROR, run.output
    (line,) = [line for line in run.lines if line.startswith("ERROR")]
    assert line.startswith("ERROR: --obs-sentry-dsn: ")
    assert engine.calls == []


def test_an_error_of_the_start_is_told_once_a_test_and_nothing_is_left(
    project: Project, engine: FakeEngine
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as somebody:
        port = somebody.getsockname()[1]
        run = project.run(*arguments(f"--obs-port=app={port}"))
    assert run.status == pytest.ExitCode.TESTS_FAILED, run.output
    assert errors(run).splitlines()[0] == (
        "pytest_obsstack.errors.StackUnavailable: The container of app cannot have its port."
    )
    assert engine.left() == []


def test_progress_is_told_at_the_terminal(project: Project, engine: FakeEngine) -> None:
    engine.images.remove("mysql:9")
    project.write("go", "")
    run = project.run(*arguments())
    assert run.status == 0, run.output
    assert "obsstack: pull: mysql:9" in run.lines
