"""The journal: what was accepted is there again, however the process ended."""

from __future__ import annotations

import errno
import json
from io import FileIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from pytest_obsstack.embedded.journal import Journal, JournalEntry, read_journal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sentry.jsonl"


def written(path: Path, *payloads: bytes) -> None:
    journal = Journal(path, clock_ns=lambda: 5)
    for payload in payloads:
        journal.append("envelope", payload)
    journal.close()


def payloads(path: Path) -> list[bytes]:
    return [entry.payload for entry in read_journal(path)]


def test_an_entry_is_read_back_as_it_was_appended(path: Path) -> None:
    journal = Journal(path, clock_ns=lambda: 1_700_000_000_000_000_000)
    entry = journal.append("envelope", b"body", project=1, key=None)
    journal.close()
    assert entry == JournalEntry(
        1_700_000_000_000_000_000, "envelope", {"project": 1, "key": None}, b"body"
    )
    assert list(read_journal(path)) == [entry]


@for_all(st.lists(st.binary(max_size=40) | st.text(max_size=20).map(str.encode), max_size=5))
def test_any_payload_comes_back_byte_for_byte(tmp_path_factory: Any, parts: list[bytes]) -> None:
    path = tmp_path_factory.mktemp("journal") / "x.jsonl"
    written(path, *parts)
    assert payloads(path) == parts


def test_text_is_kept_readable_and_bytes_are_not_mangled(path: Path) -> None:
    written(path, '{"message": "é\n"}'.encode(), b"\xff\x00")
    first, second = (json.loads(line) for line in path.read_bytes().splitlines())
    assert first["text"] == '{"message": "é\n"}'
    assert second["base64"] == "/wA="


def test_entries_are_there_before_the_sender_is_answered(path: Path) -> None:
    journal = Journal(path)
    journal.append("envelope", b"one")
    assert payloads(path) == [b"one"]
    journal.close()


def test_a_new_journal_goes_on_behind_the_old_one(path: Path) -> None:
    written(path, b"one")
    written(path, b"two")
    assert payloads(path) == [b"one", b"two"]


def test_a_last_line_that_was_cut_short_is_left_out(path: Path) -> None:
    written(path, b"one", b"two")
    path.write_bytes(path.read_bytes()[:-3])
    assert payloads(path) == [b"one"]


def test_what_comes_after_a_line_that_was_cut_short_is_kept(path: Path) -> None:
    written(path, b"one", b"two")
    path.write_bytes(path.read_bytes()[:-3])
    written(path, b"three")
    assert payloads(path) == [b"one", b"three"]


def test_a_file_of_one_line_that_was_cut_short_is_empty(path: Path) -> None:
    path.write_bytes(b'{"received_ns"')
    written(path, b"one")
    assert payloads(path) == [b"one"]


def test_no_file_is_no_entry(path: Path) -> None:
    assert payloads(path) == []


def test_without_a_path_nothing_is_kept() -> None:
    journal = Journal(None, clock_ns=lambda: 7)
    assert journal.append("push", b"x", tenant="a") == JournalEntry(
        7, "push", {"tenant": "a"}, b"x"
    )
    journal.close()


def test_a_long_line_that_was_cut_short_is_dropped_whole(path: Path) -> None:
    written(path, b"one", b"x" * 200_000)
    path.write_bytes(path.read_bytes()[:-3])
    written(path, b"two")
    assert payloads(path) == [b"one", b"two"]


class FullDisk(FileIO):
    """A file of which the disk takes only so many bytes more."""

    room = 20

    def write(self, data: Any) -> int:
        if not self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        taken = super().write(data[: self.room]) or 0
        self.room -= taken
        return taken


def test_an_entry_that_does_not_fit_is_refused_and_leaves_nothing(path: Path) -> None:
    journal = Journal(path)
    journal.append("envelope", b"one")
    journal.close()
    journal._file = disk = FullDisk(path, "ab")
    with pytest.raises(OSError, match="No space left on device"):
        journal.append("envelope", b"two")
    disk.room = 1000
    journal.append("envelope", b"three")
    journal.close()
    assert payloads(path) == [b"one", b"three"]
