"""From the JSON that an SDK sent to the event as it is stored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_obsstack.embedded.sentry.state.foreign import as_dict, as_text, hex_id, values_of
from pytest_obsstack.embedded.sentry.state.model import EventType, StoredEvent
from pytest_obsstack.embedded.sentry.state.tags import tags_of, user_tag_of
from pytest_obsstack.embedded.sentry.state.titles import titles_of
from pytest_obsstack.embedded.sentry.times import parse_timestamp

_LEVELS = {"sample", "debug", "info", "warning", "error", "fatal"}
_LEVEL_ALIASES = {"warn": "warning", "critical": "fatal", "log": "info", "trace": "debug"}


def normalize_event(
    data: Mapping[str, Any],
    event_type: EventType,
    event_id: str,
    project_id: int,
    sequence: int,
    received_ns: int,
    size_bytes: int,
) -> StoredEvent:
    """The stored form; ``issue_id`` and ``grouping_hash`` are left for grouping to fill in.

    An attribute that is missing or of the wrong type counts as missing, as in Sentry; a missing
    timestamp becomes the time of arrival.
    """
    trace = as_dict(as_dict(data.get("contexts")).get("trace"))
    level = _level_of(data, event_type)
    titles = titles_of(event_type, data)
    timestamp_ns = parse_timestamp(data.get("timestamp"))
    user = data.get("user")
    return StoredEvent(
        event_id=event_id,
        project_id=project_id,
        sequence=sequence,
        type=event_type,
        data=data,
        size_bytes=size_bytes,
        received_ns=received_ns,
        timestamp_ns=received_ns if timestamp_ns is None else timestamp_ns,
        start_ns=parse_timestamp(data.get("start_timestamp")),
        title=titles.title,
        message=titles.message,
        culprit=titles.culprit,
        location=titles.location,
        metadata=titles.metadata,
        level=level,
        platform=as_text(data.get("platform")) or "other",
        environment=as_text(data.get("environment")) or None,
        release=as_text(data.get("release")) or None,
        transaction=as_text(data.get("transaction")) or None,
        trace_id=hex_id(trace.get("trace_id"), 32),
        span_id=hex_id(trace.get("span_id"), 16),
        tags=tags_of(data, level),
        user=user if isinstance(user, Mapping) and user else None,
        user_tag=user_tag_of(user),
    )


def event_type_of(item_type: str, data: Mapping[str, Any]) -> EventType:
    """``error`` is an event with an exception; one without is Sentry's ``default``."""
    if item_type == "transaction" or data.get("type") == "transaction":
        return "transaction"
    return "error" if values_of(data.get("exception")) else "default"


def _level_of(data: Mapping[str, Any], event_type: EventType) -> str:
    level = (as_text(data.get("level")) or "").lower()
    level = _LEVEL_ALIASES.get(level, level)
    if level in _LEVELS:
        return level
    return "info" if event_type == "transaction" else "error"
