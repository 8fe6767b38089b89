"""The tables in Postgres, and what makes them."""

from __future__ import annotations

from tests.compose.standins.glitchtip.clients import Cursor, Database

_UPGRADE_LOCK = 4_301_766
"""Any number that nobody else takes as an advisory lock in this database."""

_TABLES = (
    """
    CREATE TABLE IF NOT EXISTS journal (
        id bigserial PRIMARY KEY,
        received_ns bigint NOT NULL,
        kind text NOT NULL,
        meta text NOT NULL,
        payload bytea NOT NULL,
        delivery text UNIQUE
    )
    """,
    """
    CREATE TABLE IF NOT EXISTS scheduled_run (
        id bigserial PRIMARY KEY,
        job text NOT NULL,
        ran_at timestamptz NOT NULL DEFAULT now(),
        waiting integer NOT NULL,
        in_work integer NOT NULL,
        stored bigint NOT NULL
    )
    """,
)


def migrate(database: Database) -> list[str]:
    """Make what is missing, and say what that was; safe to run again, and by two at once."""

    def work(cursor: Cursor) -> list[str]:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", (_UPGRADE_LOCK,))
        before = _names(cursor)
        for statement in _TABLES:
            cursor.execute(statement)
        return sorted(_names(cursor) - before)

    return database.transaction(work)


def _names(cursor: Cursor) -> set[str]:
    cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")
    return {name for (name,) in cursor}
