"""Issues as Sentry's API shows them."""

from __future__ import annotations

from typing import Any

from pytest_obsstack.embedded.sentry.discover.event_fields import is_unhandled
from pytest_obsstack.embedded.sentry.serialize.release import release_ref_json
from pytest_obsstack.embedded.sentry.state.model import Activity, Issue
from pytest_obsstack.embedded.sentry.state.store import SentryStore
from pytest_obsstack.embedded.sentry.times import iso


def issue_json(issue: Issue, store: SentryStore, public_url: str) -> dict[str, Any]:
    """What lists give. Sentry's own judgements (priority, fixability) are empty."""
    project = store.catalog.projects[issue.project_id]
    latest = issue.latest
    logger = latest.data.get("logger")
    return {
        "id": str(issue.id),
        "shareId": None,
        "shortId": issue.short_id,
        "title": latest.title,
        "culprit": latest.culprit,
        "permalink": issue_url(issue, store, public_url),
        "logger": logger if isinstance(logger, str) else None,
        "level": latest.level,
        "status": issue.status,
        "statusDetails": {},
        "substatus": issue.substatus,
        "isPublic": False,
        "platform": latest.platform,
        "priority": None,
        "priorityLockedAt": None,
        "seerFixabilityScore": None,
        "seerAutofixLastTriggered": None,
        "seerExplorerAutofixLastTriggered": None,
        "project": {
            "id": str(project.id),
            "name": project.name,
            "slug": project.slug,
            "platform": project.platform,
        },
        "type": latest.type,
        "issueType": "error",
        "issueCategory": "error",
        "metadata": dict(latest.metadata),
        "numComments": 0,
        "assignedTo": None,
        "isBookmarked": issue.is_bookmarked,
        "isSubscribed": False,
        "subscriptionDetails": None,
        "hasSeen": issue.has_seen,
        "annotations": [],
        "isUnhandled": is_unhandled(latest),
        "count": str(issue.count),
        "userCount": issue.user_count,
        "firstSeen": iso(issue.first_seen_ns),
        "lastSeen": iso(issue.last_seen_ns),
    }


def issue_detail_json(issue: Issue, store: SentryStore, public_url: str) -> dict[str, Any]:
    """One issue, with its releases, tags and what happened to it (the newest first)."""
    organization = store.organization_of(issue.project_id)
    keys: dict[str, set[str]] = {}
    for event in store.events_of(issue):
        for key, value in event.tags:
            keys.setdefault(key, set()).add(value)
    return {
        **issue_json(issue, store, public_url),
        "firstRelease": release_ref_json(issue.first_release, organization.id, store),
        "lastRelease": release_ref_json(issue.last_release, organization.id, store),
        "tags": [
            {"key": key, "name": key, "totalValues": len(values)}
            for key, values in sorted(keys.items())
        ],
        "activity": [_activity_json(entry) for entry in reversed(issue.activity)],
        "seenBy": [],
        "participants": [],
        "userReportCount": 0,
    }


def issue_url(issue: Issue, store: SentryStore, public_url: str) -> str:
    """The issue's page."""
    slug = store.organization_of(issue.project_id).slug
    return f"{public_url}/organizations/{slug}/issues/{issue.id}/"


def _activity_json(entry: Activity) -> dict[str, Any]:
    return {
        "id": str(entry.id),
        "type": entry.type,
        "user": None,
        "sentry_app": None,
        "data": dict(entry.data),
        "dateCreated": iso(entry.created_ns),
    }
