"""Ports: given ones, the guide's for a kept stack, and those that somebody else takes first."""

from __future__ import annotations

import contextlib
import socket
import textwrap
from collections.abc import Callable, Iterator, Mapping

import pytest

from pytest_obsstack.errors import StackUnavailable
from pytest_obsstack.options.kinds import GUIDE_PORTS
from pytest_obsstack.providers.compose import project
from pytest_obsstack.providers.ports import free_port
from tests.unit.providers.compose.fake_engine import Container
from tests.unit.providers.compose.support import Bench, compose_options


@pytest.fixture
def somebody() -> Iterator[Callable[[int], int]]:
    """Listens on a port, 0 for any; gives the port."""
    with contextlib.ExitStack() as open_sockets:

        def listen(port: int = 0) -> int:
            server = open_sockets.enter_context(socket.create_server(("127.0.0.1", port)))
            return int(server.getsockname()[1])

        yield listen


def test_every_port_is_one_of_this_machine_alone_and_no_two_are_the_same(bench: Bench) -> None:
    with bench.stack() as state:
        assert state.compose is not None
        ports = state.compose.ports
        assert len(set(ports.values())) == len(ports) == 8
        published = {
            outer for container in bench.engine.containers.values() for outer in container.ports
        }
        # That of the app is had by its own service, later.
        assert published == set(ports.values()) - {ports["APP_PORT"]}


def test_a_port_that_was_asked_for_is_had(bench: Bench) -> None:
    wanted = {"loki": free_port(), "collector": free_port()}
    with bench.stack(bench.wanted(compose_options(port=wanted))) as state:
        assert state.products["loki"].url == f"http://127.0.0.1:{wanted['loki']}"
        assert state.products["collector"].url == f"http://127.0.0.1:{wanted['collector']}"


def test_a_port_that_was_asked_for_and_is_taken(
    bench: Bench, somebody: Callable[[int], int]
) -> None:
    port = somebody(0)
    wanted = bench.wanted(compose_options(port={"loki": port}))
    with pytest.raises(StackUnavailable) as raised, bench.stack(wanted):
        pass
    assert str(raised.value) == textwrap.dedent(
        f"""\
        The container of loki cannot have its port.
          expected  port {port} on 127.0.0.1 is free (--obs-port loki={port})
          found     somebody else listens there
          do        end that program, or leave out --obs-port to get a free port"""
    )
    assert bench.engine.left() == []
    assert bench.engine.lines("up") == []


def test_a_port_that_is_lost_in_a_race_is_replaced(
    bench: Bench, somebody: Callable[[int], int]
) -> None:
    """Everything of the first attempt is removed, and no second reaper waits for the stack."""
    lost: list[int] = []

    def race(made: Mapping[str, Container]) -> None:
        if not lost:
            (port,) = made["loki"].ports
            lost.append(somebody(port))

    bench.engine.before_up = race
    with bench.stack() as state:
        assert state.products["loki"].url != f"http://127.0.0.1:{lost[0]}"
        assert len(bench.engine.lines("down")) == 1
        assert bench.engine.service("loki").state == "running"
    assert bench.engine.left() == []


def test_a_race_is_not_run_for_ever(bench: Bench, somebody: Callable[[int], int]) -> None:
    lost: list[int] = []

    def race(made: Mapping[str, Container]) -> None:
        (port,) = made["loki"].ports
        lost.append(somebody(port))

    bench.engine.before_up = race
    with pytest.raises(StackUnavailable) as raised, bench.stack():
        pass
    assert len(lost) == 3
    assert str(raised.value) == textwrap.dedent(
        f"""\
        The stack of containers cannot have its ports.
          expected  127.0.0.1:{lost[-1]} on this machine is free
          found     somebody else listens there
          do        end that program, or leave out --obs-port to get a free port"""
    )
    assert bench.engine.left() == []


def test_a_kept_stack_prefers_the_guides_ports_and_says_which_it_could_not_have(
    bench: Bench, somebody: Callable[[int], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The guide's own may be in use where this test runs.
    free = {name: free_port() for name in GUIDE_PORTS}
    monkeypatch.setattr(project, "GUIDE_PORTS", free)
    somebody(free["grafana"])
    with bench.stack(bench.wanted(kept=True)) as state:
        assert state.kept
        assert state.compose is not None
        assert state.compose.ports["LOKI_PORT"] == free["loki"]
        assert state.compose.ports["APP_PORT"] == free["app"]
        assert state.compose.ports["GRAFANA_PORT"] != free["grafana"]
        met = {name: product.wish_met for name, product in state.products.items()}
        assert met == {**dict.fromkeys(met, True), "grafana": False}
