"""Bugsink's issues, events, tags and releases as the same models that Sentry's become."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from pytest_obsstack.clients import fields
from pytest_obsstack.clients.fields import Raw
from pytest_obsstack.clients.sentry.event import Event, parse_event
from pytest_obsstack.clients.sentry.issue import Issue, Release, Tag, TagValue
from pytest_obsstack.clients.sentry.payload import shown

_MESSAGE = "Log Message"
"""What Bugsink calls the type of an event without an exception."""


def parse_bugsink_event(raw: Any) -> Event:
    """The event of a detailed answer, which has the payload as ``data``."""
    raw = fields.mapping(raw, "an event")
    payload = {"event_id": raw.get("event_id"), **fields.optional_mapping(raw, "data")}
    answer = shown(
        payload, issue_id=fields.text(raw, "issue"), project_id=fields.text(raw, "project")
    )
    event = parse_event(answer)
    return replace(event, date_received=fields.optional_time(raw, "ingested_at"), raw=raw)


def parse_bugsink_issue(
    raw: Any,
    *,
    project: str | None,
    permalink: str,
    latest: Event | None = None,
    tags: Iterable[Tag] | None = None,
) -> Issue:
    """The issue; ``latest`` is its latest event, from which Sentry takes level and release."""
    raw = fields.mapping(raw, "an issue")
    kind = fields.optional_text(raw, "calculated_type")
    value = fields.optional_text(raw, "calculated_value")
    is_error = kind not in (None, _MESSAGE)
    title = f"{kind}: {value}" if is_error and value else kind if is_error else value
    count = fields.optional_integer(raw, "digested_event_count") or 0
    seen_at = [str(version) for version in fields.optional_items(raw, "events_at")]
    return Issue(
        id=fields.text(raw, "id"),
        short_id=fields.optional_text(raw, "friendly_id"),
        title=title or "",
        type=kind if is_error else None,
        value=value if is_error else None,
        event_type="error" if is_error else "default",
        culprit=fields.optional_text(raw, "transaction"),
        level=None if latest is None else latest.level,
        status=_status(raw),
        substatus=None,
        count=count,
        user_count=None if tags is None else _user_count(count, tags),
        first_seen=fields.optional_time(raw, "first_seen"),
        last_seen=fields.optional_time(raw, "last_seen"),
        # In the order in which they were first seen; an empty one is "no release".
        first_release=(seen_at[0] or None) if seen_at else None,
        last_release=None if latest is None else latest.release,
        permalink=permalink,
        project=project,
        is_unhandled=None if latest is None else _unhandled(latest),
        metadata={"type": kind, "value": value} if is_error else {"title": title},
        raw=raw,
    )


def parse_bugsink_tags(rows: Iterable[Raw]) -> tuple[Tag, ...]:
    """Tags of rows that are each one value of one tag; the most frequent value comes first."""
    values: dict[str, list[TagValue]] = {}
    for row in rows:
        value = TagValue(
            value=fields.optional_text(row, "value") or "",
            count=fields.optional_integer(row, "count") or 0,
            first_seen=None,
            last_seen=None,
            raw=row,
        )
        values.setdefault(fields.text(row, "key"), []).append(value)
    return tuple(
        Tag(
            key=key,
            total=sum(value.count for value in found),
            unique=len(found),
            top_values=tuple(sorted(found, key=lambda value: -value.count)),
            raw={"key": key, "values": [value.raw for value in found]},
        )
        for key, found in values.items()
    )


def parse_bugsink_release(raw: Any, *, project: str | None) -> Release:
    raw = fields.mapping(raw, "a release")
    version = fields.text(raw, "version")
    return Release(
        version=version,
        short_version=version,
        date_created=None,
        date_released=fields.optional_time(raw, "date_released"),
        first_event=None,
        last_event=None,
        new_issues=0,
        projects=() if project is None else (project,),
        raw=raw,
    )


def _status(raw: Raw) -> str:
    if fields.optional_bool(raw, "is_resolved"):
        return "resolved"
    return "ignored" if fields.optional_bool(raw, "is_muted") else "unresolved"


def _unhandled(event: Event) -> bool | None:
    handled = None if event.exception is None else event.exception.handled
    return None if handled is None else not handled


def _user_count(count: int, tags: Iterable[Tag]) -> int | None:
    """How many users the issue has, where its tag ``user`` leaves no doubt."""
    user = next((tag for tag in tags if tag.key == "user"), None)
    if user is None:
        return 0
    return user.unique if user.total <= count else None
