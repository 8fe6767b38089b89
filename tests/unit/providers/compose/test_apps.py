"""The app as a container: what it is told, copies of it, and somebody else's compose file."""

from __future__ import annotations

import json
import socket
import stat
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import replace

import httpx
import pytest

from pytest_obsstack.errors import StackUnavailable
from pytest_obsstack.providers.app_spec import AppSpec
from pytest_obsstack.providers.compose.apps import AppContainers
from pytest_obsstack.providers.compose.network import Network
from pytest_obsstack.providers.readiness import probe_url
from pytest_obsstack.providers.state import StackState
from tests.unit.providers.compose.fake_engine import Behaviour, Container
from tests.unit.providers.compose.support import PROJECT, RUN_ID, Bench

INVENTORY = AppSpec(compose_service="inventory", service="inventory", release=None)
APP = AppSpec(compose_service="app", companions={"APP_INVENTORY_URL": INVENTORY})
SHOP = AppSpec(compose_service="shop", compose_port=8000, service="shop", ready_path="/ping")
SHOP_FILE = """
services:
  shop:
    image: shop:1
    environment: ["SHOP_MODE=test", "SENTRY_DSN"]
    depends_on: [db]
  db:
    image: mysql:9
"""


@pytest.fixture
def stack(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Iterator[StackState]:
    """A running stack; the developer has settings of their own."""
    monkeypatch.setenv("SENTRY_DSN", "https://developers-own@sentry.example/1")
    monkeypatch.setenv("APP_PORT", "1")
    with bench.stack() as state:
        yield state


def apps(state: StackState, timeout_s: float = 10) -> AppContainers:
    assert state.compose is not None
    return AppContainers(
        state.compose.compose,
        Network.of(state.compose.ports),
        state.folder.parent,
        timeout_s=timeout_s,
        probe=probe_url,
    )


def app_port(state: StackState) -> int:
    assert state.compose is not None
    return state.compose.ports["APP_PORT"]


def message(error: StackUnavailable, bench: Bench) -> str:
    return bench.text(error)


def text(lines: str) -> str:
    return textwrap.dedent(lines).strip()


def test_the_app_and_what_it_calls_are_told_where_to_report(
    stack: StackState, bench: Bench
) -> None:
    spec = replace(APP, env={"GREETING": "it costs $5 ${HOME}"})
    app = apps(stack).start_main(spec, stack.endpoints, name="main", port=app_port(stack))

    assert app.url == f"http://127.0.0.1:{app_port(stack)}"
    assert httpx.get(f"{app.url}/health").status_code == 200
    assert app.inner_url == "http://app:5000"
    told = bench.engine.service("app").environment
    assert {name: told[name] for name in ("HOST", "PORT", "GREETING", "APP_INVENTORY_URL")} == {
        "HOST": "0.0.0.0",  # noqa: S104 - in its container
        "PORT": "5000",
        # Not replaced by Compose.
        "GREETING": "it costs $5 ${HOME}",
        "APP_INVENTORY_URL": "http://inventory:5000",
    }
    assert told["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://otel-collector:4318"
    assert told["SENTRY_DSN"] == stack.endpoints.sentry.dsn  # type: ignore[union-attr]
    assert "service.instance.id=simple-app-main" in told["OTEL_RESOURCE_ATTRIBUTES"]
    inventory = bench.engine.service("inventory").environment
    assert "service.instance.id=inventory-main" in inventory["OTEL_RESOURCE_ATTRIBUTES"]
    # The developer's own have reached no container.
    for container in bench.engine.containers.values():
        assert "developers-own" not in json.dumps(container.environment)


def test_without_a_tracker_nothing_is_reported_anywhere(stack: StackState, bench: Bench) -> None:
    """Whatever an env_file beside the compose files says."""
    endpoints = replace(stack.endpoints, sentry=None)
    apps(stack).start_main(APP, endpoints, name="main", port=app_port(stack))
    assert bench.engine.service("app").environment["SENTRY_DSN"] == ""


def test_addresses_of_this_machine_are_those_of_the_network_inside() -> None:
    network = Network({"127.0.0.1:3100": "loki:3100", "127.0.0.1:4318": "otel-collector:4318"})
    assert network.inside("http://127.0.0.1:3100/otlp") == "http://loki:3100/otlp"
    # Another port that only begins so.
    assert network.inside("http://127.0.0.1:43180") == "http://127.0.0.1:43180"
    assert network.inside("http://key@127.0.0.1:3100/1") == "http://key@loki:3100/1"


def test_a_copy_runs_beside_the_app_with_other_variables(stack: StackState, bench: Bench) -> None:
    both = apps(stack)
    main = both.start_main(APP, stack.endpoints, name="main", port=app_port(stack))
    spec = replace(APP, env={"GREETING": "hello"})
    copy = both.start_copy(spec, stack.endpoints, name="copy", port=None)

    container = bench.engine.containers[f"{PROJECT}-simple-app-copy"]
    assert container.environment["GREETING"] == "hello"
    assert "GREETING" not in bench.engine.service("app").environment
    # It calls a copy of the service that the app calls.
    assert container.environment["APP_INVENTORY_URL"] == f"http://{PROJECT}-inventory-copy:5000"
    assert copy.url != main.url
    assert httpx.get(f"{copy.url}/health").status_code == 200
    # By these `obsstack down --all` knows whose it is.
    labels = container.labels
    assert labels["io.pytest-obsstack.run"] == RUN_ID
    assert labels["io.pytest-obsstack.owner"].startswith(f"{bench.owner_pid}@")
    assert labels["io.pytest-obsstack.kept"] == "false"

    bench.engine.containers[copy.container].behaviour = Behaviour(log=("one", "two"))
    copy.stop()
    assert set(bench.engine.containers).isdisjoint(
        {f"{PROJECT}-simple-app-copy", f"{PROJECT}-inventory-copy"}
    )
    assert copy.log_lines() == ["one", "two"]
    assert not main.died


def test_the_app_is_not_taken_for_a_copy_of_another_worker(stack: StackState, bench: Bench) -> None:
    both = apps(stack)
    both.start_copy(APP, stack.endpoints, name="gw1", port=None)
    app = both.start_main(APP, stack.endpoints, name="gw0", port=app_port(stack))
    assert app.container == f"{PROJECT}-app-1"
    both.start_copy(APP, stack.endpoints, name="gw2", port=None)
    assert (
        both.start_main(APP, stack.endpoints, name="gw0", port=app_port(stack)).container
        == f"{PROJECT}-app-1"
    )


def test_a_copy_that_ends_at_once_is_told_with_its_log_and_removed(
    stack: StackState, bench: Bench
) -> None:
    bench.engine.behaviours["app"] = Behaviour(exits=1, log=("reading settings", "no database"))
    with pytest.raises(StackUnavailable) as raised:
        apps(stack).start_copy(APP, stack.endpoints, name="copy", port=None)
    lines = message(raised.value, bench).splitlines()
    assert lines[:2] == [
        "The app simple-app ended while it was starting.",
        "  expected  GET http://HOST/health answers 2xx",
    ]
    assert lines[2].startswith("  found     exit status 1 after ")
    assert "\n".join(lines[3:]) == (
        "  do        check the service app of the compose files, and compose_port and ready_path "
        "of obs_app_spec\n"
        "  last 2 log lines:\n"
        "    | reading settings\n"
        "    | no database"
    )
    assert not [name for name in bench.engine.containers if "copy" in name]


def test_an_app_that_never_answers(stack: StackState, bench: Bench) -> None:
    bench.engine.behaviours["app"] = Behaviour(answers=503, log=("waiting for the database",))
    # Time for Compose to start it; what it takes longer is for the app to answer.
    spec = replace(APP, ready_timeout_s=0.2, companions={})
    both = apps(stack, timeout_s=5)
    with pytest.raises(StackUnavailable) as raised:
        both.start_main(spec, stack.endpoints, name="main", port=app_port(stack))
    assert message(raised.value, bench) == text(
        """
        The app simple-app did not become ready.
          expected  GET http://HOST/health answers 2xx
          found     status 503 for 5 s
          do        check the service app of the compose files, and compose_port and ready_path of \
obs_app_spec
          last log line:
            | waiting for the database
        """
    )


def test_a_copy_of_a_name_that_is_there_already(stack: StackState, bench: Bench) -> None:
    """It says so, and is not taken for a port that is taken."""
    both = apps(stack)
    both.start_copy(INVENTORY, stack.endpoints, name="copy", port=None)
    with pytest.raises(StackUnavailable) as raised:
        both.start_copy(INVENTORY, stack.endpoints, name="copy", port=None)
    assert message(raised.value, bench).splitlines()[:3] == [
        "The container of a copy of the app inventory did not start.",
        "  expected  `compose run inventory` succeeds",
        (
            "  found     Error response from daemon: Conflict. The container name obsstack-RUN-"
            "inventory-copy is already in use"
        ),
    ]


def test_a_companion_that_has_no_container(stack: StackState) -> None:
    spec = AppSpec(
        compose_service="app", companions={"MAIL_URL": AppSpec(["mail"], service="mail")}
    )
    with pytest.raises(StackUnavailable) as raised:
        apps(stack).start_main(spec, stack.endpoints, name="main", port=1)
    assert str(raised.value) == text(
        """
        The service mail cannot run in a container.
          expected  an AppSpec with the name of its compose_service
          found     none
          do        name it in the fixture obs_app_spec, for the app's companions, too
        """
    )


# ---- somebody else's compose file


@pytest.fixture
def shop_stack(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Iterator[StackState]:
    monkeypatch.setenv("SENTRY_DSN", "https://developers-own@sentry.example/1")
    bench.engine.images |= {"shop:1", "mysql:9"}
    file = bench.file("repo/docker-compose.yml", SHOP_FILE)
    wanted = bench.wanted(files=[file], more_services=SHOP.compose_services())
    with bench.stack(wanted) as state:
        yield state


def test_a_service_of_ones_own_file_is_the_app(shop_stack: StackState, bench: Bench) -> None:
    app = apps(shop_stack).start_main(
        SHOP, shop_stack.endpoints, name="main", port=app_port(shop_stack)
    )
    container = bench.engine.service("shop")
    assert httpx.get(f"{app.url}/ping").status_code == 200
    # On this machine alone, at the port in the container that the spec names.
    assert container.ports == {app_port(shop_stack): 8000}
    assert container.environment["PORT"] == "8000"
    assert container.environment["SHOP_MODE"] == "test"
    assert container.environment["SENTRY_DSN"] == shop_stack.endpoints.sentry.dsn  # type: ignore[union-attr]
    assert container.labels["io.pytest-obsstack.run"] == RUN_ID
    # What it depends on was started with it, and ends with it.
    assert bench.engine.service("db").state == "running"


def test_what_is_told_to_the_app_is_for_its_owner_alone(shop_stack: StackState) -> None:
    both = apps(shop_stack)
    both.start_main(SHOP, shop_stack.endpoints, name="main", port=app_port(shop_stack))
    both.start_copy(SHOP, shop_stack.endpoints, name="copy", port=None)
    written = [
        *shop_stack.folder.parent.glob("docker-compose.*.json"),
        *shop_stack.folder.glob("*.env"),
    ]
    assert len(written) >= 4
    for path in written:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


# ---- ports


@pytest.mark.parametrize(("spec", "service"), [(APP, "app"), (SHOP, "shop")])
def test_a_port_of_the_app_that_is_lost_in_a_race_is_replaced(
    spec: AppSpec, service: str, shop_stack: StackState, bench: Bench
) -> None:
    port = app_port(shop_stack)
    with socket.create_server(("127.0.0.1", port)):
        app = apps(shop_stack).start_main(spec, shop_stack.endpoints, name="main", port=port)
        assert app.url != f"http://127.0.0.1:{port}"
        assert httpx.get(f"{app.url}/health").status_code == 200
        assert f"http://127.0.0.1:{next(iter(bench.engine.service(service).ports))}" == app.url


def test_a_port_that_was_asked_for_the_app_is_not_replaced(stack: StackState, bench: Bench) -> None:
    port = app_port(stack)
    with (
        socket.create_server(("127.0.0.1", port)),
        pytest.raises(StackUnavailable) as raised,
    ):
        apps(stack).start_main(APP, stack.endpoints, name="main", port=port, fixed_port=True)
    assert str(raised.value) == text(
        f"""
        The stack of containers cannot have its ports.
          expected  127.0.0.1:{port} on this machine is free
          found     somebody else listens there
          do        end that program, or leave out --obs-port to get a free port
        """
    )


def test_a_race_for_the_apps_port_is_not_run_for_ever(stack: StackState, bench: Bench) -> None:
    lost: list[socket.socket] = []

    def race(made: Mapping[str, Container]) -> None:
        (port,) = made["app"].ports
        lost.append(socket.create_server(("127.0.0.1", port)))

    bench.engine.before_up = race
    try:
        with pytest.raises(StackUnavailable, match="cannot have its ports"):
            apps(stack).start_main(APP, stack.endpoints, name="main", port=app_port(stack))
    finally:
        for each in lost:
            each.close()
    assert len(lost) == 3


def test_logs_are_read_of_a_running_container(stack: StackState, bench: Bench) -> None:
    bench.engine.behaviours["app"] = Behaviour(log=tuple(f"line {n}" for n in range(300)))
    app = apps(stack).start_main(APP, stack.endpoints, name="main", port=app_port(stack))
    assert app.log_lines(2) == ["line 298", "line 299"]
