"""A stack of containers that is kept: looked at, used, damaged, removed; one for all tests here."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.compose.runs import KINDS, Repo, docker, errors, inspect, left

SERVICES = {
    *("sentry", "otel-collector", "prometheus", "loki", "tempo", "app", "inventory"),
}
TESTS = """
import httpx
import pytest


def refused(url):
    try:
        httpx.get(url, timeout=2)
    except httpx.ConnectError:
        return True
    return False


def silent(url):
    try:
        httpx.get(url, timeout=0.5)
    except httpx.ReadTimeout:
        return True
    return False


def test_errors_arrive(obs, note):
    note()
    assert obs.get("/error").status_code == 500
    obs.sentry.expect_issue("ValueError")


def test_a_copy(obs_with_app, note):
    with obs_with_app({"SENTRY_ENVIRONMENT": "it costs $5 ${HOME}"}) as copy:
        copy.get("/error")
        event = copy.sentry.expect_event(copy.sentry.expect_issue("ValueError"))
        note(environment=event.environment)


@pytest.mark.obs_exclusive
def test_faults(obs_stack, note):
    url = obs_stack.endpoints.loki.url + "/ready"
    obs_stack.stop("loki")
    assert refused(url)
    assert obs_stack.status()["loki"]["state"] == "exited"
    obs_stack.start("loki")
    assert httpx.get(url).status_code == 200
    obs_stack.restart("loki")
    assert httpx.get(url).status_code == 200
    obs_stack.pause("loki")
    assert silent(url)
    obs_stack.unpause("loki")
    assert httpx.get(url).status_code == 200
    assert obs_stack.logs("loki", 5)
    note(log=obs_stack.logs("inventory", 3))
"""


@pytest.fixture(scope="module")
def kept(
    compose_files: list[Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Repo, dict[str, Any]]]:
    """The repository, and what ``up --json`` told of the stack."""
    repo = Repo(tmp_path_factory.mktemp("repo"), files=compose_files)
    repo.write("test_it.py", TESTS)
    try:
        up = repo.obsstack_up("--json")
        assert up.status == 0, up.output
        yield repo, json.loads(up.output[up.output.index("{") :])
    finally:
        repo.clean()


Kept = tuple[Repo, dict[str, Any]]


def test_status_tells_the_same_as_up(kept: Kept) -> None:
    repo, told = kept
    status = repo.cli("status", "--json")
    assert status.status == 0, status.output
    assert json.loads(status.output) == told
    assert repo.projects() == [told["containers"]["project"]]


def test_logs_of_a_component_and_of_a_service(kept: Kept) -> None:
    repo, _ = kept
    for name in ("loki", "inventory"):
        log = repo.cli("logs", name, "-n", "2")
        assert log.status == 0, log.output
        assert 1 <= len(log.lines) <= 2
        # As it was logged, without what a terminal would be told.
        assert "\x1b" not in log.output


def test_everything_carries_the_labels_of_its_run(kept: Kept) -> None:
    _, told = kept
    project = told["containers"]["project"]
    for kind in KINDS:
        parts = inspect(project, kind)
        assert parts, kind
        for part in parts:
            labels = part["Config"]["Labels"] if kind == "container" else part["Labels"]
            assert labels["io.pytest-obsstack.run"] == told["run_id"]
            assert re.fullmatch(r"\d+@.+", labels["io.pytest-obsstack.owner"])
            assert labels["io.pytest-obsstack.kept"] == "true"
    containers = inspect(project, "container")
    names = {part["Config"]["Labels"]["com.docker.compose.service"] for part in containers}
    assert names == SERVICES


def test_nothing_is_published_beyond_this_machine(kept: Kept) -> None:
    _, told = kept
    published = 0
    for container in inspect(told["containers"]["project"], "container"):
        for bindings in (container["NetworkSettings"]["Ports"] or {}).values():
            for binding in bindings or ():
                assert binding["HostIp"] == "127.0.0.1", container["Name"]
                published += 1
        assert container["HostConfig"]["PublishAllPorts"] is False
        assert container["HostConfig"]["NetworkMode"] != "host"
    assert published >= 9


def test_a_run_finds_it_uses_it_and_leaves_it(kept: Kept) -> None:
    repo, told = kept
    project = told["containers"]["project"]
    before = {part["Name"] for part in inspect(project, "volume")}
    run = repo.pytest()
    assert run.status == 0, run.output
    first, copy, faults = repo.notes()
    assert first["project"] == project
    assert first["app"] == f"{project}-app-1"
    assert copy["environment"] == "it costs $5 ${HOME}"
    assert faults["log"]
    assert len(before) >= 4
    # The copy and what it called are gone, with their volumes; all else is there.
    containers = inspect(project, "container")
    assert len(containers) == len(SERVICES)
    assert before == {part["Name"] for part in inspect(project, "volume")}
    assert all(part["State"]["Running"] for part in containers)


def test_an_engine_that_does_not_answer(kept: Kept) -> None:
    repo, told = kept
    status = repo.cli("status", env={"DOCKER_HOST": "unix:///nowhere/docker.sock"})
    assert status.status == 1
    assert status.lines == [
        "It cannot be told whether the kept stack runs.",
        "  expected  Compose lists the containers of project " + told["containers"]["project"],
        (
            "  found     Cannot connect to the Docker daemon at unix:///nowhere/docker.sock. "
            "Is the docker daemon running?"
        ),
        "  do        start the engine again; --obs-stack=embedded needs none",
    ]


def test_a_container_that_was_removed_by_hand_then_down(kept: Kept) -> None:
    repo, told = kept
    project = told["containers"]["project"]
    docker("rm", "--force", f"{project}-loki-1")
    run = repo.pytest("-k", "errors")
    assert run.status == pytest.ExitCode.TESTS_FAILED, run.output
    assert errors(run, repo.folder) == (
        "pytest_obsstack.errors.StackUnavailable: The kept stack is not whole any more.\n"
        "  expected  containers of project obsstack-RUN run for sentry, otel-collector, "
        "prometheus, loki, tempo\n"
        "  found     none runs for loki\n"
        "  do        `obsstack down` clears it away, `obsstack up` starts a new one"
    )
    began = time.monotonic()
    down = repo.cli("down")
    took_s = time.monotonic() - began
    assert down.status == 0, down.output
    assert left(project) == []
    # The goal is 10 s; a machine that does much else gets more.
    assert took_s < 30
    again = repo.cli("down")
    assert (again.status, again.output) == (0, "no stack was left running\n")
