"""A kept stack of containers: found again, not whole any more, gone, or not to be asked for."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_obsstack import cli
from pytest_obsstack.errors import StackUnavailable
from pytest_obsstack.options import Options
from pytest_obsstack.options.kinds import GUIDE_PORTS
from pytest_obsstack.providers.compose import project
from pytest_obsstack.providers.home import RUNS_KEPT, Home
from pytest_obsstack.providers.ports import free_port
from pytest_obsstack.providers.state import StackState, read_state, write_state
from pytest_obsstack.provision.ending import end_stack
from pytest_obsstack.provision.run import Run
from pytest_obsstack.provision.session import Session
from tests.unit.providers.compose.support import (
    DSN,
    TOKEN,
    TRACKER,
    Bench,
    compose_options,
    normalised,
)
from tests.unit.providers.support import eventually

SERVICES = ("otel-collector", "prometheus", "loki", "tempo", "grafana")


@pytest.fixture
def home(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    """Of an empty project, which is the current folder; what is kept there is taken down."""
    (bench.folder / "pyproject.toml").touch()
    monkeypatch.chdir(bench.folder)
    # Other tests may want the guide's at the same time.
    monkeypatch.setattr(project, "GUIDE_PORTS", {name: free_port() for name in GUIDE_PORTS})
    home = Home(bench.folder / ".obsstack")
    yield home
    kept = read_state(home.kept_path)
    if kept is not None:
        end_stack(kept)


@pytest.fixture
def kept(home: Home, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> StackState:
    return opened(home, bench, keep=True)


def opened(home: Home, bench: Bench, *, keep: bool = False) -> StackState:
    """The stack of one run; the run itself is over."""
    options: Options = compose_options()._replace(keep_stack=keep, home=home.path)
    session = Session(options, Run(home.new_run(), owner_pid=bench.owner_pid))
    session.tell = bench.told.append
    state = session.stack.state
    session.close()
    return state


def obsstack(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: str
) -> tuple[int, str]:
    monkeypatch.setattr("sys.argv", ["obsstack", *words])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out + err


def text(lines: str) -> str:
    return textwrap.dedent(lines).strip()


def test_a_kept_stack_is_found_again_and_its_reaper_is_gone(
    kept: StackState, home: Home, bench: Bench
) -> None:
    assert kept.process is not None
    assert eventually(lambda: not (kept.process and kept.process.alive), 10)
    before = set(bench.engine.containers)
    again = opened(home, bench)
    assert (again.run_id, again.endpoints) == (kept.run_id, kept.endpoints)
    assert set(bench.engine.containers) == before
    assert len(bench.engine.lines("up")) == 2  # of the first run: the collector comes last


def test_status_and_down_of_a_kept_stack(
    kept: StackState,
    home: Home,
    bench: Bench,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    status, said = obsstack(capsys, monkeypatch, "status")
    assert status == 0
    assert kept.products["loki"].url in said
    status, said = obsstack(capsys, monkeypatch, "down")
    assert (status, said) == (0, f"stopped; what arrived is in {kept.folder}\n")
    assert bench.engine.left() == []
    assert not home.kept_path.exists()


def test_some_of_its_containers_were_removed_by_hand(
    kept: StackState,
    home: Home,
    bench: Bench,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for service in ("loki", "grafana"):
        bench.engine.remove(bench.engine.service(service).name)
    expected = text(
        f"""
        The kept stack is not whole any more.
          expected  containers of project obsstack-RUN run for {", ".join(SERVICES)}
          found     none runs for loki, grafana
          do        `obsstack down` clears it away, `obsstack up` starts a new one
        """
    )
    for keep in (False, True):
        with pytest.raises(StackUnavailable) as raised:
            opened(home, bench, keep=keep)
        assert bench.text(raised.value) == expected
    status, said = obsstack(capsys, monkeypatch, "status")
    assert (status, bench.text(said).strip()) == (1, expected)
    # And the advice works.
    assert obsstack(capsys, monkeypatch, "down")[0] == 0
    assert bench.engine.left() == []


@pytest.mark.parametrize("how", ["removed", "stopped"])
def test_none_of_its_containers_runs_any_more(
    how: str,
    kept: StackState,
    home: Home,
    bench: Bench,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Removed by hand, or stopped by a reboot: a new one is started, as where there was none."""
    for name, container in list(bench.engine.containers.items()):
        if how == "removed":
            bench.engine.remove(name)
        else:
            container.stop()
    status, said = obsstack(capsys, monkeypatch, "status")
    assert (status, normalised(said, bench.folder).strip()) == (
        1,
        text(
            f"""
            The kept stack has ended.
              expected  containers of project obsstack-RUN run for {", ".join(SERVICES)}
              found     none runs
              do        `obsstack down` clears it away, `obsstack up` starts a new one
            """
        ),
    )
    # A run that keeps nothing has a stack of its own, and leaves the other's remains alone.
    remains = bench.engine.left(f"obsstack-{kept.run_id}")
    assert remains != []
    own = opened(home, bench)
    assert own.run_id != kept.run_id
    assert bench.engine.left(f"obsstack-{kept.run_id}") == remains
    end_stack(own)
    # One that keeps its stack clears them away: volumes, network, containers that ended.
    new = opened(home, bench, keep=True)
    assert bench.engine.left(f"obsstack-{kept.run_id}") == []
    found = read_state(home.kept_path)
    assert found is not None
    assert found.run_id == new.run_id != kept.run_id


def test_an_engine_that_does_not_answer_any_more(
    kept: StackState,
    home: Home,
    bench: Bench,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench.engine.answering = False
    try:
        status, said = obsstack(capsys, monkeypatch, "status")
        assert (status, bench.text(said).strip()) == (
            1,
            text(
                """
                It cannot be told whether the kept stack runs.
                  expected  Compose lists the containers of project obsstack-RUN
                  found     Cannot connect to the Docker daemon at unix:///var/run/docker.sock. \
Is the docker daemon running?
                  do        start the engine again; --obs-stack=embedded needs none
                """
            ),
        )
        status, said = obsstack(capsys, monkeypatch, "down")
        assert status == 1
        assert bench.text(said).splitlines()[:4] == [
            "The containers of the stack could not be removed.",
            (
                "  expected  `docker compose --project-name obsstack-RUN down --volumes "
                "--remove-orphans --timeout 3` succeeds"
            ),
            (
                "  found     Cannot connect to the Docker daemon at unix:///var/run/docker.sock. "
                "Is the docker daemon running?"
            ),
            "  do        run that command once the engine answers, or `obsstack down --all`",
        ]
        # It is still known, for another attempt.
        assert home.kept_path.exists()
    finally:
        bench.engine.answering = True


def test_files_of_the_stack_may_be_gone_by_now(
    home: Home, bench: Bench, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Containers are known by their labels: it can be looked at and removed all the same."""
    file: Path = bench.file("repo/docker-compose.yml", "services:\n  loki: {cpus: 1}\n")
    options = compose_options()._replace(keep_stack=True, home=home.path, compose_file=(file,))
    session = Session(options, Run(home.new_run(), owner_pid=bench.owner_pid))
    assert session.stack.state.kept
    session.close()
    file.unlink()
    assert obsstack(capsys, monkeypatch, "status")[0] == 0
    assert obsstack(capsys, monkeypatch, "logs", "loki")[0] == 0
    assert obsstack(capsys, monkeypatch, "down")[0] == 0
    assert bench.engine.left() == []


def test_the_folder_of_a_kept_stack_is_not_cleared_away_until_it_is_taken_down(
    kept: StackState,
    home: Home,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_state(kept.folder.parent / "state.json", kept)
    for _ in range(RUNS_KEPT):
        home.make_run(home.path / "runs" / f"30000101-000000-{os.urandom(3).hex()}")
    home.clear_old_runs()
    assert kept.folder.exists()
    assert obsstack(capsys, monkeypatch, "down")[0] == 0
    home.clear_old_runs()
    assert not kept.folder.exists()


def test_up_takes_what_has_no_flag_from_variables(
    home: Home,
    bench: Bench,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    up = ("up", "--stack=compose", "--no-app", f"--use=sentry={TRACKER}")
    status, said = obsstack(capsys, monkeypatch, *up)
    assert (status, said) == (
        2,
        (
            f"--obs-use sentry={TRACKER}: an attached Sentry needs OBS_SENTRY_TOKEN, "
            "--obs-sentry-organization, --obs-sentry-project\n"
        ),
    )
    settings = {"TOKEN": TOKEN, "ORGANIZATION": "o", "PROJECT": "p", "DSN": "http://9000/1"}
    for name, value in settings.items():
        monkeypatch.setenv(f"OBS_SENTRY_{name}", value)
    status, said = obsstack(capsys, monkeypatch, *up)
    assert status == 2
    assert "OBS_SENTRY_DSN: " in said
    assert "found (hidden)" in said
    monkeypatch.setenv("OBS_SENTRY_DSN", DSN)
    monkeypatch.setenv("OBS_COMPOSE_COMMAND", "docker compose")
    status, said = obsstack(capsys, monkeypatch, *up)
    assert status == 0, said
    assert "the stack keeps running" in said
    sentry = kept_state(home).endpoints.sentry
    assert sentry is not None
    assert (sentry.token, sentry.dsn) == (TOKEN, DSN)


def kept_state(home: Home) -> StackState:
    state = read_state(home.kept_path)
    assert state is not None
    return state
