"""A run from its start to its end: what it starts, says, keeps and ends."""

from __future__ import annotations

import re
import socket
import stat
from collections.abc import Iterable
from urllib.parse import urlsplit
from xml.etree import ElementTree  # noqa: ICN001 - its name says what it is

import pytest

from tests.plugin.inner import Project, ended, wait_until

TRACE_ID = re.compile(r"[0-9a-f]{32}")


def listening(urls: Iterable[str]) -> list[str]:
    """Those of the addresses that somebody still listens on."""
    found = []
    for url in urls:
        address = urlsplit(url)
        with socket.socket() as connection:
            if connection.connect_ex((address.hostname or "", address.port or 0)) == 0:
                found.append(url)
    return found


def test_nothing_is_started_unless_a_test_asks_for_it(project: Project) -> None:
    project.write(
        "test_it.py",
        """
import pytest

def test_alone(): pass

@pytest.mark.e2e
def test_with_the_stack(obs): raise AssertionError("must not be run")
""",
    )
    for arguments in (["-k", "alone"], ["--collect-only"]):
        run = project.run(*arguments)
        assert run.status == 0, run.output
        # Neither the header, as nobody has said anything about the stack, nor the summary.
        assert "obsstack" not in run.output.partition("collected")[0]
        assert "= obsstack =" not in run.output
        assert not project.home.exists()


def test_a_run_of_its_own(project: Project) -> None:
    """One inner run, because each takes two seconds; looked at from all sides."""
    project.write(
        "test_it.py",
        """
import pytest

pytestmark = pytest.mark.e2e


def test_one(obs, note_stack, note, obs_stack):
    note(trace=obs.trace_id, mode=(obs_stack.folder.parent / "state.json").stat().st_mode)


def test_in_process(obs, obs_sentry_sdk, note):
    note(trace=obs.trace_id)
    obs_sentry_sdk.capture_message("from the test process")
    obs.sentry.expect_event(message="from the test process")


def test_another_copy_of_the_app(obs, obs_with_app, note):
    note(trace=obs.trace_id)
    with obs_with_app({"GREETING": "hello"}) as other:
        mine, its = obs.get("/").json(), other.get("/").json()
        note(copy=its["pid"], copy_url=other.url)
        assert (mine["greeting"], its["greeting"]) == (None, "hello")
        assert mine["pid"] != its["pid"]
        assert other.trace_id != obs.trace_id
""",
    )
    run = project.run("-m", "e2e", "--junitxml=report.xml")
    assert run.status == 0, run.output

    header = "embedded stand-ins for Sentry, OpenTelemetry Collector, Prometheus, Loki"
    assert f"obsstack: embedded ({header}), started when a test asks for it" in run.lines

    (folder,) = project.run_folders()
    at = next(number for number, line in enumerate(run.lines) if "= obsstack =" in line)
    summary = [line for line in run.lines[at + 1 :] if line]
    assert re.fullmatch(r"embedded stack, ready after \d+\.\d\d s", summary[0])
    pattern = r"  (\w+) +(http://127\.0\.0\.1:\d+)  (\S+), stands in for (.+)"
    rows = [match.groups() for line in summary[1:5] if (match := re.fullmatch(pattern, line))]
    assert [(name, real) for name, _, _, real in rows] == [
        ("sentry", "Sentry"),
        ("collector", "OpenTelemetry Collector"),
        ("prometheus", "Prometheus"),
        ("loki", "Grafana Loki"),
    ]
    assert all("embedded" in version for _, _, version, _ in rows)
    assert summary[5] == f"what arrived: {folder}"

    notes = project.notes()
    first = next(note for note in notes if "stack" in note)
    assert [url for _, url, _, _ in rows] == first["urls"]

    report = ElementTree.parse(project.folder / "report.xml").getroot()  # noqa: S314 - pytest's own
    properties = {
        case.attrib["name"]: {
            entry.attrib["name"]: entry.attrib["value"] for entry in case.iter("property")
        }
        for case in report.iter("testcase")
    }
    traces = {note["test"]: note["trace"] for note in notes if "trace" in note}
    assert {name: found["obs_trace_id"] for name, found in properties.items()} == traces
    assert len(set(traces.values())) == len(traces) == 3
    assert all(TRACE_ID.fullmatch(trace) for trace in traces.values())
    for name, found in properties.items():
        assert found["obs_sentry"].startswith(first["urls"][0] + "/organizations/obsstack/issues/")
        assert found["obs_sentry"].endswith(f"trace%3A{traces[name]}")

    # The state has tokens in it.
    (mode,) = {note["mode"] for note in notes if "mode" in note}
    assert stat.S_IMODE(mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert (project.home / ".gitignore").read_text() == "*\n"

    # What arrived, and what the processes said, can be looked at afterwards.
    journal = b"".join(path.read_bytes() for path in (folder / "stack").glob("**/*.jsonl"))
    assert b"from the test process" in journal
    assert (folder / "stack" / "embedded.log").is_file()
    logs = sorted(folder.glob("tiny-*.log"))
    assert len(logs) == 2, "the app's, and that of its copy"
    assert all(log.read_text() == "reading the configuration\n" for log in logs)

    # The run's end is the end of all of it, without further waiting.
    assert project.processes() == {}
    copy_url = next(note["copy_url"] for note in notes if "copy_url" in note)
    assert listening([*first["urls"], first["app_url"], copy_url]) == []


def test_two_workers_share_the_stack_and_have_an_app_each(project: Project) -> None:
    project.write(
        "test_it.py",
        """
import pytest

@pytest.mark.e2e
@pytest.mark.parametrize("number", range(4))
def test_it(number, note_stack): pass
""",
    )
    run = project.run(workers=2)
    assert run.status == 0, run.output
    assert "4 passed" in run.output
    assert project.processes() == {}

    notes = project.notes()
    assert {note["worker"] for note in notes} == {"gw0", "gw1"}
    assert len({note["stack"] for note in notes}) == 1
    apps = {note["worker"]: (note["pid"], note["app"], note["app_url"]) for note in notes}
    assert len(notes) == 4
    assert all(apps[note["worker"]][1] == note["app"] for note in notes), "one app a worker"
    assert apps["gw0"][1] != apps["gw1"][1]
    assert listening({url for note in notes for url in (*note["urls"], note["app_url"])}) == []
    # One run, told of once.
    (folder,) = project.run_folders()
    assert run.output.count(f"what arrived: {folder}") == 1


def test_two_runs_side_by_side_do_not_meet(project: Project) -> None:
    project.write(
        "test_it.py",
        """
import pytest

def test_first(obs, obs_sentry_sdk, note_stack, note, wait_for):
    obs_sentry_sdk.capture_message("of the first run")
    obs.sentry.expect_event(message="of the first run")
    note(reported=True)
    wait_for("go")
    obs.sentry.expect_event(message="of the first run")

def test_second(note_stack, note, obs, obs_sentry):
    note(issues=[issue.title for issue in obs_sentry.issues()])
""",
    )
    first = project.start("-k", "first")
    try:
        wait_until(lambda: any("reported" in note for note in project.notes()), "it has reported")
        second = project.run("-k", "second")
        assert second.status == 0, second.output
    finally:
        project.write("go", "")
    outcome = ended(first)
    assert outcome.status == 0, outcome.output

    mine, other = [note for note in project.notes() if "stack" in note]
    assert mine["stack"] != other["stack"]
    assert not {*mine["urls"], mine["app_url"]} & {*other["urls"], other["app_url"]}
    assert [note["issues"] for note in project.notes() if "issues" in note] == [[]]
    assert len(project.run_folders()) == 2
    assert project.processes() == {}


def test_a_failing_test_ends_the_stack_all_the_same(project: Project) -> None:
    project.write("test_it.py", "def test_it(note_stack):\n    raise RuntimeError('as it is')\n")
    run = project.run()
    assert run.status == pytest.ExitCode.TESTS_FAILED, run.output
    assert "RuntimeError: as it is" in run.output
    assert project.processes() == {}
