"""What of a span can be expected: its fields by name, and its title."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_obsstack.expect.matching import ABSENT

if TYPE_CHECKING:
    from pytest_obsstack.clients.spans import Span

_NOT_ERRORS = (None, "", "ok", "unset", "unknown")


def status_of(span: Span) -> str:
    """``error`` or ``ok``: Sentry's many words for a failure are one for a test."""
    return "ok" if span.status in _NOT_ERRORS else "error"


def span_fields(span: Span) -> dict[str, Any]:
    """A field that the span has not is ``ABSENT``."""
    return {
        "name": span.name or ABSENT,
        "service": span.service or ABSENT,
        "status": status_of(span),
        "kind": span.kind or ABSENT,
        "parent": span.parent_span_id or ABSENT,
        "environment": span.environment or ABSENT,
        "duration_ms": ABSENT if span.duration_ms is None else span.duration_ms,
        "attributes": span.attributes,
    }


def span_title(span: Span) -> str:
    return f"{span.service}: {span.name} ({span.kind}, {status_of(span)})"
