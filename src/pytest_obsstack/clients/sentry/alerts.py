"""Alert rules, and the internal integration whose webhook they call.

Issue rules: https://docs.sentry.io/api/alerts/create-an-issue-alert-rule-for-a-project/;
metric rules: https://docs.sentry.io/api/alerts/create-a-metric-alert-rule-for-an-organization/;
webhooks: https://docs.sentry.io/organization/integrations/integration-platform/webhooks/.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pytest_obsstack.clients import fields
from pytest_obsstack.clients.fields import Raw
from pytest_obsstack.clients.sentry.api import listed, path
from pytest_obsstack.clients.sentry.connection import TrackerConnection
from pytest_obsstack.errors import ObsstackError

Rule = Mapping[str, Any]
"""A condition, filter or action in Sentry's own form: ``{"id": …, …}``."""

FIRST_SEEN: Rule = {"id": "sentry.rules.conditions.first_seen_event.FirstSeenEventCondition"}
"""Fires when an issue is created."""
REGRESSION: Rule = {"id": "sentry.rules.conditions.regression_event.RegressionEventCondition"}
"""Fires when an issue that was resolved has an event again."""


def event_frequency(*, more_than: int, interval: str = "1m") -> Rule:
    """Fires when an issue has more than that many events within ``interval`` (``1m`` … ``30d``)."""
    return {
        "id": "sentry.rules.conditions.event_frequency.EventFrequencyCondition",
        "value": more_than,
        "interval": interval,
        "comparisonType": "count",
    }


def notify(app: SentryApp) -> Rule:
    """Calls the integration's webhook."""
    return {
        "id": "sentry.rules.actions.notify_event_service.NotifyEventServiceAction",
        "service": app.slug,
    }


@dataclass(frozen=True)
class SentryApp:
    """An integration: what an alert's webhook belongs to."""

    slug: str
    uuid: str
    name: str
    webhook_url: str | None
    is_alertable: bool
    client_secret: str | None = field(repr=False)
    """Signs each webhook (``Sentry-Hook-Signature``); masked or ``None`` in lists."""
    raw: Raw = field(repr=False, compare=False)


@dataclass(frozen=True)
class IssueRule:
    """An alert rule about issues."""

    id: str
    name: str
    conditions: tuple[Rule, ...]
    filters: tuple[Rule, ...]
    actions: tuple[Rule, ...]
    frequency_min: int
    """Minutes for which an issue that fired does not fire again."""
    environment: str | None
    last_triggered: datetime | None
    """``None`` where it never was."""
    raw: Raw = field(repr=False, compare=False)


@dataclass(frozen=True)
class MetricRule:
    """An alert rule about an aggregate."""

    id: str
    name: str
    dataset: str | None
    aggregate: str | None
    query: str
    time_window_min: float
    thresholds: Mapping[str, float]
    """By trigger: ``critical`` and perhaps ``warning``."""
    raw: Raw = field(repr=False, compare=False)


class SentryAlerts:
    """Rules of the endpoint's project and integrations of its organisation."""

    def __init__(self, connection: TrackerConnection) -> None:
        self._connection = connection
        self._api = connection.api

    def integrations(self) -> tuple[SentryApp, ...]:
        found = listed(self._api, self._connection.in_organization("sentry-apps"))
        return tuple(map(_parse_app, found))

    def create_integration(self, name: str, webhook_url: str, *, issues: bool = False) -> SentryApp:
        """An internal integration whose webhook alert rules can call.

        With ``issues`` it is also told of each issue that is created, resolved, archived or opened
        again.
        """
        body = {
            "name": name,
            "organization": self._connection.organization,
            "isInternal": True,
            "isAlertable": True,
            "verifyInstall": False,
            "webhookUrl": webhook_url,
            "scopes": ["event:read"],
            "events": ["issue"] if issues else [],
        }
        return _parse_app(self._post(path("sentry-apps"), body))

    def delete_integration(self, app: SentryApp) -> None:
        self._api.request("DELETE", path("sentry-apps", app.slug))

    def issue_rules(self) -> tuple[IssueRule, ...]:
        found = listed(self._api, self._rules(), {"expand": "lastTriggered"})
        return tuple(map(parse_issue_rule, found))

    def create_issue_rule(
        self,
        name: str,
        *,
        conditions: Sequence[Rule],
        actions: Sequence[Rule],
        filters: Sequence[Rule] = (),
        frequency_min: int = 5,
        environment: str | None = None,
    ) -> IssueRule:
        """A rule that acts when any condition and all filters hold.

        ``frequency_min`` is 5 at least on Sentry: the minutes for which the same issue is silent.
        """
        body = {
            "name": name,
            "actionMatch": "any",
            "filterMatch": "all",
            "frequency": frequency_min,
            "conditions": [dict(item) for item in conditions],
            "filters": [dict(item) for item in filters],
            "actions": [dict(item) for item in actions],
            "environment": environment,
        }
        return parse_issue_rule(self._post(self._rules(), body))

    def delete_issue_rule(self, rule: IssueRule) -> None:
        self._api.request("DELETE", self._rules(rule.id))

    def metric_rules(self) -> tuple[MetricRule, ...]:
        return tuple(map(_parse_metric_rule, listed(self._api, self._metric_rules())))

    def create_metric_rule(
        self,
        name: str,
        *,
        above: float,
        app: SentryApp,
        aggregate: str = "p95(transaction.duration)",
        query: str = "",
        dataset: str = "transactions",
        event_types: Sequence[str] = ("transaction",),
        time_window_min: int = 1,
    ) -> MetricRule:
        """A rule that calls the integration when ``aggregate`` rises over ``above``.

        Durations are in milliseconds, as in Sentry's own aggregates. The default is the alert for
        slow transactions.
        """
        app_id = self._numeric_app_id(app)
        action = {
            "type": "sentry_app",
            "targetType": "sentry_app",
            "targetIdentifier": app_id,
            "sentryAppId": app_id,
        }
        body = {
            "name": name,
            "aggregate": aggregate,
            "dataset": dataset,
            "query": query,
            "eventTypes": list(event_types),
            "timeWindow": time_window_min,
            "thresholdType": 0,  # 0 is "above", 1 "below"
            "projects": [self._connection.project],
            "triggers": [{"label": "critical", "alertThreshold": above, "actions": [action]}],
        }
        return _parse_metric_rule(self._post(self._metric_rules(), body))

    def delete_metric_rule(self, rule: MetricRule) -> None:
        self._api.request("DELETE", self._metric_rules(rule.id))

    def _numeric_app_id(self, app: SentryApp) -> int:
        """Metric actions name an app by its number, which only the list of actions tells."""
        found = self._api.get_json(self._metric_rules("available-actions"))
        apps = [
            item
            for item in fields.items(found, "the available actions")
            if isinstance(item, Mapping) and item.get("type") == "sentry_app"
        ]
        for item in apps:
            if item.get("sentryAppName") == app.name:
                return fields.integer(item, "sentryAppId")
        raise ObsstackError(
            f"Metric alert rules cannot call the integration {app.name!r}.",
            expected="the integration among the available actions",
            found=", ".join(str(item.get("sentryAppName")) for item in apps) or "no integration",
            advice="create it as an internal integration that is alertable",
        )

    def _rules(self, *segments: str) -> str:
        return self._connection.in_project("rules", *segments)

    def _metric_rules(self, *segments: str) -> str:
        return self._connection.in_organization("alert-rules", *segments)

    def _post(self, url_path: str, body: Raw) -> Any:
        return self._api.send_json("POST", url_path, body)


def _parse_app(raw: Any) -> SentryApp:
    raw = fields.mapping(raw, "an integration")
    return SentryApp(
        slug=fields.text(raw, "slug"),
        uuid=fields.text(raw, "uuid"),
        name=fields.text(raw, "name"),
        webhook_url=fields.optional_text(raw, "webhookUrl"),
        is_alertable=bool(fields.optional_bool(raw, "isAlertable")),
        client_secret=fields.optional_text(raw, "clientSecret"),
        raw=raw,
    )


def parse_issue_rule(raw: Any) -> IssueRule:
    raw = fields.mapping(raw, "an issue alert rule")

    def parts(key: str) -> tuple[Rule, ...]:
        return tuple(fields.mapping(item, key) for item in fields.optional_items(raw, key))

    return IssueRule(
        id=fields.text(raw, "id"),
        name=fields.text(raw, "name"),
        conditions=parts("conditions"),
        filters=parts("filters"),
        actions=parts("actions"),
        frequency_min=fields.integer(raw, "frequency"),
        environment=fields.optional_text(raw, "environment"),
        last_triggered=fields.optional_time(raw, "lastTriggered"),
        raw=raw,
    )


def _parse_metric_rule(raw: Any) -> MetricRule:
    raw = fields.mapping(raw, "a metric alert rule")
    return MetricRule(
        id=fields.text(raw, "id"),
        name=fields.text(raw, "name"),
        dataset=fields.optional_text(raw, "dataset"),
        aggregate=fields.optional_text(raw, "aggregate"),
        query=fields.optional_text(raw, "query") or "",
        time_window_min=fields.number(raw, "timeWindow"),
        thresholds={
            fields.text(item, "label"): fields.number(item, "alertThreshold")
            for item in fields.optional_mappings(raw, "triggers", "a trigger")
        },
        raw=raw,
    )
