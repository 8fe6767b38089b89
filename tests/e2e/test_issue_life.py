"""The life of an issue: resolved, reopened by the same error, and told to a webhook."""

from __future__ import annotations

import contextlib

import pytest

from pytest_obsstack import Probe
from pytest_obsstack.clients.sentry.alerts import FIRST_SEEN, REGRESSION, Rule, notify
from pytest_obsstack.clients.sentry.client import SentryClient
from pytest_obsstack.expect.alerts import AlertReceiver
from pytest_obsstack.expect.opening import Bench
from pytest_obsstack.providers.app import AppProcess
from tests.e2e.words import own_word

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.obs_requires("issues", "issue_status", "writes"),
]


def report(obs: Probe, word: str) -> None:
    """An error of an issue that nobody else has."""
    query = {"level": "error", "message": f"Order {word} is stuck"}
    headers = {"X-Customer-Tier": word}
    assert obs.get("/log", params=query, headers=headers).status_code == 200


def test_a_resolved_issue_regresses_when_its_error_comes_again(obs: Probe) -> None:
    word = own_word(obs)
    report(obs, word)
    issue = obs.sentry.expect_issue(title=f"Order {word} is stuck", status="unresolved")
    assert obs.sentry.resolve(issue).status == "resolved"
    obs.sentry.expect_issue(title=issue.title, status="resolved")

    report(obs, word)
    assert obs.sentry.expect_regression(issue).count == 2


@pytest.mark.obs_requires("settled_errors")
def test_a_resolved_issue_stays_resolved_while_other_errors_come(obs: Probe) -> None:
    word = own_word(obs)
    report(obs, word)
    issue = obs.sentry.resolve(obs.sentry.expect_issue(title=f"Order {word} is stuck"))

    obs.get("/error")
    obs.sentry.expect_no_regression(issue)


@pytest.mark.obs_requires("app_control")
def test_the_regression_of_another_trace_is_not_this_tests(
    obs: Probe, obs_bench: Bench, obs_app: AppProcess
) -> None:
    word = own_word(obs)
    report(obs, word)
    issue = obs.sentry.resolve(obs.sentry.expect_issue(title=f"Order {word} is stuck"))
    with obs_bench.probe(obs_app) as other:
        report(other, word)
        other.sentry.expect_issue(title=issue.title, status="unresolved")
    obs._context.timeout_s = 0.1
    with pytest.raises(AssertionError, match="did not regress"):
        obs.sentry.expect_regression(issue)


@pytest.mark.obs_requires("alerts")
def test_new_and_regressed_issues_notify_and_resolved_ones_do_not(
    obs: Probe, obs_sentry: SentryClient, obs_alert_receiver: AlertReceiver
) -> None:
    word = own_word(obs)
    alerts = obs_sentry.alerts
    own: Rule = {
        "id": "sentry.rules.filters.tagged_event.TaggedEventFilter",
        "key": "customer_tier",
        "match": "eq",
        "value": word,
    }
    with contextlib.ExitStack() as cleanup:
        app = alerts.create_integration(f"life {word}", obs_alert_receiver.webhook_url)
        cleanup.callback(alerts.delete_integration, app)
        obs_alert_receiver.trust(app)
        for name, condition in (("new", FIRST_SEEN), ("regressed", REGRESSION)):
            rule = alerts.create_issue_rule(
                f"{name} {word}", conditions=[condition], filters=[own], actions=[notify(app)]
            )
            cleanup.callback(alerts.delete_issue_rule, rule)

        report(obs, word)
        new = obs_alert_receiver.expect_alert(
            f"new {word}", source="sentry", labels={"customer_tier": word}
        )
        obs_alert_receiver.expect_no_alert(f"regressed {word}")
        issue = obs.sentry.resolve(obs.sentry.expect_issue(title=f"Order {word} is stuck"))
        assert (new.issue_id, new.signed) == (issue.id, True)

        report(obs, word)
        regressed = obs_alert_receiver.expect_alert(f"regressed {word}")
        assert regressed.issue_id == issue.id
        assert regressed.event_id != new.event_id
        obs.sentry.expect_regression(issue)


@pytest.mark.obs_requires("alerts")
def test_what_becomes_of_an_issue_is_told_to_who_wants_it(
    obs: Probe, obs_sentry: SentryClient, obs_alert_receiver: AlertReceiver
) -> None:
    word = own_word(obs)
    alerts = obs_sentry.alerts
    app = alerts.create_integration(f"watch {word}", obs_alert_receiver.webhook_url, issues=True)
    obs_alert_receiver.trust(app)
    try:
        report(obs, word)
        obs_alert_receiver.expect_alert("issue", labels={"action": "created"})
        issue = obs.sentry.resolve(obs.sentry.expect_issue(title=f"Order {word} is stuck"))
        resolved = obs_alert_receiver.expect_resolved("issue")
        assert (resolved.issue_id, resolved.signed) == (issue.id, True)
        report(obs, word)
        obs_alert_receiver.expect_alert("issue", labels={"action": "unresolved"})
    finally:
        alerts.delete_integration(app)
