"""The table of figures: what was measured, what could not be, and what an earlier run has told."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import containers
from benchmarks.measure import Result, Unmeasured, repeat, table

MACHINE = "2 cores"
START = Result("start", "s", 0.7, (0.3, 0.1, 0.2))
UP = "containers of local images: up"
HEAD = ["| figure | goal | median | smallest | largest | runs | on |", "| --- " * 7 + "|"]


def rows(text: str) -> list[str]:
    lines = text.splitlines()
    assert lines[:2] == HEAD
    return lines[2:]


def test_the_first_run_does_not_count() -> None:
    values = iter([9.0, 1.0, 2.0])
    assert repeat("n", "s", None, 2, lambda: next(values)).values == (1.0, 2.0)


def test_a_figure_has_its_goal_its_median_and_its_machine() -> None:
    assert rows(table([START], MACHINE)) == ["| start | ≤ 0.7 s | 0.2 | 0.1 | 0.3 | 3 | 2 cores |"]
    assert rows(table([Result("n", "s", None, (1.0,))], MACHINE)) == [
        "| n | — | 1 | 1 | 1 | 1 | 2 cores |"
    ]


def test_what_cannot_be_measured_says_why() -> None:
    unmeasured = Unmeasured(UP, "≤ 60 s", "unmeasured until run with a registry")
    assert rows(table([unmeasured], MACHINE)) == [
        f"| {UP} | ≤ 60 s | unmeasured until run with a registry |  |  |  |  |"
    ]


def test_rows_of_an_earlier_run_stay_and_measured_ones_are_replaced() -> None:
    earlier = "# Title\n\nText.\n\n" + table([START, Result("b", "s", 1, (1.0,))], "4 cores")
    now = table([Result("start", "s", 0.7, (0.5,))], MACHINE, earlier)
    assert rows(now) == [
        "| start | ≤ 0.7 s | 0.5 | 0.5 | 0.5 | 1 | 2 cores |",
        "| b | ≤ 1 s | 1 | 1 | 1 | 1 | 4 cores |",
    ]


def test_a_measured_figure_takes_the_place_of_one_that_could_not_be() -> None:
    unmeasured = Unmeasured(UP, "≤ 25 s", "unmeasured")
    measured = Result("containers of local images, lite: up", "s", 25, (9.0,))
    earlier = table([unmeasured], MACHINE)
    now = table([measured], MACHINE, earlier)
    assert [row.split(" | ")[0] for row in rows(now)] == ["| containers of local images, lite: up"]
    # And is not pushed away by a later run without an engine.
    later = table([unmeasured], MACHINE, now)
    assert rows(later) == rows(now)


def test_without_images_the_figures_of_containers_are_unmeasured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(containers.VARIABLE, raising=False)
    found = containers.start_and_end(1)
    assert all(isinstance(each, Unmeasured) for each in found)
    goals = {each.goal: each.reason for each in found if isinstance(each, Unmeasured)}
    assert goals["≤ 60 s on 4 cores"] == "unmeasured until run with a registry"
    assert containers.suite(1) == []


def test_each_tracker_has_its_own_file_of_local_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("docker-compose.local.yml", "docker-compose.lite.local.yml"):
        (tmp_path / name).touch()
    monkeypatch.setenv(containers.VARIABLE, str(tmp_path / "docker-compose.local.yml"))
    assert containers.images() == "local"
    assert containers.files_for("glitchtip") == [str(tmp_path / "docker-compose.local.yml")]
    assert containers.files_for("lite") == [str(tmp_path / "docker-compose.lite.local.yml")]
    monkeypatch.setenv(containers.VARIABLE, "/dev/null")
    assert containers.images() == "upstream"
    assert containers.files_for("lite") == []
