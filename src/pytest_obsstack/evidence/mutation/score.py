"""The score of a run, from the outcomes of all its tests: values only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_obsstack.evidence.mutation.outcome import Checked, Outcome


@dataclass(frozen=True)
class Survivor:
    """A fault that was not noticed, in a test that should have."""

    test: str
    outcome: Outcome
    kind: str = ""
    """Of which events, where the test does not name what was changed."""
    also_in: int = 0
    """How many more tests might notice it as well: one of them is enough."""


@dataclass(frozen=True)
class Score:
    """What the tests of a run notice."""

    killed: int
    survivors: tuple[Survivor, ...]
    errors: tuple[Survivor, ...]
    """Reruns that failed for another reason than the telemetry."""
    elsewhere: int
    """Reruns that did not notice a fault in what the test does not name, but another test has."""
    not_applicable: int
    left_out: Mapping[str, int]
    """Number of tests by reason."""
    unmutated: tuple[tuple[str, str], ...]
    """Expectations into which no fault was put: the test, and which of it and why."""
    tests: int
    """Those that were run again."""
    reruns: int
    seconds: float

    @property
    def applicable(self) -> int:
        return self.killed + len(self.survivors) + len(self.errors)

    @property
    def percent(self) -> float | None:
        """``None`` where there was nothing to notice."""
        return 100.0 * self.killed / self.applicable if self.applicable else None

    def reaches(self, minimum: float) -> bool:
        """Whether the score is high enough; a run without any fault to notice has none."""
        return self.percent is not None and self.percent >= minimum


def score_of(checked: Iterable[Checked]) -> Score:
    """The score; the order of the tests and who ran them makes no difference."""
    tests = sorted(checked, key=lambda each: each.test)
    pairs = [(each.test, outcome) for each in tests for outcome in each.outcomes]
    noticed = {key for _, each in pairs if each.verdict == "killed" for key in each.keys}
    survivors: list[Survivor] = []
    elsewhere = 0
    of_the_run: dict[tuple[str, str], list[tuple[str, Outcome]]] = {}
    for test, outcome in pairs:
        if outcome.verdict != "survived":
            continue
        if outcome.named:
            survivors.append(Survivor(test, outcome))
            continue
        missed = [key for key in outcome.keys if key not in noticed]
        elsewhere += not missed
        for key in missed:
            of_the_run.setdefault(key, []).append((test, outcome))
    for (_, kind), found in of_the_run.items():
        test, outcome = found[0]
        others = {other for other, _ in found} - {test}
        survivors.append(Survivor(test, outcome, kind, also_in=len(others)))
    verdicts = Counter(outcome.verdict for _, outcome in pairs)
    # Of what a test does not name one test's notice is enough, so it counts once.
    named = sum(o.verdict == "killed" and o.named for _, o in pairs)
    unnamed = {key for _, o in pairs if o.verdict == "killed" and not o.named for key in o.keys}
    return Score(
        killed=named + len(unnamed),
        survivors=tuple(sorted(survivors, key=_order)),
        errors=tuple(Survivor(test, o) for test, o in pairs if o.verdict == "error"),
        elsewhere=elsewhere,
        not_applicable=verdicts["not applicable"],
        left_out=Counter(each.left_out for each in tests if each.left_out is not None),
        unmutated=tuple((each.test, told) for each in tests for told in each.unmutated),
        tests=sum(each.left_out is None for each in tests),
        reruns=len(pairs),
        seconds=sum(each.seconds for each in tests),
    )


def _order(survivor: Survivor) -> tuple[str, str, str]:
    return survivor.test, survivor.outcome.title, survivor.kind


def to_json(score: Score, checked: Sequence[Checked]) -> dict[str, Any]:
    """The run's record: the score, and every rerun of every test."""
    return {
        "format": 1,
        "percent": score.percent,
        "killed": score.killed,
        "applicable": score.applicable,
        "survivors": [_survivor(each) for each in score.survivors],
        "errors": [_survivor(each) for each in score.errors],
        "noticed_elsewhere": score.elsewhere,
        "not_applicable": score.not_applicable,
        "left_out": dict(score.left_out),
        "not_mutated": [{"test": test, "what": what} for test, what in score.unmutated],
        "seconds": round(score.seconds, 3),
        "tests": [each.to_json() for each in sorted(checked, key=lambda each: each.test)],
    }


def _survivor(each: Survivor) -> dict[str, Any]:
    return {
        "test": each.test,
        "fault": each.outcome.title,
        "kind": each.kind,
        "detail": each.outcome.detail,
        "advice": each.outcome.advice,
        "also_in": each.also_in,
    }
