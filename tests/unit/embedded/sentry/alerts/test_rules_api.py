from __future__ import annotations

from typing import Any

import pytest

from tests.unit.embedded.sentry.alerts.support import (
    FIRST_SEEN,
    METRIC_RULES,
    RULES,
    AlertingSentry,
    frequency,
    tagged,
)
from tests.unit.embedded.sentry.support import error_event

ADVICE = "; use --obs-stack=compose, or --obs-use sentry=URL"
UNKNOWN = "sentry.rules.conditions.reappeared_event.ReappearedEventCondition"
NOTIFY_SERVICE = "sentry.rules.actions.notify_event_service.NotifyEventServiceAction"
NOTIFY_APP = "sentry.rules.actions.notify_event_sentry_app.NotifyEventSentryAppAction"


def not_supported(what: str) -> dict[str, str]:
    return {"detail": f"not supported by the embedded Sentry: {what}{ADVICE}"}


def test_a_rule_is_answered_as_sentry_does(sentry: AlertingSentry) -> None:
    made = sentry.make_rule(
        FIRST_SEEN, frequency(3, "5m"), filters=[tagged("region", "is")], filterMatch="any"
    )
    assert made == {
        "id": "1",
        "name": "Tell me",
        "conditions": [
            {**FIRST_SEEN, "name": "A new issue is created"},
            {
                **frequency(3, "5m"),
                "name": "The issue is seen more than 3 times in 5 minutes",
            },
        ],
        "filters": [{**tagged("region", "is"), "name": "The event's tags match region is set"}],
        "actions": [{"id": NOTIFY_SERVICE, "service": sentry.app["slug"]}],
        "actionMatch": "any",
        "filterMatch": "any",
        "frequency": 5,
        "environment": None,
        "owner": None,
        "createdBy": None,
        "dateCreated": "2026-11-23T15:35:00.000000Z",
        "projects": ["simple-app"],
        "status": "active",
        "snooze": False,
        "lastTriggered": None,
        "lastDelivery": None,
    }
    assert sentry.get(f"{RULES}1/") == made
    assert sentry.get(RULES) == [made]


def test_what_a_rule_did_last_is_told(sentry: AlertingSentry) -> None:
    sentry.make_rule(FIRST_SEEN)
    sentry.clock.advance(60)
    sentry.send_event(error_event())
    rule = sentry.get(f"{RULES}1/")
    assert rule["lastTriggered"] == "2026-11-23T15:36:00.000000Z"
    assert rule["lastDelivery"] == {
        "status": "delivered",
        "action": "triggered",
        "attempts": 1,
        "responseCode": 200,
        "error": None,
        "date": "2026-11-23T15:36:00.000000Z",
    }


def test_an_update_replaces_the_rule_and_takes_back_its_own_answer(
    sentry: AlertingSentry,
) -> None:
    made = sentry.make_rule(FIRST_SEEN)
    body = sentry.rule_body(*made["conditions"], name="Renamed", frequency=10)
    changed = sentry.put(f"{RULES}1/", body)
    assert (changed["id"], changed["name"], changed["frequency"]) == ("1", "Renamed", 10)
    assert changed["conditions"] == made["conditions"]


def test_a_deleted_rule_is_gone(sentry: AlertingSentry) -> None:
    sentry.make_rule(FIRST_SEEN)
    assert sentry.call("DELETE", f"{RULES}1/").status_code == 202
    assert sentry.get(RULES) == []
    missing = sentry.call("GET", f"{RULES}1/")
    assert (missing.status_code, missing.json()) == (
        404,
        {"detail": "The requested resource does not exist"},
    )


def test_rules_need_the_token(sentry: AlertingSentry) -> None:
    assert sentry.request("GET", RULES).status_code == 401
    assert sentry.request("POST", "/api/0/sentry-apps/", json={}).status_code == 401


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"conditions": [{"id": UNKNOWN}]}, f"condition '{UNKNOWN}' of issue alert rules"),
        ({"filters": [{"id": "a.B"}]}, "filter 'a.B' of issue alert rules"),
        (
            {"actions": [{"id": "sentry.mail.actions.NotifyEmailAction"}]},
            "action 'sentry.mail.actions.NotifyEmailAction' of issue alert rules",
        ),
        (
            {"conditions": [{**frequency(1), "comparisonType": "percent"}]},
            f"comparisonType 'percent' of {frequency(1)['id']}",
        ),
        (
            {"conditions": [{**FIRST_SEEN, "since": 1}]},
            f"member 'since' of {FIRST_SEEN['id']} in conditions",
        ),
        ({"owner": "team:1"}, "field 'owner' of issue alert rules"),
        ({"snooze": True}, f"field 'snooze' in the body of {RULES}"),
    ],
)
def test_parts_that_only_sentry_has_are_refused_by_name(
    sentry: AlertingSentry, changes: dict[str, Any], what: str
) -> None:
    body = {**sentry.rule_body(FIRST_SEEN), **changes}
    assert sentry.refused("POST", RULES, body) == not_supported(what)


@pytest.mark.parametrize(
    ("changes", "answer"),
    [
        ({"name": None}, {"name": ["This field is required."]}),
        ({"name": " "}, {"name": ["This field may not be blank."]}),
        ({"conditions": None}, {"conditions": ["This field is required."]}),
        ({"actions": []}, {"actions": ["You must add an action for this alert to fire."]}),
        ({"actionMatch": "some"}, {"actionMatch": ['"some" is not a valid choice.']}),
        (
            {"frequency": 4},
            {"frequency": ["Ensure this value is greater than or equal to 5."]},
        ),
        (
            {"frequency": 43201},
            {"frequency": ["Ensure this value is less than or equal to 43200."]},
        ),
        ({"frequency": "5"}, {"frequency": ["Not a valid value: '5'."]}),
        (
            {"filters": [tagged("a", "is")]},
            {
                "filterMatch": [
                    "Must select a filter match (all, any, none) if filters are supplied."
                ]
            },
        ),
        (
            {"conditions": [{"value": 3}]},
            {"conditions": ["Missing attribute 'id': {'value': 3}"]},
        ),
        (
            {"conditions": [frequency(1, "2m")]},
            {
                "conditions": [
                    (
                        f"{frequency(1)['id']}: interval: Select a valid choice. '2m' is not one "
                        "of 1m, 5m, 15m, 1h, 1d, 1w, 30d."
                    )
                ]
            },
        ),
        (
            {"conditions": [{**frequency(1), "value": "many"}]},
            {"conditions": [f"{frequency(1)['id']}: value: Enter a whole number."]},
        ),
        (
            {"filters": [tagged("a", "eq")], "filterMatch": "all"},
            {"filters": [f"{tagged('a', 'eq')['id']}: value: This field is required."]},
        ),
    ],
)
def test_a_rule_that_sentry_would_not_take_is_refused_field_by_field(
    sentry: AlertingSentry, changes: dict[str, Any], answer: Any
) -> None:
    body = {**sentry.rule_body(FIRST_SEEN), **changes}
    assert sentry.refused("POST", RULES, body) == answer
    assert sentry.get(RULES) == []


def test_an_action_needs_an_integration_that_is_there_and_alertable(
    sentry: AlertingSentry,
) -> None:
    quiet = sentry.make_app("quiet", isAlertable=False)
    body = sentry.rule_body(FIRST_SEEN)
    assert sentry.refused("POST", RULES, body) == {
        "actions": [f"{quiet['slug']} is not enabled for alerts."]
    }
    body["actions"] = [{"id": NOTIFY_SERVICE, "service": "nobody"}]
    assert sentry.refused("POST", RULES, body) == {
        "actions": [
            f"Select a valid choice. nobody is not one of the integrations: {quiet['slug']}."
        ]
    }


def test_an_action_can_name_an_installation_and_send_settings(sentry: AlertingSentry) -> None:
    sentry.make_app()
    [installation] = sentry.get("/api/0/organizations/obs/sentry-app-installations/")
    settings = [{"name": "channel", "value": "#general"}]
    action = {
        "id": NOTIFY_APP,
        "sentryAppInstallationUuid": installation["uuid"],
        "settings": settings,
        "hasSchemaFormConfig": True,
    }
    sentry.make_rule(FIRST_SEEN, actions=[action])
    sentry.send_event(error_event())
    [body] = sentry.hook.bodies
    assert body["data"]["issue_alert"] == {"title": "Tell me", "settings": settings}


def test_a_metric_rule_is_answered_as_sentry_does(sentry: AlertingSentry) -> None:
    made = sentry.make_metric_rule(500)
    assert made["triggers"] == [
        {
            "id": "1",
            "alertRuleId": "1",
            "label": "critical",
            "thresholdType": 0,
            "alertThreshold": 500,
            "resolveThreshold": None,
            "dateCreated": "2026-11-23T15:35:00.000000Z",
            "actions": [
                {
                    "id": "1",
                    "alertRuleTriggerId": "1",
                    "type": "sentry_app",
                    "targetType": "sentry_app",
                    "targetIdentifier": "1",
                    "inputChannelId": None,
                    "integrationId": None,
                    "sentryAppId": 1,
                    "dateCreated": "2026-11-23T15:35:00.000000Z",
                }
            ],
        }
    ]
    assert made["dataset"] == "transactions"
    assert (made["queryType"], made["timeWindow"], made["projects"]) == (1, 1, ["simple-app"])
    assert sentry.get(f"{METRIC_RULES}1/") == made
    assert sentry.get(METRIC_RULES) == [made]


def test_available_actions_are_the_integrations_that_can_be_notified(
    sentry: AlertingSentry,
) -> None:
    sentry.make_app("quiet", isAlertable=False)
    sentry.make_app("pager")
    [action] = sentry.get(f"{METRIC_RULES}available-actions/")
    assert (action["type"], action["sentryAppName"], action["sentryAppId"]) == (
        "sentry_app",
        "pager",
        2,
    )


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"dataset": "sessions"}, "dataset 'sessions' of metric alert rules"),
        ({"comparisonDelta": 60}, "field 'comparisonDelta' of metric alert rules"),
        ({"thresholdPeriod": 2}, "thresholdPeriod 2 of metric alert rules"),
        ({"aggregate": "apdex(300)"}, "'apdex(300)' in metric alert rules on 'transactions'"),
        ({"aggregate": "transaction"}, "aggregate 'transaction' of metric alert rules"),
        ({"query": "geo.city:Vienna"}, "'geo.city' in metric alert rules on 'transactions'"),
        (
            {
                "triggers": [
                    {"label": "critical", "alertThreshold": 1, "actions": [{"type": "email"}]}
                ]
            },
            "action type 'email' of metric alert rules",
        ),
        (
            {"triggers": [{"label": "critical", "alertThreshold": 1, "excludedProjects": []}]},
            "member 'excludedProjects' of triggers of metric alert rules",
        ),
    ],
)
def test_metric_rules_that_only_sentry_can_watch_are_refused_by_name(
    sentry: AlertingSentry, changes: dict[str, Any], what: str
) -> None:
    body = {**sentry.metric_body(), **changes}
    assert sentry.refused("POST", METRIC_RULES, body) == not_supported(what)


@pytest.mark.parametrize(
    ("changes", "field", "problem"),
    [
        ({"timeWindow": 2}, "timeWindow", "Invalid time window 2, valid values are 1, 5, 10, 15"),
        ({"thresholdType": 2}, "thresholdType", "Invalid threshold type, valid values are [0, 1]."),
        ({"projects": []}, "projects", "This field is required."),
        ({"projects": ["nowhere"]}, "projects", "Invalid project"),
        ({"projects": ["a", "b"]}, "projects", "Metric alerts are limited to one project."),
        ({"triggers": []}, "triggers", "Must include at least one trigger, labeled critical."),
        (
            {"triggers": [{"label": "loud", "alertThreshold": 1}]},
            "triggers",
            'Trigger 1 must be labeled "critical", trigger 2 "warning".',
        ),
        (
            {"triggers": [{"label": "critical", "alertThreshold": "1"}]},
            "triggers",
            "alertThreshold: A valid number is required.",
        ),
        (
            {
                "triggers": [
                    {"label": "critical", "alertThreshold": 1},
                    {"label": "warning", "alertThreshold": 2},
                ]
            },
            "nonFieldErrors",
            "Critical threshold must be above warning threshold.",
        ),
        (
            {"resolveThreshold": 51},
            "nonFieldErrors",
            "Alert threshold must be above resolution threshold.",
        ),
        (
            {"eventTypes": ["error"]},
            "eventTypes",
            "Invalid event type 'error' for this dataset, expected transaction.",
        ),
        ({"queryType": 0}, "queryType", "Invalid query type for dataset transactions."),
        ({"aggregate": "p95(title)"}, "detail", "p95(title): title is not a number."),
        ({"query": "a:"}, "detail", "Error parsing search query: expected a value at column 3"),
    ],
)
def test_a_metric_rule_that_sentry_would_not_take_is_refused(
    sentry: AlertingSentry, changes: dict[str, Any], field: str, problem: str
) -> None:
    answer = sentry.refused("POST", METRIC_RULES, {**sentry.metric_body(), **changes})
    assert list(answer) == [field]
    text = answer[field] if field == "detail" else answer[field][0]
    assert text.startswith(problem)
    assert sentry.get(METRIC_RULES) == []


def test_a_metric_action_needs_an_integration_that_is_there(sentry: AlertingSentry) -> None:
    body = sentry.metric_body()
    body["triggers"][0]["actions"][0]["sentryAppId"] = 7
    assert sentry.refused("POST", METRIC_RULES, body) == {
        "triggers": ["actions: 7 is no integration that is enabled for alerts."]
    }


def test_changing_a_metric_rule_is_refused_by_name(sentry: AlertingSentry) -> None:
    sentry.make_metric_rule()
    assert sentry.refused("PUT", f"{METRIC_RULES}1/", sentry.metric_body()) == not_supported(
        f"PUT of {METRIC_RULES}1/: delete the rule and create it anew"
    )


@pytest.mark.parametrize("name", ["detectors", "workflows"])
def test_the_newer_alert_api_is_refused_by_name(sentry: AlertingSentry, name: str) -> None:
    path = f"/api/0/organizations/obs/{name}/"
    answer = sentry.call("GET", path)
    assert (answer.status_code, answer.json()) == (404, not_supported(f"path {path}"))
