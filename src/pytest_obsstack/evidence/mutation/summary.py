"""The lines at the end of a run with ``--obs-mutate``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

from pytest_obsstack.evidence.mutation.score import Score, Survivor


def summary_lines(score: Score, minimum: float | None, path: Path | None) -> list[str]:
    """Score, survivors by test with what to assert, errors, and what was left out."""
    lines = [_headline(score)]
    if minimum is not None and not score.reaches(minimum):
        lines.append(f"FAILED: the score is below --obs-mutate-min={minimum:g}")
    notes = []
    if score.elsewhere:
        notes.append(f"{score.elsewhere} not noticed, but by another test")
    if score.not_applicable:
        notes.append(f"{score.not_applicable} met nothing that they could change")
    if notes:
        lines.append(f"not counted: {', '.join(notes)}")
    if score.survivors:
        lines += ["", "survivors:", *_by_test(score.survivors)]
    if score.errors:
        lines += ["", "reruns that failed for another reason:", *_by_test(score.errors)]
    if score.unmutated:
        lines += ["", "expectations into which no fault was put:"]
        for test, found in groupby(score.unmutated, key=lambda each: each[0]):
            lines += [f"  {test}", *(f"    {what}" for _, what in found)]
    if score.left_out:
        lines += ["", f"left out: {_count(sum(score.left_out.values()), 'test')}"]
        lines += [f"  {count} × {reason}" for reason, count in sorted(score.left_out.items())]
    if path is not None:
        lines += ["", f"every rerun: {path}"]
    return lines


def _headline(score: Score) -> str:
    took = f"{_count(score.tests, 'test')}, {_count(score.reruns, 'rerun')}, {score.seconds:.1f} s"
    if score.percent is None:
        return f"no fault concerned what the tests assert ({took})"
    return f"{score.percent:.1f} %: {score.killed} of {score.applicable} faults noticed ({took})"


def _by_test(found: Iterable[Survivor]) -> Iterator[str]:
    for test, survivors in groupby(found, key=lambda each: each.test):
        yield f"  {test}"
        for each in survivors:
            yield f"    {each.outcome.title}{f' of {each.kind}' if each.kind else ''}"
            if each.outcome.verdict == "error":
                yield f"      {each.outcome.detail}"
                continue
            yield f"      {each.outcome.advice}"
            if each.also_in:
                others = _count(each.also_in, "test")
                yield f"      no test of this run notices it; {others} more might"


def _count(count: int, noun: str) -> str:
    return f"1 {noun}" if count == 1 else f"{count} {noun}s"
