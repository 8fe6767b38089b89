"""What a person is told who leaves a stack running."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pytest_obsstack.endpoints import Endpoints
from pytest_obsstack.evidence.summary import kept_lines
from pytest_obsstack.providers.state import ProductState, RunningApp, StackState

STATE = StackState(
    kind="embedded",
    run_id="20260101-000000-abcdef",
    folder=Path("runs"),
    endpoints=Endpoints(),
    products={"sentry": ProductState("http://127.0.0.1:9000", "1")},
    ready_after_s=0.5,
    app=RunningApp("http://127.0.0.1:5000", instance="simple-app-main", service="simple-app"),
)
REST = [
    "the app answers at http://127.0.0.1:5000",
    "the stack keeps running: `obsstack status` shows it, `obsstack down` removes it",
]


def test_the_guides_ports_need_no_word() -> None:
    assert kept_lines(STATE) == REST


def test_a_product_and_the_app_say_that_their_port_is_in_use() -> None:
    assert STATE.app is not None
    displaced = replace(
        STATE,
        products={"sentry": ProductState("http://127.0.0.1:41000", "1", wish_met=False)},
        app=replace(STATE.app, wish_met=False),
    )
    assert kept_lines(displaced) == [
        "sentry could not have its usual port 9000, which is in use",
        "app could not have its usual port 5000, which is in use",
        *REST,
    ]
