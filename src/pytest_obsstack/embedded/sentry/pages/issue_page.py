"""One issue with one of its events, arranged as a person reads it: what failed comes first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_obsstack.embedded.sentry.api.events import get_issue_event, list_attachments
from pytest_obsstack.embedded.sentry.api.http import Api, Call
from pytest_obsstack.embedded.sentry.api.issue_tags import list_tags
from pytest_obsstack.embedded.sentry.api.issues import get_issue

_TOP_VALUES = "5"
_USER_NAMES = ("id", "email", "username", "ip_address", "name")


@dataclass(frozen=True)
class Trace:
    """One stack trace under its heading."""

    heading: str
    value: str
    module: str | None
    """Where the exception's type comes from."""
    note: str
    """How it was caught, or how it belongs to the one before."""
    frames: Sequence[Mapping[str, Any]]
    """The newest call first."""


@dataclass(frozen=True)
class IssuePage:
    """What the page shows; the mappings are the API's own JSON."""

    issue: Mapping[str, Any]
    event: Mapping[str, Any]
    message: str | None
    traces: Sequence[Trace]
    request: Mapping[str, Any] | None
    breadcrumbs: Sequence[Mapping[str, Any]]
    """In the order in which they happened."""
    tags: Sequence[Mapping[str, Any]]
    """Of all events of the issue, with counts per value."""
    user: Sequence[tuple[str, Any]]
    contexts: Mapping[str, Mapping[str, Any]]
    trace_id: str | None
    environment: str | None
    release: str | None
    attachments: Sequence[Mapping[str, Any]]


def issue_page(api: Api, organization: str, issue_id: str, event_id: str) -> IssuePage:
    """``event_id`` may be ``latest`` or ``oldest``. Raises ``ApiError`` 404."""
    params = {"organization": organization, "issue_id": issue_id}
    issue = get_issue(api, Call("", params, ())).body
    event = get_issue_event(api, Call("", {**params, "event_id": event_id}, ())).body
    tags = list_tags(api, Call("", params, (("limit", _TOP_VALUES),))).body
    of_event = {
        "organization": organization,
        "project": issue["project"]["slug"],
        "event_id": event["eventID"],
    }
    entries = {entry["type"]: entry["data"] for entry in event["entries"]}
    own_tags = {tag["key"]: tag["value"] for tag in event["tags"]}
    return IssuePage(
        issue=issue,
        event=event,
        message=_message(entries),
        traces=_traces(entries),
        request=entries.get("request"),
        breadcrumbs=entries.get("breadcrumbs", {}).get("values", []),
        tags=[{**tag, "own": own_tags.get(tag["key"])} for tag in tags],
        user=_user(event["user"]),
        contexts=event["contexts"],
        trace_id=event["contexts"].get("trace", {}).get("trace_id"),
        environment=own_tags.get("environment"),
        release=own_tags.get("release"),
        attachments=list_attachments(api, Call("", of_event, ())).body,
    )


def _message(entries: Mapping[str, Any]) -> str | None:
    message = entries.get("message")
    return None if message is None else message["formatted"] or message["message"]


def _traces(entries: Mapping[str, Any]) -> list[Trace]:
    """The exception that ended it all first, then what caused it; threads and the rest after."""
    found: list[Trace] = []
    for exception in reversed(entries.get("exception", {}).get("values", [])):
        found.append(
            Trace(
                heading=exception["type"] or "Exception",
                value=exception["value"] or "",
                module=exception["module"],
                note="caused the one above" if found else _mechanism(exception["mechanism"]),
                frames=_frames(exception["stacktrace"]),
            )
        )
    if "stacktrace" in entries:
        found.append(Trace("Stack trace", "", None, "", _frames(entries["stacktrace"])))
    for thread in entries.get("threads", {}).get("values", []):
        if thread["stacktrace"] is not None:
            name = f"Thread {thread['name'] or thread['id']}"
            note = "crashed" if thread["crashed"] else ""
            found.append(Trace(name, "", None, note, _frames(thread["stacktrace"])))
    return found


def _frames(stacktrace: Mapping[str, Any] | None) -> Sequence[Mapping[str, Any]]:
    """The newest call first; SDKs send the oldest first."""
    frames: list[Mapping[str, Any]] = [] if stacktrace is None else stacktrace["frames"]
    return frames[::-1]


def _mechanism(mechanism: Mapping[str, Any] | None) -> str:
    if not mechanism:
        return ""
    handled = mechanism.get("handled")
    words = {True: "handled", False: "unhandled"}[handled] if isinstance(handled, bool) else ""
    return ", ".join(filter(None, (words, str(mechanism.get("type") or ""))))


def _user(user: Mapping[str, Any] | None) -> list[tuple[str, Any]]:
    if user is None:
        return []
    found = [(name, user[name]) for name in _USER_NAMES if user[name] is not None]
    found += (user["data"] or {}).items()
    return [*found, ("geo", user["geo"])] if user["geo"] else found
