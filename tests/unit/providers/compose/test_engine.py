"""Which Compose is used, and what is said where none can be."""

from __future__ import annotations

import re
import textwrap

import pytest

from pytest_obsstack.errors import StackUnavailable
from pytest_obsstack.providers.compose.engine import Engine, find_engine
from tests.unit.providers.compose.fake_engine import FakeEngine, Server
from tests.unit.providers.compose.support import Programs

INSTALL = (
    "install Docker's Compose plugin (package docker-compose-plugin, or docker-compose of a "
    "distribution), or name the command with --obs-compose-command; --obs-stack=embedded needs no "
    "containers"
)
START = (
    "start it (`sudo systemctl start docker`, Docker Desktop, `podman machine start`), or point "
    "DOCKER_HOST at one that runs; where permission is denied, join the group docker; "
    "--obs-stack=embedded needs none"
)


def message(command: str | None = None) -> str:
    with pytest.raises(StackUnavailable) as raised:
        find_engine(command)
    return str(raised.value)


def text(lines: str) -> str:
    return textwrap.dedent(lines).strip()


def test_docker_with_its_plugin_is_the_first_choice(engine: FakeEngine) -> None:
    assert find_engine() == Engine(("docker", "compose"), "docker", "2.26.1", "28.2.2")


def test_no_docker_on_path(programs: Programs) -> None:
    assert message() == text(
        f"""
        The stack of containers cannot be started: there is no usable Compose.
          expected  Compose 2.24 or newer, as docker compose, docker-compose, podman compose
          found     docker compose: no such program on PATH
                    docker-compose: no such program on PATH
                    podman compose: no such program on PATH
          do        {INSTALL}
        """
    )


def test_an_engine_that_does_not_answer(engine: FakeEngine) -> None:
    engine.answering = False
    assert message() == text(
        f"""
        The stack of containers cannot be started: docker's engine does not answer.
          expected  `docker version` tells a server's version
          found     Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the \
docker daemon running?
          do        {START}
        """
    )


def test_docker_without_compose(engine: FakeEngine) -> None:
    engine.compose_versions.clear()
    assert message() == text(
        f"""
        The stack of containers cannot be started: there is no usable Compose.
          expected  Compose 2.24 or newer, as docker compose, docker-compose, podman compose
          found     docker compose: the program has no such command; Compose's plugin \
is not installed
                    docker-compose: no such program on PATH
                    podman compose: no such program on PATH
          do        {INSTALL}
        """
    )


def test_the_first_compose_is_too_old(engine: FakeEngine, programs: Programs) -> None:
    """Also where it stands beside a docker without the plugin."""
    engine.compose_versions.clear()
    programs.script("docker-compose", "echo 1.29.2")
    assert message() == text(
        f"""
        The stack of containers cannot be started: there is no usable Compose.
          expected  Compose 2.24 or newer, as docker compose, docker-compose, podman compose
          found     docker-compose: version 1.29.2
                    docker compose: the program has no such command; Compose's plugin \
is not installed
                    podman compose: no such program on PATH
          do        {INSTALL}
        """
    )


@pytest.mark.parametrize(
    ("told", "accepted"),
    [("2.23.3", False), ("2.24.0", True), ("v2.24.1", True), ("5.0.0-rc.1", True), ("dev", False)],
)
def test_versions_from_2_24_on_are_accepted(told: str, accepted: bool, engine: FakeEngine) -> None:
    engine.compose_versions["docker"] = told
    if accepted:
        assert find_engine().compose_version in told
    else:
        assert f"found     docker compose: version {told}" in message()


def test_a_standalone_compose_serves_where_docker_has_no_plugin(
    engine: FakeEngine, server: Server, programs: Programs
) -> None:
    engine.compose_versions = {"docker-compose": "2.30.0"}
    programs.install("docker-compose", server.port)
    assert find_engine() == Engine(("docker-compose",), "docker", "2.30.0", "28.2.2")


def test_podman_serves_where_there_is_no_docker(server: Server, programs: Programs) -> None:
    """``podman compose`` says on the other stream which program it runs."""
    server.engine.compose_versions = {"podman": "2.39.1"}
    programs.install("podman", server.port)
    assert find_engine() == Engine(("podman", "compose"), "podman", "2.39.1", "28.2.2")
    programs.script(
        "podman",
        '[ "$1" = version ] && { echo 5.4.0; exit; }\n'
        "echo '>>>> Executing external compose provider' >&2\necho 2.39.1",
    )
    assert find_engine() == Engine(("podman", "compose"), "podman", "2.39.1", "5.4.0")


def test_the_command_of_the_option_is_the_only_one_tried(
    engine: FakeEngine, server: Server, programs: Programs
) -> None:
    programs.install("my-docker", server.port)
    engine.compose_versions["my-docker"] = "2.40.0"
    assert find_engine("my-docker compose").words == ("my-docker", "compose")
    assert message("podman compose") == text(
        f"""
        The stack of containers cannot be started: there is no usable Compose.
          expected  Compose 2.24 or newer, as 'podman compose'
          found     podman compose: no such program on PATH
          do        {INSTALL}
        """
    )


def test_a_compose_without_an_engine_s_own_program(server: Server, programs: Programs) -> None:
    """Its containers could not be looked into."""
    programs.install("docker-compose", server.port)
    server.engine.compose_versions = {"docker-compose": "2.30.0"}
    assert message() == text(
        """
        The stack of containers cannot be started: there is no docker.
          expected  the program docker on PATH, beside Compose
          found     no such program
          do        install docker; --obs-stack=embedded needs no containers
        """
    )


def test_a_program_that_hangs_or_cannot_be_executed_is_told(
    programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_obsstack.providers.compose.engine._TIMEOUT_S", 0.2)
    programs.script("docker", "exec sleep 20")
    (programs.folder / "docker-compose").write_text("#!/nowhere/interpreter\n")
    (programs.folder / "docker-compose").chmod(0o755)
    said = message()
    assert "docker compose: no answer within 0.2 s" in said
    assert re.search("docker-compose: cannot be executed: No such file or directory", said)
