"""``scheduler``: the periodic job. It notes in Postgres how far the worker is behind."""

from __future__ import annotations

from tests.compose.standins.glitchtip.clients import Cursor, Database
from tests.compose.standins.glitchtip.queue import Queue

JOB = "note-queue"
KEPT_RUNS = 1000


def run_job(database: Database, queue: Queue) -> tuple[int, int]:
    """Record how many items wait and are in work, and how many are stored; forget the oldest runs.

    Returns what wait and what is in work.
    """
    waiting, in_work = queue.depths()

    def work(cursor: Cursor) -> None:
        cursor.execute(
            "INSERT INTO scheduled_run (job, waiting, in_work, stored)"
            " SELECT %s, %s, %s, count(*) FROM journal WHERE delivery IS NOT NULL",
            (JOB, waiting, in_work),
        )
        cursor.execute(
            "DELETE FROM scheduled_run WHERE id <= (SELECT max(id) FROM scheduled_run) - %s",
            (KEPT_RUNS,),
        )

    database.transaction(work)
    return waiting, in_work
