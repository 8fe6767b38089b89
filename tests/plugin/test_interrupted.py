"""Ctrl-C and ``kill -9`` at bad moments: no process is left, whoever was hit."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Callable

import pytest

from tests.plugin.inner import Project, ended, interrupt, own_ports, wait_until

TESTS = """
import pytest

@pytest.mark.parametrize("number", range(2))
def test_it(number, note_stack, wait_for):
    wait_for("go")
"""

Moment = Callable[[Project], bool]


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()


def stack_is_begun(project: Project) -> bool:
    """Its process is about to be started, or has just been."""
    return bool(list(project.home.glob("runs/*/stack/embedded.log")))


def stack_starts(project: Project) -> bool:
    """Its process runs and does not answer yet."""
    commands = project.processes().values()
    return any("pytest_obsstack.embedded" in one and "guard.py" not in one for one in commands)


def app_starts(project: Project) -> bool:
    return (project.folder / "hanging").exists()


def a_test_runs(project: Project) -> bool:
    return bool(project.notes())


def both_workers_test(project: Project) -> bool:
    return {note["worker"] for note in project.notes()} == {"gw0", "gw1"}


def stack_ends(project: Project) -> bool:
    """The app has been told to end, and takes its time."""
    return (project.folder / "ending").exists()


MOMENTS = [
    pytest.param(stack_starts, "", 0, id="while the stack starts"),
    pytest.param(app_starts, "hangs", 0, id="while the app starts"),
    pytest.param(a_test_runs, "", 0, id="in a test"),
    pytest.param(both_workers_test, "", 2, id="in the tests of two workers"),
]


@pytest.mark.parametrize(("moment", "app", "workers"), MOMENTS)
def test_ctrl_c_ends_all_before_pytest_itself_ends(
    moment: Moment, app: str, workers: int, project: Project
) -> None:
    project.write("test_it.py", TESTS)
    run = project.start(workers=workers, env={"APP_MODE": app})
    wait_until(lambda: moment(project), moment.__name__)
    interrupt(run)
    outcome = ended(run)
    assert outcome.status == pytest.ExitCode.INTERRUPTED, outcome.output
    assert "KeyboardInterrupt" in outcome.output
    if not workers:
        assert project.processes() == {}


@pytest.mark.parametrize(("moment", "app", "workers"), MOMENTS)
def test_when_pytest_is_killed_all_ends_without_it(
    moment: Moment, app: str, workers: int, project: Project
) -> None:
    project.write("test_it.py", TESTS)
    run = project.start(workers=workers, env={"APP_MODE": app})
    wait_until(lambda: moment(project), moment.__name__)
    # The guards and what they guard, beside pytest itself.
    started = project.processes()
    assert len(started) > 1 + workers
    run.kill()
    ended(run)
    wait_until(lambda: not project.processes(), f"ended of {started}")


def test_ctrl_c_while_the_run_ends_leaves_nothing_either(project: Project) -> None:
    project.write("test_it.py", "def test_it(note_stack): pass\n")
    run = project.start(env={"APP_MODE": "ends slowly"})
    wait_until(lambda: stack_ends(project), "the app is told to end")
    interrupt(run)
    # pytest itself catches no Ctrl-C at this point, so the guards have to end what is left.
    assert ended(run).status != 0
    wait_until(lambda: not project.processes(), "all has ended")


def test_a_worker_that_is_killed_takes_its_app_with_it_and_nothing_else(project: Project) -> None:
    """Also where it is the one that started the stack: that belongs to the run."""
    project.write("test_it.py", TESTS.replace("range(2)", "range(4)"))
    run = project.start(workers=2)
    try:
        wait_until(lambda: both_workers_test(project), "both workers test")
        notes = {note["worker"]: note for note in project.notes()}
        starter = notes["gw0"]
        os.kill(starter["pid"], signal.SIGKILL)
        wait_until(lambda: starter["app"] not in project.processes(), "its app has ended")
        assert notes["gw1"]["app"] in project.processes()
        assert starter["stack"] in project.processes()
    finally:
        project.write("go", "")
    outcome = ended(run)
    assert outcome.status == pytest.ExitCode.TESTS_FAILED, outcome.output
    assert re.search(
        r"worker 'gw0' crashed while running 'test_it.py::test_it\[\d\]'", outcome.output
    )
    assert "1 failed, 3 passed" in outcome.output

    # The worker that came in its place found the stack as it was, and has an app of its own.
    later = [note for note in project.notes() if note["worker"] not in ("gw0", "gw1")]
    assert len(later) == 1
    assert {note["stack"] for note in project.notes()} == {starter["stack"]}
    assert len({note["app"] for note in project.notes()}) == 3
    assert project.processes() == {}


@pytest.mark.parametrize("kill", [interrupt, kill], ids=["Ctrl-C", "kill -9"])
@pytest.mark.parametrize(
    ("moment", "app"), [(stack_is_begun, ""), (app_starts, "hangs")], ids=["stack", "app"]
)
def test_what_was_to_be_kept_is_not_lost_where_its_start_is_cut_short(
    moment: Moment, app: str, kill: Callable[[subprocess.Popen[str]], None], project: Project
) -> None:
    """It has ended, or ``obsstack down`` knows of it."""
    project.write("test_it.py", TESTS)
    run = project.start("--obs-keep-stack", *own_ports(), env={"APP_MODE": app})
    wait_until(lambda: moment(project), moment.__name__)
    kill(run)
    ended(run)
    down = project.obsstack("down")
    assert down.status == 0, down.output
    wait_until(lambda: not project.processes(), "all has ended")
