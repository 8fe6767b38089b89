"""What Sentry's models need to become of GlitchTip's answers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from pytest_obsstack.clients import fields
from pytest_obsstack.clients.fields import Raw
from pytest_obsstack.clients.sentry.event import Event, parse_event
from pytest_obsstack.clients.sentry.issue import Issue, Tag
from pytest_obsstack.clients.sentry.payload import shown


def completed(event: Event, stored: Raw) -> Event:
    """The event with what only its JSON page has, which is ``stored``."""
    as_sent = shown(
        {"event_id": event.event_id, "exception": stored.get("exception")},
        issue_id=event.issue_id or "",
        project_id=event.project_id or "",
    )
    return replace(
        event,
        # As the SDK sent them: the other pages have shapes of their own for frames.
        exceptions=parse_event(as_sent).exceptions,
        # Of an exception it repeats the title; Sentry tells a logged text alone.
        message=None if event.exceptions else event.message,
        level=fields.optional_text(stored, "level"),
        # Of the same moment, but to the microsecond.
        date=fields.optional_time(stored, "timestamp") or event.date,
        transaction=fields.optional_text(stored, "transaction"),
        hashes=tuple(str(part) for part in fields.optional_items(stored, "hashes")),
    )


def trace_of(raw: Raw) -> str | None:
    """The trace id of an event as it is listed."""
    trace = fields.optional_mapping(fields.optional_mapping(raw, "contexts"), "trace")
    return fields.optional_text(trace, "trace_id")


def users_of(issue: Issue, tags: Iterable[Tag]) -> Tag | None:
    """The ids of the issue's users, if each of its events has one.

    GlitchTip itself always counts 0, and users without an id, who count in Sentry, leave no tag.
    """
    ids = next((tag for tag in tags if tag.key == "user.id"), None)
    return ids if ids is not None and ids.total == issue.count else None
