"""``python -m benchmarks [FIGURE …]``: measure, print a table; with ``--write`` into docs/.

Figures: start, arrival, suite, suite2, expectations, waits, repetitions, plugin, compose,
compose-suite; all of them by default.
Those of containers are measured only where OBSSTACK_COMPOSE_FILES is set, see ``containers.py``.
"""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import containers, expectations, figures, repetitions
from benchmarks.measure import Result, Unmeasured, table

_PAGE = Path(__file__).resolve().parents[1] / "docs" / "benchmarks.md"
_INTRODUCTION = """\
# Benchmarks

Written by `python -m benchmarks --write`; medians. A row that a run has not measured keeps its \
earlier figures, each with the machine that they are from.

"""
_FIGURES: dict[str, Callable[[int], Sequence[Result | Unmeasured]]] = {
    "start": lambda runs: [figures.stack_start(runs)],
    "arrival": lambda runs: [figures.event_arrival(runs * 5)],
    "suite": lambda runs: [figures.suite(max(1, runs // 3), workers=1)],
    "suite2": lambda runs: [figures.suite(max(1, runs // 3), workers=2)],
    "expectations": lambda runs: expectations.expectations(runs * 2),
    "waits": lambda runs: [expectations.waiting_share(max(1, runs // 5))],
    "repetitions": lambda runs: [repetitions.failed_runs(runs * 2)],
    "plugin": lambda runs: [figures.idle_plugin(runs * 2)],
    "compose": lambda runs: containers.start_and_end(max(1, runs // 3)),
    "compose-suite": lambda runs: containers.suite(max(1, runs // 5)),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("figure", nargs="*", metavar="FIGURE", help=", ".join(_FIGURES))
    parser.add_argument("--runs", type=int, default=10, help="runs of the cheap figures")
    parser.add_argument("--write", action="store_true", help=f"write {_PAGE.name}")
    given = parser.parse_args()
    unknown = [name for name in given.figure if name not in _FIGURES]
    if unknown:
        parser.error(f"no figure {', '.join(unknown)}; there are {', '.join(_FIGURES)}")
    names = given.figure or _FIGURES
    results = [result for name in names for result in _FIGURES[name](given.runs)]
    system = f"Python {platform.python_version()}, {platform.system()}"
    machine = f"{os.cpu_count()} cores, {system}"
    print(table(results, machine))
    if given.write:
        earlier = _PAGE.read_text("utf-8") if _PAGE.exists() else ""
        _PAGE.write_text(f"{_INTRODUCTION}{table(results, machine, earlier)}\n", "utf-8")


main()
