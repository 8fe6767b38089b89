"""Set Up Alerts: new issues, error rate, performance, and the channel they notify.

That a rule does *not* fire is told by order: an integration is notified in the order in which its
rules fired, so once a later notification is there, an earlier one would be, too.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import pytest

from pytest_obsstack import Probe
from pytest_obsstack.clients.sentry.alerts import (
    FIRST_SEEN,
    IssueRule,
    MetricRule,
    Rule,
    SentryAlerts,
    SentryApp,
    event_frequency,
    notify,
)
from pytest_obsstack.clients.sentry.client import SentryClient
from pytest_obsstack.expect.alerts import AlertReceiver
from pytest_obsstack.receiver.alert import Request
from pytest_obsstack.receiver.sentry_hook import RESOURCE_HEADER, signed_with
from pytest_obsstack.waiting import until
from tests.e2e.words import own_word

pytestmark = [pytest.mark.e2e, pytest.mark.obs_requires("alerts", "writes")]

TIMEOUT_S = 10.0
SLOW_S = 0.35
SLOW_MS = 300.0
"""What a slow transaction takes more than, and a fast one less, on a busy machine too."""


@dataclass(frozen=True)
class Channel:
    """An integration with its receiver, and rules about the requests of one test alone."""

    obs: Probe
    alerts: SentryAlerts
    app: SentryApp
    receiver: AlertReceiver
    cleanup: contextlib.ExitStack

    @property
    def headers(self) -> dict[str, str]:
        """Puts this test's own tag on what a request reports."""
        return {"X-Customer-Tier": own_word(self.obs)}

    def log_error(self, message: str) -> None:
        """One error event of the issue ``message``, which no other test has."""
        query = {"level": "error", "message": f"{message} of {own_word(self.obs)}"}
        assert self.obs.get("/log", params=query, headers=self.headers).status_code == 200

    def issue_rule(self, condition: Rule) -> IssueRule:
        rule = self.alerts.create_issue_rule(
            f"rule of {own_word(self.obs)}",
            conditions=[condition],
            filters=[own_events(self.obs)],
            actions=[notify(self.app)],
        )
        self.cleanup.callback(self.alerts.delete_issue_rule, rule)
        return rule

    def duration_rule(self, name: str, *, above_ms: float) -> MetricRule:
        rule = self.alerts.create_metric_rule(
            f"{name} of {own_word(self.obs)}",
            aggregate="p95(transaction.duration)",
            query=f"customer_tier:{own_word(self.obs)}",
            above=above_ms,
            app=self.app,
        )
        self.cleanup.callback(self.alerts.delete_metric_rule, rule)
        return rule

    def issues_told(self, count: int) -> list[str]:
        """Messages of the events that were notified, once there are ``count``."""
        titles = [webhook.json["data"]["event"]["title"] for webhook in self.webhooks(count)]
        return [str(title).partition(" of ")[0] for title in titles]

    def webhooks(self, count: int) -> tuple[Request, ...]:
        """All that have arrived, once these are ``count``; fails where they are fewer in the end.

        More than ``count`` are given as they are: the caller compares them all.
        """
        server = self.receiver.server
        until(lambda: True if len(server.requests) >= count else None, timeout_s=TIMEOUT_S)
        assert len(server.requests) >= count, [webhook.json for webhook in server.requests]
        return server.requests


@pytest.fixture
def channel(
    obs: Probe, obs_sentry: SentryClient, obs_alert_receiver: AlertReceiver
) -> Iterator[Channel]:
    alerts = obs_sentry.alerts
    with contextlib.ExitStack() as cleanup:
        receiver = obs_alert_receiver
        app = alerts.create_integration(f"e2e {obs.trace_id[:16]}", receiver.webhook_url)
        cleanup.callback(alerts.delete_integration, app)
        yield Channel(obs, alerts, app, receiver, cleanup)


@pytest.mark.claim("alert-new-issue")
def test_the_first_event_of_a_new_issue_notifies_once_and_the_second_does_not(
    channel: Channel,
) -> None:
    reported = ["old issue", "old issue", "first issue", "first issue", "second issue"]
    channel.log_error(reported[0])
    channel.obs.sentry.expect_event(level="error")
    channel.issue_rule(FIRST_SEEN)
    for message in reported[1:]:
        # The second event of the old issue meets a rule that never fired for it, so that it is not
        # its frequency that keeps it silent.
        channel.log_error(message)

    assert channel.issues_told(2) == ["first issue", "second issue"]
    assert [str(event.message).partition(" of ")[0] for event in channel.obs.sentry.events()] == (
        reported
    )


@pytest.mark.claim("alert-channels")
def test_the_webhook_has_rule_issue_and_link_and_is_signed(
    channel: Channel, obs_sentry: SentryClient
) -> None:
    rule = channel.issue_rule(FIRST_SEEN)
    channel.log_error("an issue")

    (webhook,) = channel.webhooks(1)
    event = channel.obs.sentry.expect_event(level="error")
    assert event.issue_id is not None
    issue = obs_sentry.issue(event.issue_id)
    assert webhook.headers[RESOURCE_HEADER] == "event_alert"
    assert webhook.json["action"] == "triggered"
    assert webhook.json["data"]["triggered_rule"] == rule.name
    told: dict[str, Any] = webhook.json["data"]["event"]
    assert (told["issue_id"], told["event_id"]) == (issue.id, event.event_id)
    assert told["title"] == issue.title
    assert issue.permalink is not None
    assert told["web_url"] == f"{issue.permalink}events/{event.event_id}/"
    assert told["web_url"].startswith(obs_sentry.url)
    assert channel.app.client_secret is not None
    assert signed_with(webhook, channel.app.client_secret)
    assert not signed_with(webhook, "of somebody else")


@pytest.mark.claim("alert-error-rate")
def test_the_error_rate_fires_above_its_threshold_and_not_at_it(channel: Channel) -> None:
    channel.issue_rule(event_frequency(more_than=2, interval="1m"))
    for _ in range(2):
        channel.log_error("few errors")
    for _ in range(4):
        channel.log_error("many errors")
    # The third of "many errors" fired; the fourth is within the rule's silence.
    assert channel.issues_told(1) == ["many errors"]

    channel.log_error("few errors")
    assert channel.issues_told(2) == ["many errors", "few errors"]


@pytest.mark.claim("alert-error-rate")
def test_errors_before_the_window_do_not_count(
    channel: Channel, obs_sentry_sdk: ModuleType
) -> None:
    channel.issue_rule(event_frequency(more_than=2, interval="1m"))
    report(obs_sentry_sdk, channel, "spread errors", ages_s=(200, 150, 100, 1, 0))
    report(obs_sentry_sdk, channel, "many errors", ages_s=(2, 1, 0))

    assert channel.issues_told(1) == ["many errors"]


@pytest.mark.claim("alert-performance", "perf-slow")
def test_slow_transactions_fire_the_alert_and_fast_ones_do_not(
    channel: Channel, obs_sentry: SentryClient
) -> None:
    obs = channel.obs
    slow_rule = channel.duration_rule("slow", above_ms=SLOW_MS)
    any_rule = channel.duration_rule("any", above_ms=0.0)

    obs.get("/slow", params={"seconds": 0}, headers=channel.headers)
    (first,) = channel.webhooks(1)
    # Both were looked at with the fast transaction, the slow one's rule first.
    assert first.json["data"]["metric_alert"]["alert_rule"]["name"] == any_rule.name

    obs.get("/slow", params={"seconds": SLOW_S}, headers=channel.headers)
    _, second = channel.webhooks(2)
    assert second.headers[RESOURCE_HEADER] == "metric_alert"
    assert second.json["action"] == "critical"
    alert = second.json["data"]["metric_alert"]
    assert (alert["title"], alert["projects"]) == (slow_rule.name, [obs_sentry.project])
    assert alert["alert_rule"]["triggers"][0]["alert_threshold"] == SLOW_MS
    assert second.json["data"]["web_url"].startswith(obs_sentry.url)


def own_events(obs: Probe) -> Rule:
    """A filter for the events of this test, whoever else reports to the project meanwhile."""
    return {
        "id": "sentry.rules.filters.tagged_event.TaggedEventFilter",
        "key": "customer_tier",
        "match": "eq",
        "value": own_word(obs),
    }


def report(sdk: ModuleType, channel: Channel, message: str, *, ages_s: tuple[float, ...]) -> None:
    """Events of that issue which happened so long ago, sent in this order."""
    for age_s in ages_s:
        sdk.capture_event(
            {
                "message": f"{message} of {own_word(channel.obs)}",
                "level": "error",
                "timestamp": time.time() - age_s,
                "tags": {"customer_tier": own_word(channel.obs)},
            }
        )
    sdk.flush(timeout=TIMEOUT_S)
