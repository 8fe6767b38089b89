"""How far a signal got: one line a hop, and the first hop at which it is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Hop:
    """One station on the way from the app to the backend, and what was seen there."""

    name: str
    """For instance ``app → Sentry`` or ``collector → Loki``."""
    seen: str
    """What was seen, in a few words: ``accepted 1 event, 1 transaction``."""
    broken: bool = False
    cause: str | None = None
    """The usual cause and what to do, for a broken hop."""


def first_broken(hops: Sequence[Hop]) -> Hop | None:
    """The first hop at which the signal is missing; later ones are only consequences."""
    return next((hop for hop in hops if hop.broken), None)
