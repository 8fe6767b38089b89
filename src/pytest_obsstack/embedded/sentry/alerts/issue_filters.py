"""Which events an issue rule is about: by a tag, by the level."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pytest_obsstack.embedded.sentry.alerts.issue_conditions import Occurrence, Part
from pytest_obsstack.embedded.sentry.alerts.parts import RawPart
from pytest_obsstack.embedded.sentry.api.http import unsupported

TAGGED = "sentry.rules.filters.tagged_event.TaggedEventFilter"
LEVEL = "sentry.rules.filters.level.LevelFilter"
_WORDS = {
    "eq": "equals",
    "ne": "does not equal",
    "sw": "starts with",
    "ew": "ends with",
    "co": "contains",
    "nc": "does not contain",
    "is": "is set",
    "ns": "is not set",
}
_SAME: Mapping[str, Callable[[str, str], bool]] = {
    "eq": lambda found, wanted: found == wanted,
    "ne": lambda found, wanted: found != wanted,
    "sw": lambda found, wanted: found.startswith(wanted),
    "ew": lambda found, wanted: found.endswith(wanted),
    "co": lambda found, wanted: wanted in found,
    "nc": lambda found, wanted: wanted not in found,
}
_NEGATIVE = ("ne", "nc", "ns")
_LEVELS = {
    "50": "fatal",
    "40": "error",
    "30": "warning",
    "20": "info",
    "10": "debug",
    "0": "sample",
}
_LEVEL_WORDS = {"eq": "equal to", "gte": "greater than or equal to", "lte": "less than or equal to"}


@dataclass(frozen=True)
class TaggedEvent:
    """A tag of the event; key and value are compared without regard to case, as in Sentry."""

    raw: Mapping[str, Any]
    key: str
    match: str
    value: str

    @property
    def label(self) -> str:
        words = f"The event's tags match {self.key} {_WORDS[self.match]}"
        return words if self.match in ("is", "ns") else f"{words} {self.value}"

    def holds(self, occurrence: Occurrence) -> bool:
        key, wanted = self.key.lower(), self.value.lower()
        found = [value.lower() for name, value in occurrence.event.tags if name.lower() == key]
        if not found:
            return self.match in _NEGATIVE
        if self.match in ("is", "ns"):
            return self.match == "is"
        return all(_SAME[self.match](value, wanted) for value in found)


@dataclass(frozen=True)
class LevelIs:
    """The level of the event, by Sentry's numbers."""

    raw: Mapping[str, Any]
    match: str
    level: int

    @property
    def label(self) -> str:
        return f"The event's level is {_LEVEL_WORDS[self.match]} {_LEVELS[str(self.level)]}"

    def holds(self, occurrence: Occurrence) -> bool:
        numbers = {name: int(number) for number, name in _LEVELS.items()}
        found = numbers.get(occurrence.event.level)
        if found is None:
            return False
        if self.match == "eq":
            return found == self.level
        return found >= self.level if self.match == "gte" else found <= self.level


def parse_filter(part: RawPart) -> Part:
    """Raises ``ApiError`` for a filter that is not known, or not written as Sentry wants it."""
    if part.id == TAGGED:
        part.only("key", "match", "value")
        key, match = part.text("key"), part.choice("match", list(_WORDS))
        value = "" if match in ("is", "ns") else part.text("value")
        raw = {"id": part.id, "key": key, "match": match, "value": value}
        return TaggedEvent(raw, key, match, value)
    if part.id == LEVEL:
        part.only("match", "level")
        match = part.choice("match", list(_LEVEL_WORDS))
        level = part.choice("level", list(_LEVELS))
        return LevelIs({"id": part.id, "match": match, "level": level}, match, int(level))
    raise unsupported(f"filter {part.id!r} of issue alert rules")
