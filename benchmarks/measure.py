"""Repeated measurements and their table: what every benchmark shares."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass


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

    def row(self) -> str:
        """A row of a Markdown table: name, goal, median, smallest, largest, runs."""
        goal = "—" if self.goal is None else f"≤ {self.goal:g} {self.unit}"
        figures = [f"{value:.3g}" for value in (self.median, min(self.values), max(self.values))]
        return f"| {self.name} | {goal} | {' | '.join(figures)} | {len(self.values)} |"


def repeat(
    name: str, unit: str, goal: float | None, runs: int, measure: Callable[[], float]
) -> Result:
    """Measure ``runs`` times, after one run that does not count."""
    measure()
    return Result(name, unit, goal, tuple(measure() for _ in range(runs)))


def table(results: Sequence[Result]) -> str:
    """All results as a Markdown table."""
    head = "| figure | goal | median | smallest | largest | runs |\n|---|---|---|---|---|---|"
    return "\n".join([head, *(result.row() for result in results)])
