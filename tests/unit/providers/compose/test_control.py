"""``obs_stack`` on containers: stop, start, pause, logs, status; what is said of a wrong name."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

import pytest

from pytest_obsstack.errors import StackUnavailable
from pytest_obsstack.providers.compose.control import ComposeControl
from pytest_obsstack.providers.readiness import probe_url
from tests.unit.providers.compose.fake_engine import Behaviour
from tests.unit.providers.compose.support import PROJECT, Bench


@pytest.fixture
def control(bench: Bench) -> Iterator[ComposeControl]:
    bench.engine.behaviours["loki"] = Behaviour(log=("one", "two", "three"))
    with bench.stack() as state:
        assert state.compose is not None
        yield ComposeControl(state.compose, timeout_s=5)


def text(lines: str) -> str:
    return textwrap.dedent(lines).strip()


def test_a_component_is_stopped_and_started(control: ComposeControl, bench: Bench) -> None:
    ready = control._state.ready_urls["loki"]
    assert probe_url(ready) is None
    control.stop("loki")
    assert probe_url(ready) == "no answer (ConnectError)"
    assert control.status()["loki"]["listening"] is False
    control.start("loki")
    assert probe_url(ready) is None


@pytest.mark.parametrize("running", [True, False])
def test_a_restart_is_one_call_after_which_it_answers_where_it_did(
    control: ComposeControl, bench: Bench, running: bool
) -> None:
    ready = control._state.ready_urls["loki"]
    if not running:
        control.stop("loki")
    before = len(bench.engine.calls)
    control.restart("loki")
    assert probe_url(ready) is None
    calls = [" ".join(call.arguments) for call in bench.engine.calls[before:]]
    assert calls == [calls[0]]
    assert calls[0].endswith("restart --timeout 5 loki")


def test_a_service_that_does_not_come_back_from_a_restart(
    control: ComposeControl, bench: Bench
) -> None:
    control._timeout_s = 0.2
    bench.engine.service("loki").behaviour = Behaviour(exits=1)
    with pytest.raises(StackUnavailable, match=r"^The service loki did not become ready\."):
        control.restart("loki")


def test_a_component_is_known_by_its_service_too(control: ComposeControl, bench: Bench) -> None:
    control.stop("otel-collector")
    assert bench.engine.service("otel-collector").state == "exited"
    control.start("collector")
    assert bench.engine.service("otel-collector").state == "running"


def test_a_frozen_component_is_not_ended(control: ComposeControl, bench: Bench) -> None:
    control.pause("loki")
    assert control.status()["loki"]["state"] == "paused"
    control.unpause("loki")
    assert control.status()["loki"]["state"] == "running"


def test_the_state_of_every_container_is_told(control: ComposeControl) -> None:
    status = control.status()
    assert sorted(status) == ["collector", "grafana", "loki", "prometheus", "tempo"]
    assert status["loki"] == {
        "state": "running",
        "health": "healthy",
        "image": "grafana/loki:3.7.8",
        "listening": True,
        "name": f"{PROJECT}-loki-1",
    }


def test_logs_are_the_last_lines(control: ComposeControl) -> None:
    assert control.logs("loki", 2) == ["two", "three"]


def test_a_service_that_there_is_not(control: ComposeControl) -> None:
    with pytest.raises(StackUnavailable) as raised:
        control.stop("redis")
    assert str(raised.value) == text(
        """
        Compose could not stop the service redis.
          expected  `compose stop --timeout 5 redis` succeeds
          found     no such service: redis
          do        `obsstack status` tells which containers there are
          last log line:
            | no such service: redis
        """
    )
    with pytest.raises(StackUnavailable) as raised:
        control.logs("redis", 5)
    assert str(raised.value) == text(
        f"""
        The service redis has no container.
          expected  one of collector, grafana, loki, prometheus, tempo in project {PROJECT}
          found     none of that name
          do        `obsstack status` tells which containers there are
        """
    )


def test_a_component_that_does_not_come_back(control: ComposeControl, bench: Bench) -> None:
    control.stop("loki")
    control._timeout_s = 0.2
    bench.engine.service("loki").behaviour = Behaviour(exits=1, log=("the index is broken",))
    with pytest.raises(StackUnavailable) as raised:
        control.start("loki")
    assert bench.text(raised.value) == text(
        """
        The service loki did not become ready.
          expected  it runs, its health check passes and it answers
          found     it ended with exit status 1
                    GET http://HOST/ready: no answer (ConnectError)
                    health check: exit status 0, no output
          do        read the last lines of its log below; all logs are in \
FOLDER/runs/RUN/stack/logs; a slow machine gets more time by --obs-start-timeout
          last log line:
            | the index is broken
        """
    )


def test_an_engine_that_has_gone_meanwhile(control: ComposeControl, bench: Bench) -> None:
    bench.engine.answering = False
    try:
        with pytest.raises(StackUnavailable) as raised:
            control.status()
    finally:
        bench.engine.answering = True
    assert str(raised.value) == text(
        """
        `compose ps --all --format json` failed.
          expected  it succeeds
          found     Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the \
docker daemon running?
          do        see whether the engine answers (`docker version`), then try again
          last log line:
            | Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker \
daemon running?
        """
    )
