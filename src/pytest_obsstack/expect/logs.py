"""Expectations on log lines: what this test's requests must, or must not, have logged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pytest_obsstack.errors import CannotTell, ObsstackError
from pytest_obsstack.expect.budget import Volume, check_bounds, volume_of, within_volume
from pytest_obsstack.expect.context import Context
from pytest_obsstack.expect.fence import logs_settled
from pytest_obsstack.expect.hops import log_hops
from pytest_obsstack.expect.matching import (
    ABSENT,
    NOT_GIVEN,
    Candidate,
    Containing,
    differences,
    given,
)
from pytest_obsstack.expect.mismatch import plural
from pytest_obsstack.expect.own_traces import lines_of_test
from pytest_obsstack.expect.question import Question, Shortfall
from pytest_obsstack.expect.sequence import InOrder
from pytest_obsstack.expect.soft import Expectations

if TYPE_CHECKING:
    import re

    from pytest_obsstack.clients.loki.models import LogEntry

_LEVEL_NAMES = {"WARN": "WARNING", "FATAL": "CRITICAL"}
_TITLE_WIDTH = 100
_FIELDS = ("line", "level", "service", "labels", "metadata")


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
            self._context, expected_line(line, level, service, labels, metadata)
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
        expected = expected_line(line, level, service)
        self._question().none(self._context, expected)

    def expect_lines(
        self,
        lines: Sequence[str | re.Pattern[str] | Mapping[str, Any]],
        *,
        exactly: bool = False,
        level: Any = NOT_GIVEN,
        service: Any = NOT_GIVEN,
    ) -> tuple[LogEntry, ...]:
        """The entries in which these lines came in this order, by their times in nanoseconds.

        Each is given as the ``line`` of ``expect_line``, or as a mapping with its other fields.
        Others may be between them, unless ``exactly``. ``level`` and ``service`` say which entries
        are looked at. Waits until all are there; ``exactly`` waits until arrival has settled.
        Raises ``AssertionError``; ``CannotTell`` for ``exactly`` where arrival is not proven, and
        where the order hangs on streams that have entries of one time.
        """
        __tracebackhide__ = True
        order = InOrder(tuple(map(_line_fields, lines)), exactly)
        only = expected_line(NOT_GIVEN, level, service)

        def judge(entries: Sequence[LogEntry]) -> Shortfall | None:
            return _out_of_order(order, _those(only, entries), self._context.short_trace())

        entries = self._question().together(
            self._context,
            judge,
            expected=order.wanted,
            summary="The lines in Loki are not as expected in their order",
            purpose="assert that there are no other lines" if exactly else None,
        )
        found = _those(only, entries)
        return tuple(found[at] for at in order.places(list(map(_fields, found))))

    def expect_volume(
        self, *, max_lines: int | None = None, max_bytes: int | None = None
    ) -> Volume:
        """How much this test has logged, which is no more than that.

        Bytes are those of the lines in UTF-8. Raises ``AssertionError`` with the lines that make up
        most of it, ``CannotTell`` where more may still come.
        """
        __tracebackhide__ = True
        check_bounds("expect_volume", max_lines=max_lines, max_bytes=max_bytes)
        entries = self._question().together(
            self._context,
            within_volume(max_lines, max_bytes, self._context.short_trace()),
            expected=[],
            summary="The test has logged more than it may",
            purpose="tell how much the test has logged",
        )
        return volume_of(entries)

    def lines(self) -> tuple[LogEntry, ...]:
        """All entries of this test, oldest first, once arrival has settled."""
        __tracebackhide__ = True
        return self._question().all(self._context)

    def _question(self) -> Question[LogEntry]:
        return line_question(self._context)


def line_question(context: Context) -> Question[LogEntry]:
    """What can be asked of the log lines of this test."""
    query = f'{{service_name=~".+"}} | trace_id="{context.trace_id}"'
    return Question(
        backend="Loki",
        noun="line",
        signal="logs",
        fetch=lambda: lines_of_test(context),
        fields=_fields,
        title=_title,
        settle=logs_settled,
        hops=log_hops,
        links=lambda: [f"{context.clients.loki.url} {query}"],
    )


def level_of(entry: LogEntry) -> str | None:
    """The level as Python names it: ``WARNING`` for ``WARN``, ``CRITICAL`` for ``FATAL``."""
    found = entry.structured_metadata.get("severity_text") or entry.labels.get("level")
    if found is None:
        return None
    upper = found.upper()
    return _LEVEL_NAMES.get(upper, upper)


def expected_line(
    line: Any,
    level: Any = NOT_GIVEN,
    service: Any = NOT_GIVEN,
    labels: Any = NOT_GIVEN,
    metadata: Any = NOT_GIVEN,
) -> dict[str, Any]:
    # A plain text is looked for inside the line: lines have prefixes that tests do not care for.
    wanted = Containing(line) if isinstance(line, str) else line
    upper = level.upper() if isinstance(level, str) else level
    if isinstance(upper, str):
        upper = _LEVEL_NAMES.get(upper, upper)
    return given(line=wanted, level=upper, service=service, labels=labels, metadata=metadata)


def _line_fields(line: str | re.Pattern[str] | Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(line, Mapping):
        return expected_line(line)
    unknown = line.keys() - _FIELDS
    if unknown:
        raise ObsstackError(
            "A line of expect_lines has fields that no line has.",
            expected=f"of {', '.join(_FIELDS)}",
            found=", ".join(sorted(unknown)),
        )
    return expected_line(*(line.get(name, NOT_GIVEN) for name in _FIELDS))


def _those(only: dict[str, Any], entries: Sequence[LogEntry]) -> list[LogEntry]:
    return [entry for entry in entries if not differences(only, _fields(entry))]


def _out_of_order(order: InOrder, entries: list[LogEntry], trace: str) -> Shortfall | None:
    found = list(map(_fields, entries))
    wrong = order.differences_of(found, "lines")
    if not wrong:
        return None
    _require_order(order, entries)
    return Shortfall(
        expected=order.describe(),
        found=f"{plural(len(entries), 'line')} of trace {trace} to look at",
        nearest=Candidate("the lines by their times", tuple(wrong)),
        final=order.exactly and len(entries) > len(order.wanted),
    )


def _require_order(order: InOrder, entries: list[LogEntry]) -> None:
    """Entries of one time have an order only within their stream: that in which they came.

    Raises ``CannotTell`` where the expected order is one of those that such entries may have had.
    """
    wished = [
        next((n for n, one in enumerate(order.wanted) if not differences(one, _fields(entry))), -1)
        for entry in entries
    ]
    by_wish = sorted(
        range(len(entries)), key=lambda index: (entries[index].timestamp_ns, wished[index])
    )
    ties = Counter(entry.timestamp_ns for entry in entries)
    streams = {entry.timestamp_ns: entry.labels for entry in entries}
    open_times = {
        entry.timestamp_ns
        for entry in entries
        if ties[entry.timestamp_ns] > 1 and entry.labels != streams[entry.timestamp_ns]
    }
    if open_times and not order.differences_of([_fields(entries[at]) for at in by_wish], ""):
        raise CannotTell(
            "Cannot tell the order of the lines: several streams have entries of one time.",
            expected=order.describe(),
            found=f"{plural(len(open_times), 'time')} with entries of several streams, "
            f"the first at {min(open_times)} ns",
            advice="expect the lines of one service at a time (service=…), or each by expect_line",
        )


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
