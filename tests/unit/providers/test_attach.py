"""Attaching: to the stack that the options name, else to the kept one; read-only unless allowed."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_obsstack.endpoints import (
    CollectorEndpoint,
    Endpoints,
    LokiEndpoint,
    PrometheusEndpoint,
    SentryEndpoint,
)
from pytest_obsstack.errors import StackUnavailable
from pytest_obsstack.options import Options
from pytest_obsstack.providers.attach import attach, capabilities
from pytest_obsstack.providers.capabilities import EMBEDDED, MEANINGS, unknown
from pytest_obsstack.providers.home import Home
from pytest_obsstack.providers.process import ProcessIdentity
from pytest_obsstack.providers.state import (
    Control,
    ProductState,
    RunningApp,
    StackState,
    write_state,
)
from pytest_obsstack.provision.abilities import capabilities_of, tracker_capabilities
from tests.unit.providers.support import dead_pid

ALL = {
    "sentry": "https://sentry.example/",
    "collector": "http://collector:4318/",
    "prometheus": "http://prometheus:9090/",
    "loki": "http://loki:3100/",
    "app": "http://app:5000",
}
ACCESS: dict[str, Any] = {
    "sentry_token": "t",
    "sentry_organization": "acme",
    "sentry_project": "shop",
    "sentry_dsn": "https://key@sentry.example/1",
}
KEPT = StackState(
    kind="embedded",
    run_id="kept",
    folder=Path("/runs/kept/stack"),
    endpoints=Endpoints(
        sentry=SentryEndpoint("http://s"),
        collector=CollectorEndpoint("http://c"),
        prometheus=PrometheusEndpoint("http://p"),
        loki=LokiEndpoint("http://l"),
    ),
    products={"sentry": ProductState("http://s", "1")},
    ready_after_s=0.5,
    kept=True,
    control=Control("http://x", "token"),
    process=ProcessIdentity.of(os.getpid()),
)


def attached(**options: Any) -> StackState:
    return attach(Options(stack="attach", **options), Path("/runs/r"))


# ---- a stack that the options name


def test_each_url_is_the_endpoint_of_its_component() -> None:
    state = attached(use=ALL, **ACCESS)
    assert state.endpoints == Endpoints(
        sentry=SentryEndpoint(
            "https://sentry.example",
            token="t",
            organization="acme",
            project="shop",
            dsn="https://key@sentry.example/1",
            flavour="sentry",
        ),
        collector=CollectorEndpoint("http://collector:4318"),
        prometheus=PrometheusEndpoint("http://prometheus:9090"),
        loki=LokiEndpoint("http://loki:3100"),
    )
    assert state.app == RunningApp("http://app:5000", instance="", service="")
    assert list(state.products) == ["sentry", "collector", "prometheus", "loki"]
    assert (state.kind, state.run_id, state.kept) == ("attach", "r", False)


def test_a_component_that_is_not_named_is_not_there() -> None:
    state = attached(use={"loki": "http://loki:3100"})
    assert state.endpoints == Endpoints(loki=LokiEndpoint("http://loki:3100"))
    assert state.app is None


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        (
            {},
            "OBS_SENTRY_TOKEN, --obs-sentry-organization, --obs-sentry-project",
        ),
        ({"sentry_token": "t", "sentry_project": "shop"}, "--obs-sentry-organization"),
    ],
)
def test_what_a_sentry_needs_is_named(given: dict[str, Any], missing: str) -> None:
    with pytest.raises(pytest.UsageError) as caught:
        attached(use={"sentry": "https://sentry.example"}, **given)
    assert str(caught.value) == (
        f"--obs-use sentry=https://sentry.example: an attached Sentry needs {missing}"
    )


# ---- the kept stack


def test_without_urls_the_kept_stack_is_taken(tmp_path: Path) -> None:
    write_state(Home(tmp_path).kept_path, KEPT)
    assert attached(home=tmp_path) == replace(KEPT, kind="attach")


def test_without_urls_and_kept_stack_there_is_nothing_to_attach_to(tmp_path: Path) -> None:
    with pytest.raises(pytest.UsageError) as caught:
        attached(home=tmp_path)
    assert str(caught.value) == (
        "--obs-stack=attach: there is no stack to attach to\n"
        "  expected  --obs-use COMPONENT=URL for each component, or a stack that was left running "
        "by `obsstack up` or --obs-keep-stack\n"
        f"  found     no --obs-use, and no {tmp_path / 'kept.json'}"
    )


def test_a_kept_stack_that_has_ended_is_an_error(tmp_path: Path) -> None:
    pid = dead_pid()
    write_state(Home(tmp_path).kept_path, replace(KEPT, process=ProcessIdentity(pid, "x")))
    with pytest.raises(StackUnavailable) as caught:
        attached(home=tmp_path)
    assert str(caught.value) == (
        "The kept stack has ended.\n"
        f"  expected  the process of {tmp_path / 'kept.json'} runs\n"
        f"  found     no process {pid} of that start time\n"
        "  do        `obsstack down` clears it away, `obsstack up` starts a new one"
    )


# ---- capabilities


def able(state: StackState, *, alone: bool = True, writes: bool = False) -> frozenset[str]:
    own = capabilities_of(state)
    options = Options(stack="attach", allow_writes=writes)
    return capabilities(options, state, own, tracker=tracker_capabilities(state), alone=alone)


def test_a_foreign_stack_can_show_what_its_components_can() -> None:
    state = attached(use={"loki": "http://l", "prometheus": "http://p"})
    assert able(state) == {"logs", "metrics", "exemplars"}


def test_a_foreign_stack_is_read_only_unless_writes_are_allowed() -> None:
    state = attached(use=ALL, **ACCESS)
    assert not {"writes", "alerts", "faults", "app_control", "exact_metrics"} & able(state)
    assert able(state, writes=True) - able(state) == {
        "writes",
        "alerts",
        "issue_status",
    }


def test_a_kept_stack_can_be_steered_only_where_writes_are_allowed() -> None:
    lacks = {*("app_control", "writes", "alerts", "issue_status", "faults", "injection")}
    assert able(KEPT) == EMBEDDED - lacks
    assert able(KEPT, writes=True) == EMBEDDED - {"app_control"}


def test_counts_are_exact_only_for_one_who_has_the_app_alone() -> None:
    assert "exact_metrics" in able(KEPT)
    assert "exact_metrics" not in able(KEPT, alone=False)


def test_every_capability_has_a_meaning() -> None:
    assert frozenset(MEANINGS) >= EMBEDDED
    assert all(MEANINGS.values())


def test_words_that_are_no_capability_are_found() -> None:
    assert unknown(("issues", "isues", "logs", "telepathy")) == ["isues", "telepathy"]
    assert unknown(tuple(MEANINGS)) == []
