"""Redis as lists in memory, and Postgres as SQLite, by what the stand-in uses of them."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from tests.compose.standins.glitchtip.clients import Cursor, Database
from tests.compose.standins.glitchtip.tables import _TABLES

if TYPE_CHECKING:
    from typing_extensions import Self


class Lists:
    """A ``RedisClient``; ``away`` makes each command fail, as when the server is gone."""

    def __init__(self) -> None:
        self.lists: defaultdict[str, list[bytes]] = defaultdict(list)
        self.away = False

    def ping(self) -> bool:
        return True

    def lpush(self, name: str, *values: bytes) -> int:
        if self.away:
            raise ConnectionError("redis is away")
        for value in values:
            self.lists[name].insert(0, value)
        return len(self.lists[name])

    def lmove(self, first: str, second: str, src: str, dest: str) -> bytes | None:
        source, target = self.lists[first], self.lists[second]
        if not source:
            return None
        value = source.pop(0 if src == "LEFT" else -1)
        target.insert(0 if dest == "LEFT" else len(target), value)
        return value

    def blmove(self, first: str, second: str, timeout: float, src: str, dest: str) -> bytes | None:
        assert timeout > 0, "0 would be for ever"
        return self.lmove(first, second, src, dest)

    def lrem(self, name: str, count: int, value: bytes) -> int:
        assert count == 1
        if value not in self.lists[name]:
            return 0
        self.lists[name].remove(value)
        return 1

    def llen(self, name: str) -> int:
        return len(self.lists[name])


class SqliteCursor:
    """Postgres' words of the statements that are used, said to SQLite."""

    def __init__(self, cursor: sqlite3.Cursor) -> None:
        self._cursor = cursor

    @property
    def rowcount(self) -> int:
        return self._cursor.rowcount

    def execute(self, query: str, values: Sequence[Any] = ()) -> object:
        for theirs, here in (
            ("%s", "?"),
            ("bigserial PRIMARY KEY", "integer PRIMARY KEY"),
            ("DEFAULT now()", "DEFAULT CURRENT_TIMESTAMP"),
        ):
            query = query.replace(theirs, here)
        return self._cursor.execute(query, values)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return iter(self._cursor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._cursor.close()


class SqliteConnection:
    def __init__(self) -> None:
        self.connection = sqlite3.connect(":memory:")

    def cursor(self) -> Cursor:
        return SqliteCursor(self.connection.cursor())

    def close(self) -> None:
        """The database would be gone; it stays for the next connection."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if error[0] is None:
            self.connection.commit()
        else:
            self.connection.rollback()


def database() -> Database:
    """With the tables, empty."""
    connection = SqliteConnection()
    made = Database(lambda: connection, (ConnectionError,))

    def work(cursor: Cursor) -> None:
        for statement in _TABLES:
            cursor.execute(statement)

    made.transaction(work)
    return made


def rows(made: Database, query: str) -> list[tuple[Any, ...]]:
    def work(cursor: Cursor) -> list[tuple[Any, ...]]:
        cursor.execute(query)
        return list(cursor)

    return made.transaction(work)
