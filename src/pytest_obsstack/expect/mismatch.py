"""A failed expectation as a value, its text, and the one place that raises it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from pytest_obsstack.expect.diff import compared, shortened
from pytest_obsstack.expect.matching import Candidate, FieldDifference
from pytest_obsstack.record.hops import Hop, first_broken

_LABEL_WIDTH = 9
_TITLE_WIDTH = 300
_LINE_WIDTH = 600
"""Characters of a line that are shown at most; where long values differ is shown by itself."""
_DIFFERENCES_SHOWN = 8


@dataclass(frozen=True)
class Mismatch:
    """What was expected, what was found, the nearest miss, how far the signal got, what to do."""

    summary: str
    expected: str
    found: str
    nearest: Candidate | None = None
    others: tuple[str, ...] = ()
    """Titles of the other candidates, for a negative expectation of what it has found."""
    hops: tuple[Hop, ...] = ()
    advice: str | None = None
    look: tuple[str, ...] = ()


def fail(mismatch: Mismatch) -> NoReturn:
    """Raise the mismatch; the traceback ends at the test's own line."""
    __tracebackhide__ = True
    raise AssertionError(render(mismatch))


def render(mismatch: Mismatch) -> str:
    """The message: a summary line and one labelled part after the other."""
    lines = [mismatch.summary]
    lines += _part("expected", _lines_shortened(mismatch.expected))
    lines += _part("found", _lines_shortened(mismatch.found))
    if mismatch.nearest is not None:
        lines += _part("nearest", shortened(mismatch.nearest.title, _TITLE_WIDTH))
        lines += [" " * 14 + text for text in _difference_lines(mismatch.nearest.differences)]
    for title in mismatch.others:
        lines += _part("also", shortened(title, _TITLE_WIDTH))
    lines += _hop_lines(mismatch.hops)
    broken = first_broken(mismatch.hops)
    advice = mismatch.advice or (broken.cause if broken else None)
    if advice:
        lines += _part("do", advice)
    if mismatch.look:
        lines += _part("look", "  ·  ".join(mismatch.look))
    return "\n".join(lines)


def _lines_shortened(text: str) -> str:
    return "\n".join(shortened(line, _LINE_WIDTH) for line in text.splitlines())


def _part(label: str, text: str) -> list[str]:
    first, *rest = text.splitlines() or [""]
    indent = " " * (_LABEL_WIDTH + 3)
    return [f"  {label:<{_LABEL_WIDTH}} {first}", *(indent + line for line in rest)]


def _hop_lines(hops: Sequence[Hop]) -> list[str]:
    if not hops:
        return []
    lines = _part("pipeline", " → ".join(hop.seen for hop in hops))
    broken = first_broken(hops)
    if broken is not None:
        lines += _part("stopped", f"at {broken.name}")
    return lines


def _difference_lines(differences: Sequence[FieldDifference]) -> list[str]:
    width = max((len(d.path) for d in differences), default=0)
    lines = []
    for difference in differences[:_DIFFERENCES_SHOWN]:
        first, *rest = difference.lines or compared(difference.expected, difference.actual)
        lines.append(f"{difference.path:<{width}}  {first}")
        lines += [" " * (width + 2) + line for line in rest]
    hidden = len(differences) - _DIFFERENCES_SHOWN
    if hidden > 0:
        lines.append(f"… and {hidden} more fields")
    return lines


def plural(count: int, noun: str) -> str:
    """``1 event``, ``2 events``, ``0 events``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
