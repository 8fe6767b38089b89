"""An app that somebody else runs: what a run knows of it and of the services that it calls."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pytest_obsstack.endpoints import Endpoints
from pytest_obsstack.options import Options
from pytest_obsstack.providers.app import AppProcess
from pytest_obsstack.providers.app_spec import AppSpec
from pytest_obsstack.providers.state import RunningApp, StackState, write_state
from pytest_obsstack.provision.run import Run
from pytest_obsstack.provision.session import Session

KEPT = RunningApp(
    "http://127.0.0.1:5000",
    instance="simple-app-main",
    service="simple-app",
    environment={"INVENTORY_URL": "http://127.0.0.1:5001"},
    companions={
        "INVENTORY_URL": RunningApp("http://127.0.0.1:5001", "inventory-main", "inventory")
    },
)
INVENTORY = AppSpec(command=["serve"], service="inventory", last_log_line="^done")
SPEC = AppSpec(command=["serve"], companions={"INVENTORY_URL": INVENTORY})


def attached(folder: Path, running: RunningApp, spec: AppSpec) -> AppProcess:
    state = StackState("attach", "run", folder, Endpoints(), {}, 0.0, kept=True, app=running)
    run = Run(folder, owner_pid=0)
    write_state(run.state_path, state)
    return Session(Options(stack="attach"), run).app(spec)


def test_the_app_of_a_kept_stack_is_known_with_the_services_that_it_calls(tmp_path: Path) -> None:
    app = attached(tmp_path, KEPT, SPEC)
    inventory = app.companions["INVENTORY_URL"]
    assert (inventory.url, inventory.instance) == ("http://127.0.0.1:5001", "inventory-main")
    assert inventory.spec.last_log_line == "^done"
    assert app.process is inventory.process is None


@pytest.mark.parametrize(
    ("url", "known"),
    [("http://inventory.example:80", ["http://inventory.example:80"]), (None, [])],
)
def test_a_service_beside_an_app_at_a_url_is_known_by_its_own_url_alone(
    tmp_path: Path, url: str | None, known: list[str]
) -> None:
    inventory = AppSpec(url=url, service="inventory") if url else INVENTORY
    spec = replace(SPEC, companions={"INVENTORY_URL": inventory})
    running = RunningApp("http://app.example", instance="", service="")
    assert [part.url for part in attached(tmp_path, running, spec).companions.values()] == known
