"""Rows of Sentry's explore datasets (``/organizations/{org}/events/``): errors, spans, logs.

The column names are the public ones of
https://docs.sentry.io/concepts/search/searchable-properties/spans/ and of the logs dataset.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pytest_obsstack.clients import fields
from pytest_obsstack.clients.fields import Raw
from pytest_obsstack.clients.spans import Span

OTLP_ORIGIN = "auto.otlp.spans"
"""Sentry's mark of spans that came over OTLP, and not from its own SDK."""

_NUMBER_NAME = re.compile(r"tags\[(.+),number\]")

ERROR_FIELDS = ("id", "project", "timestamp")

SPAN_FIELDS = (
    "id",
    "project",
    "parent_span",
    "span.op",
    "span.name",
    "span.description",
    "span.status",
    "span.duration",
    "kind",
    "precise.start_ts",
    "precise.finish_ts",
    "transaction",
    "transaction.event_id",
    "is_transaction",
    "origin",
    "service.name",
    "environment",
    "release",
    "url.full",
    "http.url",
)
"""Twenty: the most that one request may select.

The last two are the address that an HTTP client span calls, by its name today and by its old one.
"""

LOG_FIELDS = (
    "id",
    "project",
    "trace",
    "span_id",
    "trace.parent_span_id",
    "timestamp",
    "timestamp_precise",
    "severity",
    "severity_number",
    "message",
    "environment",
    "release",
    "sdk.name",
    "service.name",
)


@dataclass(frozen=True)
class ErrorRow:
    """An error event that a query has found; its body is fetched by id."""

    event_id: str
    project: str | None
    """Slug, where the server gives it."""
    raw: Raw = field(repr=False, compare=False)


@dataclass(frozen=True)
class SpanRow(Span):
    """One span of a trace: from a Sentry transaction or from OTLP.

    ``name`` is ``span.name``, or ``span.description`` where the server has no name. ``attributes``
    are all selected columns that have a value, by their public names;
    ``SentryClient.span_attributes`` has the others.
    """

    op: str | None
    description: str | None
    transaction: str | None
    """Name of the transaction that the span belongs to."""
    transaction_event_id: str | None
    """Event id of that transaction; ``None`` for a span that came by OTLP."""
    is_transaction: bool
    """Whether this is the root span of its service (Sentry's segment)."""
    origin: str | None
    release: str | None
    project: str | None
    """Slug."""
    raw: Raw = field(repr=False, compare=False)


@dataclass(frozen=True)
class LogRow:
    """One structured log of Sentry."""

    log_id: str | None
    trace_id: str | None
    span_id: str | None
    timestamp: datetime | None
    timestamp_ns: int | None
    """Nanoseconds since the epoch, where the server has them."""
    severity: str | None
    """``trace``, ``debug``, ``info``, ``warn``, ``error`` or ``fatal``."""
    severity_number: int | None
    message: str
    environment: str | None
    release: str | None
    sdk_name: str | None
    service: str | None
    project: str | None
    """Slug."""
    attributes: Mapping[str, Any]
    """All selected columns that have a value, by their public names."""
    raw: Raw = field(repr=False, compare=False)


def parse_error_row(raw: Any) -> ErrorRow:
    raw = fields.mapping(raw, "a row of dataset 'errors'")
    return ErrorRow(fields.text(raw, "id").replace("-", ""), _project(raw), raw)


def parse_span_row(raw: Any) -> SpanRow:
    raw = fields.mapping(raw, "a row of dataset 'spans'")
    description = fields.optional_text(raw, "span.description")
    kind = fields.optional_text(raw, "kind")
    start_s = fields.optional_number(raw, "precise.start_ts")
    end_s = fields.optional_number(raw, "precise.finish_ts")
    return SpanRow(
        span_id=fields.text(raw, "id"),
        parent_span_id=fields.optional_text(raw, "parent_span"),
        op=fields.optional_text(raw, "span.op"),
        name=fields.optional_text(raw, "span.name") or description,
        description=description,
        status=fields.optional_text(raw, "span.status"),
        kind=None if kind is None else kind.lower(),
        start_s=start_s,
        end_s=end_s,
        duration_ms=fields.optional_number(raw, "span.duration"),
        transaction=fields.optional_text(raw, "transaction"),
        transaction_event_id=fields.optional_text(raw, "transaction.event_id"),
        is_transaction=bool(fields.optional_bool(raw, "is_transaction")),
        origin=fields.optional_text(raw, "origin"),
        service=fields.optional_text(raw, "service.name"),
        environment=fields.optional_text(raw, "environment"),
        release=fields.optional_text(raw, "release"),
        project=_project(raw),
        attributes=_present(raw),
        raw=raw,
    )


def parse_attributes(raw: Any) -> dict[str, Any]:
    """The attributes of a span's or a log's details, ``[{name, type, value}]``.

    Values are of their own type. Numbers of the sender's own come as ``tags[name,number]``, whole
    ones as text.
    """
    found: dict[str, Any] = {}
    raw = fields.mapping(raw, "an item's details")
    for item in fields.optional_mappings(raw, "attributes", "an attribute"):
        name = fields.text(item, "name")
        number = _NUMBER_NAME.fullmatch(name)
        read = {"int": fields.optional_integer, "float": fields.optional_number}.get(
            fields.text(item, "type")
        )
        value = item.get("value") if read is None else read(item, "value")
        found[name if number is None else number[1]] = value
    return found


def parse_log_row(raw: Any) -> LogRow:
    raw = fields.mapping(raw, "a row of dataset 'logs'")
    return LogRow(
        log_id=fields.optional_text(raw, "id") or fields.optional_text(raw, "sentry.item_id"),
        trace_id=fields.optional_text(raw, "trace"),
        # Sentry versions differ in which of the two they fill.
        span_id=fields.optional_text(raw, "span_id")
        or fields.optional_text(raw, "trace.parent_span_id"),
        timestamp=fields.optional_time(raw, "timestamp"),
        timestamp_ns=fields.optional_integer(raw, "timestamp_precise"),
        severity=fields.optional_text(raw, "severity"),
        severity_number=fields.optional_integer(raw, "severity_number"),
        message=fields.optional_text(raw, "message") or "",
        environment=fields.optional_text(raw, "environment"),
        release=fields.optional_text(raw, "release"),
        sdk_name=fields.optional_text(raw, "sdk.name"),
        service=fields.optional_text(raw, "service.name"),
        project=_project(raw),
        attributes=_present(raw),
        raw=raw,
    )


def _present(raw: Raw) -> dict[str, Any]:
    return {key: value for key, value in raw.items() if value is not None and value != ""}


def _project(raw: Raw) -> str | None:
    return fields.optional_text(raw, "project") or fields.optional_text(raw, "project.name")
