from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.compose import engine
from tests.compose.local_images.steps import TAIL_LINES, BuildError, Steps
from tests.compose.own_engine import compose_plugin, traces
from tests.compose.own_engine.daemon import Daemon, is_running
from tests.compose.own_engine.state import State

pytestmark = pytest.mark.skipif(
    not Path("/proc/self").exists(), reason="an engine is started on Linux alone"
)

RULES = """\
*nat
:PREROUTING ACCEPT [0:0]
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
-A POSTROUTING -s 10.9.0.0/16 -j MASQUERADE
-A DOCKER -i br-1 -j RETURN
COMMIT
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:DOCKER - [0:0]
:DOCKER-USER - [0:0]
-A INPUT -p tcp -j ACCEPT
-A FORWARD -j DOCKER-USER
-A DOCKER-USER -j RETURN
COMMIT
"""


@pytest.fixture
def steps() -> Steps:
    return Steps(io.StringIO())


@pytest.fixture
def ended() -> int:
    """The number of a process that was."""
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    child.wait()
    return child.pid


def test_docker_s_rules_and_chains_are_removed_and_no_others() -> None:
    assert [" ".join(words) for words in traces.cleaning_commands(RULES)] == [
        "-t nat -D PREROUTING -m addrtype --dst-type LOCAL -j DOCKER",
        "-t nat -D POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE",
        "-t filter -D FORWARD -j DOCKER-USER",
        "-t nat -F DOCKER",
        "-t filter -F DOCKER",
        "-t filter -F DOCKER-USER",
        "-t nat -X DOCKER",
        "-t filter -X DOCKER",
        "-t filter -X DOCKER-USER",
    ]


def test_rules_of_others_need_no_cleaning() -> None:
    assert list(traces.cleaning_commands("*filter\n-A INPUT -p tcp -j ACCEPT\nCOMMIT\n")) == []


def test_the_policy_is_that_of_the_filter_table() -> None:
    assert traces.forward_policy(RULES) == "DROP"
    assert traces.forward_policy("") == "ACCEPT"
    assert traces.forward_policy("*mangle\n:FORWARD DROP [0:0]\n*filter\n") == "ACCEPT"


def test_nothing_is_put_back_in_another_network(steps: Steps, tmp_path: Path) -> None:
    made = tmp_path / "made"
    made.touch()
    traces.put_back(State(network="net:[1]", absent=[str(made)]), steps)
    assert made.exists()


def test_nothing_is_put_back_beside_another_engine(
    steps: Steps, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(traces, "other_engines", lambda: [1])
    made = tmp_path / "made"
    made.touch()
    here = traces.network_of(Path("/proc/self"))
    traces.put_back(State(network=here, absent=[str(made)]), steps)
    assert made.exists()


@pytest.mark.parametrize(
    ("version", "enough"),
    [
        ("2.24.0", True),
        ("v2.40.3", True),
        ("2.26.1-4", True),
        ("3.0.0", True),
        ("2.23.9", False),
        ("1.29.2", False),
        ("unknown", False),
    ],
)
def test_compose_is_new_enough_from_2_24_on(version: str, enough: bool) -> None:
    assert compose_plugin.is_new_enough(version) is enough


def test_the_state_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert State.load(tmp_path) is None
    state = State(
        started=True, pid=7, absent=["/etc/docker"], forward_policy={"iptables": "ACCEPT"}
    )
    state.save(tmp_path)
    assert State.load(tmp_path) == state


def test_stop_without_start_ends_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert engine.main(["stop", "--folder", str(tmp_path)]) == 0
    assert capsys.readouterr().err == f"no engine was started in {tmp_path}, none is stopped\n"


def test_an_engine_that_runs_already_is_used_and_not_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    docker = tmp_path / "programs" / "docker"
    docker.parent.mkdir()
    # It answers where no other host is named, and has Compose.
    docker.write_text('#!/bin/sh\n[ "$1" != --host ] && echo 2.26.1\n')
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", str(docker.parent))
    folder = tmp_path / "engine"

    assert engine.main(["start", "--folder", str(folder)]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "an engine runs already, it is used\n"
    assert engine.main(["stop", "--folder", str(folder)]) == 0
    assert "none is stopped" in capsys.readouterr().err


def test_without_dockerd_it_says_how_to_install_it(
    tmp_path: Path, steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda _name, **_path: None)
    with pytest.raises(BuildError) as error:
        Daemon(tmp_path, steps).spawn()
    assert str(error.value) == (
        "expected dockerd, found none; do: apt-get install --no-install-recommends"
        " docker.io iptables"
    )


def test_a_folder_too_long_for_sockets_is_refused(
    tmp_path: Path, steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda _name, **_path: "/usr/sbin/dockerd")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    with pytest.raises(BuildError, match=r"paths of 107 bytes, found \d{3} with .*; use a shorter"):
        Daemon(tmp_path / ("x" * 100), steps).spawn()


def test_an_engine_needs_root(
    tmp_path: Path, steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda _name, **_path: "/usr/sbin/dockerd")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(BuildError, match="expected root, which an engine needs"):
        Daemon(tmp_path, steps).spawn()


def test_no_second_engine_is_started_in_one_network(
    tmp_path: Path, steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(traces, "other_engines", lambda: [4711])
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere")
    with pytest.raises(
        BuildError, match=r"\(process 4711\) .* not at unix:///nowhere; set DOCKER_"
    ):
        engine._start_own(Daemon(tmp_path, steps), steps)
    assert State.load(tmp_path) is None


def test_an_engine_that_ends_at_its_start_is_shown_with_its_last_lines(
    tmp_path: Path, steps: Steps, ended: int
) -> None:
    (tmp_path / "engine.log").write_text("1\n" * 50 + "failed to start daemon: no overlay\n")
    with pytest.raises(BuildError) as error:
        Daemon(tmp_path, steps).wait_until_it_answers(ended)
    first, *tail = str(error.value).splitlines()
    assert first == "the engine ended at its start:"
    assert tail[-1] == "failed to start daemon: no overlay"
    assert len(tail) == TAIL_LINES


def test_a_process_that_has_ended_does_not_run(ended: int) -> None:
    assert not is_running(ended)
    assert is_running(os.getpid())
