"""The state of the alerts, and the one way it changes: entries of the journal.

Pure: no clock, no chance, no I/O; the same entries give the same state, ids included. A firing is
an entry of its own, so a restart neither forgets it nor fires again; its notifications stay owed
until an entry tells how sending them ended.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import orjson

from pytest_obsstack.embedded.journal import JournalEntry
from pytest_obsstack.embedded.sentry.alerts.issue_rule import IssueRule, parse_issue_rule
from pytest_obsstack.embedded.sentry.alerts.metric_rule import parse_metric_rule
from pytest_obsstack.embedded.sentry.alerts.model import (
    Delivery,
    Incident,
    IssueFiring,
    Level,
    MetricRule,
    Notification,
    SentryApp,
)

APP_CREATED, APP_DELETED = "sentry_app.created", "sentry_app.deleted"
RULE_CREATED, RULE_UPDATED, RULE_DELETED = (
    "issue_rule.created",
    "issue_rule.updated",
    "issue_rule.deleted",
)
METRIC_CREATED, METRIC_DELETED = "metric_rule.created", "metric_rule.deleted"
FIRED, INCIDENT, SENT = "issue_rule.fired", "incident.changed", "notification.ended"
ISSUE_TOLD = "issue_webhook.owed"


class AlertState:
    """Read it through its dictionaries; ``kinds`` says what changes it."""

    def __init__(self) -> None:
        self.apps: dict[str, SentryApp] = {}
        """By slug."""
        self.issue_rules: dict[int, IssueRule] = {}
        self.metric_rules: dict[int, MetricRule] = {}
        self.firings: dict[tuple[int, int], IssueFiring] = {}
        """By rule and issue: the latest."""
        self.incidents: dict[int, Incident] = {}
        self.open_incidents: dict[int, Incident] = {}
        """By rule."""
        self.notifications: dict[int, Notification] = {}
        self._last_ids: Counter[str] = Counter()

    def kinds(self) -> Mapping[str, Callable[[JournalEntry], Any]]:
        """What applies each kind of entry."""
        changes: dict[str, Callable[[Mapping[str, Any], int], Any]] = {
            APP_CREATED: self._create_app,
            APP_DELETED: lambda data, _: self.apps.pop(data["slug"]),
            RULE_CREATED: self._create_rule,
            RULE_UPDATED: self._update_rule,
            RULE_DELETED: lambda data, _: self.issue_rules.pop(data["id"]),
            METRIC_CREATED: self._create_metric_rule,
            METRIC_DELETED: self._delete_metric_rule,
            FIRED: self._fire,
            INCIDENT: self._change_incident,
            ISSUE_TOLD: self._owe,
            SENT: self._end_notification,
        }

        def applied(
            change: Callable[[Mapping[str, Any], int], Any],
        ) -> Callable[[JournalEntry], Any]:
            return lambda entry: change(orjson.loads(entry.payload), entry.received_ns)

        return {kind: applied(change) for kind, change in changes.items()}

    def next_incident(self, rule_id: int, level: Level, value: float, now_ns: int) -> Incident:
        """What the rule's next incident will be once it is in the journal."""
        return Incident(self._last_ids["incident"] + 1, rule_id, level, value, now_ns)

    def apps_of(self, organization_id: int) -> list[SentryApp]:
        return [app for app in self.apps.values() if app.organization_id == organization_id]

    def rules_of(self, project_id: int) -> list[IssueRule]:
        return [rule for rule in self.issue_rules.values() if rule.project_id == project_id]

    def owed(self) -> list[Notification]:
        """Notifications that are still to be sent, the oldest first."""
        return [n for n in self.notifications.values() if n.delivery is None]

    def last_notification(self, resource: str, rule_id: int) -> Notification | None:
        """The latest of a rule, whatever became of it."""
        for notification in reversed(self.notifications.values()):
            if notification.resource == resource and notification.rule_id == rule_id:
                return notification
        return None

    def last_fired_ns(self, rule_id: int) -> int | None:
        times = [firing.fired_ns for (rule, _), firing in self.firings.items() if rule == rule_id]
        return max(times, default=None)

    def _create_app(self, data: Mapping[str, Any], created_ns: int) -> SentryApp:
        # Earlier journals know no subscriptions.
        events = tuple(data.get("events", ()))
        values = {**data, "scopes": tuple(data["scopes"]), "events": events}
        app = SentryApp(id=self._next_id("app"), created_ns=created_ns, **values)
        self.apps[app.slug] = app
        return app

    def _create_rule(self, data: Mapping[str, Any], created_ns: int) -> IssueRule:
        rule = parse_issue_rule(data["rule"], self._next_id("rule"), data["project_id"], created_ns)
        self.issue_rules[rule.id] = rule
        return rule

    def _update_rule(self, data: Mapping[str, Any], _received_ns: int) -> IssueRule:
        old = self.issue_rules[data["id"]]
        rule = parse_issue_rule(data["rule"], old.id, old.project_id, old.created_ns)
        self.issue_rules[rule.id] = rule
        return rule

    def _create_metric_rule(self, data: Mapping[str, Any], created_ns: int) -> MetricRule:
        rule = parse_metric_rule(
            data["rule"],
            organization_id=data["organization_id"],
            project_id=data["project_id"],
            next_id=self._next_id,
            created_ns=created_ns,
        )
        self.metric_rules[rule.id] = rule
        return rule

    def _delete_metric_rule(self, data: Mapping[str, Any], received_ns: int) -> None:
        """What is open ends with its rule; nobody is told."""
        del self.metric_rules[data["id"]]
        incident = self.open_incidents.pop(data["id"], None)
        if incident is not None:
            self.incidents[incident.id] = replace(incident, closed_ns=received_ns)

    def _fire(self, data: Mapping[str, Any], fired_ns: int) -> list[Notification]:
        firing = IssueFiring(data["issue_id"], data["event_id"], fired_ns)
        self.firings[data["rule_id"], firing.issue_id] = firing
        return self._owe(data, fired_ns)

    def _change_incident(self, data: Mapping[str, Any], received_ns: int) -> list[Notification]:
        """``level`` of nothing ends the open incident; any other opens one or changes it."""
        rule_id, level, value = data["rule_id"], data["level"], data["value"]
        incident = self.open_incidents.pop(rule_id, None)
        if incident is None:
            incident = Incident(self._next_id("incident"), rule_id, level, value, received_ns)
        elif level is None:
            incident = replace(incident, value=value, closed_ns=received_ns)
        else:
            incident = replace(incident, level=level, value=value)
        self.incidents[incident.id] = incident
        if incident.closed_ns is None:
            self.open_incidents[rule_id] = incident
        return self._owe(data, received_ns)

    def _owe(self, data: Mapping[str, Any], created_ns: int) -> list[Notification]:
        made = [
            Notification(
                id=self._next_id("notification"),
                rule_id=data["rule_id"],
                created_ns=created_ns,
                **notification,
            )
            for notification in data["notifications"]
        ]
        self.notifications.update({notification.id: notification for notification in made})
        return made

    def _end_notification(self, data: Mapping[str, Any], ended_ns: int) -> None:
        values = dict(data)
        notification = self.notifications[values.pop("id")]
        delivery = Delivery(ended_ns=ended_ns, **values)
        self.notifications[notification.id] = replace(notification, delivery=delivery, body=None)

    def _next_id(self, kind: str) -> int:
        self._last_ids[kind] += 1
        return self._last_ids[kind]
