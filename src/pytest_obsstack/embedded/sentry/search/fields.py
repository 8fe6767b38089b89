"""Named fields of a kind of record: what a search compares and what a result shows."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pytest_obsstack.embedded.sentry.search.match import FieldType
from pytest_obsstack.embedded.sentry.times import iso

R = TypeVar("R")

_EXPLICIT = re.compile(r"(?:tags|flags)\[\s*\"?([^\],\"]+)\"?\s*(?:,\s*(string|number))?\s*\]")


class UnsupportedField(ValueError):
    """A field that Sentry has and this server has not; ``name`` is the field."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


@dataclass(frozen=True)
class Field(Generic[R]):
    """A field that every record of the kind has."""

    kind: FieldType
    read: Callable[[R], Any]
    show: Callable[[R], Any] | None = None
    """For a field that is searched in more than it shows."""


class FieldSet(Generic[R]):
    """Built-in fields, and the sender's own tags or attributes under any other name."""

    def __init__(
        self,
        built_in: Mapping[str, Field[R]],
        own: Callable[[R, str], Any],
        refused: Callable[[str], bool],
    ) -> None:
        self._built_in = built_in
        self._own = own
        self._refused = refused

    def kind_of(self, name: str) -> FieldType:
        """Raises ``UnsupportedField``."""
        field = self._built_in.get(name)
        if field is not None:
            return field.kind
        explicit = _EXPLICIT.fullmatch(name)
        if explicit is not None:
            return "number" if explicit[2] == "number" else "string"
        if self._refused(name) or "(" in name or "|" in name or "[" in name:
            raise UnsupportedField(name)
        return "string"

    def value(self, record: R, name: str) -> Any:
        """For comparing; dates are Unix nanoseconds."""
        field = self._built_in.get(name)
        if field is not None:
            return field.read(record)
        explicit = _EXPLICIT.fullmatch(name)
        return self._own(record, name if explicit is None else explicit[1])

    def shown(self, record: R, name: str) -> Any:
        """For answers; dates are ISO 8601 with a numeric zone, as Sentry's Discover gives them."""
        field = self._built_in.get(name)
        if field is not None and field.show is not None:
            return field.show(record)
        value = self.value(record, name)
        if value is not None and self.kind_of(name) == "date":
            return iso(value).replace("Z", "+00:00")
        return value
