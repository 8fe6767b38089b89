"""What the host asks of each embedded product."""

from __future__ import annotations

from typing import Any, Protocol

from starlette.types import ASGIApp

from pytest_obsstack.embedded.journal import JournalEntry


class Product(Protocol):
    """One embedded server: a pure store behind an HTTP shell.

    Life: construct → ``replay`` for each entry of an earlier journal → ``start`` → requests to
    ``app`` → ``stop``. ``start`` and ``stop`` may follow one another again, when the listener is
    stopped and started; the store keeps its content in between.
    """

    name: str
    """``sentry``, ``collector``, ``prometheus`` or ``loki``."""
    version: str
    """What the product's own version endpoint tells, marked as embedded."""
    app: ASGIApp

    def replay(self, entry: JournalEntry) -> None:
        """Apply an entry of the journal exactly as when it was accepted."""

    async def start(self) -> None:
        """Begin background work (scraping, alert evaluation); the listener is already open."""

    async def stop(self) -> None:
        """End background work; nothing that was accepted may be lost."""

    def status(self) -> dict[str, Any]:
        """Counts and settings for ``obsstack status``; JSON-able, no secrets."""
