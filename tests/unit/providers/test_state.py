"""The state file: private, whole, and of this version or none."""

from __future__ import annotations

import json
import os
import stat
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_obsstack.endpoints import CollectorEndpoint, Endpoints, SentryEndpoint
from pytest_obsstack.providers.process import ProcessIdentity
from pytest_obsstack.providers.state import (
    Control,
    ProductState,
    RunningApp,
    StackState,
    read_state,
    write_private,
    write_state,
)
from tests.unit.providers.support import dead_pid

ME = ProcessIdentity.of(os.getpid())
STATE = StackState(
    kind="embedded",
    run_id="20260101-120000-abcdef",
    folder=Path("/runs/x/stack"),
    endpoints=Endpoints(
        sentry=SentryEndpoint("http://s", token="s3cret", dsn="http://k@s/1"),
        collector=CollectorEndpoint("http://c"),
    ),
    products={"sentry": ProductState("http://s", "1.0", "Sentry", wish_met=False)},
    ready_after_s=0.5,
    kept=True,
    control=Control("http://x", "s3cret"),
    process=ME,
    app=RunningApp(
        "http://a",
        "simple-app-main",
        "simple-app",
        (ME, ProcessIdentity(1, "x")),
        {"A": "1"},
        "log",
        companions={"B_URL": RunningApp("http://b", "b-main", "b", (ME,))},
    ),
)
BARE = StackState("attach", "r", Path("/runs/y"), Endpoints(), {}, 0.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.json"


@pytest.mark.parametrize("state", [STATE, BARE], ids=["whole", "bare"])
def test_a_state_is_read_as_it_was_written(path: Path, state: StackState) -> None:
    write_state(path, state)
    assert read_state(path) == state


def test_the_file_is_for_its_owner_alone_whatever_the_umask(path: Path) -> None:
    before = os.umask(0)
    try:
        write_state(path, STATE)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_that_others_could_read_is_replaced_by_a_private_one(path: Path) -> None:
    path.write_text("{}")
    path.chmod(0o644)
    write_state(path, STATE)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_nothing_but_the_file_is_left(path: Path) -> None:
    write_state(path, STATE)
    write_state(path, BARE)
    assert [file.name for file in path.parent.iterdir()] == ["state.json"]


def test_a_reader_never_sees_a_part(path: Path) -> None:
    write_state(path, STATE)
    done = threading.Event()

    def write() -> None:
        for number in range(200):
            write_state(path, replace(STATE, run_id=str(number) * 2000))
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    while not done.is_set():
        assert read_state(path) is not None
    writer.join()


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "7", '"text"', "{}", '{"format": 0}', '{"format": "1"}']
)
def test_a_file_of_another_format_is_no_state(path: Path, text: str) -> None:
    path.write_text(text)
    assert read_state(path) is None


def test_a_file_of_bytes_is_no_state(path: Path) -> None:
    path.write_bytes(b"\xff\x00")
    assert read_state(path) is None


def test_a_file_of_a_later_version_is_no_state(path: Path) -> None:
    data: dict[str, Any] = {**STATE.to_json(), "format": 99, "new": True}
    path.write_text(json.dumps(data))
    assert read_state(path) is None


def test_no_file_is_no_state(path: Path) -> None:
    assert read_state(path) is None


def test_a_folder_that_is_gone_cannot_be_written_to(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_private(tmp_path / "gone" / "state.json", "{}")


def test_no_secret_is_in_the_text() -> None:
    assert "s3cret" not in repr(STATE)


def test_a_state_is_alive_with_its_process() -> None:
    assert STATE.alive
    assert BARE.alive, "nobody here can tell that somebody else's stack has ended"
    assert not replace(STATE, process=ProcessIdentity.of(dead_pid())).alive
    assert not replace(STATE, process=replace(ME, started="another time")).alive


def test_app_and_endpoints_are_replaced_alone() -> None:
    assert STATE.with_app(None) == replace(STATE, app=None)
    assert STATE.with_endpoints(Endpoints()) == replace(STATE, endpoints=Endpoints())
