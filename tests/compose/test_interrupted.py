"""Ctrl-C and ``kill -9`` on a real engine; two runs at once. Nothing is left, whoever was hit."""

from __future__ import annotations

from tests.compose.runs import Repo, docker, finished, left, wait_until
from tests.plugin.inner import interrupt

GONE_WITHIN_S = 15.0
"""Of the end of pytest, on a machine that does nothing else; here it gets more."""
SLOW_FACTOR = 3

TESTS = """
import pytest

@pytest.mark.parametrize("number", range(2))
def test_it(number, obs, note, wait_for):
    note(status=obs.get("/health").status_code)
    wait_for("go")
"""


def containers(repo: Repo) -> list[str]:
    return [part for part in repo.left() if part.startswith("container")]


def test_kill_9_in_a_test(repo: Repo) -> None:
    repo.write("test_it.py", TESTS)
    run = repo.begin()
    wait_until(repo.notes, "a test runs")
    assert len(containers(repo)) == 7
    run.kill()
    finished(run)
    wait_until(lambda: repo.left() == [], "all is removed", GONE_WITHIN_S * SLOW_FACTOR)


def test_kill_9_while_containers_start(repo: Repo) -> None:
    """Compose is ended first: it would go on to make containers."""
    repo.write("test_it.py", TESTS)
    run = repo.begin()
    wait_until(lambda: containers(repo), "the first container is there")
    run.kill()
    finished(run)
    wait_until(lambda: not repo.processes(), "the reaper has ended", GONE_WITHIN_S * SLOW_FACTOR)
    assert repo.left() == []


def test_ctrl_c_while_containers_start(repo: Repo) -> None:
    repo.write("test_it.py", TESTS)
    run = repo.begin()
    wait_until(lambda: containers(repo), "the first container is there")
    interrupt(run)
    outcome = finished(run)
    assert outcome.status == 2, outcome.output
    assert "KeyboardInterrupt" in outcome.output
    # At the end of pytest already; the reaper, which looks once more, finds nothing.
    assert repo.left() == []


def test_ctrl_c_in_a_test(repo: Repo) -> None:
    repo.write("test_it.py", TESTS)
    run = repo.begin()
    wait_until(repo.notes, "a test runs")
    interrupt(run)
    outcome = finished(run)
    assert outcome.status == 2, outcome.output
    assert repo.left() == []


def test_ctrl_c_while_obsstack_starts_a_stack(repo: Repo) -> None:
    """What was to be kept is not lost: it has ended, and nobody believes that it runs."""
    use = [f"--use={choice}" for choice in ("sentry=lite", "grafana=http://127.0.0.1:1")]
    files = [f"--compose-file={file}" for file in repo.files]
    up = repo.begin_obsstack("up", "--stack=compose", *use, *files)
    wait_until(lambda: containers(repo), "the first container is there")
    interrupt(up)
    assert finished(up).status != 0
    assert repo.left() == []
    assert not (repo.home / "kept.json").exists()


def test_two_runs_one_with_two_workers(repo: Repo) -> None:
    """The runs do not meet; the workers share one stack, and have an app each."""
    repo.write("test_it.py", TESTS)
    runs = [repo.begin("-k", "0"), repo.begin(workers=2)]
    try:
        wait_until(lambda: len(repo.notes()) == 3, "all tests run")
        notes = repo.notes()
        assert {note["status"] for note in notes} == {200}
        alone, shared = sorted(
            {note["project"] for note in notes},
            key=[note["project"] for note in notes].count,
        )
        assert len({note["app"] for note in notes}) == len({note["url"] for note in notes}) == 3
        # The copy brings the service that it calls.
        assert [len(left(project)) - len(left(alone)) for project in (alone, shared)] == [0, 2]
        published = docker("ps", "--format", "{{.Names}} {{.Ports}}").splitlines()
        ports = [line.split(" ", 1)[1] for line in published if line.startswith((alone, shared))]
        assert len(ports) == 7 + 9
    finally:
        repo.write("go", "")
    for run in runs:
        outcome = finished(run)
        assert outcome.status == 0, outcome.output
    assert repo.left() == []
