"""The trace context of a request: the three headers that carry one trace id to every SDK.

Sources: W3C Trace Context level 2 ("traceparent Header"), W3C Baggage ("Header Content"), and
Sentry's SDK documentation, "Trace Propagation" and "Dynamic Sampling Context".
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote

_HEX_TRACE_ID = re.compile(r"[0-9a-f]{32}")
_HEX_SPAN_ID = re.compile(r"[0-9a-f]{16}")
# Version 00 has four fields; a later version may append more, after a dash.
_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_SENTRY_TRACE = re.compile(r"([0-9a-f]{32})-([0-9a-f]{16})(?:-([01]))?")
_BAGGAGE_KEY = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_OPTIONAL_WHITE_SPACE = " \t"
_SAMPLED_BIT = 0x01


@dataclass(frozen=True)
class TraceContext:
    """A trace id, the span id of the sender, and whether the trace is to be sampled.

    Ids are lower-case hex (32 and 16 digits) and never all zero. ``sampled`` is None where the
    receiver is to decide. Raises ``ValueError`` for ids that are not of that form.
    """

    trace_id: str
    span_id: str
    sampled: bool | None

    def __post_init__(self) -> None:
        if _HEX_TRACE_ID.fullmatch(self.trace_id) is None or not int(self.trace_id, 16):
            raise ValueError(
                "trace id: expected 32 lower-case hex digits, not all zero, "
                f"found {self.trace_id!r}"
            )
        if _HEX_SPAN_ID.fullmatch(self.span_id) is None or not int(self.span_id, 16):
            raise ValueError(
                f"span id: expected 16 lower-case hex digits, not all zero, found {self.span_id!r}"
            )

    @classmethod
    def new(
        cls, *, sampled: bool | None = True, random_bytes: Callable[[int], bytes] = os.urandom
    ) -> TraceContext:
        """A context with random ids; ``random_bytes(n)`` gives n bytes, drawn anew if all zero."""
        return cls(_random_id(random_bytes, 16), _random_id(random_bytes, 8), sampled)

    @property
    def traceparent(self) -> str:
        """The W3C header; raises ``ValueError`` for an undecided context.

        Its sampled flag is one bit: W3C has no way to say "not decided", and 00 would mean no.
        """
        if self.sampled is None:
            raise ValueError("an undecided trace context has no traceparent")
        return f"00-{self.trace_id}-{self.span_id}-{int(self.sampled):02x}"

    @property
    def sentry_trace(self) -> str:
        """The ``sentry-trace`` header: with ``-1`` or ``-0``, or without a flag when undecided."""
        if self.sampled is None:
            return f"{self.trace_id}-{self.span_id}"
        return f"{self.trace_id}-{self.span_id}-{int(self.sampled)}"

    @property
    def baggage(self) -> str:
        """Sentry's members of the ``baggage`` header; raises ``ValueError`` when undecided.

        A sample_rand of 0 lies below every rate but 0, so a ``traces_sampler`` that follows its
        parent comes to the same decision as the flag.
        """
        if self.sampled is None:
            raise ValueError("an undecided trace context has no baggage")
        rate, sampled = ("1.0", "true") if self.sampled else ("0.0", "false")
        return (
            f"sentry-trace_id={self.trace_id},sentry-sample_rate={rate},"
            f"sentry-sample_rand=0.000000,sentry-sampled={sampled}"
        )

    def headers(self) -> dict[str, str]:
        """What to send: all three headers, or ``sentry-trace`` alone when undecided."""
        if self.sampled is None:
            return {"sentry-trace": self.sentry_trace}
        return {
            "traceparent": self.traceparent,
            "sentry-trace": self.sentry_trace,
            "baggage": self.baggage,
        }


def parse_traceparent(header: str) -> TraceContext | None:
    """The context in a ``traceparent`` header; None where it is to be ignored.

    Clauses of "traceparent Header": version ff is invalid; version 00 has no further fields, a
    later one is read by the fields of 00; upper case and all-zero ids are invalid; of the flags
    only the sampled bit is looked at (generators of level 2 set the random bit too: 03).
    """
    match = _TRACEPARENT.fullmatch(header.strip(_OPTIONAL_WHITE_SPACE))
    if match is None:
        return None
    version, trace_id, span_id, flags, rest = match.groups()
    if version == "ff" or (version == "00" and rest is not None):
        return None
    return _context(trace_id, span_id, sampled=bool(int(flags, 16) & _SAMPLED_BIT))


def parse_sentry_trace(header: str) -> TraceContext | None:
    """The context in a ``sentry-trace`` header (flag 1, 0 or none); None if malformed."""
    match = _SENTRY_TRACE.fullmatch(header.strip(_OPTIONAL_WHITE_SPACE))
    if match is None:
        return None
    trace_id, span_id, flag = match.groups()
    return _context(trace_id, span_id, sampled=None if flag is None else flag == "1")


def parse_baggage(header: str) -> dict[str, str]:
    """Key → percent-decoded value of a ``baggage`` header, properties left out.

    Several headers are to be joined with commas first. Members that are malformed are passed over;
    of a repeated key the last holds.
    """
    members: dict[str, str] = {}
    for member in header.split(","):
        key, equals, value = member.partition(";")[0].partition("=")
        key = key.strip(_OPTIONAL_WHITE_SPACE)
        if equals and _BAGGAGE_KEY.fullmatch(key):
            members[key] = unquote(value.strip(_OPTIONAL_WHITE_SPACE))
    return members


def _context(trace_id: str, span_id: str, *, sampled: bool | None) -> TraceContext | None:
    if not int(trace_id, 16) or not int(span_id, 16):
        return None
    return TraceContext(trace_id, span_id, sampled)


def _random_id(random_bytes: Callable[[int], bytes], size: int) -> str:
    while True:
        drawn = random_bytes(size)
        if any(drawn):
            return drawn.hex()
