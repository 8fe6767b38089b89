"""Issue alert rules in ``/api/0/projects/{organization}/{project}/rules/``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_obsstack.embedded.sentry.alerts.issue_rule import (
    FIELDS,
    IssueRule,
    NotifyAction,
    parse_issue_rule,
)
from pytest_obsstack.embedded.sentry.alerts.model import Notification, SentryApp
from pytest_obsstack.embedded.sentry.alerts.state import (
    RULE_CREATED,
    RULE_DELETED,
    RULE_UPDATED,
    AlertState,
)
from pytest_obsstack.embedded.sentry.api.http import Api, Call, Reply, invalid_field, not_found
from pytest_obsstack.embedded.sentry.api.lookup import project_of
from pytest_obsstack.embedded.sentry.api.pagination import paginate
from pytest_obsstack.embedded.sentry.times import iso, iso_or_none


class RuleApi:
    """The endpoints."""

    def __init__(self, state: AlertState) -> None:
        self._state = state

    def list_rules(self, api: Api, call: Call) -> Reply:
        """The newest first."""
        call.only("cursor", "per_page", "expand")
        rules = self._state.rules_of(project_of(api, call).id)
        page, headers = paginate(api, call, rules[::-1])
        return Reply([self._json(api, rule) for rule in page], headers=headers)

    def create_rule(self, api: Api, call: Call) -> Reply:
        call.only()
        project = project_of(api, call)
        data = {"project_id": project.id, "rule": self._checked(api, call)}
        return Reply(self._json(api, api.ledger.change(RULE_CREATED, data)), 201)

    def get_rule(self, api: Api, call: Call) -> Reply:
        call.only("expand")
        return Reply(self._json(api, self._rule_of(api, call)))

    def update_rule(self, api: Api, call: Call) -> Reply:
        """The body replaces the whole rule; what it did before is not forgotten."""
        call.only()
        data = {"id": self._rule_of(api, call).id, "rule": self._checked(api, call)}
        return Reply(self._json(api, api.ledger.change(RULE_UPDATED, data)))

    def delete_rule(self, api: Api, call: Call) -> Reply:
        call.only()
        api.ledger.change(RULE_DELETED, {"id": self._rule_of(api, call).id})
        return Reply(status=202)

    def _checked(self, api: Api, call: Call) -> Mapping[str, Any]:
        """The body, if it is a rule whose integrations can be notified."""
        body = call.fields(**FIELDS)
        rule = parse_issue_rule(body, 0, 0, 0)
        apps = self._state.apps_of(project_of(api, call).organization_id)
        for action in rule.actions:
            _check_action(action, apps)
        return body

    def _rule_of(self, api: Api, call: Call) -> IssueRule:
        project, wanted = project_of(api, call), call.params["rule_id"]
        for rule in self._state.rules_of(project.id):
            if str(rule.id) == wanted:
                return rule
        raise not_found()

    def _json(self, api: Api, rule: IssueRule) -> dict[str, Any]:
        return {
            "id": str(rule.id),
            "name": rule.name,
            "conditions": [{**part.raw, "name": part.label} for part in rule.conditions],
            "filters": [{**part.raw, "name": part.label} for part in rule.filters],
            "actions": [dict(action.raw) for action in rule.actions],
            "actionMatch": rule.action_match,
            "filterMatch": rule.filter_match,
            "frequency": rule.frequency_min,
            "environment": rule.environment,
            "owner": None,
            "createdBy": None,
            "dateCreated": iso(rule.created_ns),
            "projects": [api.store.catalog.projects[rule.project_id].slug],
            "status": "active",
            "snooze": False,
            "lastTriggered": iso_or_none(self._state.last_fired_ns(rule.id)),
            "lastDelivery": delivery_json(self._state.last_notification("event_alert", rule.id)),
        }


def delivery_json(notification: Notification | None) -> dict[str, Any] | None:
    """What became of a rule's latest webhook. Sentry itself has no such field."""
    if notification is None:
        return None
    delivery = notification.delivery
    if delivery is None:
        return {"status": "pending", "action": notification.action}
    return {
        "status": "delivered" if delivery.delivered else "failed",
        "action": notification.action,
        "attempts": delivery.attempts,
        "responseCode": delivery.response_status,
        "error": delivery.error,
        "date": iso(delivery.ended_ns),
    }


def _check_action(action: NotifyAction, apps: list[SentryApp]) -> None:
    for app in apps:
        if action.service == app.slug or action.installation_uuid == app.installation_uuid:
            if not app.is_alertable:
                raise invalid_field("actions", f"{app.slug} is not enabled for alerts.")
            return
    wanted = action.service or action.installation_uuid
    known = ", ".join(app.slug for app in apps) or "none"
    raise invalid_field(
        "actions", f"Select a valid choice. {wanted} is not one of the integrations: {known}."
    )
