"""A start on a real engine that fails: the whole text, and nothing is left."""

from __future__ import annotations

import json
import socket
import textwrap
from pathlib import Path

import pytest

from tests.compose.runs import Repo, errors
from tests.plugin.inner import Ended

MISSING = "registry.invalid/pytest-obsstack/no-such-image:1"


def failing(repo: Repo, *arguments: str, override: object = None, **env: str) -> Ended:
    """A run whose only test cannot be set up."""
    repo.write("test_it.py", "def test_it(obs): raise RuntimeError('must not be run')\n")
    if override is not None:
        repo.write("override.yml", json.dumps(override))
        repo.files = [*repo.files, repo.folder / "override.yml"]
    run = repo.pytest(*arguments, env=env)
    assert run.status == pytest.ExitCode.TESTS_FAILED, run.output
    assert "must not be run" not in run.output
    assert repo.left() == []
    return run


def text(lines: str) -> str:
    return textwrap.dedent(lines).strip()


def named(repo: Repo) -> str:
    """The stack's files, as a message names them."""
    given = ", ".join(str(file) for file in repo.files).replace(str(repo.folder), "FOLDER")
    return f"STACK/docker-compose.yml, STACK/docker-compose.lite.yml, {given}"


def test_an_engine_that_does_not_answer(repo: Repo) -> None:
    run = failing(repo, DOCKER_HOST="unix:///nowhere/docker.sock")
    assert errors(run, repo.folder) == text(
        """
        pytest_obsstack.errors.StackUnavailable: The stack of containers cannot be started: \
docker's engine does not answer.
          expected  `docker version` tells a server's version
          found     Cannot connect to the Docker daemon at unix:///nowhere/docker.sock. Is the \
docker daemon running?
          do        start it (`sudo systemctl start docker`, Docker Desktop, `podman machine \
start`), or point DOCKER_HOST at one that runs; where permission is denied, join the group docker; \
--obs-stack=embedded needs none
        """
    )


def test_an_engine_without_compose(repo: Repo) -> None:
    """The plugin is looked for in the home folder."""
    run = failing(repo, "--obs-compose-command=docker no-such-plugin")
    said = errors(run, repo.folder)
    assert "there is no usable Compose." in said
    assert (
        "found     docker no-such-plugin: the program has no such command; Compose's plugin is not "
        "installed"
    ) in said


def test_a_port_that_was_asked_for_and_is_taken(repo: Repo) -> None:
    with socket.create_server(("127.0.0.1", 0)) as somebody:
        port = somebody.getsockname()[1]
        run = failing(repo, f"--obs-port=loki={port}")
    assert errors(run, repo.folder) == text(
        f"""
        pytest_obsstack.errors.StackUnavailable: The container of loki cannot have its port.
          expected  port {port} on 127.0.0.1 is free (--obs-port loki={port})
          found     somebody else listens there
          do        end that program, or leave out --obs-port to get a free port
        """
    )


def test_a_port_of_ones_own_file_that_is_taken(repo: Repo) -> None:
    """The engine tells; other ports are tried, in vain."""
    with socket.create_server(("127.0.0.1", 0)) as somebody:
        port = somebody.getsockname()[1]
        override = {"services": {"loki": {"ports": [f"127.0.0.1:{port}:3200"]}}}
        run = failing(repo, override=override)
    assert errors(run, repo.folder).replace("HOST", f"127.0.0.1:{port}") == text(
        f"""
        pytest_obsstack.errors.StackUnavailable: The stack of containers cannot have its ports.
          expected  127.0.0.1:{port} on this machine is free
          found     somebody else listens there
          do        end that program, or leave out --obs-port to get a free port
        """
    )


def test_a_service_that_ends_at_once(repo: Repo) -> None:
    override = {
        "services": {
            "loki": {
                "entrypoint": ["sh", "-c", "echo reading the configuration; exit 3"],
                "command": [],
            }
        }
    }
    run = failing(repo, override=override)
    lines = errors(run, repo.folder).splitlines()
    assert lines[:3] == [
        "pytest_obsstack.errors.StackUnavailable: The service loki did not become ready.",
        "  expected  it runs, its health check passes and it answers",
        "  found     it ended with exit status 3",
    ]
    assert lines[-3:] == [
        (
            "  do        read the last lines of its log below; all logs are in "
            "FOLDER/.obsstack/runs/RUN/stack/logs; a slow machine gets more time by "
            "--obs-start-timeout"
        ),
        "  last log line:",
        "    | reading the configuration",
    ]
    (logs,) = repo.home.glob("runs/*/stack/logs")
    assert "reading the configuration" in (logs / "loki-1.log").read_text()


def test_a_service_whose_health_check_fails(repo: Repo) -> None:
    """The app's start waits for it."""
    health = {
        "test": ["CMD-SHELL", "echo no database; exit 1"],
        "interval": "1s",
        "retries": 2,
        "start_period": "1s",
    }
    run = failing(repo, override={"services": {"inventory": {"healthcheck": health}}})
    lines = errors(run, repo.folder).splitlines()
    assert lines[:4] == [
        "pytest_obsstack.errors.StackUnavailable: The service inventory did not become ready.",
        "  expected  it runs, its health check passes and it answers",
        "  found     its container is running, unhealthy",
        "            health check: exit status 1, no database",
    ]
    assert len([line for line in lines if line.startswith("    | ")]) >= 1


def test_an_image_that_cannot_be_pulled(repo: Repo) -> None:
    override = {"services": {"loki": {"image": MISSING, "pull_policy": "missing"}}}
    run = failing(repo, override=override)
    lines = errors(run, repo.folder).splitlines()
    assert lines[:2] == [
        "pytest_obsstack.errors.StackUnavailable: The image of the service loki cannot be pulled.",
        f"  expected  {MISSING} can be pulled, or is there already",
    ]
    # The engine's own words: registry.invalid has no address, whatever network there is.
    assert lines[2].startswith("  found     ")
    assert "registry.invalid" in lines[2]
    assert f"obsstack: pull: {MISSING}" in run.lines


def test_a_build_that_fails(repo: Repo) -> None:
    repo.write("Dockerfile", "FROM registry.invalid/base\nCOPY no-such-file /\n")
    override = {"services": {"loki": {"image": MISSING, "build": ".", "pull_policy": "build"}}}
    run = failing(repo, override=override)
    lines = errors(run, repo.folder).splitlines()
    assert lines[:2] == [
        "pytest_obsstack.errors.StackUnavailable: The image of the service loki cannot be built.",
        "  expected  `docker compose build loki` succeeds",
    ]
    assert f"obsstack: build: {MISSING}" in run.lines


def test_files_that_compose_refuses(repo: Repo) -> None:
    run = failing(repo, override={"services": {"shop": {"imag": "shop:1"}}})
    lines = errors(run, repo.folder).splitlines()
    assert lines[0] == (
        "pytest_obsstack.errors.StackUnavailable: The compose files cannot be used."
    )
    assert lines[1].startswith(f"  expected  Compose accepts {named(repo)}")
    assert "services.shop Additional property imag is not allowed" in lines[2]
    assert not list(Path(repo.home).glob("runs/*/stack/logs"))
