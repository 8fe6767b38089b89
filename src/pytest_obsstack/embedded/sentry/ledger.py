"""The way in for everything that changes the server: first the journal, then the store."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from pytest_obsstack.embedded.journal import Journal, JournalEntry
from pytest_obsstack.embedded.sentry.observers import Observers
from pytest_obsstack.embedded.sentry.state.store import ENVELOPE, Applied, SentryStore
from pytest_obsstack.wire.envelope import Envelope

Extension = Callable[[JournalEntry], Any]


class Ledger:
    """Appends and applies. Parts beside the store (alert rules) register kinds of their own."""

    def __init__(self, store: SentryStore, journal: Journal, observers: Observers) -> None:
        self._store = store
        self._journal = journal
        self._observers = observers
        self._extensions: dict[str, Extension] = {}

    def register(self, kind: str, apply: Extension) -> None:
        """Entries of ``kind`` go to ``apply``, live and during a replay alike."""
        if self._store.knows(kind) or kind in self._extensions:
            raise ValueError(f"journal kind {kind!r} is taken")
        self._extensions[kind] = apply

    def change(self, kind: str, data: Mapping[str, Any]) -> Any:
        """Record and apply a change made through the API; what it made or changed."""
        return self._commit(self._journal.append(kind, orjson.dumps(data)))

    def telemetry(self, kind: str, payload: bytes, **meta: Any) -> Any:
        """Record and apply accepted telemetry (or its refusal)."""
        return self._commit(self._journal.append(kind, payload, **meta))

    def envelope(self, payload: bytes, envelope: Envelope, **meta: Any) -> None:
        """As ``telemetry``, for an envelope that has been parsed already."""
        entry = self._journal.append(ENVELOPE, payload, **meta)
        self._observers.tell(self._store.apply_envelope(entry, envelope))

    def replay(self, entry: JournalEntry) -> None:
        """Apply an entry of an earlier journal; observers are not told."""
        self._apply(entry)

    def _commit(self, entry: JournalEntry) -> Any:
        applied = self._apply(entry)
        if isinstance(applied, Applied):
            self._observers.tell(applied)
            return applied.changed
        return applied

    def _apply(self, entry: JournalEntry) -> Any:
        extension = self._extensions.get(entry.kind)
        return self._store.apply(entry) if extension is None else extension(entry)
