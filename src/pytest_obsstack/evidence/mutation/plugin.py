"""The hooks behind ``--obs-mutate``: each test that has passed is run again with faults.

A rerun is no outcome of the test: its reports go nowhere. Under xdist the workers run and the
controller, who is told at each worker's end, sums up.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

# The one way to run an item again, which other plugins that do so take, too.
from _pytest.runner import runtestprotocol

from pytest_obsstack.evidence.mutation.injection import Injector, Rerun
from pytest_obsstack.evidence.mutation.outcome import (
    Checked,
    Outcome,
    first_line,
    kinds_of,
    verdict_of,
)
from pytest_obsstack.evidence.mutation.plan import (
    Mutant,
    asks_for_alerts,
    plan,
    repeated,
    unmutated,
)
from pytest_obsstack.evidence.mutation.score import Score, score_of, to_json
from pytest_obsstack.options import Options
from pytest_obsstack.record.asserted import Asserted

if TYPE_CHECKING:
    from pytest_obsstack.expect.context import Context

OUTPUT = "obsstack_mutations"
"""Key of what a worker tells the controller."""
_HINTS = {
    "obs_sentry": ("event",),
    "obs_loki": ("line",),
}
"""What a test may look at by the client that a fixture gives it, beside its expectations."""
_EXCLUSIVE = "they run alone (obs_exclusive): they stop or fail parts of the stack themselves"
_NO_TRACE = "they send nothing in a trace of their own on this run's stack"
_NO_FACT = "no expectation of theirs looks at what arrived"
_NO_FAULT = "no fault concerns what they expect"
_NOT_PASSED = "they did not pass"
_SKIPPED = "they were skipped"
_LONGEST, _SHORTEST = 5, 20
"""A rerun waits for at most a fifth of ``--obs-timeout``, and for at least a twentieth."""
_SLOWER = 3.0
"""How much longer than the whole test took without a fault one of its expectations waits."""


class MutationCheck:
    """A plugin of its own, registered where ``--obs-mutate`` is given."""

    def __init__(self, options: Options, folder: Path, *, is_worker: bool) -> None:
        self._options = options
        self._folder = folder
        self._is_worker = is_worker
        self._checked: list[Checked] = []
        self._noticed: set[tuple[str, str]] = set()
        """Faults that some test of this process has noticed: enough for those that nobody names."""
        self._lost: list[str] = []
        self.observer = Injector()

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        if session.config.getoption("usepdb", default=False):
            raise pytest.UsageError(
                "--obs-mutate: expected no --pdb, because reruns are meant to fail; found both"
            )

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool:
        hooks = item.ihook
        hooks.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        # What classes, modules and packages share is made anew for each rerun: it may hold the very
        # telemetry that the test looks at. The run's stack and app stay.
        inner: Any = item.session
        self.observer.first.clear()
        reports = runtestprotocol(item, nextitem=inner, log=True)
        properties = list(item.user_properties)
        self._checked.append(self._check(item, reports))
        item.user_properties[:] = properties
        _end_session_fixtures(item, nextitem)
        hooks.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, call: pytest.CallInfo[None]) -> Iterator[None]:
        if self.observer.rerun is not None and call.excinfo is not None:
            self.observer.rerun.failed(call.excinfo.value)
        return (yield)

    def _check(self, item: pytest.Item, reports: Sequence[pytest.TestReport]) -> Checked:
        started = time.monotonic()
        first = _facts(self.observer.first)
        reason = _why_not(item, reports, first)
        if reason is not None:
            return Checked(item.nodeid, left_out=reason)
        control = self._run(item, None, self._options.timeout_s / _LONGEST)
        facts = repeated(first, _facts(control.contexts))
        untold = tuple(unmutated(facts))
        mutants = plan(facts, _hints(item)) if facts else []
        if control.error is not None:
            told = f"{type(control.error).__name__}: {first_line(control.error)}"
            reason = f"not repeatable: {item.nodeid}: {told}"
        elif not control.contexts:
            reason = _NO_TRACE
        elif not mutants:
            reason = _NO_FAULT if untold else _NO_FACT
        elif not all("injection" in context.stack.capabilities for context in control.contexts):
            reason = "their stack does not allow faults to be injected (injection)"
        if reason is not None:
            seconds = time.monotonic() - started
            told_anyway = untold if reason == _NO_FAULT else ()
            return Checked(item.nodeid, (), reason, seconds, told_anyway)
        timeout_s = min(
            max(_SLOWER * control.seconds, self._options.timeout_s / _SHORTEST),
            self._options.timeout_s / _LONGEST,
        )
        outcomes = tuple(
            self._outcome(item, mutant, timeout_s)
            for mutant in mutants
            if mutant.named or not self._is_noticed(mutant, kinds_of(control.changed))
        )
        return Checked(item.nodeid, outcomes, None, time.monotonic() - started, untold)

    def _outcome(self, item: pytest.Item, mutant: Mutant, timeout_s: float) -> Outcome:
        rerun = self._run(item, mutant, timeout_s)
        verdict, detail = verdict_of(rerun.error, rerun.changed)
        kinds = kinds_of(rerun.changed) if mutant.fault.signal == "errors" else ()
        made = Outcome(
            fault=mutant.fault.key,
            title=mutant.title,
            verdict=verdict,
            named=mutant.named,
            detail=detail,
            advice=mutant.advice,
            seconds=round(rerun.seconds, 3),
            kinds=kinds,
        )
        if verdict == "killed":
            self._noticed.update(made.keys)
        return made

    def _is_noticed(self, mutant: Mutant, kinds: tuple[str, ...]) -> bool:
        """Whether tests of this process have noticed the fault in all that it would change here."""
        of_errors = mutant.fault.signal == "errors"
        keys = [(mutant.fault.key, kind) for kind in (kinds if of_errors else ("",))]
        return bool(keys) and self._noticed.issuperset(keys)

    def _run(self, item: pytest.Item, mutant: Mutant | None, timeout_s: float) -> Rerun:
        inner: Any = item.session
        with self.observer.rerunning(mutant, timeout_s) as rerun:
            runtestprotocol(item, nextitem=inner, log=False)
        return rerun

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """xdist: a worker has ended."""
        told = getattr(node, "workeroutput", {}).get(OUTPUT)
        if told is None:
            self._lost.append(node.gateway.id)
        else:
            self._checked += [Checked.from_json(each) for each in told]

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Before the stack is ended and its folder, perhaps, cleared."""
        output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
        if output is not None:
            output[OUTPUT] = [each.to_json() for each in self._checked]
            return
        score = score_of(self._checked)
        if self._folder.exists():
            text = json.dumps(to_json(score, self._checked), indent=1, ensure_ascii=False)
            self._path.write_text(text + "\n", "utf-8")
        minimum = self._options.mutate_min
        if minimum is not None and (self._lost or not score.reaches(minimum)):
            session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._is_worker:
            return
        from pytest_obsstack.evidence.mutation.summary import summary_lines

        terminalreporter.ensure_newline()
        terminalreporter.section("mutation self-check")
        for worker in self._lost:
            terminalreporter.write_line(f"worker {worker} ended without telling what it found")
        path = self._path if self._path.exists() else None
        for line in summary_lines(self.score, self._options.mutate_min, path):
            terminalreporter.write_line(line)

    @property
    def score(self) -> Score:
        return score_of(self._checked)

    @property
    def _path(self) -> Path:
        return self._folder / "mutations.json"


def _why_not(
    item: pytest.Item, reports: Sequence[pytest.TestReport], facts: Sequence[Asserted]
) -> str | None:
    if any(hasattr(report, "wasxfail") or report.outcome == "failed" for report in reports):
        return _NOT_PASSED
    if any(report.outcome == "skipped" for report in reports):
        return _SKIPPED
    # Who expects alerts runs alone because rules are the whole stack's, and is as good as others.
    alone = item.get_closest_marker("obs_exclusive") is not None
    if alone and not asks_for_alerts(facts):
        return _EXCLUSIVE
    names = getattr(item, "fixturenames", ())
    asks = any(name == "obs" or name.startswith("obs_") for name in names)
    return None if asks else _NO_TRACE


def _facts(contexts: Sequence[Context]) -> list[Asserted]:
    return [fact for context in contexts for fact in context.asserted]


def _hints(item: pytest.Item) -> list[str]:
    names = getattr(item, "fixturenames", ())
    return [kind for name in names for kind in _HINTS.get(name, ())]


def _end_session_fixtures(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """What the runs of the item have left standing, as their last would have; failures are told."""
    state: Any = item.session._setupstate  # noqa: SLF001 - the only one who can
    call = pytest.CallInfo.from_call(lambda: state.teardown_exact(nextitem), when="teardown")
    if call.excinfo is not None:
        report = item.ihook.pytest_runtest_makereport(item=item, call=call)
        item.ihook.pytest_runtest_logreport(report=report)
