"""Issues and what hangs on them: tags, releases, attachments, outcomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from pytest_obsstack.clients import fields
from pytest_obsstack.clients.fields import Raw

IssueStatus = Literal["resolved", "unresolved", "ignored", "resolvedInNextRelease"]


@dataclass(frozen=True)
class Issue:
    """A group of events."""

    id: str
    short_id: str | None
    """For example ``SIMPLE-APP-1``."""
    title: str
    type: str | None
    """The exception's type; ``None`` for an issue made by a message."""
    value: str | None
    """The exception's text; ``None`` for an issue made by a message."""
    event_type: str | None
    """``error`` for exceptions, ``default`` for messages."""
    culprit: str | None
    level: str | None
    status: str | None
    substatus: str | None
    """``new``, ``ongoing``, ``regressed``, ``escalating``, ``archived_…``."""
    count: int
    """Number of events."""
    user_count: int | None
    """Number of different users; ``None`` where the tracker does not count them."""
    first_seen: datetime | None
    last_seen: datetime | None
    first_release: str | None
    """Version; only in an issue's details, not in lists."""
    last_release: str | None
    permalink: str | None
    project: str | None
    """Slug."""
    is_unhandled: bool | None
    metadata: Mapping[str, Any]
    raw: Raw = field(repr=False, compare=False)


@dataclass(frozen=True)
class Activity:
    """Something that happened to an issue."""

    type: str
    """``first_seen``, ``set_resolved``, ``set_regression``, ``set_unresolved``, …"""
    date: datetime | None
    data: Mapping[str, Any]
    """Of a regression ``event_id``: the event that made it regress."""


@dataclass(frozen=True)
class TagValue:
    """One value of a tag, with how often it was seen."""

    value: str
    count: int
    first_seen: datetime | None
    last_seen: datetime | None
    raw: Raw = field(repr=False, compare=False)


@dataclass(frozen=True)
class Tag:
    """One tag of an issue."""

    key: str
    total: int
    """Number of events that carry it."""
    unique: int | None
    """Number of different values, where the server tells it."""
    top_values: tuple[TagValue, ...]
    raw: Raw = field(repr=False, compare=False)


@dataclass(frozen=True)
class Release:
    """A version of the app that Sentry knows."""

    version: str
    short_version: str | None
    date_created: datetime | None
    date_released: datetime | None
    first_event: datetime | None
    last_event: datetime | None
    new_issues: int
    projects: tuple[str, ...]
    """Slugs."""
    raw: Raw = field(repr=False, compare=False)


@dataclass(frozen=True)
class Attachment:
    """A file that came with an event; ``SentryClient.attachment_content`` gives its bytes."""

    id: str
    event_id: str | None
    name: str
    type: str | None
    mimetype: str | None
    size_bytes: int
    sha1: str | None
    raw: Raw = field(repr=False, compare=False)


@dataclass(frozen=True)
class Outcome:
    """How many items of one category met one fate."""

    category: str
    """``error``, ``transaction``, ``span``, ``log_item``, …"""
    outcome: str
    """``accepted``, ``filtered``, ``rate_limited``, ``invalid``, ``client_discard``, …"""
    reason: str | None
    quantity: int
    raw: Raw = field(repr=False, compare=False)


def id_of(issue: Issue | str) -> str:
    return issue.id if isinstance(issue, Issue) else issue


def parse_issue(raw: Any) -> Issue:
    raw = fields.mapping(raw, "an issue")
    metadata = fields.optional_mapping(raw, "metadata")
    return Issue(
        id=fields.text(raw, "id"),
        short_id=fields.optional_text(raw, "shortId"),
        title=fields.optional_text(raw, "title") or "",
        type=fields.optional_text(metadata, "type"),
        value=fields.optional_text(metadata, "value"),
        event_type=fields.optional_text(raw, "type"),
        culprit=fields.optional_text(raw, "culprit"),
        level=fields.optional_text(raw, "level"),
        status=fields.optional_text(raw, "status"),
        substatus=fields.optional_text(raw, "substatus"),
        count=fields.optional_integer(raw, "count") or 0,
        user_count=fields.optional_integer(raw, "userCount") or 0,
        first_seen=fields.optional_time(raw, "firstSeen"),
        last_seen=fields.optional_time(raw, "lastSeen"),
        first_release=_version(raw, "firstRelease"),
        last_release=_version(raw, "lastRelease"),
        permalink=fields.optional_text(raw, "permalink"),
        project=fields.optional_text(fields.optional_mapping(raw, "project"), "slug"),
        is_unhandled=fields.optional_bool(raw, "isUnhandled"),
        metadata=metadata,
        raw=raw,
    )


def activity_of(issue: Issue) -> tuple[Activity, ...] | None:
    """What happened to the issue, the newest first; ``None`` where the tracker does not tell.

    Only an issue's details have it, not lists.
    """
    if "activity" not in issue.raw:
        return None
    return tuple(
        Activity(
            type=fields.text(raw, "type"),
            date=fields.optional_time(raw, "dateCreated"),
            data=fields.optional_mapping(raw, "data"),
        )
        for raw in fields.optional_mappings(issue.raw, "activity", "an issue's activity")
    )


def parse_tag(raw: Any) -> Tag:
    raw = fields.mapping(raw, "a tag")
    return Tag(
        key=fields.text(raw, "key"),
        total=fields.optional_integer(raw, "totalValues") or 0,
        unique=fields.optional_integer(raw, "uniqueValues"),
        top_values=tuple(parse_tag_value(item) for item in fields.optional_items(raw, "topValues")),
        raw=raw,
    )


def as_user_tag(ids: Tag) -> Tag:
    """Sentry's tag ``user`` (``id:7``), made of a tag that has the plain ids."""
    values = tuple(replace(value, value=f"id:{value.value}") for value in ids.top_values)
    return replace(ids, key="user", top_values=values)


def parse_tag_value(raw: Any) -> TagValue:
    raw = fields.mapping(raw, "a tag's value")
    return TagValue(
        value=fields.optional_text(raw, "value") or "",
        count=fields.optional_integer(raw, "count") or 0,
        first_seen=fields.optional_time(raw, "firstSeen"),
        last_seen=fields.optional_time(raw, "lastSeen"),
        raw=raw,
    )


def parse_release(raw: Any) -> Release:
    raw = fields.mapping(raw, "a release")
    return Release(
        version=fields.text(raw, "version"),
        short_version=fields.optional_text(raw, "shortVersion"),
        date_created=fields.optional_time(raw, "dateCreated"),
        date_released=fields.optional_time(raw, "dateReleased"),
        first_event=fields.optional_time(raw, "firstEvent"),
        last_event=fields.optional_time(raw, "lastEvent"),
        new_issues=fields.optional_integer(raw, "newGroups") or 0,
        projects=tuple(
            fields.text(item, "slug")
            for item in fields.optional_mappings(raw, "projects", "a release's project")
        ),
        raw=raw,
    )


def parse_attachment(raw: Any) -> Attachment:
    raw = fields.mapping(raw, "an attachment")
    return Attachment(
        id=fields.text(raw, "id"),
        event_id=fields.optional_text(raw, "event_id"),
        name=fields.text(raw, "name"),
        type=fields.optional_text(raw, "type"),
        mimetype=fields.optional_text(raw, "mimetype"),
        size_bytes=fields.integer(raw, "size"),
        sha1=fields.optional_text(raw, "sha1"),
        raw=raw,
    )


def parse_outcome(raw: Any) -> Outcome:
    """One group of ``stats_v2`` by category, outcome and reason."""
    raw = fields.mapping(raw, "a group")
    by = fields.optional_mapping(raw, "by")
    return Outcome(
        category=fields.text(by, "category"),
        outcome=fields.text(by, "outcome"),
        reason=fields.optional_text(by, "reason"),
        quantity=fields.integer(fields.optional_mapping(raw, "totals"), "sum(quantity)"),
        raw=raw,
    )


def _version(raw: Raw, key: str) -> str | None:
    return fields.optional_text(fields.optional_mapping(raw, key), "version")
