"""The alert rules of an organisation, what they did last, and their incidents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_obsstack.embedded.sentry.alerts.model import Incident
from pytest_obsstack.embedded.sentry.alerts.payloads import describe
from pytest_obsstack.embedded.sentry.alerts.rule_api import delivery_json
from pytest_obsstack.embedded.sentry.alerts.state import AlertState
from pytest_obsstack.embedded.sentry.api.http import Api, not_found
from pytest_obsstack.embedded.sentry.state.model import Organization
from pytest_obsstack.embedded.sentry.times import iso, iso_or_none


@dataclass(frozen=True)
class AlertsPage:
    """What the page shows."""

    rules: Sequence[Mapping[str, Any]]
    incidents: Sequence[Mapping[str, Any]]
    """The newest first."""


def alerts_page(api: Api, state: AlertState, organization: Organization) -> AlertsPage:
    projects = {p.id: p.slug for p in api.store.catalog.projects_of(organization.id)}
    rules: list[dict[str, Any]] = [
        {
            "kind": "Issue",
            "name": rule.name,
            "project": projects[rule.project_id],
            "when": [part.label for part in (*rule.conditions, *rule.filters)],
            "lastTriggered": iso_or_none(state.last_fired_ns(rule.id)),
            "delivery": delivery_json(state.last_notification("event_alert", rule.id)),
        }
        for rule in state.issue_rules.values()
        if rule.project_id in projects
    ]
    for metric in state.metric_rules.values():
        if metric.project_id in projects:
            sign = "above" if metric.above else "below"
            what = f"{metric.aggregate} over {metric.window_min} min"
            incident = state.open_incidents.get(metric.id)
            last = state.last_notification("metric_alert", metric.id)
            rules.append(
                {
                    "kind": "Metric",
                    "name": metric.name,
                    "project": projects[metric.project_id],
                    "when": [f"{what} {sign} {t.threshold:g}: {t.label}" for t in metric.triggers],
                    "lastTriggered": iso_or_none(incident.started_ns if incident else None)
                    or (iso(last.created_ns) if last else None),
                    "delivery": delivery_json(last),
                }
            )
    incidents = [
        _incident_json(state, incident)
        for incident in reversed(state.incidents.values())
        if _belongs(state, incident, organization)
    ]
    return AlertsPage(rules, incidents)


def incident_page(state: AlertState, organization: Organization, number: str) -> Mapping[str, Any]:
    """Raises ``ApiError`` 404."""
    incident = state.incidents.get(int(number)) if number.isascii() and number.isdigit() else None
    if incident is None or not _belongs(state, incident, organization):
        raise not_found()
    return _incident_json(state, incident)


def _belongs(state: AlertState, incident: Incident, organization: Organization) -> bool:
    rule = state.metric_rules.get(incident.rule_id)
    return rule is not None and rule.organization_id == organization.id


def _incident_json(state: AlertState, incident: Incident) -> dict[str, Any]:
    rule = state.metric_rules[incident.rule_id]
    return {
        "id": incident.id,
        "name": rule.name,
        "status": "resolved" if incident.closed_ns is not None else incident.level,
        "description": describe(rule, incident.value),
        "started": iso(incident.started_ns),
        "closed": iso_or_none(incident.closed_ns),
        "delivery": delivery_json(state.last_notification("metric_alert", rule.id)),
    }
