"""Bodies of the webhooks.

https://docs.sentry.io/organization/integrations/integration-platform/webhooks/, "Issue Alerts",
"Metric Alerts" and "Issues".
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from pytest_obsstack.embedded.sentry.alerts.issue_rule import IssueRule
from pytest_obsstack.embedded.sentry.alerts.model import (
    Incident,
    Level,
    MetricRule,
    Resource,
    SentryApp,
)
from pytest_obsstack.embedded.sentry.serialize.event import raw_event_json
from pytest_obsstack.embedded.sentry.serialize.issue import issue_json, issue_url
from pytest_obsstack.embedded.sentry.state.model import Issue, StoredEvent
from pytest_obsstack.embedded.sentry.state.store import SentryStore
from pytest_obsstack.embedded.sentry.times import iso, iso_or_none, seconds

_ACTOR = {"type": "application", "id": "sentry", "name": "Sentry"}
_STATUS = {None: 2, "warning": 10, "critical": 20}
"""Sentry's numbers for an incident's status: closed, warning, critical."""
_RULE_TRIGGERED = 3
_ALERT_TRIGGERED = 2


def webhook_body(action: str, data: Mapping[str, Any], app: SentryApp) -> dict[str, Any]:
    """What all webhooks share."""
    return {
        "action": action,
        "actor": _ACTOR,
        "data": data,
        "installation": {"uuid": app.installation_uuid},
    }


def owed(
    resource: Resource, action: str, app: SentryApp, data: Mapping[str, Any]
) -> dict[str, Any]:
    """A notification of that integration, as the journal takes it."""
    return {
        "request_id": uuid.uuid4().hex,
        "resource": resource,
        "action": action,
        "app_uuid": app.uuid,
        "body": webhook_body(action, data, app),
    }


def issue_data(issue: Issue, action: str, store: SentryStore, public_url: str) -> dict[str, Any]:
    """What is told of an issue that was created, resolved, archived or opened again."""
    shown = issue_json(issue, store, public_url)
    slug = shown["project"]["slug"]
    organization = store.organization_of(issue.project_id)
    page = f"{public_url}/organizations/{organization.slug}/issues/"
    data: dict[str, Any] = {
        "issue": {
            **shown,
            "url": f"{public_url}/api/0/issues/{issue.id}/",
            "web_url": shown["permalink"],
            "project_url": f"{page}?project={slug}",
        }
    }
    if action == "resolved":
        data["resolution_type"] = "now"
    return data


def event_alert_data(
    rule: IssueRule,
    settings: Sequence[Mapping[str, Any]] | None,
    issue: Issue,
    event: StoredEvent,
    store: SentryStore,
    public_url: str,
) -> dict[str, Any]:
    """``settings`` are those of an integration with a form of its own; only it is told them."""
    data: dict[str, Any] = {
        "event": _event_json(issue, event, store, public_url),
        "triggered_rule": rule.name,
    }
    if settings is not None:
        data["issue_alert"] = {"title": rule.name, "settings": list(settings)}
    return data


def metric_alert_data(
    rule: MetricRule,
    incident: Incident,
    level: Level | None,
    value: float,
    store: SentryStore,
    public_url: str,
) -> dict[str, Any]:
    """``level`` is what the incident changes to: ``None`` where it ends."""
    organization = store.catalog.organizations[rule.organization_id]
    project = store.catalog.projects[rule.project_id]
    word = "Resolved" if level is None else level.capitalize()
    return {
        "metric_alert": {
            "id": str(incident.id),
            "identifier": str(incident.id),
            "organization_id": str(organization.id),
            "projects": [project.slug],
            "alert_rule": {
                "id": str(rule.id),
                "name": rule.name,
                "organization_id": str(organization.id),
                "status": 0,
                "dataset": rule.dataset,
                "query": rule.query,
                "aggregate": rule.aggregate,
                "environment": rule.environment,
                "time_window": rule.window_min,
                "resolution": 1,
                "threshold_type": 0 if rule.above else 1,
                "threshold_period": 1,
                "resolve_threshold": rule.resolve_threshold,
                "include_all_projects": False,
                "projects": [project.slug],
                "triggers": _triggers_json(rule),
                "created_by": None,
                "date_created": iso(rule.created_ns),
                "date_modified": iso(rule.created_ns),
            },
            "type": _ALERT_TRIGGERED,
            "status": _STATUS[level],
            "status_method": _RULE_TRIGGERED,
            "title": rule.name,
            "date_started": iso(incident.started_ns),
            "date_detected": iso(incident.started_ns),
            "date_created": iso(incident.started_ns),
            "date_closed": iso_or_none(incident.closed_ns),
        },
        "description_title": f"{word}: {rule.name}",
        "description_text": describe(rule, value),
        "web_url": f"{public_url}/organizations/{organization.slug}/alerts/{incident.id}/",
    }


def describe(rule: MetricRule, value: float) -> str:
    """``12 events in the last 5 minutes``, and on a second line the rule's query."""
    what = {"count()": "events", "count_unique(user)": "users affected"}.get(
        rule.aggregate, rule.aggregate
    )
    minutes = rule.window_min
    length = f"{minutes} minute" if minutes < 60 else f"{minutes // 60} hour"
    plural = "" if minutes in (1, 60) else "s"
    text = f"{value:g} {what} in the last {length}{plural}"
    return f"{text}\nFilter: {rule.query}" if rule.query else text


def _event_json(
    issue: Issue, event: StoredEvent, store: SentryStore, public_url: str
) -> dict[str, Any]:
    project = store.catalog.projects[event.project_id]
    organization = store.catalog.organizations[project.organization_id]
    api = f"{public_url}/api/0"
    return {
        **raw_event_json(event),
        "datetime": iso(event.timestamp_ns),
        "timestamp": seconds(event.timestamp_ns),
        "level": event.level,
        "platform": event.platform,
        "message": event.message,
        "release": event.release,
        "environment": event.environment,
        "tags": [list(tag) for tag in event.tags],
        "hashes": [issue.grouping_hash],
        "issue_id": str(issue.id),
        "issue_url": f"{api}/issues/{issue.id}/",
        "url": f"{api}/projects/{organization.slug}/{project.slug}/events/{event.event_id}/",
        "web_url": f"{issue_url(issue, store, public_url)}events/{event.event_id}/",
    }


def _triggers_json(rule: MetricRule) -> list[dict[str, Any]]:
    return [
        {
            "id": str(trigger.id),
            "alert_rule_id": str(rule.id),
            "label": trigger.label,
            "threshold_type": 0 if rule.above else 1,
            "alert_threshold": trigger.threshold,
            "resolve_threshold": rule.resolve_threshold,
            "date_created": iso(rule.created_ns),
            "actions": [
                {
                    "id": str(action.id),
                    "alert_rule_trigger_id": str(trigger.id),
                    "type": "sentry_app",
                    "target_type": "sentry_app",
                    "target_identifier": str(action.sentry_app_id),
                    "sentry_app_id": action.sentry_app_id,
                    "integration_id": None,
                    "date_created": iso(rule.created_ns),
                }
                for action in trigger.actions
            ],
        }
        for trigger in rule.triggers
    ]
