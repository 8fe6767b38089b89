"""When an issue rule is looked at: a new issue, a regression, many events within a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from pytest_obsstack.embedded.sentry.alerts.parts import RawPart
from pytest_obsstack.embedded.sentry.api.http import unsupported
from pytest_obsstack.embedded.sentry.state.model import Issue, StoredEvent

_PREFIX = "sentry.rules.conditions"
FIRST_SEEN = f"{_PREFIX}.first_seen_event.FirstSeenEventCondition"
REGRESSION = f"{_PREFIX}.regression_event.RegressionEventCondition"
FREQUENCY = f"{_PREFIX}.event_frequency.EventFrequencyCondition"
_INTERVALS: Mapping[str, tuple[str, int]] = {
    "1m": ("one minute", 60),
    "5m": ("5 minutes", 300),
    "15m": ("15 minutes", 900),
    "1h": ("one hour", 3600),
    "1d": ("one day", 86_400),
    "1w": ("one week", 604_800),
    "30d": ("30 days", 2_592_000),
}


@dataclass(frozen=True)
class Occurrence:
    """An event that was just counted in its issue."""

    issue: Issue
    event: StoredEvent
    is_new: bool
    """Whether it is the issue's first, or the first in the rule's environment."""
    is_regression: bool
    count_within: Callable[[int, int], int]
    """``(interval_s, enough)``: how many of the issue's events happened in the rule's environment
    in the last ``interval_s`` seconds; counting may stop at ``enough``."""


class Part(Protocol):
    """A condition or a filter."""

    @property
    def raw(self) -> Mapping[str, Any]:
        """Sentry's JSON of it."""

    @property
    def label(self) -> str:
        """What Sentry calls it, for people."""

    def holds(self, occurrence: Occurrence) -> bool: ...


@dataclass(frozen=True)
class FirstSeen:
    """The first event of an issue."""

    raw: Mapping[str, Any]
    label = "A new issue is created"

    def holds(self, occurrence: Occurrence) -> bool:
        return occurrence.is_new


@dataclass(frozen=True)
class Regression:
    """An event of an issue that was resolved."""

    raw: Mapping[str, Any]
    label = "The issue changes state from resolved to unresolved"

    def holds(self, occurrence: Occurrence) -> bool:
        return occurrence.is_regression


@dataclass(frozen=True)
class EventFrequency:
    """More than ``more_than`` events of an issue within ``interval_s``."""

    raw: Mapping[str, Any]
    more_than: int
    interval: str

    @property
    def label(self) -> str:
        return (
            f"The issue is seen more than {self.more_than} times in {_INTERVALS[self.interval][0]}"
        )

    def holds(self, occurrence: Occurrence) -> bool:
        enough = self.more_than + 1
        return occurrence.count_within(_INTERVALS[self.interval][1], enough) >= enough


def parse_condition(part: RawPart) -> Part:
    """Raises ``ApiError`` for a condition that is not known, or not written as Sentry wants it."""
    if part.id in (FIRST_SEEN, REGRESSION):
        part.only()
        raw: dict[str, Any] = {"id": part.id}
        return FirstSeen(raw) if part.id == FIRST_SEEN else Regression(raw)
    if part.id != FREQUENCY:
        raise unsupported(f"condition {part.id!r} of issue alert rules")
    part.only("value", "interval", "comparisonType")
    comparison = part.members.get("comparisonType") or "count"
    if comparison != "count":
        raise unsupported(f"comparisonType {comparison!r} of {part.id}")
    value, interval = part.count("value"), part.choice("interval", list(_INTERVALS))
    raw = {"id": part.id, "value": value, "interval": interval, "comparisonType": "count"}
    return EventFrequency(raw, value, interval)
