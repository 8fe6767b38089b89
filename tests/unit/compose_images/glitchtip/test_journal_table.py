from __future__ import annotations

import pytest

from pytest_obsstack.embedded.journal import JournalEntry
from tests.compose.standins.glitchtip.clients import Database
from tests.compose.standins.glitchtip.journal_table import AlreadyDelivered, JournalTable
from tests.unit.compose_images.glitchtip.fakes import database, rows

NOW_NS = 1_795_448_100 * 10**9


@pytest.fixture
def table() -> Database:
    return database()


@pytest.fixture
def journal(table: Database) -> JournalTable:
    return JournalTable(table, clock_ns=lambda: NOW_NS)


def test_entries_are_read_back_in_order_and_unchanged(journal: JournalTable) -> None:
    first = journal.append("key.created", b'{"label": "x"}')
    second = journal.append("envelope", b"\xff\x00", project_id=1, event_id=None)
    assert first == JournalEntry(NOW_NS, "key.created", {}, b'{"label": "x"}')
    assert list(journal.entries()) == [first, second]


def test_a_delivery_is_stored_once(journal: JournalTable) -> None:
    journal.append("envelope", b"1", delivery="d1", project_id=1)
    with pytest.raises(AlreadyDelivered, match="d1"):
        journal.append("envelope", b"1", delivery="d1", project_id=1)
    journal.append("envelope", b"1", delivery="d2", project_id=1)
    assert [entry.payload for entry in journal.entries()] == [b"1", b"1"]


def test_entries_without_a_delivery_are_never_taken_for_the_same(journal: JournalTable) -> None:
    journal.append("issue.updated", b"{}")
    journal.append("issue.updated", b"{}")
    assert len(list(journal.entries())) == 2


def test_what_came_from_the_queue_has_the_time_at_which_it_was_accepted(
    journal: JournalTable, table: Database
) -> None:
    entry = journal.append("envelope", b"", delivery="d1", accepted_ns=5, project_id=1)
    assert entry == JournalEntry(5, "envelope", {"project_id": 1}, b"")
    assert rows(table, "SELECT received_ns, delivery FROM journal") == [(5, "d1")]


def test_a_lost_connection_is_made_anew_and_the_work_done_again() -> None:
    made = database()
    attempts = []

    def work(_cursor: object) -> str:
        attempts.append(1)
        if len(attempts) == 1:
            raise ConnectionError("server closed the connection")
        return "done"

    assert made.transaction(work) == "done"
    assert len(attempts) == 2


def test_a_server_that_stays_away_is_an_error() -> None:
    def work(_cursor: object) -> None:
        raise ConnectionError("server closed the connection")

    with pytest.raises(ConnectionError):
        database().transaction(work)
