"""The embedded server's journal in a table of Postgres."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import orjson

from pytest_obsstack.embedded.journal import Journal, JournalEntry
from tests.compose.standins.glitchtip.clients import Cursor, Database


class AlreadyDelivered(Exception):
    """The delivery is in the journal: the worker ended between handing it over and noting that."""


class JournalTable(Journal):
    """Appends to the table; an entry is committed before it is returned.

    Two members of ``meta`` are columns of their own: ``delivery``, the id under which an item came
    from the queue and which is stored once, and ``accepted_ns``, when that was accepted.
    """

    def __init__(self, database: Database, *, clock_ns: Callable[[], int] = time.time_ns) -> None:
        super().__init__(None, clock_ns=clock_ns)
        self._database = database

    def append(self, kind: str, payload: bytes, **meta: Any) -> JournalEntry:
        """Raises ``AlreadyDelivered`` for a delivery that is stored, and changes nothing then."""
        delivery = meta.pop("delivery", None)
        received_ns = meta.pop("accepted_ns", None) or self._clock_ns()
        row = (received_ns, kind, orjson.dumps(meta).decode(), payload, delivery)

        def work(cursor: Cursor) -> int:
            cursor.execute(
                "INSERT INTO journal (received_ns, kind, meta, payload, delivery)"
                " VALUES (%s, %s, %s, %s, %s) ON CONFLICT (delivery) DO NOTHING",
                row,
            )
            return cursor.rowcount

        if self._database.transaction(work) == 0:
            raise AlreadyDelivered(str(delivery))
        return JournalEntry(received_ns, kind, meta, payload)

    def entries(self) -> Iterator[JournalEntry]:
        """All of them, the oldest first."""

        def work(cursor: Cursor) -> list[JournalEntry]:
            cursor.execute("SELECT received_ns, kind, meta, payload FROM journal ORDER BY id")
            return [
                JournalEntry(received_ns, kind, orjson.loads(meta), bytes(payload))
                for received_ns, kind, meta, payload in cursor
            ]

        yield from self._database.transaction(work)
