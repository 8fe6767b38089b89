"""``obsstack down --all``: what runs have left is removed; what is in use is named and stays."""

from __future__ import annotations

import json
import os
import socket
import textwrap
from pathlib import Path

import pytest

from pytest_obsstack import cli
from pytest_obsstack.errors import ObsstackError
from pytest_obsstack.providers.compose.engine import find_engine
from pytest_obsstack.providers.compose.leftovers import Leftover, find_leftovers
from tests.unit.providers.compose.fake_engine import (
    ONE_OFF,
    PROJECT,
    Behaviour,
    Container,
    FakeEngine,
)
from tests.unit.providers.support import dead_pid

HERE = socket.gethostname()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: an empty project."""
    (tmp_path / "pyproject.toml").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def put(engine: FakeEngine, project: str, owner: str, *, kept: bool = False) -> None:
    """A project of which a container, the network and a volume are there."""
    labels = {
        PROJECT: project,
        "io.pytest-obsstack.run": project.removeprefix("obsstack-"),
        "io.pytest-obsstack.owner": owner,
        "io.pytest-obsstack.kept": str(kept).lower(),
    }
    name = f"{project}-loki-1"
    own = {**labels, ONE_OFF: "False"}
    engine.containers[name] = Container(
        name, "loki", project, "image", own, {}, {}, Behaviour(), "running"
    )
    engine.networks[f"{project}_default"] = labels
    engine.volumes[f"{project}_loki-data"] = labels


def obsstack(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: str
) -> str:
    monkeypatch.setattr("sys.argv", ["obsstack", *words])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    out, err = capsys.readouterr()
    assert ended.value.code in (0, None), err
    return out


def test_leftovers_and_kept_stacks_go_and_what_is_in_use_stays(
    folder: Path,
    engine: FakeEngine,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put(engine, "obsstack-1-of-a-dead-run", f"{dead_pid()}@{HERE}")
    put(engine, "obsstack-2-kept", f"{dead_pid()}@{HERE}", kept=True)
    put(engine, "obsstack-3-live", f"{os.getpid()}@{HERE}")
    put(engine, "obsstack-4-elsewhere", "1@another-machine")
    put(engine, "obsstack-by-hand", "by-hand", kept=True)
    engine.volumes["somebody-elses"] = {PROJECT: "somebody-elses"}

    assert obsstack(capsys, monkeypatch, "down", "--all") == textwrap.dedent(
        f"""\
        removed obsstack-1-of-a-dead-run
        removed obsstack-2-kept
        left obsstack-3-live: a run still uses it, process {os.getpid()} on {HERE}
        left obsstack-4-elsewhere: a run still uses it, process 1 on another-machine
        left obsstack-by-hand: it was started by hand
        """
    )
    assert {engine.networks[name][PROJECT] for name in engine.networks} == {
        *("obsstack-3-live", "obsstack-4-elsewhere", "obsstack-by-hand")
    }
    assert engine.left("somebody-elses") == ["somebody-elses"]
    for project in ("obsstack-1-of-a-dead-run", "obsstack-2-kept"):
        assert engine.left(project) == []

    del engine.networks["obsstack-by-hand_default"], engine.volumes["obsstack-by-hand_loki-data"]
    engine.remove("obsstack-by-hand-loki-1")
    told = json.loads(obsstack(capsys, monkeypatch, "down", "--all", "--json"))
    assert told["removed"] == []
    assert sorted(told["left"]) == ["obsstack-3-live", "obsstack-4-elsewhere"]


def test_nothing_was_left(
    folder: Path,
    engine: FakeEngine,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert obsstack(capsys, monkeypatch, "down", "--all") == "nothing was left\n"


@pytest.mark.parametrize("kind", ["networks", "volumes"])
def test_a_project_is_known_by_any_part_that_is_left(kind: str, engine: FakeEngine) -> None:
    put(engine, "obsstack-x", f"{dead_pid()}@{HERE}")
    engine.remove("obsstack-x-loki-1")
    {"networks": engine.volumes, "volumes": engine.networks}[kind].clear()
    (leftover,) = find_leftovers(find_engine())
    assert leftover.project == "obsstack-x"
    assert leftover.stays is None


def test_a_part_without_an_owner_does_not_hide_that_of_the_others(engine: FakeEngine) -> None:
    put(engine, "obsstack-x", f"{os.getpid()}@{HERE}")
    for resources in (engine.networks, engine.volumes):
        for labels in resources.values():
            labels["io.pytest-obsstack.owner"] = ""
    engine.containers["obsstack-x-loki-1"].labels["io.pytest-obsstack.owner"] = (
        f"{os.getpid()}@{HERE}"
    )
    (leftover,) = find_leftovers(find_engine())
    assert leftover == Leftover("obsstack-x", "x", f"{os.getpid()}@{HERE}", kept=False)


def test_what_cannot_be_removed_is_told_with_the_command(
    folder: Path,
    engine: FakeEngine,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    put(engine, "obsstack-x", f"{dead_pid()}@{HERE}")
    engine.down_errors = ["Error response from daemon: device or resource busy"] * 3
    monkeypatch.setattr("sys.argv", ["obsstack", "down", "--all"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    assert capsys.readouterr().err == textwrap.dedent(
        """\
        The project obsstack-x could not be removed.
          expected  its containers, networks and volumes are gone
          found     Error response from daemon: device or resource busy
          do        docker compose --project-name obsstack-x down --volumes --remove-orphans \
--timeout 3
        """
    )


def test_an_engine_that_does_not_list(engine: FakeEngine) -> None:
    found = find_engine()
    engine.answering = False
    with pytest.raises(ObsstackError) as raised:
        find_leftovers(found)
    assert str(raised.value) == textwrap.dedent(
        """\
        docker does not tell what it runs.
          expected  `docker container ls --all --quiet --filter label=io.pytest-obsstack.run` \
succeeds
          found     Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the \
docker daemon running?"""
    )
