"""A stack that outlives its run, and runs that only visit one."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from typing import Any

import pytest

from pytest_obsstack.endpoints import SentryEndpoint
from pytest_obsstack.providers.home import Home
from pytest_obsstack.providers.ports import free_port
from pytest_obsstack.providers.state import StackState, read_state
from pytest_obsstack.wire.dsn import Dsn
from tests.plugin.inner import Ended, Project, ended, normalised, own_ports, wait_until

TESTS = """
def test_report(obs, obs_sentry_sdk, note_stack):
    obs_sentry_sdk.capture_message("kept")
    obs.sentry.expect_event(message="kept")

def test_look(note_stack, note, obs_sentry):
    note(issues=[(issue.id, issue.title, issue.count) for issue in obs_sentry.issues()])

def test_write(obs_sentry):
    (issue,) = obs_sentry.issues()
    obs_sentry.update_issue(issue, status="resolved")

def test_steer(obs_stack):
    obs_stack.stop("loki")
"""

REFUSED_WRITE = """
pytest_obsstack.errors.ObsstackError: Sentry is used read-only, so PUT \
/api/0/organizations/obsstack/issues/1/ was not sent.
  expected  a stack that this run has started, or leave to write
  found     an attached Sentry at http://HOST/api/0
  do        pass --obs-allow-writes if this stack may be changed
"""
REFUSED_FAULT = """
pytest_obsstack.errors.ObsstackError: This stack cannot be steered: stop was asked.
  expected  a stack that this run started, or --obs-allow-writes on a kept one
  found     --obs-stack=attach, capabilities without `faults`
  do        mark the test with @pytest.mark.obs_requires("faults")
"""


def kept_state(project: Project) -> StackState:
    state = read_state(Home(project.home).kept_path)
    assert state is not None
    return state


def stack_notes(project: Project) -> list[dict[str, Any]]:
    return [note for note in project.notes() if "stack" in note]


def errors(run: Ended, project: Project) -> str:
    """The texts of the errors that pytest shows, without what differs from run to run."""
    lines = [line[4:] for line in run.lines if line.startswith("E   ")]
    return normalised("\n".join(lines), project.folder)


def test_a_kept_stack_serves_later_runs_until_it_is_taken_down(project: Project) -> None:
    project.write("test_it.py", TESTS)
    ports = own_ports()
    try:
        keeps(project, ports)
        goes_on(project, ports)
        may_be_read(project)
        may_be_written_on_request(project)
    finally:
        down = project.obsstack("down")
    assert down.status == 0, down.output
    assert project.processes() == {}
    assert not Home(project.home).kept_path.exists()
    # What arrived outlives it.
    folder = project.run_folders()[0] / "stack"
    assert down.output == f"stopped; what arrived is in {folder}\n"
    assert (folder / "sentry.jsonl").stat().st_size > 0


def keeps(project: Project, ports: list[str]) -> None:
    run = project.run("-k", "report or look", "--obs-keep-stack", *ports)
    assert run.status == 0, run.output
    state = kept_state(project)
    assert Home(project.home).kept_path.stat().st_mode & 0o777 == 0o600
    assert state.process is not None
    assert state.process.pid == stack_notes(project)[0]["stack"]
    assert state.process.pid in project.processes()

    said = "\n".join(run.lines[-8:])
    assert state.app is not None
    assert f"the app answers at {state.app.url}\n" in said
    assert f"log in at {state.products['sentry'].url} as admin@example.com, admin\n" in said
    assert (
        "the stack keeps running: `obsstack status` shows it, `obsstack down` removes it\n" in said
    )


def goes_on(project: Project, ports: list[str]) -> None:
    """The next run finds the same stack with what it holds, and keeps it, too."""
    run = project.run("-k", "report or look", "--obs-keep-stack", *ports)
    assert run.status == 0, run.output
    first, _, second, _ = stack_notes(project)
    assert (second["stack"], second["urls"]) == (first["stack"], first["urls"])
    (before, after) = [note["issues"] for note in project.notes() if "issues" in note]
    assert [title for _, title, _ in before] == ["kept"]
    assert after == [[before[0][0], "kept", before[0][2] + 1]], "the same issue, once more"

    # The app's code may have changed, so each run has it started anew, at the same place.
    assert second["app_url"] == first["app_url"]
    assert second["app"] != first["app"]
    assert first["app"] not in project.processes()
    assert second["app"] in project.processes()


def may_be_read(project: Project) -> None:
    running = set(project.processes())
    run = project.run("--obs-stack=attach", "-k", "look or write or steer")
    assert run.status == pytest.ExitCode.TESTS_FAILED, run.output
    assert "2 failed, 1 passed" in run.output
    assert "obsstack: attach (a stack that runs already, read-only)" in run.lines
    assert stack_notes(project)[-1]["stack"] == stack_notes(project)[0]["stack"]
    # It has used the app of the stack, and left all as it was.
    assert stack_notes(project)[-1]["app"] == stack_notes(project)[-2]["app"]
    assert set(project.processes()) == running

    refusals = [REFUSED_WRITE.strip(), REFUSED_FAULT.strip()]
    assert errors(run, project) == "\n".join(refusals)


def may_be_written_on_request(project: Project) -> None:
    run = project.run("--obs-stack=attach", "--obs-allow-writes", "-k", "write or look")
    assert run.status == 0, run.output
    assert "obsstack: attach (a stack that runs already)" in run.lines


def test_a_stack_that_was_killed_is_not_attached_to_but_replaced(project: Project) -> None:
    project.write("test_it.py", "def test_it(note_stack): pass\n")
    ports = own_ports()
    try:
        assert project.run("--obs-keep-stack", *ports).status == 0
        state = kept_state(project)
        assert state.process is not None
        for pid, command in project.processes().items():
            if "app.py" not in command:
                os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not state.alive, "the stack has ended")

        run = project.run("--obs-stack=attach")
        assert run.status == pytest.ExitCode.TESTS_FAILED, run.output
        text = errors(run, project)
        assert text.replace(str(state.process.pid), "PID") == (
            "pytest_obsstack.errors.StackUnavailable: The kept stack has ended.\n"
            "  expected  the process of FOLDER/.obsstack/kept.json runs\n"
            "  found     no process PID of that start time\n"
            "  do        `obsstack down` clears it away, `obsstack up` starts a new one"
        )

        # The app of the dead stack still stands in the way; it is ended, too.
        again = project.run("--obs-keep-stack", *ports)
        assert again.status == 0, again.output
        first, second = stack_notes(project)
        assert first["stack"] != second["stack"]
        assert first["app"] not in project.processes()
    finally:
        assert project.obsstack("down").status == 0
    assert project.processes() == {}


def test_there_must_be_something_to_attach_to(project: Project) -> None:
    project.write("test_it.py", "def test_it(obs): pass\n")
    run = project.run("--obs-stack=attach")
    text = errors(run, project)
    assert run.status == pytest.ExitCode.TESTS_FAILED
    assert text == (
        "pytest.UsageError: --obs-stack=attach: there is no stack to attach to\n"
        "  expected  --obs-use COMPONENT=URL for each component, or a stack that was left running "
        "by `obsstack up` or --obs-keep-stack\n"
        "  found     no --obs-use, and no FOLDER/.obsstack/kept.json"
    )
    assert project.processes() == {}


def test_a_wrong_dsn_of_an_attached_tracker_is_told_at_the_start(project: Project) -> None:
    project.write("test_it.py", "def test_it(obs_stack): pass\n")
    try:
        assert project.run("--obs-keep-stack", *own_ports()).status == 0
        tracker = kept_state(project).endpoints.sentry
        assert tracker is not None
        assert tracker.dsn is not None
        own = Dsn.parse(tracker.dsn)
        journal = project.run_folders()[0] / "stack" / "sentry.jsonl"
        arrived = journal.read_bytes()
        for dsn, url in {
            own: tracker.url,
            # The app's own way to the tracker may be closed to this machine.
            replace(own, host="relay.cluster.local"): tracker.url,
            # Nor does an API that does not answer refuse anything.
            replace(own, public_key="f" * 32): f"http://127.0.0.1:{free_port()}",
        }.items():
            run = attached_by_url(project, tracker, dsn, url)
            assert run.status == 0, run.output

        shown = f"http://{own.public_key[:4]}…@HOST/{own.project_id}"
        # Of both kinds that take a tracker at a URL, before anything starts or an engine is sought.
        for kind in ("attach", "compose"):
            wrong_key = replace(own, public_key="f" * 32)
            assert refused_start(project, tracker, wrong_key, kind=kind) == (
                "  found     the DSN's key is not that of simple-app\n"
                f"  do        take the DSN of simple-app ({shown})"
            )
        assert refused_start(project, tracker, replace(own, project_id="77")) == (
            f"  found     the DSN reports to project 77, the API is asked for project "
            f"{own.project_id} (simple-app)\n"
            f"  do        take the DSN of simple-app ({shown}), or ask for the DSN's project"
        )
        assert journal.read_bytes() == arrived, "nothing was sent"
    finally:
        assert project.obsstack("down").status == 0
    assert project.processes() == {}


def attached_by_url(
    project: Project, tracker: SentryEndpoint, dsn: Dsn, url: str, *, kind: str = "attach"
) -> Ended:
    return project.run(
        *(f"--obs-stack={kind}", f"--obs-use=sentry={url}", "--obs-sentry-flavour=embedded"),
        *("--obs-sentry-organization=obsstack", "--obs-sentry-project=simple-app"),
        env={"OBS_SENTRY_TOKEN": str(tracker.token), "OBS_SENTRY_DSN": str(dsn)},
    )


def refused_start(
    project: Project, tracker: SentryEndpoint, dsn: Dsn, *, kind: str = "attach"
) -> str:
    """What a run says, after what it expected."""
    run = attached_by_url(project, tracker, dsn, tracker.url, kind=kind)
    assert run.status == pytest.ExitCode.TESTS_FAILED, run.output
    assert dsn.public_key not in run.output
    summary, expected, rest = errors(run, project).split("\n", 2)
    assert summary == (
        "pytest_obsstack.errors.StackUnavailable: What is reported by the DSN does not arrive "
        "where Sentry is asked."
    )
    assert expected == (
        "  expected  a DSN (--obs-sentry-dsn) of the project simple-app, with an active key"
    )
    return rest


def test_two_runs_on_a_kept_stack_leave_each_other_their_apps(project: Project) -> None:
    project.write(
        "test_it.py",
        "def test_long(obs, note_stack, wait_for):\n"
        "    wait_for('go-on')\n"
        "    assert obs.get('/').status_code == 200\n\n"
        "def test_short(obs, note_stack):\n"
        "    assert obs.get('/').status_code == 200\n",
    )
    ports = own_ports()
    try:
        first = project.start("-k", "long", "--obs-keep-stack", *ports)
        wait_until(lambda: stack_notes(project) != [], "the first run drives its app")
        second = project.run("-k", "short")
        project.write("go-on", "")
        first_ended = ended(first)
        assert second.status == 0, second.output
        assert first_ended.status == 0, first_ended.output
        # One stack, an app each; the one that is kept is the first run's.
        long, short = stack_notes(project)
        assert long["stack"] == short["stack"]
        assert long["app_url"] != short["app_url"]
        state = kept_state(project)
        assert state.app is not None
        assert state.app.url == long["app_url"]
        assert all(process.alive for process in state.app.processes)
    finally:
        down = project.obsstack("down")
    assert down.status == 0, down.output
    assert project.processes() == {}
