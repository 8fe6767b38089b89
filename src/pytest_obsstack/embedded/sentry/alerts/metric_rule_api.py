"""Metric alert rules in ``/api/0/organizations/{organization}/alert-rules/``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pytest_obsstack.embedded.sentry.alerts.metric_rule import (
    FIELDS,
    parse_metric_rule,
    query_type_of,
)
from pytest_obsstack.embedded.sentry.alerts.metric_value import check_aggregate
from pytest_obsstack.embedded.sentry.alerts.model import MetricRule, Trigger
from pytest_obsstack.embedded.sentry.alerts.rule_api import delivery_json
from pytest_obsstack.embedded.sentry.alerts.state import (
    METRIC_CREATED,
    METRIC_DELETED,
    AlertState,
)
from pytest_obsstack.embedded.sentry.api.http import (
    Api,
    Call,
    Reply,
    invalid_field,
    not_found,
    unsupported,
)
from pytest_obsstack.embedded.sentry.api.lookup import organization_of
from pytest_obsstack.embedded.sentry.api.pagination import paginate
from pytest_obsstack.embedded.sentry.state.model import Organization
from pytest_obsstack.embedded.sentry.times import iso


class MetricRuleApi:
    """The endpoints; ``look`` evaluates a rule that was just made."""

    def __init__(self, state: AlertState, look: Callable[[MetricRule], None]) -> None:
        self._state = state
        self._look = look

    def list_rules(self, api: Api, call: Call) -> Reply:
        call.only("cursor", "per_page", "project")
        organization = organization_of(api, call)
        page, headers = paginate(api, call, self._rules_of(api, organization)[::-1])
        return Reply([self._json(api, rule) for rule in page], headers=headers)

    def create_rule(self, api: Api, call: Call) -> Reply:
        call.only()
        organization = organization_of(api, call)
        body = call.fields(**FIELDS)
        project_id = _project_id(api, organization, body.get("projects"))
        checked = parse_metric_rule(
            body,
            organization_id=organization.id,
            project_id=project_id,
            next_id=lambda _kind: 0,
            created_ns=0,
        )
        check_aggregate(checked, api.store)
        for trigger in checked.triggers:
            self._check_actions(trigger, organization)
        data = {"organization_id": organization.id, "project_id": project_id, "rule": body}
        rule: MetricRule = api.ledger.change(METRIC_CREATED, data)
        # Sentry looks at what its window holds already within the next minute; here at once.
        self._look(rule)
        return Reply(self._json(api, rule), 201)

    def get_rule(self, api: Api, call: Call) -> Reply:
        call.only("expand")
        return Reply(self._json(api, self._rule_of(api, call)))

    def refuse_update(self, _api: Api, call: Call) -> Reply:
        raise unsupported(f"PUT of {call.path}: delete the rule and create it anew")

    def delete_rule(self, api: Api, call: Call) -> Reply:
        call.only()
        api.ledger.change(METRIC_DELETED, {"id": self._rule_of(api, call).id})
        return Reply(status=204)

    def list_available_actions(self, api: Api, call: Call) -> Reply:
        """The integrations alone: mail and the like are refused in rules too."""
        call.only()
        apps = self._state.apps_of(organization_of(api, call).id)
        return Reply(
            [
                {
                    "type": "sentry_app",
                    "allowedTargetTypes": ["sentry_app"],
                    "sentryAppName": app.name,
                    "sentryAppId": app.id,
                    "sentryAppInstallationUuid": app.installation_uuid,
                    "status": "internal",
                }
                for app in apps
                if app.is_alertable
            ]
        )

    def _rules_of(self, api: Api, organization: Organization) -> list[MetricRule]:
        """Those whose project is still there."""
        return [
            rule
            for rule in self._state.metric_rules.values()
            if rule.organization_id == organization.id
            and rule.project_id in api.store.catalog.projects
        ]

    def _rule_of(self, api: Api, call: Call) -> MetricRule:
        for rule in self._rules_of(api, organization_of(api, call)):
            if str(rule.id) == call.params["rule_id"]:
                return rule
        raise not_found()

    def _check_actions(self, trigger: Trigger, organization: Organization) -> None:
        apps = {a.id for a in self._state.apps_of(organization.id) if a.is_alertable}
        for action in trigger.actions:
            if action.sentry_app_id not in apps:
                raise invalid_field(
                    "triggers",
                    f"actions: {action.sentry_app_id} is no integration that is enabled for "
                    "alerts.",
                )

    def _json(self, api: Api, rule: MetricRule) -> dict[str, Any]:
        return {
            "id": str(rule.id),
            "name": rule.name,
            "organizationId": str(rule.organization_id),
            "status": 0,
            "queryType": query_type_of(rule.dataset),
            "dataset": rule.dataset,
            "eventTypes": list(rule.event_types),
            "query": rule.query,
            "aggregate": rule.aggregate,
            "thresholdType": 0 if rule.above else 1,
            "thresholdPeriod": 1,
            "resolveThreshold": rule.resolve_threshold,
            "timeWindow": rule.window_min,
            "environment": rule.environment,
            "triggers": [_trigger_json(rule, trigger) for trigger in rule.triggers],
            "projects": [api.store.catalog.projects[rule.project_id].slug],
            "owner": None,
            "originalAlertRuleId": None,
            "comparisonDelta": None,
            "createdBy": None,
            "dateCreated": iso(rule.created_ns),
            "dateModified": iso(rule.created_ns),
            "monitorType": 0,
            "lastDelivery": delivery_json(self._state.last_notification("metric_alert", rule.id)),
        }


def _project_id(api: Api, organization: Organization, slugs: object) -> int:
    if not isinstance(slugs, list) or not slugs:
        raise invalid_field("projects", "This field is required.")
    if len(slugs) > 1:
        raise invalid_field("projects", "Metric alerts are limited to one project.")
    project = api.store.catalog.project(organization.id, str(slugs[0]))
    if project is None:
        raise invalid_field("projects", "Invalid project")
    return project.id


def _trigger_json(rule: MetricRule, trigger: Trigger) -> dict[str, Any]:
    return {
        "id": str(trigger.id),
        "alertRuleId": str(rule.id),
        "label": trigger.label,
        "thresholdType": 0 if rule.above else 1,
        "alertThreshold": trigger.threshold,
        "resolveThreshold": rule.resolve_threshold,
        "dateCreated": iso(rule.created_ns),
        "actions": [
            {
                "id": str(action.id),
                "alertRuleTriggerId": str(trigger.id),
                "type": "sentry_app",
                "targetType": "sentry_app",
                "targetIdentifier": str(action.sentry_app_id),
                "inputChannelId": None,
                "integrationId": None,
                "sentryAppId": action.sentry_app_id,
                "dateCreated": iso(rule.created_ns),
            }
            for action in trigger.actions
        ],
    }
