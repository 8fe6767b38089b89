"""A query that does not parse, told as Prometheus tells it."""

from __future__ import annotations


class PromqlParseError(Exception):
    """``str()`` is ``LINE:COLUMN: parse error: TEXT``; both count from 1, columns in bytes."""

    def __init__(self, query: str, position: int, text: str) -> None:
        super().__init__(f"{position_text(query, position)}: parse error: {text}")


def position_text(query: str, position: int) -> str:
    """``LINE:COLUMN`` of the character at ``position``."""
    if query == "":
        return "unknown position"
    before = query[:position]
    line_start = before.rfind("\n") + 1
    column = len(before[line_start:].encode()) + 1
    return f"{before.count(chr(10)) + 1}:{column}"
