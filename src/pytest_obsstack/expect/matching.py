"""Comparing what a test expects with what was found: a difference, never just a bool.

An expected value is

- a mapping: each of its keys must match, others are not looked at;
- a compiled regular expression: ``search`` must find it in the text;
- a callable: it must return true for the value, and is not asked where there is none;
- ``None``: the value must be absent (or ``None``);
- ``...``: the value must be there, whatever it is;
- an ``Expected``: it tells the differences itself;
- a list or tuple: a sequence of the same length, element by element;
- anything else: equality, with numbers and booleans equal to their text where tags and labels,
  which are texts always, are compared.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable


class _Absent:
    def __repr__(self) -> str:
        return "(absent)"


ABSENT: Any = _Absent()
"""The found value of a field that is not there."""


@dataclass(frozen=True)
class FieldDifference:
    """One field that is not as expected; ``path`` is dotted, as in ``tags.endpoint``."""

    path: str
    expected: Any
    actual: Any
    lines: tuple[str, ...] = ()
    """What is shown of it, where that is more than the two values."""


@dataclass(frozen=True)
class Candidate:
    """Something that was found, and in what it differs; no difference means that it matches."""

    title: str
    differences: tuple[FieldDifference, ...]

    @property
    def matches(self) -> bool:
        return not self.differences


@runtime_checkable
class Expected(Protocol):
    """An expected value that is more than a value: an order, a range."""

    def differences_of(self, actual: Any, path: str) -> list[FieldDifference]:
        """In what ``actual``, the value of the field ``path``, is not as expected."""

    def describe(self) -> str:
        """What is expected, in one line."""


def differences(expected: Any, actual: Any, path: str = "") -> list[FieldDifference]:
    """All fields in which ``actual`` is not as ``expected``."""
    if isinstance(expected, Expected):
        return expected.differences_of(actual, path)
    if expected is ...:
        return [FieldDifference(path, ..., actual)] if actual is ABSENT or actual is None else []
    if expected is None:
        return [] if actual is ABSENT or actual is None else [FieldDifference(path, None, actual)]
    if isinstance(expected, Mapping):
        return _mapping_differences(expected, actual, path)
    if isinstance(expected, (list, tuple)):
        return _sequence_differences(expected, actual, path)
    return [] if _value_matches(expected, actual) else [FieldDifference(path, expected, actual)]


def nearest(candidates: Sequence[Candidate]) -> Candidate | None:
    """The candidate with the fewest differing fields; then fewest missing ones; then the latest."""
    return min(reversed(candidates), key=_distance, default=None)


def _distance(candidate: Candidate) -> tuple[int, int]:
    missing = sum(1 for each in candidate.differences if each.actual is ABSENT)
    return (len(candidate.differences), missing)


def given(**fields: Any) -> dict[str, Any]:
    """The fields that a caller gave: those that are not ``NOT_GIVEN``."""
    return {name: value for name, value in fields.items() if value is not NOT_GIVEN}


@dataclass(frozen=True)
class Between:
    """Expects a number within bounds, both included."""

    least: float | None
    most: float | None
    unit: str = ""

    def differences_of(self, actual: Any, path: str) -> list[FieldDifference]:
        if isinstance(actual, (int, float)) and not isinstance(actual, bool):
            low, high = self.least, self.most
            if (low is None or actual >= low) and (high is None or actual <= high):
                return []
        return [FieldDifference(path, self, actual)]

    def describe(self) -> str:
        if self.least is None:
            return f"at most {self.most:g}{self.unit}"
        if self.most is None:
            return f"at least {self.least:g}{self.unit}"
        return f"{self.least:g} to {self.most:g}{self.unit}"


@dataclass(frozen=True)
class Containing:
    """Expects a text that has ``part`` in it; messages show the part alone."""

    part: str


class _NotGiven:
    def __repr__(self) -> str:
        return "…"


NOT_GIVEN: Any = _NotGiven()
"""Default of every field of an expectation: not looked at. ``None`` means "must be absent"."""


def _mapping_differences(
    expected: Mapping[Any, Any], actual: Any, path: str
) -> list[FieldDifference]:
    if not isinstance(actual, Mapping):
        return [FieldDifference(path, expected, actual)]
    found: list[FieldDifference] = []
    for key, value in expected.items():
        inner = f"{path}.{key}" if path else str(key)
        found += differences(value, actual.get(key, ABSENT), inner)
    return found


def _sequence_differences(expected: Sequence[Any], actual: Any, path: str) -> list[FieldDifference]:
    if not isinstance(actual, (list, tuple)):
        return [FieldDifference(path, expected, actual)]
    if len(actual) != len(expected):
        # Both as lists, so that a tuple differs in no more than its elements.
        return [FieldDifference(path, list(expected), list(actual))]
    found: list[FieldDifference] = []
    for index, (wanted, value) in enumerate(zip(expected, actual, strict=True)):
        found += differences(wanted, value, f"{path}[{index}]")
    return found


def _value_matches(expected: Any, actual: Any) -> bool:
    if actual is ABSENT or actual is None:
        return False
    if isinstance(expected, Containing):
        return expected.part in str(actual)
    if isinstance(expected, re.Pattern):
        return expected.search(str(actual)) is not None
    if isinstance(expected, Callable) and not isinstance(expected, type):  # type: ignore[arg-type]
        return bool(expected(actual))
    if expected == actual:
        return True
    # Tag and label values are texts on the wire: 100 arrives as "100", True as "true".
    if isinstance(actual, str) and isinstance(expected, (bool, int, float)):
        return actual in (str(expected), str(expected).lower())
    return False


def describe_value(value: Any) -> str:
    """A value as messages show it."""
    if isinstance(value, Expected):
        return value.describe()
    if isinstance(value, Containing):
        return repr(value.part)
    if isinstance(value, re.Pattern):
        return f"/{value.pattern}/"
    if value is ...:
        return "(anything)"
    if value is None:
        return "(absent)"
    if isinstance(value, Callable) and not isinstance(value, type):  # type: ignore[arg-type]
        return f"{getattr(value, '__qualname__', repr(value))}(…)"
    if isinstance(value, Mapping):
        inner = ", ".join(f"{key}: {describe_value(item)}" for key, item in value.items())
        return "{" + inner + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(describe_value, value))}]"
    return repr(value)
