"""Repeated measurements and their table: what every benchmark shares."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

_HEAD = ("figure", "goal", "median", "smallest", "largest", "runs", "on")


@dataclass(frozen=True)
class Result:
    """One figure: its values in the unit of ``goal``."""

    name: str
    unit: str
    goal: float | None
    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    def row(self, machine: str) -> str:
        """A row of the table: name, goal, median, smallest, largest, runs, machine."""
        goal = "—" if self.goal is None else f"≤ {self.goal:g} {self.unit}"
        figures = [f"{value:.3g}" for value in (self.median, min(self.values), max(self.values))]
        return _row((self.name, goal, *figures, str(len(self.values)), machine))


@dataclass(frozen=True)
class Unmeasured:
    """A figure that cannot be measured here."""

    name: str
    goal: str
    reason: str

    def row(self) -> str:
        return _row((self.name, self.goal, self.reason, "", "", "", ""))


def repeat(
    name: str, unit: str, goal: float | None, runs: int, measure: Callable[[], float]
) -> Result:
    """Measure ``runs`` times, after one run that does not count."""
    measure()
    return Result(name, unit, goal, tuple(measure() for _ in range(runs)))


def table(results: Sequence[Result | Unmeasured], machine: str, earlier: str = "") -> str:
    """All results as a Markdown table.

    Rows of an ``earlier`` table that this run has not measured stay as they are, each with the
    machine that it was measured on.
    """
    rows = {_name(line): line for line in earlier.splitlines() if line.startswith("| ")}
    for head in ("figure", "---"):
        rows.pop(head, None)
    for result in results:
        if isinstance(result, Result):
            rows[result.name] = result.row(machine)
            # It takes the place of what could not be measured before.
            if (general := _general(result.name)) != result.name:
                rows.pop(general, None)
    for result in results:
        if isinstance(result, Unmeasured) and not any(
            _general(name) == result.name for name in rows
        ):
            rows.setdefault(result.name, result.row())
    return "\n".join([_row(_HEAD), _row(["---"] * len(_HEAD)), *rows.values()])


def _general(name: str) -> str:
    """The figure's name without the tracker: ``containers of local images: up → …``."""
    subject, colon, what = name.partition(":")
    return subject.partition(",")[0] + colon + what


def _name(row: str) -> str:
    return row.strip("| ").split(" | ")[0].strip()


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
