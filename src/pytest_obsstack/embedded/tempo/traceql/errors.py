"""Why a query is refused."""

from __future__ import annotations


class QueryError(Exception):
    """A query that Tempo would not take either; its text is what Tempo answers."""


class ParseError(QueryError):
    """The text is not TraceQL; line and column begin at 1."""

    def __init__(self, message: str, line: int, column: int) -> None:
        super().__init__(f"parse error at line {line}, col {column}: {message}")


class Unsupported(Exception):
    """TraceQL that Tempo would take; ``what`` names the part that is left out here."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what
