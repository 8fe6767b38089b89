"""Content hashes: an image's tag says what it was made of, so what has not changed is there."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

HASH_DIGITS = 16
_SKIPPED_FOLDERS = frozenset({"__pycache__"})
_SKIPPED_SUFFIXES = frozenset({".pyc", ".pyo"})


@dataclass(frozen=True)
class SourceFile:
    """A file of a build context: its content, and whether it can be executed."""

    content: bytes
    executable: bool = False


def read_tree(folder: Path, *, under: str = "") -> dict[str, SourceFile]:
    """The files below ``folder``, named relative to it and put below ``under``; no bytecode."""
    found = {}
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if _SKIPPED_FOLDERS.intersection(relative.parts) or path.suffix in _SKIPPED_SUFFIXES:
            continue
        if path.is_file():
            name = f"{under}/{relative.as_posix()}" if under else relative.as_posix()
            executable = bool(path.stat().st_mode & stat.S_IXUSR)
            found[name] = SourceFile(path.read_bytes(), executable)
    return found


def content_hash(parts: Iterable[str], files: Mapping[str, SourceFile]) -> str:
    """``HASH_DIGITS`` hex digits that change with any part, file name, content or mode.

    Each piece is preceded by its length, so that no two different inputs run together to the same.
    """
    digest = hashlib.sha256()

    def add(piece: bytes) -> None:
        digest.update(f"{len(piece)}:".encode())
        digest.update(piece)

    for part in parts:
        add(part.encode())
    for name in sorted(files):
        add(name.encode())
        add(b"x" if files[name].executable else b"-")
        add(files[name].content)
    return digest.hexdigest()[:HASH_DIGITS]
