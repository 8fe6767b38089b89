"""Nothing is left: after an interruption, a kill, and where the engine is slower than Compose."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from pytest_obsstack.providers.compose.command import Compose, ComposeFailed
from pytest_obsstack.providers.compose.launch import start_reaper
from pytest_obsstack.providers.compose.removal import remaining
from pytest_obsstack.providers.process import ProcessIdentity
from tests.plugin.inner import heed_interrupts
from tests.unit.providers.compose.fake_engine import ONE_OFF, PROJECT, Behaviour, Container
from tests.unit.providers.compose.support import PROJECT as NAME
from tests.unit.providers.compose.support import Bench
from tests.unit.providers.support import alive, eventually, sleeper

PATIENCE_S = 15.0


@pytest.fixture
def compose(tmp_path: Path) -> Compose:
    """A project without files."""
    folder = tmp_path / "stack"
    folder.mkdir()
    return Compose(
        *(("docker", "compose"), "docker", NAME, (), (), ()),
        folder=str(folder),
        directory=str(folder),
    )


def put(bench: Bench, service: str, *, one_off: bool = False) -> Container:
    """A running container of the project, as some call has left it."""
    labels = {PROJECT: NAME, ONE_OFF: str(one_off)}
    container = Container(
        f"{NAME}-{service}-1", service, NAME, "image", labels, {}, {}, Behaviour(), "running"
    )
    bench.engine.containers[container.name] = container
    return container


def test_copies_go_as_well(bench: Bench, compose: Compose) -> None:
    put(bench, "app")
    put(bench, "copy", one_off=True)
    bench.engine.networks[f"{NAME}_default"] = {PROJECT: NAME}
    bench.engine.volumes[f"{NAME}_data"] = {PROJECT: NAME}
    assert len(remaining("docker", NAME)) == 4
    assert [c["Service"] for c in compose.containers()] == ["app"]
    assert len(compose.all_containers()) == 2
    compose.down()
    assert bench.engine.left() == []


def test_other_projects_stay(bench: Bench, compose: Compose) -> None:
    bench.engine.volumes["other_data"] = {PROJECT: "other"}
    compose.down()
    assert bench.engine.left() == ["other_data"]


def test_what_comes_up_meanwhile_is_removed_as_well(bench: Bench, compose: Compose) -> None:
    bench.engine.down_errors = ["Error response from daemon: network has active endpoints"]
    put(bench, "app")
    compose.down()
    assert bench.engine.left() == []
    assert len(bench.engine.lines("down")) == 2


def test_what_cannot_be_removed_is_told(bench: Bench, compose: Compose) -> None:
    put(bench, "app")
    bench.engine.down_errors = ["Error response from daemon: device or resource busy"] * 3
    with pytest.raises(ComposeFailed) as raised:
        compose.down()
    text = str(raised.value)
    assert text.splitlines()[:3] == [
        f"`compose --project-name {NAME} down --volumes --remove-orphans --timeout 3` failed.",
        "  expected  it succeeds",
        "  found     Error response from daemon: device or resource busy",
    ]
    assert text.endswith(f"still there: container {NAME}-app-1")


def test_the_callers_own_compose_settings_do_not_reach_down(
    bench: Bench, compose: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A COMPOSE_FILE that names a file of another place would make it fail."""
    monkeypatch.setenv("COMPOSE_FILE", "/nowhere/docker-compose.yml")
    monkeypatch.setenv("COMPOSE_PROJECT_NAME", "other")
    compose.down()
    (call,) = [call for call in bench.engine.calls if "down" in call.arguments]
    assert not [name for name in call.environment if name.startswith("COMPOSE_")]


def test_the_reaper_removes_the_project_when_its_owner_ends(bench: Bench, compose: Compose) -> None:
    put(bench, "app")
    owner = sleeper()
    start_reaper(compose, owner.pid)
    assert bench.engine.left() != []
    end(owner)
    assert eventually(lambda: bench.engine.left() == [], PATIENCE_S)


def test_a_reaper_that_was_released_leaves_it(bench: Bench, compose: Compose) -> None:
    put(bench, "app")
    owner = sleeper()
    reaper = start_reaper(compose, owner.pid)
    reaper.release()
    assert eventually(lambda: not reaper.alive, PATIENCE_S)
    end(owner)
    assert bench.engine.lines("down") == []


def test_the_reaper_looks_again_for_what_comes_late(bench: Bench, compose: Compose) -> None:
    """The engine goes on with what a killed client had asked for."""
    owner = sleeper()
    start_reaper(compose, owner.pid)
    end(owner)
    assert eventually(lambda: bench.engine.lines("down"), PATIENCE_S)
    put(bench, "late")
    assert eventually(lambda: bench.engine.left() == [], PATIENCE_S)


OWNER = """
import sys
from pathlib import Path
from pytest_obsstack.providers.compose.command import Compose
from pytest_obsstack.providers.compose.launch import start_reaper
import os

folder = sys.argv[1]
compose = Compose(
    ("docker", "compose"), "docker", sys.argv[2], (), (), (), folder=folder, directory=folder
)
start_reaper(compose, os.getpid())
try:
    compose.run("up", "--detach", "--no-build", "loki")
except KeyboardInterrupt:
    compose.down()
    raise
"""


def starting(compose: Compose, bench: Bench) -> subprocess.Popen[bytes]:
    """A process in the middle of ``up``."""
    import sys

    bench.engine.hang = "up"
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, compose.folder, compose.project],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=heed_interrupts,  # noqa: PLW1509 - no thread of this process holds a lock here
    )
    assert bench.engine.hanging.wait(PATIENCE_S)
    return owner


def client_pid(bench: Bench) -> int:
    (call,) = [call for call in bench.engine.calls if "up" in call.arguments]
    return call.pid


def test_kill_9_in_the_middle_of_a_start(bench: Bench, compose: Compose) -> None:
    """Compose is ended first, then what it has made so far is removed."""
    owner = starting(compose, bench)
    put(bench, "early")
    late: list[Container] = []
    bench.engine.late = lambda: late.append(put(bench, "late"))
    starts_at_down: list[bool] = []
    bench.engine.before_down = lambda: starts_at_down.append(alive(client_pid(bench)))
    end(owner)
    assert eventually(lambda: late, PATIENCE_S)
    assert eventually(lambda: bench.engine.left() == [], PATIENCE_S)
    assert starts_at_down[0] is False


def test_ctrl_c_in_the_middle_of_a_start(bench: Bench, compose: Compose) -> None:
    """Compose has ended before the project is removed: nothing comes up behind it."""
    owner = starting(compose, bench)
    put(bench, "early")
    starts_at_down: list[bool] = []
    bench.engine.before_down = lambda: starts_at_down.append(alive(client_pid(bench)))
    owner.send_signal(signal.SIGINT)
    owner.wait(PATIENCE_S)
    assert starts_at_down[0] is False
    assert bench.engine.left() == []


def test_a_call_that_does_not_end_on_sigterm_is_killed(bench: Bench, compose: Compose) -> None:
    """And with it what it has started itself: older clients do not hand signals on."""
    stubborn = bench.folder / "bin" / "docker"
    pids = bench.folder / "pids"
    stubborn.write_text(
        f"#!/bin/sh\ntrap '' TERM\nsleep 60 &\necho $$ $! > {pids}.new\n"
        f"/bin/mv {pids}.new {pids}\nwait\nwait\n"
    )
    with pytest.raises(ComposeFailed) as raised:
        compose.run("up", timeout_s=0.5)
    assert raised.value.found == "it did not end within 0.5 s"
    for pid in map(int, pids.read_text().split()):
        assert not alive(pid)


def test_what_a_call_has_started_is_asked_to_end_too(bench: Bench, compose: Compose) -> None:
    """Docker's older clients do not hand a signal on to the plugin that does the work."""
    client, told = bench.folder / "bin" / "docker", bench.folder / "told"
    client.write_text(
        f"#!/bin/sh\n(trap 'echo ended > {told}; exit' TERM; touch {told}.set; "
        f"while :; do sleep 0.05; done) &\ntrap '' TERM\n"
        f"while [ ! -e {told}.set ]; do sleep 0.05; done\necho ready\nwait\nwait\n"
    )

    def tell(_ready: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compose.run("up", tell=tell)
    assert told.read_text() == "ended\n"


def test_an_exception_while_progress_is_told_ends_the_call(bench: Bench, compose: Compose) -> None:
    bench.engine.hang = "pull"

    def tell(_line: str) -> None:
        raise RuntimeError("the terminal is gone")

    with pytest.raises(RuntimeError, match="the terminal is gone"):
        compose.run("pull", "loki", tell=tell)
    (call,) = [call for call in bench.engine.calls if "pull" in call.arguments]
    assert not alive(call.pid)


def test_a_folder_that_was_removed_by_hand_keeps_nobody_from_removing(
    bench: Bench, compose: Compose
) -> None:
    put(bench, "app")
    owner = sleeper()
    reaper: ProcessIdentity = start_reaper(compose, owner.pid)
    for path in Path(compose.folder).iterdir():
        path.unlink()
    Path(compose.folder).rmdir()
    end(owner)
    assert eventually(lambda: bench.engine.left() == [], PATIENCE_S)
    assert eventually(lambda: not reaper.alive, PATIENCE_S)


def end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
