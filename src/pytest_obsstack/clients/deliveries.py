"""How often the parts of a trace were delivered, as far as a backend tells.

Products keep one of what comes twice and say nothing of it. The embedded servers count, below
paths of their own, which the products answer with 404.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_obsstack.clients import fields
from pytest_obsstack.clients.fields import Raw
from pytest_obsstack.errors import BackendRefused

if TYPE_CHECKING:
    from pytest_obsstack.clients.loki.client import LokiClient
    from pytest_obsstack.clients.sentry.client import SentryClient

_NO_SUCH_PATH = (404, 405)


@dataclass(frozen=True)
class SpanException:
    """An exception that OpenTelemetry has recorded as an event of a span."""

    span_id: str
    type: str
    message: str


@dataclass(frozen=True)
class Deliveries:
    """What an error tracker has counted of a trace, by id."""

    events: Mapping[str, int]
    """Errors, messages and transactions by event id."""
    spans: Mapping[str, int]
    """Spans that came over OTLP, by span id."""
    exceptions: tuple[SpanException, ...]


@dataclass(frozen=True)
class DroppedLine:
    """A line that Loki had already when it came once more."""

    timestamp_ns: int
    line: str
    labels: Mapping[str, str]


def deliveries_of(client: SentryClient, trace_id: str) -> Deliveries | None:
    """``None`` where the tracker does not count, as Sentry itself."""
    raw = _answer(client.get, f"obsstack/traces/{trace_id}/")
    if raw is None:
        return None
    return Deliveries(
        events=_counts(raw, "events"),
        spans=_counts(raw, "spans"),
        exceptions=tuple(
            SpanException(
                fields.text(each, "span_id"),
                fields.optional_text(each, "type") or "",
                fields.optional_text(each, "message") or "",
            )
            for each in fields.optional_mappings(raw, "exceptions", "an exception")
        ),
    )


def dropped_lines(client: LokiClient, trace_id: str) -> tuple[DroppedLine, ...] | None:
    """``None`` where the server does not tell what it drops, as Loki itself."""
    raw = _answer(client.get, f"obsstack/traces/{trace_id}")
    if raw is None:
        return None
    return tuple(
        DroppedLine(
            int(fields.text(each, "timestamp_ns")),
            fields.optional_text(each, "line") or "",
            fields.string_map(fields.optional_mapping(each, "stream")),
        )
        for each in fields.optional_mappings(raw, "dropped", "a dropped line")
    )


def _answer(get: Callable[[str], Any], path: str) -> Raw | None:
    try:
        return fields.mapping(get(path), "what was delivered")
    except BackendRefused as refused:
        if refused.status in _NO_SUCH_PATH:
            return None
        raise


def _counts(raw: Raw, name: str) -> dict[str, int]:
    found = fields.optional_mapping(raw, name)
    return {str(key): fields.integer(found, key) for key in found}
