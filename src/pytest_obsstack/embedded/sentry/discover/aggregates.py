"""Functions over the records of a group: ``count()``, ``p95(span.duration)`` and their kin."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_obsstack.embedded.sentry.search.fields import UnsupportedField
from pytest_obsstack.embedded.sentry.search.match import FieldType

_CALL = re.compile(r"([a-z_][a-z0-9_]*)\((.*)\)", re.IGNORECASE)
_PERCENTILES = {"p50": 0.5, "p75": 0.75, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p100": 1.0}
_OF_NUMBERS: dict[str, Callable[[Sequence[float]], float]] = {
    "sum": sum,
    "avg": lambda numbers: sum(numbers) / len(numbers),
    "min": min,
    "max": max,
}


@dataclass(frozen=True)
class Aggregate:
    """A function call in a field list; ``argument`` is a field, or ``None``."""

    text: str
    function: str
    argument: str | None

    @property
    def kind(self) -> FieldType | None:
        """The type of the result; ``None``: that of the argument."""
        return "integer" if self.function in ("count", "count_unique") else None

    def over(self, values: Sequence[Any]) -> Any:
        """The result for a group; ``values`` are the argument's, one a record."""
        present = [value for value in values if value not in (None, "")]
        if self.function == "count":
            return len(values) if self.argument is None else len(present)
        if self.function == "count_unique":
            return len({str(value) for value in present})
        numbers = [value for value in present if isinstance(value, (int, float))]
        if not numbers:
            return None
        share = _PERCENTILES.get(self.function)
        if share is not None:
            return percentile(numbers, share)
        return _OF_NUMBERS[self.function](numbers)


def parse_aggregate(text: str, default_argument: str | None) -> Aggregate | None:
    """The call in ``text``, ``None`` where it is none. Raises ``UnsupportedField`` for others."""
    match = _CALL.fullmatch(text)
    if match is None:
        return None
    function, argument = match[1], match[2].strip() or None
    if function == "count" and argument in (None, "span.duration", "message"):
        # EAP writes count(span.duration) and count(message) for the number of rows.
        return Aggregate(text, function, None)
    if function in ("count", "count_unique") and argument is not None and "," not in argument:
        return Aggregate(text, function, argument)
    of_numbers = function in _OF_NUMBERS or function in _PERCENTILES
    if of_numbers and (argument or default_argument) and "," not in (argument or ""):
        return Aggregate(text, function, argument or default_argument)
    raise UnsupportedField(text)


def percentile(numbers: Sequence[float], share: float) -> float:
    """Linear between the two nearest, as ClickHouse's ``quantile``."""
    ordered = sorted(numbers)
    position = share * (len(ordered) - 1)
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)
