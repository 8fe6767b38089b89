"""Expectations on log lines: what this test's requests must, or must not, have logged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pytest_obsstack.expect.context import Context
from pytest_obsstack.expect.fence import logs_settled
from pytest_obsstack.expect.hops import log_hops
from pytest_obsstack.expect.matching import ABSENT, NOT_GIVEN, Containing, given
from pytest_obsstack.expect.question import Question
from pytest_obsstack.expect.soft import Expectations

if TYPE_CHECKING:
    import re

    from pytest_obsstack.clients.loki.models import LogEntry

_LEVEL_NAMES = {"WARN": "WARNING", "FATAL": "CRITICAL"}
_TITLE_WIDTH = 100


class LogExpectations(Expectations):
    """``obs.logs``: the log lines that carry this test's trace id."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def expect_line(
        self,
        line: str | re.Pattern[str] | Any = NOT_GIVEN,
        *,
        level: Any = NOT_GIVEN,
        service: Any = NOT_GIVEN,
        labels: Any = NOT_GIVEN,
        metadata: Any = NOT_GIVEN,
    ) -> LogEntry:
        """The latest entry that matches; waits until there is one.

        ``line`` is a text that the line contains, or a compiled regular expression; ``level`` a
        Python level name such as ``"ERROR"``; ``labels`` and ``metadata`` compare stream labels and
        structured metadata. Raises ``AssertionError`` at the deadline.
        """
        __tracebackhide__ = True
        return self._question().one(
            self._context, _expected(line, level, service, labels, metadata)
        )

    def expect_no_line(
        self,
        line: str | re.Pattern[str] | Any = NOT_GIVEN,
        *,
        level: Any = NOT_GIVEN,
        service: Any = NOT_GIVEN,
    ) -> None:
        """No line of this test matches; ``CannotTell`` where arrival is not proven settled."""
        __tracebackhide__ = True
        expected = _expected(line, level, service, NOT_GIVEN, NOT_GIVEN)
        self._question().none(self._context, expected)

    def lines(self) -> tuple[LogEntry, ...]:
        """All entries of this test, oldest first, once arrival has settled."""
        __tracebackhide__ = True
        return self._question().all(self._context)

    def _question(self) -> Question[LogEntry]:
        return Question(
            backend="Loki",
            noun="line",
            signal="logs",
            fetch=self._fetch,
            fields=_fields,
            title=_title,
            settle=logs_settled,
            hops=log_hops,
            links=self._links,
        )

    def _fetch(self) -> Sequence[LogEntry]:
        return self._context.clients.loki.lines_of_trace(
            self._context.trace_id, since_ns=self._context.since_ns
        )

    def _links(self) -> Sequence[str]:
        query = f'{{service_name=~".+"}} | trace_id="{self._context.trace_id}"'
        return [f"{self._context.clients.loki.url} {query}"]


def level_of(entry: LogEntry) -> str | None:
    """The level as Python names it: ``WARNING`` for ``WARN``, ``CRITICAL`` for ``FATAL``."""
    found = entry.structured_metadata.get("severity_text") or entry.labels.get("level")
    if found is None:
        return None
    upper = found.upper()
    return _LEVEL_NAMES.get(upper, upper)


def _expected(line: Any, level: Any, service: Any, labels: Any, metadata: Any) -> dict[str, Any]:
    # A plain text is looked for inside the line: lines have prefixes that tests do not care for.
    wanted = Containing(line) if isinstance(line, str) else line
    upper = level.upper() if isinstance(level, str) else level
    if isinstance(upper, str):
        upper = _LEVEL_NAMES.get(upper, upper)
    return given(line=wanted, level=upper, service=service, labels=labels, metadata=metadata)


def _fields(entry: LogEntry) -> dict[str, Any]:
    return {
        "line": entry.line,
        "level": level_of(entry) or ABSENT,
        "service": entry.labels.get("service_name", ABSENT),
        "labels": entry.labels,
        "metadata": entry.structured_metadata,
    }


def _title(entry: LogEntry) -> str:
    shown = entry.line if len(entry.line) <= _TITLE_WIDTH else entry.line[:_TITLE_WIDTH] + "…"
    return f"{level_of(entry) or 'no level'} {shown!r}"
