"""The observer of probes: which fault it begins for which trace, and when it ends; lost workers."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pytest_obsstack.evidence.mutation.catalog import fault
from pytest_obsstack.evidence.mutation.injection import Injector
from pytest_obsstack.evidence.mutation.outcome import Checked, Outcome
from pytest_obsstack.evidence.mutation.plan import Mutant
from pytest_obsstack.evidence.mutation.plugin import OUTPUT, MutationCheck
from pytest_obsstack.options import Options

TRACE = "a" * 32
TAG = Mutant(fault("tag removed", "errors"), ("errors",), names=("endpoint",))
FROZEN = Mutant(fault("metric frozen", "metrics"), ("metrics",))


class FakeStack:
    """Writes down what it is asked; its app has exported at the third question."""

    steerable = True

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.asked = 0

    def mutate(self, rule: dict[str, Any]) -> None:
        self.calls.append(rule)

    def mutation(self, _trace_id: str) -> dict[str, Any]:
        self.asked += 1
        return {"ready": self.asked >= 3}

    def end_mutation(self, trace_id: str) -> list[str]:
        self.calls.append(trace_id)
        return ["event ValueError: endpoint"]


def context(stack: FakeStack) -> Any:
    return SimpleNamespace(
        stack=stack,
        trace_id=TRACE,
        app=SimpleNamespace(instance="shop-1"),
        history=SimpleNamespace(last_ended_s=0.0),
    )


def test_the_first_run_is_only_looked_at() -> None:
    stack, injector = FakeStack(), Injector()
    probe = context(stack)
    with injector.watching(probe):
        assert injector.timeout_s(10.0) == 10.0
    assert injector.first == [probe]
    assert stack.calls == []


def test_a_fault_begins_with_the_probe_and_ends_with_it() -> None:
    stack, injector = FakeStack(), Injector()
    with injector.rerunning(TAG, 0.5) as rerun:
        assert injector.timeout_s(10.0) == 0.5
        assert injector.timeout_s(0.2) == 0.2
        with injector.watching(context(stack)):
            assert len(stack.calls) == 1
    assert stack.calls == [
        {
            "trace_id": TRACE,
            "mutation": "tag removed",
            "signals": ["errors"],
            "names": ["endpoint"],
            "text": "",
            "instance": "shop-1",
        },
        TRACE,
    ]
    assert rerun.changed == ["event ValueError: endpoint"]
    assert injector.first == []
    assert injector.rerun is None


def test_without_a_fault_the_kinds_of_events_are_looked_at() -> None:
    stack, injector = FakeStack(), Injector()
    with injector.rerunning(None, 1.0), injector.watching(context(stack)):
        pass
    assert stack.calls[0] == {"trace_id": TRACE, "mutation": "look", "signals": ["errors"]}


def test_frozen_metrics_are_waited_for_and_the_next_test_counts_afterwards() -> None:
    stack, injector = FakeStack(), Injector()
    probe = context(stack)
    with injector.rerunning(FROZEN, 1.0), injector.watching(probe):
        assert stack.asked == 3
        assert probe.history.last_ended_s == 0.0
    assert probe.history.last_ended_s > 0


def test_after_an_interruption_nobody_is_asked_any_more() -> None:
    stack, injector = FakeStack(), Injector()
    watching = injector.watching(context(stack))
    with contextlib.suppress(KeyboardInterrupt), injector.rerunning(TAG, 1.0):
        watching.__enter__()
        raise KeyboardInterrupt
    watching.__exit__(None, None, None)
    assert TRACE not in stack.calls


def test_only_the_first_failure_counts() -> None:
    with Injector().rerunning(TAG, 1.0) as rerun:
        rerun.failed(AssertionError("first"))
        rerun.failed(RuntimeError("second"))
    assert str(rerun.error) == "first"


def node(**output: Any) -> SimpleNamespace:
    return SimpleNamespace(workeroutput=output, gateway=SimpleNamespace(id="gw1"))


def session() -> Any:
    return SimpleNamespace(config=SimpleNamespace(), exitstatus=0)


def test_the_controller_sums_up_what_workers_tell(tmp_path: Path) -> None:
    check = MutationCheck(Options(mutate=True, mutate_min=50), tmp_path, is_worker=False)
    killed = Outcome("tag removed (errors)", "tag removed (errors)", "killed", named=True)
    told = Checked("test_a.py::test_it", (killed,))
    check.pytest_testnodedown(node(**{OUTPUT: [told.to_json()]}))
    ended = session()
    check.pytest_sessionfinish(ended)
    assert ended.exitstatus == 0
    assert check.score.percent == 100.0
    assert json.loads((tmp_path / "mutations.json").read_text())["killed"] == 1


def test_what_a_worker_did_not_tell_is_not_taken_for_a_good_score(tmp_path: Path) -> None:
    check = MutationCheck(Options(mutate=True, mutate_min=50), tmp_path, is_worker=False)
    killed = Outcome("tag removed (errors)", "tag removed (errors)", "killed", named=True)
    check.pytest_testnodedown(node(**{OUTPUT: [Checked("a", (killed,)).to_json()]}))
    check.pytest_testnodedown(node())
    ended = session()
    check.pytest_sessionfinish(ended)
    assert ended.exitstatus == pytest.ExitCode.TESTS_FAILED
    lines: list[str] = []
    terminal = SimpleNamespace(
        ensure_newline=lambda: None, section=lines.append, write_line=lines.append
    )
    check.pytest_terminal_summary(cast("Any", terminal))
    assert lines[:2] == [
        "mutation self-check",
        "worker gw1 ended without telling what it found",
    ]


def test_a_worker_tells_the_controller_and_nobody_else(tmp_path: Path) -> None:
    check = MutationCheck(Options(mutate=True, mutate_min=50), tmp_path, is_worker=True)
    output: dict[str, Any] = {}
    ended = SimpleNamespace(config=SimpleNamespace(workeroutput=output), exitstatus=0)
    check.pytest_sessionfinish(cast("Any", ended))
    assert output == {OUTPUT: []}
    assert ended.exitstatus == 0
    assert list(tmp_path.iterdir()) == []
