"""Lines that came once more: dropped as Loki does, and counted for tests."""

from __future__ import annotations

from pathlib import Path

from pytest_obsstack.embedded.journal import read_journal
from tests.unit.embedded.loki.support import NOW_NS, Loki, S

PATH = "/obsstack/traces/a1"
SHOP = {"service_name": "shop"}


def test_a_line_that_came_twice_is_told_by_its_trace() -> None:
    loki = Loki()
    for _ in range(2):
        loki.push(SHOP, (-2, "counting", {"trace_id": "a1"}), (-1, "other", {"trace_id": "b2"}))
    loki.push(SHOP, (-2, "counting", {"trace_id": "a1", "attempt": "2"}))
    (dropped,) = loki.http.get(PATH).json()["dropped"]
    assert (dropped["timestamp_ns"], dropped["line"]) == (str(NOW_NS - 2 * S), "counting")
    assert dropped["stream"]["service_name"] == "shop"
    assert loki.server.status()["duplicate_lines"] == 2


def test_nothing_is_told_of_what_came_once() -> None:
    loki = Loki()
    loki.push(SHOP, (-2, "counting", {"trace_id": "a1"}))
    assert loki.http.get(PATH).json() == {"dropped": []}


def test_a_restart_with_the_journal_counts_alike(tmp_path: Path) -> None:
    path = tmp_path / "loki.jsonl"
    before = Loki(journal=path)
    for _ in range(3):
        before.push(SHOP, (-2, "counting", {"trace_id": "a1"}))
    before.journal.close()
    after = Loki()
    for entry in read_journal(path):
        after.server.replay(entry)
    assert len(after.http.get(PATH).json()["dropped"]) == 2
