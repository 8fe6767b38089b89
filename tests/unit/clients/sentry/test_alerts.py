from __future__ import annotations

from typing import Any

import pytest

from pytest_obsstack.clients.sentry.alerts import FIRST_SEEN, event_frequency, notify
from pytest_obsstack.clients.sentry.client import SentryClient
from pytest_obsstack.endpoints import SentryEndpoint
from pytest_obsstack.errors import ObsstackError
from tests.unit.clients.answers import Answers, refusal

RULES = "/api/0/projects/acme/shop/rules/"
METRIC_RULES = "/api/0/organizations/acme/alert-rules/"
APP = {
    "slug": "hook-1a2b3c",
    "uuid": "77cebea3-019e-484d-8673-6c3969698827",
    "name": "hook",
    "webhookUrl": "http://127.0.0.1:8080/",
    "isAlertable": True,
    "clientSecret": "s3cret-of-the-app",
}
RULE = {
    "id": "7",
    "name": "new issue",
    "conditions": [dict(FIRST_SEEN)],
    "filters": [],
    "actions": [],
    "frequency": 5,
    "environment": None,
}
METRIC_RULE = {
    "id": "9",
    "name": "slow",
    "dataset": "transactions",
    "aggregate": "p95(transaction.duration)",
    "query": "",
    "timeWindow": 1.0,
    "triggers": [{"label": "critical", "alertThreshold": 2000.0, "actions": []}],
}
ACTIONS = [
    {"type": "email", "allowedTargetTypes": ["user", "team"]},
    {"type": "sentry_app", "sentryAppName": "other", "sentryAppId": 1},
    {"type": "sentry_app", "sentryAppName": "hook", "sentryAppId": 42},
]


def client(table: dict[str, Any]) -> tuple[SentryClient, Answers]:
    answers = Answers(table)
    endpoint = SentryEndpoint("http://127.0.0.1:9000", organization="acme", project="shop")
    return SentryClient(endpoint, transport=answers), answers


def test_an_integration_is_internal_alertable_and_keeps_its_secret_out_of_sight() -> None:
    sentry, answers = client({"POST /api/0/sentry-apps/": APP})
    app = sentry.alerts.create_integration("hook", "http://127.0.0.1:8080/")
    body = answers.body()
    assert (body["isInternal"], body["isAlertable"]) == (True, True)
    assert body["organization"] == "acme"
    assert body["webhookUrl"] == app.webhook_url == "http://127.0.0.1:8080/"
    assert app.client_secret == "s3cret-of-the-app"
    assert "s3cret" not in repr(app)


def test_an_issue_rule_on_new_issues_calls_the_webhook() -> None:
    sentry, answers = client({"POST /api/0/sentry-apps/": APP, f"POST {RULES}": RULE})
    app = sentry.alerts.create_integration("hook", "http://127.0.0.1:8080/")
    rule = sentry.alerts.create_issue_rule(
        "new issue", conditions=[FIRST_SEEN, event_frequency(more_than=3)], actions=[notify(app)]
    )
    body = answers.body()
    assert body["conditions"] == [
        {"id": "sentry.rules.conditions.first_seen_event.FirstSeenEventCondition"},
        {
            "id": "sentry.rules.conditions.event_frequency.EventFrequencyCondition",
            "value": 3,
            "interval": "1m",
            "comparisonType": "count",
        },
    ]
    assert body["actions"] == [
        {
            "id": "sentry.rules.actions.notify_event_service.NotifyEventServiceAction",
            "service": "hook-1a2b3c",
        }
    ]
    assert (body["actionMatch"], body["filterMatch"], body["frequency"]) == ("any", "all", 5)
    assert (rule.id, rule.frequency_min) == ("7", 5)
    assert rule.conditions[0]["id"] == FIRST_SEEN["id"]


def test_issue_rules_are_listed_and_deleted() -> None:
    sentry, answers = client({f"GET {RULES}": [RULE], f"DELETE {RULES}7/": refusal(202, "")})
    [rule] = sentry.alerts.issue_rules()
    sentry.alerts.delete_issue_rule(rule)
    assert answers.lines[-1] == f"DELETE {RULES}7/"


def test_a_metric_rule_on_slow_transactions_names_the_app_by_its_number() -> None:
    sentry, answers = client(
        {
            f"GET {METRIC_RULES}available-actions/": ACTIONS,
            f"POST {METRIC_RULES}": METRIC_RULE,
            "POST /api/0/sentry-apps/": APP,
        }
    )
    app = sentry.alerts.create_integration("hook", "http://127.0.0.1:8080/")
    rule = sentry.alerts.create_metric_rule("slow", above=2000, app=app)
    body = answers.body()
    assert body["aggregate"] == "p95(transaction.duration)"
    assert (body["dataset"], body["eventTypes"]) == ("transactions", ["transaction"])
    assert (body["thresholdType"], body["timeWindow"], body["projects"]) == (0, 1, ["shop"])
    [trigger] = body["triggers"]
    assert (trigger["label"], trigger["alertThreshold"]) == ("critical", 2000)
    assert trigger["actions"] == [
        {
            "type": "sentry_app",
            "targetType": "sentry_app",
            "targetIdentifier": 42,
            "sentryAppId": 42,
        }
    ]
    assert rule.thresholds == {"critical": 2000.0}
    assert rule.time_window_min == 1.0


def test_an_integration_that_metric_rules_cannot_call_is_named_with_those_that_they_can() -> None:
    sentry, _ = client(
        {
            f"GET {METRIC_RULES}available-actions/": ACTIONS[:2],
            "POST /api/0/sentry-apps/": APP,
        }
    )
    app = sentry.alerts.create_integration("hook", "http://127.0.0.1:8080/")
    with pytest.raises(ObsstackError) as caught:
        sentry.alerts.create_metric_rule("slow", above=2000, app=app)
    assert str(caught.value) == (
        "Metric alert rules cannot call the integration 'hook'.\n"
        "  expected  the integration among the available actions\n"
        "  found     other\n"
        "  do        create it as an internal integration that is alertable"
    )


def test_metric_rules_and_integrations_are_listed_and_deleted() -> None:
    sentry, answers = client(
        {
            f"GET {METRIC_RULES}": [METRIC_RULE],
            f"DELETE {METRIC_RULES}9/": refusal(204, ""),
            "GET /api/0/organizations/acme/sentry-apps/": [APP],
            "DELETE /api/0/sentry-apps/hook-1a2b3c/": refusal(204, ""),
        }
    )
    sentry.alerts.delete_metric_rule(sentry.alerts.metric_rules()[0])
    sentry.alerts.delete_integration(sentry.alerts.integrations()[0])
    assert [line.split()[0] for line in answers.lines] == ["GET", "DELETE", "GET", "DELETE"]
