"""A start-up that fails: the whole text that the user reads, and nothing left behind."""

from __future__ import annotations

import socket
import textwrap
from collections.abc import Mapping

import pytest

from pytest_obsstack.providers.ports import free_port
from tests.plugin.inner import Ended, Project, normalised


def failing_run(project: Project, *arguments: str, env: Mapping[str, str] | None = None) -> Ended:
    """A run whose only test cannot be set up."""
    project.write("test_it.py", "def test_it(obs): raise RuntimeError('must not be run')\n")
    run = project.run(*arguments, env=env)
    assert run.status == pytest.ExitCode.TESTS_FAILED, run.output
    assert "1 error" in run.output
    assert "must not be run" not in run.output
    # The end of pytest is the end of all that it has started.
    assert project.processes() == {}
    return run


def message(run: Ended, project: Project) -> str:
    """The lines that pytest shows of the error, without what differs from run to run."""
    lines = [line[4:] for line in run.lines if line.startswith("E   ")]
    return normalised("\n".join(lines), project.folder)


def text(lines: str) -> str:
    return textwrap.dedent(lines).strip()


def test_a_port_of_the_stack_that_is_taken(project: Project) -> None:
    with socket.create_server(("127.0.0.1", 0)) as somebody:
        port = somebody.getsockname()[1]
        run = failing_run(project, f"--obs-port=sentry={port}")
    assert message(run, project) == text(
        f"""
        pytest_obsstack.errors.StackUnavailable: The embedded stack did not start.
          expected  sentry, collector, prometheus and loki answer on 127.0.0.1
          found     port {port} on 127.0.0.1 is in use
          do        end the program that uses the port, or leave out --obs-port to get a free one
          last log line:
            | TIME ERROR obsstack.embedded port {port} on 127.0.0.1 is in use
        """
    )


def test_a_port_of_the_app_that_is_taken(project: Project) -> None:
    with socket.create_server(("127.0.0.1", 0)) as somebody:
        port = somebody.getsockname()[1]
        run = failing_run(project, f"--obs-port=app={port}")
    assert message(run, project) == text(
        f"""
        pytest_obsstack.errors.StackUnavailable: The app cannot have its port.
          expected  port {port} on 127.0.0.1 is free (--obs-port app={port})
          found     somebody else listens there
          do        end that program, or leave out --obs-port to get a free port
        """
    )


def test_an_app_that_dies(project: Project) -> None:
    run = failing_run(project, env={"APP_MODE": "dies"})
    assert message(run, project) == text(
        """
        pytest_obsstack.errors.StackUnavailable: The app tiny ended while it was starting.
          expected  GET http://HOST/health answers 2xx
          found     exit status 1 after SECONDS
          do        check the command and the ready_path of obs_app_spec: PYTHON -I -S FOLDER/app.py
          last 2 log lines:
            | reading the configuration
            | no database
        """
    )


def test_an_app_that_never_becomes_ready(project: Project) -> None:
    run = failing_run(project, env={"APP_MODE": "is never ready", "APP_READY_TIMEOUT_S": "0.5"})
    assert message(run, project) == text(
        """
        pytest_obsstack.errors.StackUnavailable: The app tiny did not become ready.
          expected  GET http://HOST/health answers 2xx
          found     status 503 for SECONDS
          do        check the command and the ready_path of obs_app_spec: PYTHON -I -S FOLDER/app.py
          last log line:
            | reading the configuration
        """
    )


def test_an_app_whose_program_is_not_there(project: Project) -> None:
    run = failing_run(project, env={"APP_PROGRAM": "./shop"})
    assert message(run, project) == text(
        """
        pytest_obsstack.errors.StackUnavailable: The app tiny ended while it was starting.
          expected  GET http://HOST/health answers 2xx
          found     exit status 127 after SECONDS
          do        check the command and the ready_path of obs_app_spec: ./shop -I -S FOLDER/app.py
          last log line:
            | cannot execute ./shop: No such file or directory
        """
    )


def test_a_port_that_was_asked_for_is_had(project: Project) -> None:
    ports = {name: free_port() for name in ("sentry", "loki", "app")}
    project.write("test_it.py", "def test_it(note_stack): pass\n")
    run = project.run(*(f"--obs-port={name}={port}" for name, port in ports.items()))
    assert run.status == 0, run.output
    (note,) = project.notes()
    sentry, _, _, loki = note["urls"]
    assert {"sentry": sentry, "loki": loki, "app": note["app_url"]} == {
        name: f"http://127.0.0.1:{port}" for name, port in ports.items()
    }
