"""What a pytest process knows of its run before anything is started."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pytest_obsstack.options import Options
from pytest_obsstack.provision.run import Run
from pytest_obsstack.provision.session import Session
from pytest_obsstack.run_state import SessionHolder


@pytest.fixture
def options(tmp_path: Path) -> Options:
    return Options(home=tmp_path / ".obsstack")


def test_a_run_without_workers_is_its_own(options: Options) -> None:
    holder = SessionHolder(options, None)
    assert not holder.is_worker
    assert holder.run == Run(holder.folder, os.getpid(), "main", 1)
    assert holder.folder.parent == options.home / "runs"


def test_a_run_that_nobody_asked_for_leaves_no_trace(options: Options) -> None:
    holder = SessionHolder(options, None)
    assert not holder.used
    holder.close()
    assert not options.home.exists()


def test_workers_take_part_in_the_controllers_run(options: Options) -> None:
    controller = SessionHolder(options, None)
    told = {"workerid": "gw1", "workercount": 2, "obsstack": controller.for_worker()}
    worker = SessionHolder(options, told)
    assert worker.is_worker
    assert worker.run == Run(controller.folder, controller.owner_pid, "gw1", 2)
    assert not worker.run.first_worker
    assert controller.run.first_worker


def test_a_controller_knows_that_a_worker_has_used_the_stack(options: Options) -> None:
    controller = SessionHolder(options, None)
    worker = SessionHolder(options, {"workerid": "gw0", "obsstack": controller.for_worker()})
    worker.get()
    assert controller.used
    assert worker.run.first_worker


def test_what_a_worker_is_told_is_plain_data(options: Options) -> None:
    told = SessionHolder(options, None).for_worker()
    assert {type(value) for value in told.values()} == {str, int}


def test_the_session_is_made_once_and_starts_nothing(options: Options) -> None:
    holder = SessionHolder(options, None)
    session = holder.get()
    assert isinstance(session, Session)
    assert holder.get() is session
    assert list(holder.folder.iterdir()) == []
    assert not session.opened
    holder.close()
    assert holder.get() is not session


def test_two_runs_at_the_same_time_have_folders_of_their_own(options: Options) -> None:
    assert SessionHolder(options, None).folder != SessionHolder(options, None).folder
