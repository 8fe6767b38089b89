"""Conditions, filters and actions of an issue rule in Sentry's form: ``{"id": …, …}``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_obsstack.embedded.sentry.api.http import ApiError, invalid_field, unsupported

_DECORATION = ("name", "uuid")
"""What Sentry's own answers add to a part; sent back to it, it means nothing."""


@dataclass(frozen=True)
class RawPart:
    """One of a list; its readers raise ``ApiError`` in Sentry's form for what cannot be taken."""

    list_name: str
    """``conditions``, ``filters`` or ``actions``: what the error is filed under."""
    id: str
    members: Mapping[str, Any]

    def only(self, *names: str) -> None:
        for name in self.members:
            if name not in names:
                raise unsupported(f"member {name!r} of {self.id} in {self.list_name}")

    def text(self, name: str) -> str:
        value = self.members.get(name)
        if not isinstance(value, str) or not value.strip():
            raise self.invalid(f"{name}: This field is required.")
        return value.strip()

    def choice(self, name: str, choices: Sequence[str]) -> str:
        """One of ``choices``; a number is taken for its digits, as a form takes it."""
        value = self.members.get(name)
        text = str(value) if isinstance(value, (int, str)) else ""
        if text not in choices:
            raise self.invalid(
                f"{name}: Select a valid choice. {value!r} is not one of {', '.join(choices)}."
            )
        return text

    def count(self, name: str) -> int:
        """A whole number from 0, also as digits."""
        value = self.members.get(name)
        if isinstance(value, str) and value.isascii() and value.isdigit():
            return int(value)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise self.invalid(f"{name}: Enter a whole number.")
        return value

    def invalid(self, problem: str) -> ApiError:
        return invalid_field(self.list_name, f"{self.id}: {problem}")


def raw_parts(body: Mapping[str, Any], list_name: str) -> list[RawPart]:
    """The parts of a list in the body; an absent list is an empty one."""
    listed = body.get(list_name)
    if listed is None:
        return []
    found = []
    for entry in listed:
        part_id = entry.get("id") if isinstance(entry, dict) else None
        if not isinstance(part_id, str):
            raise invalid_field(list_name, f"Missing attribute 'id': {entry!r}")
        members = {k: v for k, v in entry.items() if k != "id" and k not in _DECORATION}
        found.append(RawPart(list_name, part_id, members))
    return found
