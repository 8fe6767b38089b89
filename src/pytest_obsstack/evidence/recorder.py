"""The hooks behind ``--obs-proofs``: what each test proves travels with its report.

Under xdist the workers mark their items and the controller, who sees every report, writes the file.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import pytest

from pytest_obsstack.evidence.claims import claims_of, load_claims
from pytest_obsstack.evidence.proofs import Outcome, TestProof, record_of, write_record
from pytest_obsstack.options import Options

CLAIM, NEEDS, STACK = "obs_claim", "obs_needs", "obs_uses_stack"
"""Properties of a report: one for each claim; capabilities; whether it uses the run's stack."""


class ProofRecorder:
    """A plugin of its own, registered where ``--obs-proofs`` names a file."""

    def __init__(
        self,
        path: Path,
        options: Options,
        state_path: Path | None,
        uses_stack: Callable[[pytest.Item], bool],
    ) -> None:
        self._path = path
        self._options = options
        self._state_path = state_path
        """Of the run's stack; ``None`` in a worker, which does not write the record."""
        self._uses_stack = uses_stack
        self._reports: dict[str, list[pytest.TestReport]] = {}

    def pytest_sessionstart(self) -> None:
        if self._options.claims is None:
            raise pytest.UsageError(
                f"--obs-proofs={self._path}: expected a file of claims beside it (--obs-claims), "
                "found none"
            )

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: Sequence[pytest.Item]) -> None:
        for item in items:
            item.user_properties += properties_of(item, uses_stack=self._uses_stack(item))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if any(name == CLAIM for name, _ in report.user_properties):
            self._reports.setdefault(report.nodeid, []).append(report)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """Before the stack is ended, because its products are asked for their versions."""
        if self._state_path is None or self._options.claims is None:
            return
        from pytest_obsstack.evidence.products import what_ran
        from pytest_obsstack.providers.state import read_state

        record = record_of(
            load_claims(self._options.claims),
            proofs_by_claim(self._reports),
            what_ran(read_state(self._state_path), self._options),
            date=dt.datetime.now(dt.timezone.utc).date().isoformat(),
        )
        write_record(self._path, record)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        terminalreporter.write_line(f"what was proven: {self._path}")


def properties_of(item: pytest.Item, *, uses_stack: bool) -> list[tuple[str, object]]:
    """What a test that names claims tells with each of its reports; nothing of any other."""
    claims = dict.fromkeys(claims_of(item))
    if not claims:
        return []
    needs = [need for mark in item.iter_markers("obs_requires") for need in mark.args]
    return [
        *((CLAIM, claim_id) for claim_id in claims),
        (NEEDS, " ".join(dict.fromkeys(needs))),
        (STACK, "yes" if uses_stack else "no"),
    ]


def proofs_by_claim(
    reports: Mapping[str, Sequence[pytest.TestReport]],
) -> dict[str, list[TestProof]]:
    """How each test of a claim ended, from the reports of its phases."""
    found: dict[str, list[TestProof]] = {}
    for nodeid, phases in reports.items():
        properties = phases[-1].user_properties
        told = {name: str(value) for name, value in properties}
        outcome, reason = ended(phases)
        proof = TestProof(nodeid, outcome, reason, tuple(told[NEEDS].split()), told[STACK] == "yes")
        for claim_id in _claims(properties):
            found.setdefault(claim_id, []).append(proof)
    return found


def ended(phases: Iterable[pytest.TestReport]) -> tuple[Outcome, str | None]:
    """How a test ended, and why it was skipped.

    Of a test that was run again (another plugin does so) the last attempt counts: its phases come
    last, and begin with another ``setup``.
    """
    attempt: list[pytest.TestReport] = []
    for report in phases:
        if report.when == "setup":
            attempt = []
        attempt.append(report)
    if any(report.outcome == "failed" for report in attempt):
        return "failed", None
    for report in attempt:
        if report.outcome == "skipped":
            return "skipped", _reason(report)
    if any(report.when == "call" and report.outcome == "passed" for report in attempt):
        return "passed", None
    return "failed", None


def _reason(report: pytest.TestReport) -> str:
    expected_to_fail = getattr(report, "wasxfail", None)
    if expected_to_fail is not None:
        return f"expected to fail: {expected_to_fail}".rstrip(": ")
    longrepr = report.longrepr
    text = longrepr[2] if isinstance(longrepr, (tuple, list)) else str(longrepr or "")
    return str(text).removeprefix("Skipped: ")


def _claims(properties: Iterable[tuple[str, object]]) -> list[str]:
    return [str(value) for name, value in dict.fromkeys(properties) if name == CLAIM]
