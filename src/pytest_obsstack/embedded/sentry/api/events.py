"""Events: of an issue, of a project, one by its id, and its attachments."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from pytest_obsstack.embedded.sentry.api.http import Api, Call, Reply, not_found
from pytest_obsstack.embedded.sentry.api.issue_search import find_events
from pytest_obsstack.embedded.sentry.api.lookup import (
    event_of,
    issue_of,
    organization_of,
    project_of,
    times_of,
)
from pytest_obsstack.embedded.sentry.api.pagination import paginate
from pytest_obsstack.embedded.sentry.serialize.event import (
    event_json,
    event_summary_json,
    raw_event_json,
)
from pytest_obsstack.embedded.sentry.serialize.release import release_ref_json
from pytest_obsstack.embedded.sentry.state.model import Attachment, Project, StoredEvent
from pytest_obsstack.embedded.sentry.times import iso
from pytest_obsstack.embedded.sentry.window import Window
from pytest_obsstack.wire.envelope import normalize_event_id

_TIMES = ("statsPeriod", "start", "end")
DELIVERIES_HEADER = "X-Obsstack-Deliveries"
"""How often the event's id has arrived, for those who check that nothing is sent twice."""


def list_issue_events(api: Api, call: Call) -> Reply:
    call.only(*_TIMES, "environment", "query", "full", "per_page", "cursor")
    issue = issue_of(api, call)
    start_ns, end_ns = times_of(api, call)
    environments = frozenset(call.all("environment")) or None
    window = Window(frozenset({issue.project_id}), environments, start_ns, end_ns)
    found = find_events(api.store, issue, call.one("query") or "", window, api.clock_ns())
    return _listed(api, call, found)


def list_project_events(api: Api, call: Call) -> Reply:
    """Errors and messages, the newest first; transactions are found by id or in ``/events/``."""
    call.only(*_TIMES, "full", "per_page", "cursor")
    project = project_of(api, call)
    start_ns, end_ns = times_of(api, call)
    window = Window(frozenset({project.id}), None, start_ns, end_ns)
    return _listed(
        api,
        call,
        [
            event
            for event in reversed(api.store.telemetry.errors)
            if window.holds(event.project_id, None, event.timestamp_ns)
        ],
    )


def get_issue_event(api: Api, call: Call) -> Reply:
    """``latest``, ``oldest``, ``recommended`` (here the latest) or an event id."""
    call.only("environment")
    issue = issue_of(api, call)
    environments = set(call.all("environment"))
    events = [
        event
        for event in api.store.events_of(issue)
        if not environments or event.environment in environments
    ]
    wanted = call.params["event_id"]
    if wanted in ("latest", "recommended"):
        event = events[-1] if events else None
    elif wanted == "oldest":
        event = events[0] if events else None
    else:
        event_id = normalize_event_id(wanted)
        event = next((event for event in events if event.event_id == event_id), None)
    if event is None:
        raise not_found()
    return _detailed(api, event)


def get_project_event(api: Api, call: Call) -> Reply:
    """Of errors, messages and transactions alike."""
    call.only()
    return _detailed(api, event_of(api, call, project_of(api, call)))


def get_raw_event(api: Api, call: Call) -> Reply:
    call.only()
    return Reply(raw_event_json(event_of(api, call, project_of(api, call))))


def get_event_id(api: Api, call: Call) -> Reply:
    """Where in the organisation an event id is."""
    call.only()
    organization = organization_of(api, call)
    catalog = api.store.catalog
    event_id = normalize_event_id(call.params["event_id"])
    for event in api.store.telemetry.events_with_id(event_id or ""):
        project = catalog.projects[event.project_id]
        if project.organization_id == organization.id:
            return Reply(
                {
                    "organizationSlug": organization.slug,
                    "projectSlug": project.slug,
                    "groupId": None if event.issue_id is None else str(event.issue_id),
                    "eventId": event.event_id,
                    "event": event_json(event),
                }
            )
    raise not_found()


def list_attachments(api: Api, call: Call) -> Reply:
    call.only("cursor", "per_page")
    project = project_of(api, call)
    page, headers = paginate(api, call, _attachments_of(api, call, project))
    return Reply([_attachment_json(attachment) for attachment in page], headers=headers)


def get_attachment(api: Api, call: Call) -> Reply:
    """Its description, or with ``download`` its bytes."""
    call.only("download")
    attachments = _attachments_of(api, call, project_of(api, call))
    wanted = call.params["attachment_id"]
    attachment = next((a for a in attachments if str(a.id) == wanted), None)
    if attachment is None:
        raise not_found()
    if call.one("download") is None:
        return Reply(_attachment_json(attachment))
    name = attachment.name.replace("\\", "_").replace('"', "_")
    name = "".join(c if " " <= c <= "~" else "_" for c in name)
    # Bytes of the app's choosing must never be taken for a page of this server.
    headers = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "X-Content-Type-Options": "nosniff",
    }
    return Reply(raw=attachment.payload, headers=headers, media_type="application/octet-stream")


def _listed(api: Api, call: Call, events: Sequence[StoredEvent]) -> Reply:
    page, headers = paginate(api, call, events)
    show = event_json if call.flag("full") else event_summary_json
    return Reply([show(event) for event in page], headers=headers)


def _detailed(api: Api, event: StoredEvent) -> Reply:
    store = api.store
    organization = store.organization_of(event.project_id)
    body = event_json(event)
    body["nextEventID"] = body["previousEventID"] = None
    issue = None if event.issue_id is None else store.issues.by_id.get(event.issue_id)
    if issue is not None:
        place = issue.event_ids.index(event.event_id)
        if place > 0:
            body["previousEventID"] = issue.event_ids[place - 1]
        if place + 1 < len(issue.event_ids):
            body["nextEventID"] = issue.event_ids[place + 1]
    body["release"] = release_ref_json(event.release, organization.id, store)
    body["userReport"] = None
    body["sdkUpdates"] = []
    body["resolvedWith"] = []
    deliveries = store.telemetry.deliveries[event.project_id, event.event_id]
    return Reply(body, headers={DELIVERIES_HEADER: str(deliveries)})


def _attachments_of(api: Api, call: Call, project: Project) -> list[Attachment]:
    event = event_of(api, call, project)
    return api.store.telemetry.attachments.get((project.id, event.event_id), [])


def _attachment_json(attachment: Attachment) -> dict[str, object]:
    return {
        "id": str(attachment.id),
        "event_id": attachment.event_id,
        "type": attachment.attachment_type,
        "name": attachment.name,
        "mimetype": attachment.content_type,
        "dateCreated": iso(attachment.received_ns),
        "size": len(attachment.payload),
        "headers": {"Content-Type": attachment.content_type},
        "sha1": hashlib.sha1(attachment.payload, usedforsecurity=False).hexdigest(),
    }
