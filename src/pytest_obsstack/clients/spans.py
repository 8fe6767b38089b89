"""Spans of a trace whichever product holds them, and what a product needs to be asked for them.

OpenTelemetry's spans are kept by an error tracker that takes OTLP, by Tempo, or by both. Each
yields ``Span`` or a subclass with more of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

SpanT = TypeVar("SpanT", bound="Span")


@dataclass(frozen=True)
class Span:
    """One span of a trace."""

    span_id: str
    """16 hex digits."""
    parent_span_id: str | None
    name: str | None
    status: str | None
    """The store's own word: ``error``, ``ok``, ``unset``; Sentry has many for failures."""
    kind: str | None
    """``server``, ``client``, ``internal``, ``producer``, ``consumer``, lower case."""
    start_s: float | None
    """Seconds since the epoch."""
    end_s: float | None
    duration_ms: float | None
    service: str | None
    environment: str | None
    attributes: Mapping[str, Any]
    """The span's and its resource's, as far as the answer that it came in has them."""


class SpanStore(Protocol):
    """A product that can be asked for the OpenTelemetry spans of a trace."""

    @property
    def store_name(self) -> str:
        """``Sentry`` or ``Tempo``, for messages."""

    def otlp_spans(self, trace_id: str) -> Sequence[Span]:
        """The spans that came by OTLP, by start time; none where the trace is not known (yet).

        Never a part of what the store has: that is an ``ObsstackError``.
        """

    def whole(self, trace_id: str, span: Span) -> Span:
        """The span with all its attributes; may be a request of its own."""

    def span_texts(self, trace_id: str) -> Iterator[tuple[str, str]]:
        """What the store keeps of each span, whoever sent it: its name in messages, and JSON."""

    def found_by(self, attribute: str, prefix: str, *, since_s: float) -> Sequence[tuple[str, str]]:
        """The spans of any trace whose attribute holds a text that begins so.

        As pairs: the attribute's text, of a list all of it, and the span's trace id. ``since_s``
        (Unix seconds) is a time before which there are none.
        """

    def trace_url(self, trace_id: str) -> str:
        """Where a person can look at the trace."""
