"""Sentry's structured logs: the entries of a ``log`` container."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_obsstack.embedded.sentry.state.foreign import as_text, hex_id
from pytest_obsstack.embedded.sentry.state.model import LogRecord
from pytest_obsstack.embedded.sentry.state.sdk_spans import typed_attributes
from pytest_obsstack.embedded.sentry.times import parse_timestamp

_SEVERITY_NUMBERS = {"trace": 1, "debug": 5, "info": 9, "warn": 13, "error": 17, "fatal": 21}


def log_of_container(
    entry: Mapping[str, Any], project_id: int, sequence: int, received_ns: int
) -> LogRecord | None:
    """The record, its id made of its sequence; ``None`` for an entry without a text."""
    body = as_text(entry.get("body"))
    if body is None:
        return None
    attributes = typed_attributes(entry.get("attributes"))
    severity = (as_text(entry.get("level")) or "info").lower()
    number = attributes.get("sentry.severity_number", entry.get("severity_number"))
    timestamp_ns = parse_timestamp(entry.get("timestamp"))
    return LogRecord(
        id=f"{sequence:032x}",
        project_id=project_id,
        sequence=sequence,
        received_ns=received_ns,
        timestamp_ns=received_ns if timestamp_ns is None else timestamp_ns,
        trace_id=hex_id(entry.get("trace_id"), 32),
        span_id=hex_id(entry.get("span_id"), 16),
        severity=severity,
        severity_number=number
        if isinstance(number, int) and not isinstance(number, bool)
        else _SEVERITY_NUMBERS.get(severity, 9),
        body=body,
        environment=as_text(attributes.get("sentry.environment")),
        release=as_text(attributes.get("sentry.release")),
        attributes=attributes,
    )
