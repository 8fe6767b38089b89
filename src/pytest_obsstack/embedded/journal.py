"""The append-only journal: everything that a product accepted, in order, readable afterwards.

One file a product, one JSON object a line: ``received_ns`` (Unix time), ``kind`` (the product's own
word for what came), ``meta`` (small facts, no secrets) and the payload as ``text`` where it is
UTF-8, else as ``base64``. An entry is handed to the operating system before the sender is
answered, so what was accepted survives the end of this process, however it ends.
"""

from __future__ import annotations

import base64
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any

import orjson

_BLOCK_BYTES = 65536


@dataclass(frozen=True)
class JournalEntry:
    """One accepted thing, the same object whether it has just come or is read back."""

    received_ns: int
    kind: str
    meta: dict[str, Any]
    payload: bytes


class Journal:
    """Appends entries to ``path``; with no path it keeps nothing (unit tests of a product)."""

    def __init__(self, path: Path | None, *, clock_ns: Callable[[], int] = time.time_ns) -> None:
        self._clock_ns = clock_ns
        self._file: FileIO | None = None
        if path is not None:
            _drop_torn_line(path)
            self._file = path.open("ab", buffering=0)

    def append(self, kind: str, payload: bytes, **meta: Any) -> JournalEntry:
        """Store and return the entry; raises ``OSError`` where it could not be stored."""
        entry = JournalEntry(self._clock_ns(), kind, meta, payload)
        if self._file is not None:
            _write_whole(self._file, _encode(entry))
        return entry

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


def _write_whole(file: FileIO, line: bytes) -> None:
    """All of the line or none of it: a full disk takes a part before it says that it is full."""
    written = 0
    try:
        while written < len(line):
            written += file.write(line[written:]) or 0
    except OSError:
        file.truncate(file.tell() - written)
        raise


def _drop_torn_line(path: Path) -> None:
    """Cut off what follows the last line's end, or the next entry would be glued to it."""
    if not path.exists():
        return
    with path.open("rb+") as file:
        end = file.seek(0, os.SEEK_END)
        while end > 0:
            start = max(0, end - _BLOCK_BYTES)
            file.seek(start)
            newline = file.read(end - start).rfind(b"\n")
            if newline >= 0:
                end = start + newline + 1
                break
            end = start
        file.truncate(end)


def read_journal(path: Path) -> Iterator[JournalEntry]:
    """The entries of an earlier process, oldest first.

    A last line that the end of that process cut short was never acknowledged and is left out.
    """
    if not path.exists():
        return
    with path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n"):
                yield _decode(line)


def _encode(entry: JournalEntry) -> bytes:
    record: dict[str, Any] = {
        "received_ns": entry.received_ns,
        "kind": entry.kind,
        "meta": entry.meta,
    }
    try:
        record["text"] = entry.payload.decode("utf-8")
    except UnicodeDecodeError:
        record["base64"] = base64.b64encode(entry.payload).decode("ascii")
    return orjson.dumps(record) + b"\n"


def _decode(line: bytes) -> JournalEntry:
    record = orjson.loads(line)
    text = record.get("text")
    payload = text.encode() if text is not None else base64.b64decode(record["base64"])
    return JournalEntry(record["received_ns"], record["kind"], record["meta"], payload)
