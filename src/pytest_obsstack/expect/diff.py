"""How two values that differ are shown: whole where they are short, else around the difference.

Long texts are cut at the same place on both sides and stand below each other, so that the first
character that differs is in the same column; texts of several lines are compared line by line.
"""

from __future__ import annotations

from itertools import zip_longest
from typing import Any

from pytest_obsstack.expect.matching import ABSENT, Containing, describe_value

WIDTH = 120
"""Characters of a value that are shown at most."""
_BEFORE = 40
"""Characters before the first difference that are shown."""
_NO_LINE = "(no such line)"


def compared(expected: Any, actual: Any) -> list[str]:
    """The lines that show what was expected and what there was instead."""
    if isinstance(expected, str) and isinstance(actual, str):
        if "\n" in expected or "\n" in actual:
            return _line_by_line(expected, actual)
        if max(len(expected), len(actual)) > WIDTH - len("''"):
            return _below(*_around_difference(expected, actual))
    left, right = describe_value(expected), found_value(actual)
    if max(len(left), len(right)) <= WIDTH:
        return [f"expected {left}   got {right}"]
    if isinstance(expected, Containing) and isinstance(actual, str):
        return _below(
            shortened(left), _cut(actual, _start(_end_of_likeness(expected.part, actual)))
        )
    start = _start(_common(left, right))
    return _below(_piece(left, start), _piece(right, start))


def found_value(value: Any) -> str:
    """A found value as messages show it."""
    return "(absent)" if value is ABSENT or value is None else repr(value)


def shortened(text: str, width: int = WIDTH) -> str:
    """The beginning of a text that is too long to be shown, and how long it is."""
    if len(text) <= width:
        return text
    return f"{text[:width]}… ({len(text)} characters)"


def _below(left: str, right: str) -> list[str]:
    return [f"expected {left}", f"got      {right}"]


def _around_difference(expected: str, actual: str) -> tuple[str, str]:
    start = _start(_common(expected, actual))
    return _cut(expected, start), _cut(actual, start)


def _line_by_line(expected: str, actual: str) -> list[str]:
    left, right = expected.splitlines(), actual.splitlines()
    pairs = list(zip_longest(left, right))
    at = next((index for index, (one, other) in enumerate(pairs) if one != other), None)
    if at is None:
        # The same lines, but for what ends them.
        return _below(repr(expected[-_BEFORE:]), repr(actual[-_BEFORE:]))
    one, other = pairs[at]
    if one is None or other is None:
        shown = tuple(_NO_LINE if text is None else _cut(text, 0) for text in (one, other))
    else:
        shown = _around_difference(one, other)
    number = f"line {at + 1}"
    lines = [f"expected {_lines(left)}, got {_lines(right)}, which differ from {number} on"]
    if at > 0:
        lines.append(f"  {f'line {at}':<{len(number)}}  both     {_cut(left[at - 1], 0)}")
    lines.append(f"  {number}  expected {shown[0]}")
    lines.append(f"  {number}  got      {shown[1]}")
    return lines


def _lines(lines: list[str]) -> str:
    return "1 line" if len(lines) == 1 else f"{len(lines)} lines"


def _common(left: str, right: str) -> int:
    """How many characters both begin with."""
    for index, (one, other) in enumerate(zip(left, right, strict=False)):
        if one != other:
            return index
    return min(len(left), len(right))


def _end_of_likeness(part: str, text: str) -> int:
    """Where in ``text`` the longest beginning of ``part`` that is in it ends."""
    low, high = 0, len(part)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if part[:middle] in text else (low, middle - 1)
    return text.find(part[:low]) + low


def _start(difference: int) -> int:
    return max(0, difference - _BEFORE)


def _cut(text: str, start: int) -> str:
    """A part of a text in quotes, with marks outside of them where something is left out."""
    shown = text[start : start + WIDTH]
    # With a double quote in it a text is always quoted by single ones, so both sides agree.
    quoted = repr('"' + shown)[2:-1]
    return f"{'…' if start else ''}'{quoted}'{'…' if start + WIDTH < len(text) else ''}"


def _piece(text: str, start: int) -> str:
    """The same of what is no plain text: a mapping, a number, a pattern."""
    after = "…" if start + WIDTH < len(text) else ""
    return f"{'…' if start else ''}{text[start : start + WIDTH]}{after}"
