"""The stack as tests see it: what it passes on to its control interface, what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_obsstack.endpoints import Endpoints
from pytest_obsstack.errors import ObsstackError
from pytest_obsstack.providers.capabilities import EMBEDDED
from pytest_obsstack.providers.compose.command import Compose
from pytest_obsstack.providers.stack import Stack
from pytest_obsstack.providers.state import ComposeState, Control, ProductState, StackState

STATE = StackState(
    kind="embedded",
    run_id="r",
    folder=Path("/runs/r"),
    endpoints=Endpoints(),
    products={"sentry": ProductState("http://s", "1"), "loki": ProductState("http://l", "1")},
    ready_after_s=0.1,
    control=Control("http://127.0.0.1:1", "token"),
)


class Recorder:
    """A control interface that keeps what it was asked."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any) -> Any:
            self.calls.append((name, *arguments))
            return {"scrape": [{"job": "j"}], "status": {"products": {}}}.get(name)

        return call


@pytest.fixture
def control() -> Recorder:
    return Recorder()


@pytest.fixture
def stack(control: Recorder) -> Stack:
    made = Stack(STATE, EMBEDDED)
    made.__dict__["_embedded_control"] = control
    return made


def test_products_are_stopped_started_and_restarted(stack: Stack, control: Recorder) -> None:
    stack.stop("loki")
    stack.start("loki")
    stack.restart("sentry")
    assert control.calls == [
        ("stop", "loki"),
        ("start", "loki"),
        ("restart", "sentry"),
    ]


def test_a_fault_replaces_the_one_before_and_is_taken_away(stack: Stack, control: Recorder) -> None:
    stack.fail("sentry", status=503, path="/api/.*", headers={"Retry-After": "1"}, times=2)
    stack.fail("sentry", delay_s=0.5, method="POST")
    stack.heal("sentry")
    rule = {
        "status": 503,
        "path": "/api/.*",
        "method": None,
        "body": "",
        "headers": {"Retry-After": "1"},
        "delay_s": 0.0,
        "times": 2,
    }
    late = {**rule, "status": None, "path": ".*", "method": "POST", "headers": {}}
    late |= {"delay_s": 0.5, "times": None}
    assert control.calls == [
        ("set_faults", "sentry", [rule]),
        ("set_faults", "sentry", [late]),
        ("set_faults", "sentry", []),
    ]


def test_settings_scrapes_and_status_are_passed_on(stack: Stack, control: Recorder) -> None:
    stack.configure("collector", {"a": 1})
    assert stack.scrape("otel-collector") == [{"job": "j"}]
    stack.evaluate()
    assert stack.status() == {"products": {}}
    assert control.calls == [
        ("configure", "collector", {"a": 1}),
        ("scrape", "otel-collector"),
        ("evaluate",),
        ("status",),
    ]


def test_mutations_are_passed_on(stack: Stack, control: Recorder) -> None:
    stack.mutate({"mutation": "user removed"})
    stack.mutation("abc")
    stack.end_mutation("abc")
    assert control.calls == [
        ("mutate", {"mutation": "user removed"}),
        ("mutation", "abc"),
        ("end_mutation", "abc"),
    ]


def test_connections_are_closed_only_if_there_are_any(stack: Stack, control: Recorder) -> None:
    stack.close()
    assert control.calls == [("close",)]
    Stack(STATE, EMBEDDED).close()


@pytest.mark.parametrize(
    ("state", "capabilities"),
    [
        (replace(STATE, control=None, kind="attach"), EMBEDDED),
        (replace(STATE, kind="attach"), EMBEDDED - {"faults", "injection"}),
    ],
    ids=["no control", "read only"],
)
def test_a_stack_that_cannot_be_steered_says_so(
    state: StackState, capabilities: frozenset[str]
) -> None:
    stack = Stack(state, capabilities)
    assert not stack.steerable
    ours = "stack that this run started, or --obs-allow-writes on a kept one"
    faults = ("faults", f"a {ours}")
    injection = ("injection", f"an embedded {ours}")
    containers = ("compose", "a stack of containers: --obs-stack=compose")
    calls: dict[str, tuple[Callable[[], object], tuple[str, str]]] = {
        "stop": (lambda: stack.stop("loki"), faults),
        "start": (lambda: stack.start("loki"), faults),
        "status": (stack.status, faults),
        "fail": (lambda: stack.fail("loki", status=500), injection),
        "heal": (lambda: stack.heal("loki"), injection),
        "configure": (lambda: stack.configure("loki", {}), injection),
        "scrape": (stack.scrape, injection),
        "mutate": (lambda: stack.mutate({}), injection),
        "mutation": (lambda: stack.mutation("abc"), injection),
        "end_mutation": (lambda: stack.end_mutation("abc"), injection),
        "pause": (lambda: stack.pause("loki"), containers),
        "unpause": (lambda: stack.unpause("loki"), containers),
    }
    for action, (call, (capability, expected)) in calls.items():
        with pytest.raises(ObsstackError) as caught:
            call()
        assert str(caught.value) == (
            f"This stack cannot be steered: {action} was asked.\n"
            f"  expected  {expected}\n"
            f"  found     --obs-stack=attach, capabilities without `{capability}`\n"
            f'  do        mark the test with @pytest.mark.obs_requires("{capability}")'
        )


def test_the_embedded_products_share_one_log(tmp_path: Path) -> None:
    (tmp_path / "embedded.log").write_text("one\ntwo\n")
    stack = Stack(replace(STATE, folder=tmp_path), EMBEDDED)
    assert stack.logs("sentry", 1) == stack.logs("loki", 1) == ["two"]


@pytest.mark.parametrize(
    ("state", "name", "kind"),
    [
        (STATE, "grafana", "embedded"),
        (replace(STATE, kind="attach", control=None), "loki", "attach"),
    ],
)
def test_a_log_that_cannot_be_read_is_an_error(state: StackState, name: str, kind: str) -> None:
    with pytest.raises(ObsstackError) as caught:
        Stack(state, EMBEDDED).logs(name)
    assert str(caught.value) == (
        f"No log of {name!r} can be read.\n"
        "  expected  a component of a stack that this machine runs\n"
        f"  found     --obs-stack={kind}, components: sentry, loki"
    )


def test_what_it_is_comes_from_its_state() -> None:
    stack = Stack(STATE, frozenset({"issues"}))
    assert (stack.kind, stack.endpoints, stack.folder) == ("embedded", Endpoints(), STATE.folder)
    assert stack.capabilities == {"issues"}


def test_the_prometheus_in_containers_is_told_of_receivers_by_files(tmp_path: Path) -> None:
    compose = ComposeState(
        compose=Compose((), "docker", "p", (), (), (), str(tmp_path), str(tmp_path)),
        tracker=None,
        ports={},
        ready_urls={},
        callback_bind="172.17.0.1",
        callback_host="host.docker.internal",
    )
    state = replace(STATE, kind="compose", control=None, compose=compose, folder=tmp_path)
    made = Stack(state, frozenset({"compose"}))
    with pytest.raises(ObsstackError) as caught:
        made.add_alertmanager("test", "host.docker.internal:9093")
    assert str(caught.value) == (
        "The Prometheus of this stack cannot be told of another Alertmanager.\n"
        f"  expected  the folder {tmp_path / 'alertmanagers'}, which it reads\n"
        "  found     none: an earlier version started this stack\n"
        "  do        remove it (obsstack down) and start it again"
    )
    (tmp_path / "alertmanagers").mkdir()
    made.add_alertmanager("test", "host.docker.internal:9093")
    (file,) = (tmp_path / "alertmanagers").iterdir()
    assert file.name == "test.json"
    assert json.loads(file.read_text("utf-8")) == [{"targets": ["host.docker.internal:9093"]}]
    assert file.stat().st_mode & 0o777 == 0o644
    made.remove_alertmanager("test")
    made.remove_alertmanager("test")
    assert list((tmp_path / "alertmanagers").iterdir()) == []


def test_no_other_prometheus_is_told_by_files(stack: Stack) -> None:
    with pytest.raises(ObsstackError) as caught:
        stack.add_alertmanager("test", "127.0.0.1:9093")
    assert str(caught.value) == (
        "This stack cannot be steered: add_alertmanager was asked.\n"
        "  expected  a stack of containers: --obs-stack=compose\n"
        "  found     --obs-stack=embedded, capabilities without `compose`\n"
        '  do        mark the test with @pytest.mark.obs_requires("compose")'
    )
