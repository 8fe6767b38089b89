"""A start that fails: which service, its health check's output, its log; and nothing is left."""

from __future__ import annotations

import builtins
import sys
import textwrap

import pytest

from pytest_obsstack.errors import StackUnavailable
from pytest_obsstack.providers.compose.failures import port_taken
from tests.unit.providers.compose.fake_engine import Behaviour
from tests.unit.providers.compose.support import PROJECT, Bench, compose_options
from tests.unit.providers.support import alive

COLLECTOR = "otel/opentelemetry-collector-contrib:0.162.0"
BROKEN_LOG = tuple(f"line {number}" for number in range(60))
LAST_50 = "\n".join(f"            | line {number}" for number in range(10, 60)).lstrip()


def failure(bench: Bench, **wanted: object) -> str:
    """The whole text of a start that fails; nothing is left behind then."""
    with pytest.raises(StackUnavailable) as raised, bench.stack(bench.wanted(**wanted)):  # type: ignore[arg-type]
        pass
    assert bench.engine.left() == []
    return bench.text(raised.value)


def text(lines: str) -> str:
    return textwrap.dedent(lines).strip()


def test_a_service_that_ends_at_once(bench: Bench) -> None:
    bench.engine.behaviours["loki"] = Behaviour(exits=1, log=("parsing config", "no such field"))
    assert failure(bench) == text(
        """
        The service loki did not become ready.
          expected  it runs, its health check passes and it answers
          found     it ended with exit status 1
                    GET http://HOST/ready: no answer (ConnectError)
                    health check: exit status 0, no output
          do        read the last lines of its log below; all logs are in \
FOLDER/runs/RUN/stack/logs; a slow machine gets more time by --obs-start-timeout
          last 2 log lines:
            | parsing config
            | no such field
        """
    )
    logs = bench.folder / "runs" / "20261126-080000-abcdef" / "stack" / "logs"
    assert (logs / "loki-1.log").read_text() == (
        "2026-11-26T08:00:00.000000000Z parsing config\n"
        "2026-11-26T08:00:00.000000000Z no such field\n"
    )
    # Of the others, too: the cause may lie there.
    assert {path.name for path in logs.iterdir()} >= {"loki-1.log", "tempo-1.log"}


def test_an_end_is_told_at_once_and_not_when_the_time_is_up(bench: Bench) -> None:
    bench.engine.behaviours["loki"] = Behaviour(exits=3)
    assert "it ended with exit status 3" in failure(
        bench, options=compose_options(start_timeout_s=600)
    )


def test_a_service_that_never_answers(bench: Bench) -> None:
    bench.engine.behaviours["tempo"] = Behaviour(
        health="unhealthy",
        health_output="GET http://localhost:3200/ready\nstatus 503: waiting for the ring\n",
        answers=503,
        log=BROKEN_LOG,
    )
    said = failure(bench, options=compose_options(start_timeout_s=6))
    assert said == text(
        f"""
        The service tempo did not become ready.
          expected  it runs, its health check passes and it answers
          found     its container is running, unhealthy
                    GET http://HOST/ready: status 503
                    health check: exit status 1, status 503: waiting for the ring
          do        read the last lines of its log below; all logs are in \
FOLDER/runs/RUN/stack/logs; a slow machine gets more time by --obs-start-timeout
          last 50 log lines:
            {LAST_50}
        """
    )


def test_a_service_on_which_others_wait(bench: Bench) -> None:
    """Compose itself gives up then."""
    bench.engine.images |= {"shop:1", "mysql:9"}
    bench.engine.behaviours["grafana"] = Behaviour(
        health="unhealthy", health_output="no such table", log=("migrating",)
    )
    file = bench.file(
        "repo/docker-compose.yml",
        "services:\n  loki: {depends_on: {grafana: {condition: service_healthy}}}\n",
    )
    assert failure(bench, files=[file]) == text(
        """
        The service grafana did not become ready.
          expected  it runs, its health check passes and it answers
          found     its container is running, unhealthy
                    health check: exit status 1, no such table
          do        read the last lines of its log below; all logs are in \
FOLDER/runs/RUN/stack/logs; a slow machine gets more time by --obs-start-timeout
          last log line:
            | migrating
        """
    )


def test_a_start_that_does_not_end(bench: Bench) -> None:
    """An engine that hangs, or a service that is neither healthy nor unhealthy."""
    bench.engine.hang = "up"
    assert failure(bench, options=compose_options(start_timeout_s=0.5)) == text(
        """
        The stack of containers did not start.
          expected  Compose starts every service
          found     it did not end within 0.5 s
          do        see what `docker compose up` says below
          last 2 log lines:
            |  Container obsstack-RUN-x-1  Creating
            | it did not end within 0.5 s
        """
    )
    (call,) = [call for call in bench.engine.calls if "up" in call.arguments]
    assert not alive(call.pid)


def test_a_failure_of_the_engine_itself(bench: Bench) -> None:
    bench.engine.images.discard("grafana/loki:3.7.8")
    # Somebody removes it between the look and the start.
    bench.engine.before_up = lambda _made: bench.engine.images.clear()
    said = failure(bench)
    assert said.splitlines()[:3] == [
        "The stack of containers did not start.",
        "  expected  Compose starts every service",
        f"  found     Error response from daemon: No such image: {COLLECTOR}",
    ]


def test_the_end_of_compose_is_not_taken_for_the_reason() -> None:
    """What the engine says may go on over several lines."""
    from pytest_obsstack.providers.compose.command import reason

    assert reason(
        "Network x_default  Creating\n Network x_default  Error\n"
        "failed to create network x_default: Error response from daemon: iptables failed\n"
        " (exit status 1))\n"
    ).startswith("failed to create network")
    assert reason("one\ntwo") == "two"
    assert reason("") == "it ended without a word"


@pytest.mark.parametrize(
    ("said", "address"),
    [
        (
            (
                "driver failed programming external connectivity on endpoint x-1 (5f): Bind for "
                "127.0.0.1:9000 failed: port is already allocated"
            ),
            "127.0.0.1:9000",
        ),
        (
            (
                "Error starting userland proxy: listen tcp4 127.0.0.1:9000: bind: address already "
                "in use"
            ),
            "127.0.0.1:9000",
        ),
        (
            (
                "failed to set up container networking: driver failed programming external "
                "connectivity on endpoint x: failed to bind host port 127.0.0.1:9000/tcp: address "
                "already in use"
            ),
            "127.0.0.1:9000",
        ),
        ("rootlessport listen tcp 127.0.0.1:9000: bind: address already in use", "127.0.0.1:9000"),
        ("ports are not available: port is already allocated", "a port"),
        ('Conflict. The container name "/x-1" is already in use by container "5f"', None),
        ("No such image", None),
    ],
)
def test_a_port_that_is_taken_is_known_by_the_engines_words(said: str, address: str | None) -> None:
    assert port_taken(f"Container x-1  Starting\nError response from daemon: {said}\n") == address


def test_pytest_docker_is_missing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    original = builtins.__import__

    def without(name: str, *arguments: object) -> object:
        if name.startswith("pytest_docker"):
            raise ModuleNotFoundError(f"No module named {name!r}")
        return original(name, *arguments)  # type: ignore[arg-type]

    for name in [name for name in sys.modules if name.startswith("pytest_docker")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", without)
    assert failure(bench) == text(
        """
        The stack of containers cannot be started: pytest-docker is not installed.
          expected  the extra `compose`
          found     No module named 'pytest_docker.plugin'
          do        pip install 'pytest-obsstack[compose]'
        """
    )


def test_a_dsn_by_which_a_container_would_report_to_itself(bench: Bench) -> None:
    options = compose_options(sentry_dsn="http://0123456789abcdef@127.0.0.1:9000/1")
    assert failure(bench, options=options) == text(
        """
        Containers cannot reach the error tracker.
          expected  a DSN (--obs-sentry-dsn) whose host is the same seen from a container
          found     127.0.0.1, which in a container is the container itself
          do        let the tracker listen on an address of this machine's network and name \
that in the DSN, or let the stack have its own tracker: --obs-use sentry=lite
        """
    )
    assert bench.engine.calls == []


def test_what_an_attached_tracker_lacks_is_told_before_anything_starts(bench: Bench) -> None:
    options = compose_options(sentry_token=None)
    with pytest.raises(pytest.UsageError) as raised, bench.stack(bench.wanted(options)):
        pass
    assert str(raised.value) == (
        "--obs-use sentry=http://tracker.example:9000: an attached Sentry needs OBS_SENTRY_TOKEN"
    )
    assert bench.engine.calls == []


def test_what_cannot_be_removed_is_left_to_the_reaper(bench: Bench) -> None:
    """The first error is the one that is told."""
    bench.engine.behaviours["loki"] = Behaviour(exits=1)
    bench.engine.down_errors = ["Error response from daemon: context deadline exceeded"] * 3
    with (
        pytest.raises(StackUnavailable, match="The service loki did not become ready"),
        bench.stack(),
    ):
        pass
    assert bench.engine.left(PROJECT) != []
