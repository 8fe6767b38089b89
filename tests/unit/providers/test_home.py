"""The folder of runs: what is cleared away, what stays, where it is looked for."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_obsstack.providers.home import RUNS_KEPT, Home, find_home
from pytest_obsstack.providers.process import ProcessIdentity
from pytest_obsstack.providers.state import write_state
from tests.unit.providers.support import dead_pid
from tests.unit.providers.test_state import BARE


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / ".obsstack")


def runs(home: Home, count: int) -> list[Path]:
    """So many runs, oldest first."""
    return [home.make_run(home.path / "runs" / f"2026010{n}-000000-aaaaaa") for n in range(count)]


def left(home: Home) -> list[Path]:
    return sorted((home.path / "runs").iterdir())


def test_a_new_run_is_an_empty_folder_for_its_owner_alone(home: Home) -> None:
    folder = home.new_run()
    assert list(folder.iterdir()) == []
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(home.path.stat().st_mode) == 0o700


def test_names_of_runs_are_unique_and_sort_by_time(home: Home) -> None:
    names = {home.run_path().name for _ in range(100)}
    assert len(names) == 100
    assert all(name[8] == name[15] == "-" and name[:8].isdigit() for name in names)


def test_git_does_not_pick_the_folder_up(home: Home) -> None:
    home.new_run()
    assert (home.path / ".gitignore").read_text() == "*\n"


def test_a_gitignore_of_somebody_elses_making_stays(home: Home) -> None:
    home.path.mkdir()
    (home.path / ".gitignore").write_text("mine\n")
    home.new_run()
    assert (home.path / ".gitignore").read_text() == "mine\n"


def test_several_workers_may_make_the_same_run(home: Home) -> None:
    folder = home.new_run()
    (folder / "state.json").write_text("{}")
    assert home.make_run(folder) == folder
    assert (folder / "state.json").exists()


def test_all_but_the_newest_runs_are_cleared_away(home: Home) -> None:
    made = runs(home, RUNS_KEPT + 3)
    (made[0] / "deep").mkdir()
    (made[0] / "deep" / "file").write_text("x")
    home.clear_old_runs()
    assert left(home) == made[3:]


def test_few_runs_all_stay(home: Home) -> None:
    made = runs(home, RUNS_KEPT)
    home.clear_old_runs()
    assert left(home) == made


def test_without_any_run_there_is_nothing_to_clear(home: Home) -> None:
    home.clear_old_runs()
    assert not home.path.exists()


def test_the_run_that_clears_is_never_cleared(home: Home) -> None:
    made = runs(home, RUNS_KEPT + 2)
    home.clear_old_runs(made[0])
    assert left(home) == [made[0], *made[2:]]


def test_a_run_that_is_marked_stays_until_it_is_released(home: Home) -> None:
    made = runs(home, RUNS_KEPT + 2)
    home.mark_in_use(made[0])
    home.clear_old_runs()
    assert left(home) == [made[0], *made[2:]]
    home.release(made[0])
    home.release(made[0])
    home.clear_old_runs()
    assert left(home) == made[2:]


def test_a_run_whose_stack_is_alive_stays(home: Home) -> None:
    made = runs(home, RUNS_KEPT + 2)
    write_state(made[0] / "state.json", replace(BARE, process=ProcessIdentity.of(os.getpid())))
    write_state(made[1] / "state.json", replace(BARE, process=ProcessIdentity.of(dead_pid())))
    home.clear_old_runs()
    assert left(home) == [made[0], *made[2:]]


def test_files_that_are_no_runs_stay(home: Home) -> None:
    runs(home, RUNS_KEPT + 1)
    other = home.path / "runs" / "notes"
    other.mkdir()
    home.clear_old_runs()
    assert other.exists()
    assert home.kept_path.parent == home.kept_lock_path.parent == home.path


# ---- which home belongs to a folder


def test_the_nearest_home_upwards_is_found(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b" / "c"
    deep.mkdir(parents=True)
    (tmp_path / ".obsstack").mkdir()
    (tmp_path / "a" / ".obsstack").mkdir()
    (deep / "pyproject.toml").touch()
    assert find_home(deep) == tmp_path / "a" / ".obsstack"


@pytest.mark.parametrize("mark", ["pyproject.toml", "pytest.ini", "setup.cfg", "tox.ini", ".git"])
def test_without_a_home_it_is_beside_the_projects_root(tmp_path: Path, mark: str) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    (tmp_path / "a" / mark).touch()
    assert find_home(deep) == tmp_path / "a" / ".obsstack"


def test_a_file_of_that_name_is_no_home(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").touch()
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / ".obsstack").touch()
    assert find_home(tmp_path / "a") == tmp_path / ".obsstack"
