"""For every public expectation there is a test of each case, and each test is what it says.

A test says so itself: ``@pytest.mark.proves("obs.traces.expect_span", "red")``. The cases are:

- ``green``: met by what arrived;
- ``red``: not met, with the whole message asserted;
- ``cannot tell``: nothing is proven, and that is no pass;
- ``other trace``: what another trace has sent would have done, and does not.

What does not apply to an expectation is said below, with the reason.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import httpx
import pytest

from pytest_obsstack import Probe
from pytest_obsstack.expect.alerts import AlertReceiver
from pytest_obsstack.expect.soft import Expectations
from tests.unit.expect.fakes import bench

TESTS = Path(__file__).parents[2]
FOLDERS = (TESTS / "unit" / "expect", TESTS / "plugin")
CASES = ("green", "red", "cannot tell", "other trace")

NO_EXPECTATIONS = {
    "obs.links": "tells where a person may look",
    "obs.metrics.settle_baseline": "waits, whatever comes of it",
    "obs_alert_receiver.of": "the same receiver for another probe",
    "obs_alert_receiver.trust": "is told a secret",
    "obs_alert_receiver.rules": "configures Prometheus",
    "obs_alert_receiver.told_by_prometheus": "configures Prometheus",
}
"""Other public methods of the objects that hold expectations."""

_LISTS = "gives what arrived: what is red about it the test's own assert says"
_PRESENCE = "asks for what is there: what has not come by the deadline is red"
_AT_HAND = "compares an event that the test has been given, whole"
NOT_APPLICABLE = {
    ("obs.sentry.events", "red"): _LISTS,
    ("obs.sentry.transactions", "red"): _LISTS,
    ("obs.traces.spans", "red"): _LISTS,
    ("obs.logs.lines", "red"): _LISTS,
    ("obs.sentry.resolve", "red"): "changes an issue, and compares nothing",
    ("obs.sentry.expect_issue", "cannot tell"): _PRESENCE,
    ("obs.sentry.expect_event", "cannot tell"): _PRESENCE,
    ("obs.sentry.expect_transaction", "cannot tell"): _PRESENCE,
    ("obs.traces.expect_span", "cannot tell"): _PRESENCE,
    ("obs.logs.expect_line", "cannot tell"): _PRESENCE,
    ("obs.metrics.expect_metric", "cannot tell"): _PRESENCE,
    ("obs.metrics.expect_exemplar", "cannot tell"): _PRESENCE,
    ("obs.expect_background_end", "cannot tell"): _PRESENCE,
    ("obs_alert_receiver.expect_alert", "cannot tell"): _PRESENCE,
    ("obs_alert_receiver.expect_resolved", "cannot tell"): _PRESENCE,
    ("obs.sentry.expect_breadcrumbs", "cannot tell"): _AT_HAND,
    ("obs.metrics.expect_metric", "other trace"): (
        "takes PromQL as it is: whose series it asks for is the test's own choice"
    ),
}


def expectations() -> frozenset[str]:
    """Their names as tests write them, found in the objects that have them."""
    found = {
        f"{holder}.{name}"
        for holder, kind in holders().items()
        for name, method in vars(kind).items()
        if inspect.isfunction(method) and not name.startswith("_")
    }
    return frozenset(found - NO_EXPECTATIONS.keys())


def holders() -> dict[str, type]:
    """The classes of objects with expectations, by the name under which tests have them."""
    with httpx.Client() as client:
        probe = Probe(bench().context, client)
    parts = {n: type(part) for n, part in vars(probe).items() if isinstance(part, Expectations)}
    return {
        "obs": Probe,
        **{f"obs.{name}": kind for name, kind in parts.items()},
        "obs_alert_receiver": AlertReceiver,
    }


# ---- what tests say of themselves


@dataclass(frozen=True)
class Proof:
    """One marker of one test."""

    expectation: str
    case: str
    module: Path
    test: str

    def __str__(self) -> str:
        return f"{self.module.name}::{self.test} ({self.expectation}, {self.case})"


@dataclass(frozen=True)
class Source:
    """A module's own definitions by name, and what each test reads of them."""

    definitions: dict[str, ast.stmt]

    def reach(self, test: str) -> Iterator[ast.AST]:
        """All nodes of the test, and of the module's own things that it uses, fixtures too."""
        seen: set[str] = set()
        todo = [test]
        while todo:
            name = todo.pop()
            if name in seen or name not in self.definitions:
                continue
            seen.add(name)
            for node in ast.walk(self.definitions[name]):
                yield node
                if isinstance(node, ast.Name):
                    todo.append(node.id)
                elif isinstance(node, ast.arg):
                    todo.append(node.arg)


@cache
def source(module: Path) -> Source:
    definitions: dict[str, ast.stmt] = {}
    for node in ast.parse(module.read_text("utf-8")).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            definitions[node.name] = node
        elif isinstance(node, ast.Assign):
            definitions |= {each.id: node for each in node.targets if isinstance(each, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            definitions[node.target.id] = node
    return Source(definitions)


@cache
def proofs() -> tuple[Proof, ...]:
    found: list[Proof] = []
    for module in sorted(path for folder in FOLDERS for path in folder.glob("test_*.py")):
        for name, node in source(module).definitions.items():
            if isinstance(node, ast.FunctionDef) and name.startswith("test_"):
                for marker in _markers(node):
                    expectation, *cases = [ast.literal_eval(each) for each in marker.args]
                    found += [Proof(expectation, case, module, name) for case in cases]
    return tuple(found)


def _markers(test: ast.FunctionDef) -> Iterator[ast.Call]:
    """``pytest.mark.proves(…)`` above a test, and of single parameters of it."""
    for decorator in test.decorator_list:
        for node in ast.walk(decorator):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.proves":
                yield node


# ---- the matrix


def test_every_class_with_expectations_is_looked_at() -> None:
    package = {
        kind for kind in Expectations.__subclasses__() if kind.__module__.startswith("pytest_obs")
    }
    assert package == set(holders().values())
    assert not [kind.__subclasses__() for kind in package if kind.__subclasses__()]
    for kind in package:
        asked = {name for name in dir(kind) if name.startswith("expect_")}
        assert asked <= vars(kind).keys(), "a base class has expectations of its own"
    assert len(expectations()) > 30


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("expectation", sorted(expectations()))
def test_every_case_of_every_expectation_has_its_test(expectation: str, case: str) -> None:
    have = [str(each) for each in proofs() if (each.expectation, each.case) == (expectation, case)]
    if (expectation, case) in NOT_APPLICABLE:
        assert not have, f"it is said not to apply: {NOT_APPLICABLE[expectation, case]}"
    else:
        assert have, f"no test is marked with @pytest.mark.proves({expectation!r}, {case!r})"


def test_every_marker_and_every_exception_names_what_there_is() -> None:
    known = {(expectation, case) for expectation in expectations() for case in CASES}
    assert [str(each) for each in proofs() if (each.expectation, each.case) not in known] == []
    assert NOT_APPLICABLE.keys() - known == set()
    every = {f"{holder}.{name}" for holder, kind in holders().items() for name in vars(kind)}
    assert NO_EXPECTATIONS.keys() - every == set()


# ---- whether each test is what it says


@pytest.mark.parametrize("proof", proofs(), ids=str)
def test_a_proof_is_what_it_says(proof: Proof) -> None:
    nodes = list(source(proof.module).reach(proof.test))
    method = proof.expectation.rpartition(".")[2]
    assert any(_asks(node, method) for node in nodes), f"it never asks {method}"
    if proof.case == "red":
        texts = source(proof.module)
        assert any(_is_whole_message(node, texts) for node in nodes), "it compares no whole message"
    if proof.case == "cannot tell":
        assert any("CannotTell" in _words(node) for node in nodes), "it expects no CannotTell"


def _asks(node: ast.AST, method: str) -> bool:
    """Whether it names an expectation; one with an everyday name, as ``events``, it has to call."""
    if method.startswith("expect_"):
        return method in _words(node)
    # ``obs.soft()`` gives a block that may be made without a probe, too.
    names = (method, "SoftBlock") if method == "soft" else (method,)
    return isinstance(node, ast.Call) and any(name in names for name in _words(node.func))


def _words(node: ast.AST) -> tuple[str, ...]:
    """The names that a node itself has."""
    if isinstance(node, ast.Attribute):
        return (node.attr,)
    if isinstance(node, ast.Name):
        return (node.id,)
    return (node.value,) if isinstance(node, ast.Constant) and isinstance(node.value, str) else ()


def _is_whole_message(node: ast.AST, module: Source) -> bool:
    """An equality of a text, and not of a part of it, with another that has a message's parts."""
    if not isinstance(node, ast.Compare) or not isinstance(node.ops[0], ast.Eq):
        return False
    left, right = node.left, node.comparators[0]
    cut = [n for n in ast.walk(left) if isinstance(n, ast.Slice) or "splitlines" in _words(n)]
    texts: list[ast.AST] = [right]
    if isinstance(right, ast.Call) and isinstance(right.func, ast.Name):
        texts += module.reach(right.func.id)
    text = "".join(
        n.value
        for whole in texts
        for n in ast.walk(whole)
        if isinstance(n, ast.Constant) and isinstance(n.value, str)
    )
    return not cut and "  expected  " in text and "  found     " in text
