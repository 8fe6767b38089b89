"""The errors of the product, in three families that are never mixed.

::

    pytest.UsageError          a wrong option, fixture override or marker
    ObsstackError              the stack, a backend or the app is not as it must be
    ├── StackUnavailable       something could not be started, or died
    ├── BackendUnavailable     a backend did not answer (connection, timeout, 5xx)
    ├── BackendRefused         a backend answered, and said no (4xx, "not supported")
    └── CannotTell             arrival could not be proven settled, so absence cannot be asserted
    AssertionError             the telemetry is not as expected (raised in expect/ alone)

Every text has the same order: what was expected, what was found, what to do.
"""

from __future__ import annotations

from collections.abc import Sequence

_LOG_LINES_SHOWN = 50


class ObsstackError(Exception):
    """The stack, a backend or the app is not as it must be; says nothing about the telemetry.

    ``str()`` gives a summary line followed by the parts that were given, each on lines of its own.
    """

    def __init__(
        self,
        summary: str,
        *,
        expected: str | None = None,
        found: str | None = None,
        advice: str | None = None,
        log_lines: Sequence[str] = (),
    ) -> None:
        super().__init__(summary)
        self.summary = summary
        self.expected = expected
        self.found = found
        self.advice = advice
        self.log_lines = tuple(log_lines)

    def __str__(self) -> str:
        parts = [self.summary]
        for label, text in (
            ("expected", self.expected),
            ("found", self.found),
            ("do", self.advice),
        ):
            if text is not None:
                parts.append(f"  {label:<9} " + text.replace("\n", "\n" + " " * 12))
        if self.log_lines:
            shown = self.log_lines[-_LOG_LINES_SHOWN:]
            count = "log line" if len(shown) == 1 else f"{len(shown)} log lines"
            parts.append(f"  last {count}:")
            parts.extend(f"    | {line}" for line in shown)
        return "\n".join(parts)


class StackUnavailable(ObsstackError):
    """A part of the stack or the app could not be started, or died."""


class BackendUnavailable(ObsstackError):
    """A backend did not answer: refused connection, timeout or a server error."""


class BackendRefused(ObsstackError):
    """A backend answered and refused: a 4xx status or a query that it does not support.

    ``status`` is the HTTP status code.
    """

    def __init__(
        self,
        summary: str,
        *,
        status: int,
        expected: str | None = None,
        found: str | None = None,
        advice: str | None = None,
    ) -> None:
        super().__init__(summary, expected=expected, found=found, advice=advice)
        self.status = status


class CannotTell(ObsstackError):
    """Arrival could not be proven settled before the deadline, so absence cannot be asserted."""
