"""Sequences: whether things came in an order, and both sequences side by side if they did not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_obsstack.expect.diff import compared, shortened
from pytest_obsstack.expect.matching import (
    ABSENT,
    Candidate,
    FieldDifference,
    describe_value,
    differences,
    nearest,
)

_COLUMN = 50
"""Characters of the left column at most."""
_ROWS_BEFORE, _ROWS_AFTER = 3, 8
"""How many rows around the first difference are shown."""
_SAME, _OTHER, _MISSING, _EXTRA = "=", "≠", "-", "+"

Fields = Mapping[str, Any]


@dataclass(frozen=True)
class Row:
    """One line of the two sequences side by side; indexes from 0."""

    wanted: int | None
    found: int | None
    matches: bool


@dataclass(frozen=True)
class InOrder:
    """Expects these things in this order: mappings of fields, as everywhere.

    ``exactly``: nothing else before, between or behind them.
    """

    wanted: tuple[Fields, ...]
    exactly: bool = False

    def differences_of(self, actual: Any, path: str) -> list[FieldDifference]:
        if not isinstance(actual, (list, tuple)):
            return [FieldDifference(path, self, actual)]
        places = self.places(actual)
        if len(places) == len(self.wanted) == (len(actual) if self.exactly else len(places)):
            return []
        rows = align(self.wanted, actual)
        return [FieldDifference(path, self, actual, tuple(self._side_by_side(rows, actual)))]

    def describe(self) -> str:
        items = " → ".join(_item(fields, tuple(fields)) for fields in self.wanted)
        return f"{'exactly ' if self.exactly else ''}{items or 'none'}"

    def places(self, actual: Sequence[Fields]) -> list[int]:
        """Where the first of those that were expected are, one behind the other, as far as that."""
        places: list[int] = []
        for index, fields in enumerate(actual):
            if len(places) == len(self.wanted):
                break
            if not differences(self.wanted[len(places)], fields):
                places.append(index)
        return places

    def _is_wrong(self, row: Row) -> bool:
        return not row.matches and (self.exactly or row.wanted is not None)

    def _side_by_side(self, rows: Sequence[Row], found: Sequence[Fields]) -> Iterator[str]:
        """Both sequences around the first difference, and what differs there."""
        first = next(index for index, row in enumerate(rows) if self._is_wrong(row))
        keys = tuple(dict.fromkeys(key for fields in self.wanted for key in fields))
        start, end = max(0, first - _ROWS_BEFORE), first + 1 + _ROWS_AFTER
        shown = [self._cells(row, found, keys) for row in rows[start:end]]
        width = max([len("expected"), *(len(left) for _, left, _ in shown)])
        yield f"{len(self.wanted)} expected in this order, {len(found)} found"
        yield f"  {'expected':<{width}}  found"
        if start > 0:
            yield f"  … {start} before these"
        for index, (mark, left, right) in enumerate(shown, start):
            yield f"{mark} {left:<{width}}  {right}".rstrip()
            if index == first:
                yield from self._what_differs(rows[index], found)
        if end < len(rows):
            yield f"  … {len(rows) - end} behind these"

    def _cells(self, row: Row, found: Sequence[Fields], keys: tuple[str, ...]) -> tuple[str, ...]:
        left = right = ""
        if row.wanted is not None:
            left = _numbered(row.wanted, self.wanted[row.wanted], keys)
        if row.found is not None:
            right = _numbered(row.found, found[row.found], keys)
        if row.matches:
            mark = _SAME
        elif row.wanted is None:
            mark = _EXTRA if self.exactly else " "
        else:
            mark = _MISSING if row.found is None else _OTHER
        return mark, left, right

    def _what_differs(self, row: Row, found: Sequence[Fields]) -> Iterator[str]:
        if row.wanted is None:
            return
        wanted = self.wanted[row.wanted]
        for number, fields in enumerate(found, 1):
            if not differences(wanted, fields):
                yield f"    it is there as number {number}: the order is another"
                return
        if row.found is not None:
            for difference in differences(wanted, found[row.found]):
                first, *rest = compared(difference.expected, difference.actual)
                yield f"    {difference.path}  {first}"
                indent = " " * (len(difference.path) + 6)
                yield from (indent + line for line in rest)


def align(wanted: Sequence[Fields], found: Sequence[Fields]) -> list[Row]:
    """Both sequences with as many pairs that match as their orders allow.

    What is left between two such pairs is paired with what is most like it there.
    """
    matches = [[not differences(one, other) for other in found] for one in wanted]
    rows: list[Row] = []
    at, other_at = 0, 0
    for one, other in [*_longest(matches, len(found)), (len(wanted), len(found))]:
        rows += _gap(wanted, found, range(at, one), range(other_at, other))
        if one < len(wanted):
            rows.append(Row(one, other, matches=True))
        at, other_at = one + 1, other + 1
    return rows


def _longest(matches: Sequence[Sequence[bool]], found: int) -> list[tuple[int, int]]:
    """The longest common subsequence, as pairs of indexes; the earliest where there are several."""
    count = len(matches)
    best = [[0] * (found + 1) for _ in range(count + 1)]
    for one in reversed(range(count)):
        for other in reversed(range(found)):
            best[one][other] = max(
                best[one + 1][other],
                best[one][other + 1],
                1 + best[one + 1][other + 1] if matches[one][other] else 0,
            )
    pairs, one, other = [], 0, 0
    while one < count and other < found:
        if matches[one][other] and best[one][other] == 1 + best[one + 1][other + 1]:
            pairs.append((one, other))
            one, other = one + 1, other + 1
        elif best[one][other] == best[one][other + 1]:
            other += 1
        else:
            one += 1
    return pairs


def _gap(
    wanted: Sequence[Fields], found: Sequence[Fields], missing: range, extra: range
) -> Iterator[Row]:
    """The rows between two pairs that match, in both orders."""
    at = extra.start
    for one in missing:
        other = _most_like(wanted[one], found, range(at, extra.stop))
        if other is None:
            yield Row(one, None, matches=False)
            continue
        yield from (Row(None, index, matches=False) for index in range(at, other))
        yield Row(one, other, matches=False)
        at = other + 1
    yield from (Row(None, index, matches=False) for index in range(at, extra.stop))


def _most_like(wanted: Fields, found: Sequence[Fields], among: range) -> int | None:
    """That with the fewest differences, the first of several; none that differs in all fields."""
    candidates = {
        index: Candidate("", tuple(differences(wanted, found[index]))) for index in reversed(among)
    }
    best = nearest(list(candidates.values()))
    if best is None or (len(best.differences) >= len(wanted) > 1):
        return None
    return next(index for index in reversed(candidates) if candidates[index] is best)


def _numbered(index: int, fields: Fields, keys: tuple[str, ...]) -> str:
    text = f"{index + 1} {_item(fields, keys)}"
    return text if len(text) <= _COLUMN else text[: _COLUMN - 1] + "…"


def _item(fields: Fields, keys: tuple[str, ...]) -> str:
    values = (fields.get(key, ABSENT) for key in keys)
    return " ".join(shortened(describe_value(value)) for value in values if value is not ABSENT)
