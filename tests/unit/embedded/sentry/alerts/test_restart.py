"""What a restart with the same journal keeps: rules, firings, incidents, webhooks that are owed."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from tests.unit.embedded.sentry.alerts.support import FIRST_SEEN, RULES, AlertingSentry
from tests.unit.embedded.sentry.support import error_event, transaction_event


def again(sentry: AlertingSentry, path: Path) -> AlertingSentry:
    sentry.close()
    restarted = AlertingSentry(path)
    restarted.start()
    return restarted


def test_rules_and_integrations_are_there_again(tmp_path: Path) -> None:
    sentry = AlertingSentry(tmp_path / "journal")
    sentry.start()
    sentry.make_app("gone")
    sentry.call("DELETE", f"/api/0/sentry-apps/{sentry.app['slug']}/")
    sentry.make_app("pager")
    sentry.make_rule(FIRST_SEEN, name="deleted")
    sentry.call("DELETE", f"{RULES}1/")
    sentry.make_rule(FIRST_SEEN)
    sentry.put(f"{RULES}2/", sentry.rule_body(FIRST_SEEN, name="renamed"))
    body = sentry.metric_body()
    body["triggers"][0]["actions"][0]["sentryAppId"] = 2
    sentry.post("/api/0/organizations/obs/alert-rules/", body)
    urls = [
        "/api/0/organizations/obs/sentry-apps/",
        RULES,
        "/api/0/organizations/obs/alert-rules/",
    ]
    before = [sentry.get(url) for url in urls]
    restarted = again(sentry, tmp_path / "journal")
    assert [restarted.get(url) for url in urls] == before
    assert before[1][0]["name"] == "renamed"
    # Ids are never given twice.
    restarted.app = before[0][0]
    assert restarted.make_rule(FIRST_SEEN)["id"] == "3"
    restarted.close()


def test_nothing_fires_again_and_the_silence_goes_on(tmp_path: Path) -> None:
    sentry = AlertingSentry(tmp_path / "journal")
    sentry.start()
    sentry.make_rule(frequency=5)
    sentry.send_event(error_event())
    assert len(sentry.hook.requests) == 1
    restarted = again(sentry, tmp_path / "journal")
    restarted.send_event(error_event())
    assert restarted.hook.requests == []
    restarted.clock.advance(301)
    restarted.send_event(error_event())
    assert len(restarted.hook.requests) == 1
    restarted.close()


def test_an_open_incident_stays_open_and_resolves_once(tmp_path: Path) -> None:
    sentry = AlertingSentry(tmp_path / "journal")
    sentry.start()
    sentry.make_metric_rule(50)
    sentry.send_event(transaction_event())
    assert sentry.hook.actions == ["critical"]
    restarted = again(sentry, tmp_path / "journal")
    assert restarted.hook.requests == []
    assert restarted.server.status()["alerts"]["open_incidents"] == 1
    restarted.pass_time(61)
    assert restarted.hook.actions == ["resolved"]
    restarted.close()


def test_what_was_owed_when_the_server_stopped_is_sent_when_it_starts(tmp_path: Path) -> None:
    sentry = AlertingSentry(tmp_path / "journal")
    sentry.start()
    sentry.make_rule(FIRST_SEEN)
    sentry.stop()
    event_id = sentry.send_event(error_event())
    assert sentry.hook.requests == []
    assert sentry.get(f"{RULES}1/")["lastDelivery"] == {"status": "pending", "action": "triggered"}
    restarted = again(sentry, tmp_path / "journal")
    [body] = restarted.hook.bodies
    assert body["data"]["event"]["event_id"] == event_id
    once_more = again(restarted, tmp_path / "journal")
    assert once_more.hook.requests == []
    once_more.close()


def test_a_stop_does_not_wait_for_a_receiver_that_hangs(tmp_path: Path) -> None:
    sentry = AlertingSentry(tmp_path / "journal")
    sentry.start()
    sentry.make_rule(FIRST_SEEN)

    async def hang(*_args: Any) -> int:
        await asyncio.Event().wait()
        return 200

    async def accept_and_stop() -> None:
        sentry.alerts.outbox.add(sentry.alerts.state.owed())
        await asyncio.sleep(0)
        await asyncio.wait_for(sentry.server.stop(), timeout=5)

    sentry.stop()
    sentry.send_event(error_event())
    sentry.alerts.outbox._send = hang
    sentry.alerts.outbox._running = True
    sentry._loop.run_until_complete(accept_and_stop())
    assert sentry.get(f"{RULES}1/")["lastDelivery"]["status"] == "pending"
    restarted = again(sentry, tmp_path / "journal")
    assert len(restarted.hook.requests) == 1
    restarted.close()


def test_what_was_owed_to_a_deleted_integration_is_told_as_failed(tmp_path: Path) -> None:
    sentry = AlertingSentry(tmp_path / "journal")
    sentry.start()
    sentry.make_rule(FIRST_SEEN)
    sentry.stop()
    sentry.send_event(error_event())
    sentry.call("DELETE", f"/api/0/sentry-apps/{sentry.app['slug']}/")
    restarted = again(sentry, tmp_path / "journal")
    assert restarted.hook.requests == []
    delivery = restarted.get(f"{RULES}1/")["lastDelivery"]
    assert (delivery["status"], delivery["attempts"]) == ("failed", 0)
    assert delivery["error"] == "the integration was deleted"
    restarted.close()


def test_a_host_that_is_not_allowed_any_more_is_not_called(tmp_path: Path) -> None:
    sentry = AlertingSentry(tmp_path / "journal", webhook_hosts="hooks.example.com")
    sentry.start()
    sentry.make_app(webhookUrl="https://hooks.example.com/x")
    sentry.make_rule(FIRST_SEEN)
    restarted = again(sentry, tmp_path / "journal")
    restarted.send_event(error_event())
    assert restarted.hook.requests == []
    assert restarted.get(f"{RULES}1/")["lastDelivery"]["error"].startswith(
        "not supported by the embedded Sentry: a webhook to 'hooks.example.com'"
    )
    restarted.close()
