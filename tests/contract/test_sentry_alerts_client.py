"""``SentryClient.alerts`` against the embedded server: rules whose webhooks really are called."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from pytest_obsstack.clients.sentry.alerts import FIRST_SEEN, SentryApp, event_frequency, notify
from pytest_obsstack.clients.sentry.client import SentryClient
from pytest_obsstack.endpoints import SentryEndpoint
from pytest_obsstack.errors import BackendRefused, ObsstackError
from pytest_obsstack.provision.sentry_setup import sentry_setup
from pytest_obsstack.waiting import until
from pytest_obsstack.wire.dsn import Dsn
from tests.contract.embedded_sentry import TOKEN, running_sentry
from tests.unit.embedded.collector.support import Backend, backend

TRACE = "0123456789abcdef0123456789abcd"


@pytest.fixture(scope="module")
def client() -> Iterator[SentryClient]:
    with running_sentry() as server:
        url = str(server.client.base_url)
        first = SentryClient(SentryEndpoint(url, token=TOKEN))
        project = sentry_setup(first)
        first.close()
        endpoint = SentryEndpoint(
            url,
            token=TOKEN,
            organization=project.organization,
            project=project.project,
            dsn=project.dsn,
        )
        client = SentryClient(endpoint)
        yield client
        client.close()


@pytest.fixture
def webhook() -> Iterator[Backend]:
    with backend() as receiver:
        yield receiver


@pytest.fixture
def app(client: SentryClient, webhook: Backend) -> Iterator[SentryApp]:
    """An integration; it and the rules of the test are deleted afterwards."""
    made = client.alerts.create_integration("hook", f"{webhook.url}/hook")
    yield made
    for issue_rule in client.alerts.issue_rules():
        client.alerts.delete_issue_rule(issue_rule)
    for metric_rule in client.alerts.metric_rules():
        client.alerts.delete_metric_rule(metric_rule)
    client.alerts.delete_integration(made)


def send(client: SentryClient, kind: str, payload: dict[str, Any]) -> None:
    """One envelope with one item, as the protocol's documentation writes it."""
    dsn = Dsn.parse(client.endpoint.dsn or "")
    header = json.dumps({"event_id": payload["event_id"], "dsn": str(dsn)})
    envelope = "\n".join([header, json.dumps({"type": kind}), json.dumps(payload), ""])
    response = httpx.post(dsn.envelope_url, content=envelope, trust_env=False)
    assert response.status_code == 200, response.text


def error(number: int, type_: str) -> dict[str, Any]:
    return {
        "event_id": f"{number:032x}",
        "platform": "python",
        "timestamp": time.time(),
        "exception": {"values": [{"type": type_, "value": "x"}]},
    }


def slow_transaction(number: int, seconds: float) -> dict[str, Any]:
    end_s = time.time()
    trace = {"trace_id": f"{TRACE}{number:02x}", "span_id": "1" * 16, "op": "http.server"}
    return {
        "event_id": f"{number:032x}",
        "type": "transaction",
        "transaction": "GET /slow",
        "start_timestamp": end_s - seconds,
        "timestamp": end_s,
        "contexts": {"trace": trace},
        "spans": [],
    }


def called(webhook: Backend) -> dict[str, Any]:
    waited = until(lambda: webhook.received[0] if webhook.received else None, timeout_s=10)
    assert waited.value is not None, "the webhook was not called"
    found: dict[str, Any] = json.loads(waited.value.body)
    return found


def test_a_new_issue_calls_the_webhook_with_its_event(
    client: SentryClient, app: SentryApp, webhook: Backend
) -> None:
    client.alerts.create_issue_rule("new issue", conditions=[FIRST_SEEN], actions=[notify(app)])
    send(client, "event", error(1, "NewError"))
    body = called(webhook)
    assert body["data"]["event"]["event_id"] == f"{1:032x}"
    assert webhook.received[0].path == "/hook"


def test_many_events_of_one_issue_call_the_webhook(
    client: SentryClient, app: SentryApp, webhook: Backend
) -> None:
    client.alerts.create_issue_rule(
        "often", conditions=[event_frequency(more_than=2)], actions=[notify(app)]
    )
    for number in (11, 12):
        send(client, "event", error(number, "FrequentError"))
    until(lambda: client.issues("error.type:FrequentError") or None, timeout_s=10)
    assert webhook.received == []
    send(client, "event", error(13, "FrequentError"))
    assert called(webhook)["data"]["event"]["event_id"] == f"{13:032x}"


def test_a_slow_transaction_calls_the_webhook(
    client: SentryClient, app: SentryApp, webhook: Backend
) -> None:
    rule = client.alerts.create_metric_rule("slow", above=2000, app=app)
    send(client, "transaction", slow_transaction(21, 5.0))
    body = called(webhook)
    assert body["action"] == "critical"
    assert body["data"]["metric_alert"]["alert_rule"]["aggregate"] == "p95(transaction.duration)"
    assert rule.thresholds == {"critical": 2000.0}


def test_rules_and_integrations_are_listed_until_they_are_deleted(
    client: SentryClient, app: SentryApp
) -> None:
    alerts = client.alerts
    issue_rule = alerts.create_issue_rule("r", conditions=[FIRST_SEEN], actions=[notify(app)])
    metric_rule = alerts.create_metric_rule("m", above=1.5, app=app, time_window_min=5)
    assert [rule.id for rule in alerts.issue_rules()] == [issue_rule.id]
    assert [rule.id for rule in alerts.metric_rules()] == [metric_rule.id]
    assert [found.slug for found in alerts.integrations()] == [app.slug]
    [listed] = alerts.issue_rules()
    assert listed.conditions[0]["id"] == FIRST_SEEN["id"]
    assert listed.actions[0]["service"] == app.slug
    assert alerts.metric_rules()[0].time_window_min == 5
    alerts.delete_issue_rule(issue_rule)
    alerts.delete_metric_rule(metric_rule)
    assert (alerts.issue_rules(), alerts.metric_rules()) == ((), ())


def test_a_rule_that_sentry_does_not_take_is_refused_with_its_words(
    client: SentryClient, app: SentryApp
) -> None:
    with pytest.raises(BackendRefused) as caught:
        client.alerts.create_metric_rule("m", above=1, app=app, time_window_min=7)
    assert caught.value.status == 400
    assert caught.value.found is not None
    assert "timeWindow" in caught.value.found


def test_a_read_only_client_makes_no_rule(client: SentryClient, app: SentryApp) -> None:
    reader = SentryClient(client.endpoint, writable=False)
    with pytest.raises(ObsstackError, match="--obs-allow-writes"):
        reader.alerts.create_issue_rule("r", conditions=[FIRST_SEEN], actions=[notify(app)])
    assert client.alerts.issue_rules() == ()
    reader.close()


def test_the_version_of_the_server_is_told(client: SentryClient) -> None:
    version = client.version()
    assert version is not None
    assert version.endswith("embedded")
