"""What the receiver answers, keeps and understands."""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

import httpx
import pytest

from pytest_obsstack.receiver.server import Receiver, serving

SECRET = "0123"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with serving("127.0.0.1", "127.0.0.1") as served:
        yield served


def post(url: str, body: Any, **headers: str) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    with httpx.Client(trust_env=False) as client:
        return client.post(url, content=content, headers=headers)


def get(url: str) -> httpx.Response:
    with httpx.Client(trust_env=False) as client:
        return client.get(url)


def at(seconds: float) -> str:
    moment = datetime.fromtimestamp(time.time() + seconds, timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def test_it_is_an_alertmanager(receiver: Receiver) -> None:
    assert (get(f"{receiver.url}/-/ready").status_code, get(f"{receiver.url}/-/healthy").text) == (
        200,
        "OK",
    )
    status = get(f"{receiver.url}/api/v2/status").json()
    assert status["cluster"]["status"] == "disabled"
    assert status["versionInfo"]["version"] == "obsstack"
    missing = get(f"{receiver.url}/api/v2/silences")
    assert (missing.status_code, missing.text) == (
        404,
        "/api/v2/silences is not among what the receiver of pytest-obsstack answers",
    )


def test_alerts_of_prometheus_fire_and_are_resolved(receiver: Receiver) -> None:
    labels = {"alertname": "Busy", "job": "shop", "none": ""}
    began = at(-60)
    firing = {"labels": labels, "startsAt": began, "endsAt": at(240), "generatorURL": "http://p/g"}
    ended = {"labels": labels, "startsAt": began, "endsAt": at(-1), "annotations": {"a": "b"}}
    assert post(f"{receiver.url}/api/v2/alerts", [firing]).status_code == 200
    assert post(f"{receiver.url}/api/v2/alerts", [ended, {"labels": labels}]).status_code == 200
    first, second, third = receiver.alerts
    assert (first.name, first.status, first.source, first.url) == (
        "Busy",
        "firing",
        "alertmanager",
        "http://p/g",
    )
    assert first.labels == {"alertname": "Busy", "job": "shop"}
    assert (second.status, second.annotations) == ("resolved", {"a": "b"})
    assert second.starts_s == first.starts_s
    # Without times of its own it fires from now on.
    assert (third.status, third.starts_s, third.ends_s) == ("firing", third.received_s, None)
    assert [len(request.json) for request in receiver.requests] == [1, 2]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"{", "the body is no JSON: Expecting property name"),
        ({}, "the body is dict, expected a list of alerts"),
        ([1], "an alert is int, expected an object"),
        ([{"labels": {"alertname": ""}}], "at least one label pair required"),
        ([{"labels": {"a": "b"}, "startsAt": "x"}], "startsAt is 'x', expected a time"),
        (
            [{"labels": {"a": "b"}, "startsAt": at(0), "endsAt": at(-5)}],
            "start time must be before end time",
        ),
    ],
)
def test_what_is_no_alert_is_refused_and_remembered(
    receiver: Receiver, body: Any, reason: str
) -> None:
    answer = post(f"{receiver.url}/api/v2/alerts", body)
    assert answer.status_code == 400
    assert answer.text.startswith(reason)
    assert (receiver.alerts, receiver.requests) == ((), ())
    assert receiver.refused[0].startswith(f"POST /api/v2/alerts: {reason}")


def event_alert(receiver: Receiver, **headers: str) -> httpx.Response:
    body = {
        "action": "triggered",
        "data": {
            "event": {
                "event_id": "ab12",
                "issue_id": "7",
                "title": "ValueError: no",
                "web_url": "http://s/7",
                "tags": [["endpoint", "/pay"]],
                "contexts": {"trace": {"trace_id": "4b" * 16}},
            },
            "triggered_rule": "new issues",
        },
    }
    content = json.dumps(body).encode()
    signature = hmac.new(SECRET.encode(), content, hashlib.sha256).hexdigest()
    given = {
        "sentry-hook-resource": "event_alert",
        "sentry-hook-signature": signature,
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    return post(receiver.webhook_url, content, **given)


def test_a_sentry_issue_alert_is_its_event_with_its_trace(receiver: Receiver) -> None:
    assert event_alert(receiver).status_code == 200
    (alert,) = receiver.alerts
    assert (alert.name, alert.status, alert.source) == ("new issues", "firing", "sentry")
    assert (alert.issue_id, alert.event_id, alert.trace_id) == ("7", "ab12", "4b" * 16)
    assert (alert.labels, alert.url, alert.signed) == ({"endpoint": "/pay"}, "http://s/7", None)


def test_signatures_are_checked_where_a_secret_is_known(receiver: Receiver) -> None:
    receiver.trust("of somebody else")
    receiver.trust(SECRET)
    event_alert(receiver)
    event_alert(receiver, sentry_hook_signature="0" * 64)
    assert [alert.signed for alert in receiver.alerts] == [True, False]


def test_a_sentry_metric_alert_is_critical_and_then_resolved(receiver: Receiver) -> None:
    incident = {
        "alert_rule": {"name": "slow"},
        "projects": ["shop"],
        "date_started": "2026-01-01T00:00:00.123456789Z",
        "date_closed": None,
    }
    for action in ("critical", "resolved"):
        data = {
            "metric_alert": incident,
            "description_title": action.title(),
            "web_url": "http://s",
        }
        body = {"action": action, "data": data}
        post(receiver.webhook_url, body, **{"sentry-hook-resource": "metric_alert"})
    fired, resolved = receiver.alerts
    assert (fired.name, fired.status, fired.starts_s) == ("slow", "firing", 1767225600.123456)
    assert fired.labels == {"level": "critical", "projects": "shop"}
    assert (resolved.status, resolved.annotations["title"]) == ("resolved", "Resolved")


def test_other_webhooks_of_sentry_are_kept_and_are_no_alerts(receiver: Receiver) -> None:
    post(receiver.webhook_url, {"action": "created"}, **{"sentry-hook-resource": "comment"})
    assert (len(receiver.requests), receiver.alerts) == (1, ())
    bad = post(receiver.webhook_url, {"data": {}}, **{"sentry-hook-resource": "event_alert"})
    assert (bad.status_code, bad.text) == (400, "data.event is NoneType, expected an object")


def test_what_becomes_of_an_issue_is_told_by_its_action(receiver: Receiver) -> None:
    issue = {
        "id": "7",
        "shortId": "SHOP-1",
        "title": "ValueError: no",
        "firstSeen": "2026-01-01T00:00:00Z",
        "web_url": "http://s/7",
        "project": {"slug": "shop"},
    }
    for action in ("created", "resolved"):
        body = {"action": action, "data": {"issue": issue}}
        post(receiver.webhook_url, body, **{"sentry-hook-resource": "issue"})
    created, resolved = receiver.alerts
    assert (created.name, created.status, created.issue_id) == ("issue", "firing", "7")
    assert created.labels == {"action": "created", "short_id": "SHOP-1", "project": "shop"}
    assert (resolved.status, resolved.url, resolved.annotations["title"]) == (
        "resolved",
        "http://s/7",
        "ValueError: no",
    )


def test_grafanas_webhook_is_a_list_of_alerts(receiver: Receiver) -> None:
    labels = {"alertname": "High", "job": "shop"}
    body = {
        "receiver": "hook",
        "status": "firing",
        "alerts": [
            {"status": "firing", "labels": labels, "endsAt": "0001-01-01T00:00:00Z"},
            {"status": "resolved", "labels": labels, "startsAt": "2026-01-01T01:00:00+01:00"},
        ],
    }
    assert post(receiver.webhook_url, body).status_code == 200
    firing, resolved = receiver.alerts
    assert (firing.name, firing.status, firing.source, firing.ends_s) == (
        "High",
        "firing",
        "grafana",
        None,
    )
    assert (resolved.status, resolved.starts_s) == ("resolved", 1767225600.0)


def test_glitchtips_webhook_names_the_issue_in_its_link(receiver: Receiver) -> None:
    body = {
        "alias": "GlitchTip",
        "text": "GlitchTip Alert",
        "attachments": [
            {
                "title": "ValueError: no",
                "title_link": "http://g/acme/issues/42",
                "text": "shop.pay",
                "fields": [{"title": "Project", "value": "shop", "short": True}],
            }
        ],
    }
    post(receiver.webhook_url, body)
    (alert,) = receiver.alerts
    assert (alert.name, alert.source, alert.issue_id) == ("GlitchTip Alert", "glitchtip", "42")
    assert (alert.labels, alert.annotations["title"]) == ({"Project": "shop"}, "ValueError: no")


def test_any_other_json_is_kept(receiver: Receiver) -> None:
    assert post(f"{receiver.url}/anywhere?x=1", {"hello": 1}, x_own="2").status_code == 200
    (request,) = receiver.requests
    assert (request.path, request.json, request.headers["x_own"]) == (
        "/anywhere",
        {"hello": 1},
        "2",
    )
    assert receiver.alerts == ()


def test_it_fails_on_purpose(receiver: Receiver) -> None:
    receiver.answer(503)
    answer = post(receiver.webhook_url, {})
    assert (answer.status_code, answer.text) == (503, "answered 503 on purpose")
    receiver.answer(200)
    assert post(receiver.webhook_url, {}).status_code == 200
    assert len(receiver.requests) == 1


def test_a_body_without_length_or_too_long_is_refused(receiver: Receiver) -> None:
    for header, status in (("X-None: 1", b" 411 "), ("Content-Length: 999999999", b" 413 ")):
        with socket.create_connection(("127.0.0.1", int(receiver.address.split(":")[1]))) as link:
            link.sendall(f"POST / HTTP/1.1\r\nHost: x\r\n{header}\r\n\r\n".encode())
            assert status in link.recv(1024)
