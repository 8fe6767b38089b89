"""What a query can fail with; ``status`` and ``str()`` are the HTTP status and the plain text."""

from __future__ import annotations


class LogQLError(Exception):
    """A query that has no answer."""

    status = 400


class ParseError(LogQLError):
    """The text is no query.

    Line and column count from 1. Loki tells line 0 where its scanner has lost it, which happens at
    tokens of two characters and at durations.
    """

    def __init__(self, reason: str, line: int = 0, column: int = 0) -> None:
        at = f" at line {line}, col {column}" if line or column else " "
        super().__init__(f"parse error{at}: {reason}")
        self.reason = reason


class StageError(ParseError):
    """A stage that parses but cannot work; ``stage`` is its text."""

    def __init__(self, stage: str, reason: str) -> None:
        super().__init__(f"stage '{stage}' : {reason}")


class PipelineError(LogQLError):
    """A metric over lines of which one has an error label; ``series`` are that line's labels."""

    def __init__(self, kind: str, series: str) -> None:
        super().__init__(
            f"pipeline error: '{kind}' for series: '{series}'.\n"
            f'Use a label filter to intentionally skip this error. (e.g | __error__!="{kind}").\n'
            'To skip all potential errors you can match empty errors.(e.g __error__="")\n'
            "The label filter can also be specified after unwrap. "
            '(e.g | unwrap latency | __error__="" )'
        )


class QueryLimitError(LogQLError):
    """A query that asks for more than a limit allows."""


class EvaluationError(LogQLError):
    """A query that parses but cannot be evaluated on the data; Loki answers these with 500."""

    status = 500


class NotSupported(LogQLError):
    """A part of LogQL or of the API that the embedded server does not have; it never guesses."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"not supported by the embedded Loki: {what}; "
            "use --obs-stack=compose, or --obs-use loki=URL"
        )
