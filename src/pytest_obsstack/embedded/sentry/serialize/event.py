"""Events as Sentry's API shows them: its interfaces as ``entries``, its names in camel case."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pytest_obsstack.embedded.sentry.serialize.entries import (
    breadcrumbs_entry,
    exception_entry,
    message_entry,
    request_entry,
    spans_entry,
    stacktrace_entry,
    threads_entry,
)
from pytest_obsstack.embedded.sentry.state.foreign import as_dict, as_text
from pytest_obsstack.embedded.sentry.state.model import StoredEvent
from pytest_obsstack.embedded.sentry.state.titles import message_of
from pytest_obsstack.embedded.sentry.times import iso, seconds

_USER = ("id", "email", "username", "ip_address", "name")
_KNOWN_CONTEXTS = {
    "app": "app",
    "browser": "browser",
    "culture": "culture",
    "device": "device",
    "gpu": "gpu",
    "os": "os",
    "client_os": "os",
    "response": "response",
    "runtime": "runtime",
    "trace": "trace",
}


def event_json(event: StoredEvent) -> dict[str, Any]:
    """The full event, without what depends on its neighbours."""
    data = event.data
    body: dict[str, Any] = {
        "id": event.event_id,
        "groupID": None if event.issue_id is None else str(event.issue_id),
        "eventID": event.event_id,
        "projectID": str(event.project_id),
        "size": event.size_bytes,
        "entries": list(_entries(event)),
        "dist": as_text(data.get("dist")),
        "message": message_of(data) or event.message,
        "title": event.title,
        "location": event.location,
        "user": user_json(event),
        "contexts": contexts_json(data),
        "sdk": sdk_json(data),
        "context": dict(as_dict(data.get("extra"))),
        "packages": dict(as_dict(data.get("modules"))),
        "type": event.type,
        "metadata": dict(event.metadata),
        "tags": tags_json(event),
        "platform": event.platform,
        "dateReceived": iso(event.received_ns),
        "errors": [],
        "occurrence": None,
        "_meta": dict(as_dict(data.get("_meta"))),
        "culprit": event.culprit,
        "dateCreated": iso(event.timestamp_ns),
    }
    if event.type == "transaction":
        body["startTimestamp"] = None if event.start_ns is None else seconds(event.start_ns)
        body["endTimestamp"] = seconds(event.timestamp_ns)
        body["measurements"] = dict(as_dict(data.get("measurements")))
        body["breakdowns"] = dict(as_dict(data.get("breakdowns")))
    else:
        body["crashFile"] = None
        body["fingerprints"] = [event.grouping_hash]
    return body


def event_summary_json(event: StoredEvent) -> dict[str, Any]:
    """What lists of events give unless they are asked for the full ones."""
    return {
        "id": event.event_id,
        "event.type": event.type,
        "groupID": None if event.issue_id is None else str(event.issue_id),
        "eventID": event.event_id,
        "projectID": str(event.project_id),
        "message": event.message,
        "title": event.title,
        "location": event.location,
        "culprit": event.culprit,
        "user": user_json(event),
        "tags": tags_json(event),
        "platform": event.platform,
        "dateCreated": iso(event.timestamp_ns),
        "crashFile": None,
        "metadata": dict(event.metadata),
    }


def raw_event_json(event: StoredEvent) -> dict[str, Any]:
    """The event as it was ingested, with what the server made of it beside."""
    body: dict[str, Any] = {**event.data, "event_id": event.event_id, "project": event.project_id}
    return {
        **body,
        "received": seconds(event.received_ns),
        "title": event.title,
        "culprit": event.culprit,
        "location": event.location,
        "metadata": dict(event.metadata),
        "type": event.type,
    }


def user_json(event: StoredEvent) -> dict[str, Any] | None:
    if event.user is None:
        return None
    body: dict[str, Any] = {name: as_text(event.user.get(name)) for name in _USER}
    body["geo"] = event.user.get("geo")
    own = {k: v for k, v in event.user.items() if k not in (*_USER, "geo", "data")}
    body["data"] = {**as_dict(event.user.get("data")), **own} or None
    return body


def tags_json(event: StoredEvent) -> list[dict[str, str]]:
    found = []
    for key, value in event.tags:
        tag = {"key": key, "value": value}
        if key == "user":
            kind, _, identity = value.partition(":")
            tag["query"] = f'user.{kind}:"{identity}"'
        found.append(tag)
    return found


def contexts_json(data: Mapping[str, Any]) -> dict[str, Any]:
    """With each context's ``type``, which SDKs leave out where the name says it."""
    return {
        name: {**context, "type": context.get("type") or _KNOWN_CONTEXTS.get(name, "default")}
        for name, context in as_dict(data.get("contexts")).items()
        if isinstance(context, Mapping)
    }


def sdk_json(data: Mapping[str, Any]) -> dict[str, Any] | None:
    sdk = as_dict(data.get("sdk"))
    return dict(sdk) or None


def _entries(event: StoredEvent) -> Iterator[dict[str, Any]]:
    """In the order in which Sentry's page shows them."""
    data = event.data
    for entry in (
        spans_entry(event) if event.type == "transaction" else None,
        message_entry(data),
        exception_entry(data),
        stacktrace_entry(data),
        threads_entry(data),
        request_entry(data),
        breadcrumbs_entry(data),
    ):
        if entry is not None:
            yield entry
