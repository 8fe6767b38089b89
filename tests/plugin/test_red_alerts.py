"""What the expectations on alerts and on an issue's life say when they fail, on a real stack."""
# ruff: noqa: E501 - messages are as long as they are

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from pytest_obsstack import AlertReceiver, CannotTell, Probe
from tests.plugin.red import hurry, red, settle

pytestmark = [
    pytest.mark.obs_exclusive,
    pytest.mark.obs_requires("app_control", "injection", "metrics", "issue_status", "writes"),
]

FAILING = {
    "alert": "Failing",
    "expr": 'sum by (job) (http_requests_total{job="red-alerts",status=~"5.."}) > 0',
    "labels": {"severity": "ticket"},
}
GROUP = {"name": "shop", "interval": "50ms", "rules": [FAILING]}


def without_times(text: str) -> str:
    return re.sub(r"evaluated \d+\.\d s ago", "evaluated T", text)


@pytest.fixture
def receiver(obs_alert_receiver: AlertReceiver) -> AlertReceiver:
    return obs_alert_receiver


@pytest.mark.proves("obs_alert_receiver.expect_alert", "red")
@pytest.mark.proves("obs_alert_receiver.expect_no_alert", "red")
def test_expect_alert(
    receiver: AlertReceiver, obs_with_app: Callable[..., AbstractContextManager[Probe]]
) -> None:
    service = {"OTEL_SERVICE_NAME": "red-alerts"}
    with receiver.rules(GROUP), obs_with_app(service) as shop:
        alerts = receiver.of(shop)
        shop.get("/error")
        alerts.expect_alert("Failing")
        hurry(shop)
        with red() as failure:
            alerts.expect_alert("Failing", labels={"severity": "page"})
        with red() as resolved:
            alerts.expect_resolved("Failing")
        with red() as unwanted:
            alerts.expect_no_alert("Failing")
    assert (
        without_times(failure.text)
        == """\
No alert arrived as expected within SECONDS (POLLS).
  expected  Failing, status 'firing', labels {severity: 'page'}
  found     1 alert at the receiver
  nearest   Failing (firing) {job: 'red-alerts', severity: 'ticket'}
              labels.severity  expected 'page'   got 'ticket'
  pipeline  app 1 request (500) → Prometheus' rule Failing (shop in obs_alert_receiver.yml) is firing, evaluated T → 1 active alert: firing {job: 'red-alerts', severity: 'ticket'}, value 1e+00 → Prometheus' Alertmanagers: http://HOST/api/v2/alerts (sent 1, failed 0) → the receiver http://HOST got 1 alert
  look      http://HOST/alerts  ·  keep the stack: --obs-keep-stack"""
    )
    assert resolved.text.splitlines()[3:5] == [
        "  nearest   Failing (firing) {job: 'red-alerts', severity: 'ticket'}",
        "              status  expected 'resolved'   got 'firing'",
    ]
    assert (
        unwanted.text
        == """\
1 alert fired that must not.
  expected  no alert Failing
  found     Failing (firing) {job: 'red-alerts', severity: 'ticket'}
  look      http://HOST/alerts  ·  keep the stack: --obs-keep-stack"""
    )


@pytest.mark.proves("obs_alert_receiver.expect_no_alert", "cannot tell")
def test_expect_no_alert_of_a_rule_that_is_not_there(obs: Probe, receiver: AlertReceiver) -> None:
    obs.get("/health")
    settle(obs)
    with red(CannotTell) as failure:
        receiver.expect_no_alert("Failing")
    assert (
        failure.text
        == """\
Cannot assert that Failing did not fire: it is not proven that all alerts of this test have arrived.
  expected  the fence of each request has arrived
  found     there is no alert rule Failing
  do        load or create the rule before the requests, or correct its name"""
    )


@pytest.mark.proves("obs.sentry.expect_regression", "red")
def test_expect_regression(obs: Probe) -> None:
    obs.get("/log?level=error&message=Order+17+is+red")
    issue = obs.sentry.resolve(obs.sentry.expect_issue(title="Order 17 is red"))
    hurry(obs)
    with red() as failure:
        obs.sentry.expect_regression(issue)
    assert (
        failure.text
        == """\
issue SIMPLE-APP-ID did not regress within SECONDS (POLLS).
  expected  issue SIMPLE-APP-ID open again because of an event of this test
  found     0 events of trace HEX… in it since it was resolved
  nearest   SIMPLE-APP-ID  "Order 17 is red"
              status       expected 'unresolved'   got 'resolved'
              reopened_by  expected 'an event of this test'   got (absent)
  pipeline  app 1 request (200) → SDK has the DSN DSN → Sentry accepted 1 event, 1 transaction of this trace → OUTCOMES
  look      http://HOST/organizations/obsstack/issues/ID/  ·  keep the stack: --obs-keep-stack"""
    )
