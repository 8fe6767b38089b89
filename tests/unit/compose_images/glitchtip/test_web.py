from __future__ import annotations

import asyncio
from typing import Any

import httpx
import orjson
import pytest

from pytest_obsstack.embedded.sentry.server import SentryServer
from pytest_obsstack.embedded.sentry.settings import SentrySettings
from pytest_obsstack.wire.envelope import Envelope, Item, serialize_envelope
from tests.compose.standins.glitchtip.clients import Database
from tests.compose.standins.glitchtip.journal_table import JournalTable
from tests.compose.standins.glitchtip.queue import Queue
from tests.compose.standins.glitchtip.scheduler import KEPT_RUNS, run_job
from tests.compose.standins.glitchtip.web import QueueingLedger, web_app
from tests.compose.standins.glitchtip.web_path import DELIVERIES
from tests.unit.compose_images.glitchtip.fakes import Lists, database, rows
from tests.unit.embedded.sentry.support import error_event

TOKEN, WORKER_TOKEN = "a-token-of-the-tests", "a-token-of-the-worker"
ISSUES = "/api/0/projects/obs/simple-app/issues/"


class Deployment:
    """``web`` with its queue and its database; ``restart`` is a new process on the same ones."""

    def __init__(self) -> None:
        self.lists = Lists()
        self.queue = Queue(self.lists)
        self.database: Database = database()
        self.restart()
        self.ask("POST", "/api/0/organizations/", json={"name": "obs"})
        self.ask("POST", "/api/0/organizations/obs/teams/", json={"name": "qa"})
        self.ask("POST", "/api/0/teams/obs/qa/projects/", json={"name": "simple-app"})
        [self.key] = [key.public_key for key in self.server.store.catalog.keys_of(1)]

    def restart(self) -> None:
        journal = JournalTable(self.database)
        self.server = SentryServer(SentrySettings.from_json({"api_token": TOKEN}), journal)
        for entry in journal.entries():
            self.server.replay(entry)
        self.app = web_app(self.server, self.queue, WORKER_TOKEN, away=(ConnectionError,))

    def ask(self, method: str, url: str, token: str = TOKEN, **options: Any) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://sentry") as client:
                headers = {"Authorization": f"Bearer {token}", **options.pop("headers", {})}
                return await client.request(method, url, headers=headers, **options)

        return asyncio.run(send())

    def report(self, key: str | None = None, **event: Any) -> httpx.Response:
        body = error_event(**event)
        item = Item.of("event", orjson.dumps(body))
        envelope = serialize_envelope(Envelope({"event_id": body["event_id"]}, (item,)))
        sentry_auth = f"Sentry sentry_key={key or self.key}, sentry_version=7"
        return self.ask(
            "POST",
            "/api/1/envelope/",
            content=envelope,
            headers={"X-Sentry-Auth": sentry_auth},
        )

    def deliver(self, data: bytes, token: str = WORKER_TOKEN) -> httpx.Response:
        return self.ask("POST", DELIVERIES, token, content=data)

    def taken(self) -> bytes:
        data = self.queue.take(0.1)
        assert data is not None
        return data

    def counts(self) -> list[int]:
        return [int(issue["count"]) for issue in self.ask("GET", ISSUES).json()]


@pytest.fixture
def deployment() -> Deployment:
    return Deployment()


def test_what_is_accepted_waits_until_it_is_delivered(deployment: Deployment) -> None:
    answer = deployment.report()
    assert answer.status_code == 200
    assert set(answer.json()) == {"id"}
    assert deployment.counts() == []
    assert deployment.queue.depths() == (1, 0)

    assert deployment.deliver(deployment.taken()).json() == {"stored": True}
    assert deployment.counts() == [1]


def test_a_delivery_that_comes_twice_is_counted_once(deployment: Deployment) -> None:
    deployment.report()
    data = deployment.taken()
    deployment.deliver(data)
    again = deployment.deliver(data)
    assert (again.status_code, again.json()) == (200, {"stored": False})
    assert deployment.counts() == [1]


def test_a_wrong_key_is_refused_at_once_and_nothing_waits(deployment: Deployment) -> None:
    answer = deployment.report("f" * 32)
    assert answer.status_code == 403
    assert "ProjectId" in answer.text
    assert deployment.queue.depths() == (0, 0)


def test_after_a_restart_everything_is_there_and_keeps_its_ids(deployment: Deployment) -> None:
    for _ in range(3):
        deployment.report()
        deployment.deliver(deployment.taken())
    before = deployment.ask("GET", ISSUES).json()
    deployment.restart()
    assert deployment.ask("GET", ISSUES).json() == before
    assert deployment.counts() == [3]


def test_a_delivery_from_before_a_restart_is_still_known(deployment: Deployment) -> None:
    deployment.report()
    data = deployment.taken()
    deployment.deliver(data)
    deployment.restart()
    assert deployment.deliver(data).json() == {"stored": False}
    assert deployment.counts() == [1]


def test_only_the_worker_may_deliver(deployment: Deployment) -> None:
    deployment.report()
    data = deployment.taken()
    assert deployment.deliver(data, TOKEN).status_code == 401
    assert deployment.counts() == []


def test_what_is_no_item_is_refused_as_such(deployment: Deployment) -> None:
    answer = deployment.deliver(b"nonsense")
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("not an item of the queue: ")


def test_without_its_queue_the_sender_is_told_to_come_again(deployment: Deployment) -> None:
    deployment.lists.away = True
    answer = deployment.report()
    assert (answer.status_code, answer.text) == (503, "queue unavailable")


def test_changes_through_the_api_are_never_queued(deployment: Deployment) -> None:
    ledger = QueueingLedger(deployment.server, deployment.queue)
    with pytest.raises(NotImplementedError, match=r"^issue\.updated is recorded by the server's"):
        ledger.change("issue.updated", {})


def test_the_scheduler_notes_how_far_the_worker_is_behind(deployment: Deployment) -> None:
    for _ in range(3):
        deployment.report()
    deployment.deliver(deployment.taken())
    assert run_job(deployment.database, deployment.queue) == (2, 1)
    assert rows(deployment.database, "SELECT job, waiting, in_work, stored FROM scheduled_run") == [
        ("note-queue", 2, 1, 1)
    ]


def test_the_scheduler_forgets_its_oldest_runs(deployment: Deployment) -> None:
    for _ in range(KEPT_RUNS + 5):
        run_job(deployment.database, deployment.queue)
    query = "SELECT min(id), max(id), count(*) FROM scheduled_run"
    assert rows(deployment.database, query) == [(6, KEPT_RUNS + 5, KEPT_RUNS)]
