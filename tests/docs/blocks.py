"""Blocks of code in the pages, with the comment above each that says what is done with it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from docs.generate import ROOT, pages

_BLOCK = re.compile(
    r"(?:<!-- (?P<comment>[^\n]*?) -->\n)?```(?P<language>\w+)\n(?P<code>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True)
class Block:
    page: Path
    comment: str
    """``runs``, ``compiles``, ``example: …``, the name of a generated section, or empty."""
    language: str
    code: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}: {self.code.splitlines()[0]}"


def all_blocks() -> list[Block]:
    return [
        Block(path, match["comment"] or "", match["language"], match["code"])
        for path in pages()
        for match in _BLOCK.finditer(path.read_text("utf-8"))
    ]


def blocks(comment: str) -> list[Block]:
    """The blocks of Python below such a comment."""
    return [b for b in all_blocks() if b.language == "python" and b.comment == comment]
