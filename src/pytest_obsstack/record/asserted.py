"""What the expectations of a test looked at: which signal, which fields, and what they found.

Written by every expectation that was met; read by the mutation self-check, which injects only
faults that concern what a test asserts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

How = Literal["present", "absent", "all", "once"]
"""There is one that matches; there is none; all that there are were handed out to be counted; each
was delivered once."""


@dataclass(frozen=True)
class Asserted:
    """One expectation that was met."""

    kind: str
    """``issue``, ``event``, ``transaction``, ``span``, ``line``, ``metric``, ``text``, ``alert`` or
    ``sampling``."""
    how: How
    fields: frozenset[str] = frozenset()
    """What was compared, dotted: ``type``, ``tags.endpoint``; of a metric the labels' names; of an
    alert of which signal it is made, ``errors`` or ``metrics``, where that is known."""
    found: tuple[str, ...] = ()
    """Names of the spans or texts of the lines that were found; the text that must be nowhere; the
    metric's expression; the name of the alert, or of the expectation on what is sampled."""


@dataclass
class AssertedFacts:
    """All that the expectations of one test have looked at, in order."""

    all: list[Asserted] = field(default_factory=list)

    def add(
        self, kind: str, how: How, fields: Iterable[str] = (), found: Iterable[str] = ()
    ) -> None:
        self.all.append(Asserted(kind, how, frozenset(fields), tuple(found)))

    def __iter__(self) -> Iterator[Asserted]:
        return iter(self.all)


def field_names(expected: Mapping[str, Any]) -> frozenset[str]:
    """The fields that an expectation compares, those inside a mapping with its name in front.

    Fields that must be absent are left out: what is removed is no loss for them.
    """
    names: set[str] = set()
    for name, value in expected.items():
        if value is None:
            continue
        if isinstance(value, Mapping):
            names |= {f"{name}.{key}" for key, inner in value.items() if inner is not None}
        else:
            names.add(name)
    return frozenset(names)
