from __future__ import annotations

import asyncio
import hashlib
import hmac
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import orjson
import pytest

from pytest_obsstack.embedded.sentry.alerts.webhook import NoAnswer, post
from tests.unit.embedded.sentry.alerts.support import FIRST_SEEN, HOOK, RULES, AlertingSentry
from tests.unit.embedded.sentry.support import NOW_NS, error_event, transaction_event

BASE = "http://127.0.0.1:9000"


class Receiver(HTTPServer):
    """Keeps what is posted to it; a path is answered with the status that it names."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.received: list[tuple[str, bytes, dict[str, str]]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Receiver)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.received.append((self.path, body, headers))
        self.send_response(int(self.path.strip("/")))
        self.send_header("Location", f"{self.server.url}/200")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_issue_alert_arrives_signed_with_issue_rule_and_links(receiver: Receiver) -> None:
    sentry = AlertingSentry()
    sentry.alerts.outbox._send = post
    sentry.start()
    app = sentry.make_app(webhookUrl=f"{receiver.url}/200")
    sentry.make_rule(FIRST_SEEN, name="New issue")
    event_id = sentry.send_event(error_event(tags={"endpoint": "/error"}))
    sentry.close()

    [(_, body, headers)] = receiver.received
    assert headers["content-type"] == "application/json"
    assert headers["sentry-hook-resource"] == "event_alert"
    assert headers["sentry-hook-timestamp"] == str(NOW_NS // 10**9)
    assert len(headers["request-id"]) == 32
    signature = hmac.new(app["clientSecret"].encode(), body, hashlib.sha256).hexdigest()
    assert headers["sentry-hook-signature"] == signature

    message = orjson.loads(body)
    assert message["action"] == "triggered"
    assert message["actor"] == {"type": "application", "id": "sentry", "name": "Sentry"}
    assert len(message["installation"]["uuid"]) == 36
    assert set(message["data"]) == {"event", "triggered_rule"}
    assert message["data"]["triggered_rule"] == "New issue"
    event = message["data"]["event"]
    assert {name: event[name] for name in _EVENT} == _EVENT
    assert event["event_id"] == event_id
    assert event["url"] == f"{BASE}/api/0/projects/obs/simple-app/events/{event_id}/"
    assert event["web_url"] == f"{BASE}/organizations/obs/issues/1/events/{event_id}/"
    assert event["exception"]["values"][0]["type"] == "ValueError"
    assert ["endpoint", "/error"] in event["tags"]


_EVENT = {
    "title": "ValueError: Intentional error for testing",
    "culprit": "error",
    "level": "error",
    "platform": "python",
    "environment": "staging",
    "release": "simple-app@1.0.0",
    "project": 1,
    "issue_id": "1",
    "issue_url": f"{BASE}/api/0/issues/1/",
    "datetime": "2026-11-23T15:34:57.299839Z",
    "timestamp": 1795448097.299839,
}


def test_a_metric_alert_tells_rule_incident_and_link(sentry: AlertingSentry) -> None:
    sentry.make_metric_rule(50)
    sentry.send_event(transaction_event())
    [(url, _, headers)] = sentry.hook.requests
    assert (url, headers["Sentry-Hook-Resource"]) == (HOOK, "metric_alert")
    data = sentry.hook.bodies[0]["data"]
    assert data["description_title"] == "Critical: Slow"
    assert data["description_text"] == "98.47 p95(transaction.duration) in the last 1 minute"
    assert data["web_url"] == f"{BASE}/organizations/obs/alerts/1/"
    alert = data["metric_alert"]
    assert (alert["id"], alert["status"], alert["title"]) == ("1", 20, "Slow")
    assert (alert["date_started"], alert["date_closed"]) == ("2026-11-23T15:35:00.000000Z", None)
    rule = alert["alert_rule"]
    assert (rule["aggregate"], rule["time_window"], rule["projects"]) == (
        "p95(transaction.duration)",
        1,
        ["simple-app"],
    )
    [trigger] = rule["triggers"]
    assert (trigger["label"], trigger["alert_threshold"]) == ("critical", 50)
    assert trigger["actions"][0]["sentry_app_id"] == 1


def test_an_attempt_returns_the_status_and_follows_no_redirect(receiver: Receiver) -> None:
    statuses = [
        asyncio.run(post(f"{receiver.url}/{status}", b"{}", {})) for status in (200, 302, 500)
    ]
    assert statuses == [200, 302, 500]
    assert [path for path, _, _ in receiver.received] == ["/200", "/302", "/500"]


def test_an_attempt_at_a_closed_port_is_no_answer() -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{reserved.getsockname()[1]}/"
        with pytest.raises(NoAnswer, match=f"no answer from {url}: "):
            asyncio.run(post(url, b"{}", {}))


def last_delivery(sentry: AlertingSentry) -> dict[str, Any]:
    delivery: dict[str, Any] = sentry.get(f"{RULES}1/")["lastDelivery"]
    return {name: delivery[name] for name in ("status", "attempts", "responseCode", "error")}


def test_a_receivers_trouble_is_tried_again_with_the_same_request_id(
    sentry: AlertingSentry,
) -> None:
    sentry.make_rule(FIRST_SEEN)
    sentry.hook.fails(503, "connection refused")
    sentry.send_event(error_event())
    assert len({headers["Request-ID"] for _, _, headers in sentry.hook.requests}) == 1
    assert len({body for _, body, _ in sentry.hook.requests}) == 1
    assert last_delivery(sentry) == {
        "status": "delivered",
        "attempts": 3,
        "responseCode": 200,
        "error": None,
    }


@pytest.mark.parametrize(
    ("answers", "end"),
    [
        ((500, 502, 503), (3, 503, f"{HOOK} answered 503")),
        (("down", "down", "still down"), (3, None, "still down")),
        ((404,), (1, 404, f"{HOOK} answered 404")),
        ((302,), (1, 302, f"{HOOK} answered 302")),
    ],
)
def test_a_failure_is_recorded_and_shown(
    sentry: AlertingSentry, answers: tuple[Any, ...], end: tuple[int, int | None, str]
) -> None:
    sentry.make_rule(FIRST_SEEN)
    sentry.hook.fails(*answers)
    sentry.send_event(error_event())
    attempts, code, error = end
    assert last_delivery(sentry) == {
        "status": "failed",
        "attempts": attempts,
        "responseCode": code,
        "error": error,
    }
    status = sentry.server.status()["alerts"]
    assert status["webhooks"] == {"failed": 1}
    [failed] = status["failed_webhooks"]
    assert failed["error"] == error


def test_a_dead_receiver_does_not_delay_another(sentry: AlertingSentry) -> None:
    dead, alive = asyncio.Event(), []

    async def send(url: str, _body: bytes, _headers: Any) -> int:
        if "dead" in url:
            await dead.wait()
        else:
            alive.append(url)
            dead.set()
        return 200

    sentry.alerts.outbox._send = send
    for name in ("dead", "alive"):
        sentry.make_app(webhookUrl=f"http://127.0.0.1:9/{name}")
        sentry.make_rule(FIRST_SEEN)
    sentry.send_event(error_event())
    assert alive == ["http://127.0.0.1:9/alive"]
    assert sentry.server.status()["alerts"]["webhooks"] == {"delivered": 2}


def test_webhooks_of_one_integration_arrive_in_order(sentry: AlertingSentry) -> None:
    order: list[str] = []

    async def send(_url: str, body: bytes, _headers: Any) -> int:
        # The first takes longest: sent side by side, it would end last.
        await asyncio.sleep(0.01 / (len(order) + 1))
        order.append(orjson.loads(body)["data"]["triggered_rule"])
        return 200

    sentry.alerts.outbox._send = send
    for number in range(3):
        sentry.make_rule(FIRST_SEEN, name=str(number))
    sentry.send_event(error_event())
    assert order == ["0", "1", "2"]


def test_the_secret_is_in_no_status_and_no_repr(sentry: AlertingSentry) -> None:
    app = sentry.make_app()
    sentry.make_rule(FIRST_SEEN)
    sentry.send_event(error_event())
    assert app["clientSecret"] not in repr(sentry.server.status())
    assert app["clientSecret"] not in repr(sentry.alerts.state.apps)


def test_integrations_that_want_it_are_told_what_becomes_of_an_issue() -> None:
    sentry = AlertingSentry()
    sentry.start()
    try:
        sentry.make_app("wants", events=["issue"])
        sentry.make_app("does not")
        sentry.send_event(error_event())
        (issue,) = sentry.get("/api/0/organizations/obs/issues/")
        url = f"/api/0/organizations/obs/issues/{issue['id']}/"
        for status in ("resolved", "resolved"):
            sentry.put(url, {"status": status})
        sentry.send_event(error_event())
        sentry.put(url, {"status": "ignored"})
        sentry.put(url, {"hasSeen": True})
        sentry.put(url, {"status": "unresolved"})

        assert sentry.hook.actions == [
            *("created", "resolved", "unresolved", "archived", "unresolved")
        ]
        created, resolved, *_ = sentry.hook.bodies
        told = created["data"]["issue"]
        assert (told["id"], told["shortId"], told["status"]) == (
            issue["id"],
            issue["shortId"],
            "unresolved",
        )
        assert told["web_url"] == issue["permalink"]
        assert told["url"] == f"{BASE}/api/0/issues/{issue['id']}/"
        assert told["project_url"].endswith("/organizations/obs/issues/?project=simple-app")
        assert resolved["data"]["resolution_type"] == "now"
        assert {headers["Sentry-Hook-Resource"] for _, _, headers in sentry.hook.requests} == {
            "issue"
        }
    finally:
        sentry.close()
