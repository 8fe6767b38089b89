from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from pytest_obsstack.embedded.journal import Journal, JournalEntry, read_journal
from pytest_obsstack.embedded.sentry.server import SentryServer
from pytest_obsstack.embedded.sentry.settings import SentrySettings
from pytest_obsstack.wire.envelope import Item
from tests.unit.embedded.sentry.support import (
    TRACE,
    Sentry,
    error_event,
    log_item,
    transaction_event,
)
from tests.unit.embedded.sentry.test_otlp import export, request_of

ORGANIZATION = "/api/0/organizations/obs"
PROJECT = "/api/0/projects/obs/simple-app"


def use(sentry: Sentry) -> None:
    """Everything that goes into the journal, some of it several times."""
    event = error_event(tags={"tier": "gold"}, user={"id": "7"})
    binary = Item.of("attachment", bytes(range(256)), filename="b.bin")
    sentry.send_event(event, binary)
    sentry.send_event(event)
    sentry.clock.advance(1)
    sentry.send(Item.of("event", b'{"message":"without an id"}'))
    sentry.send_event(transaction_event())
    sentry.send(log_item("one", "two"), Item.of("sessions", b"{}"))
    sentry.send(
        Item.of(
            "client_report",
            b'{"discarded_events":[{"reason":"r","category":"error","quantity":3}]}',
        )
    )
    export(sentry, request_of().SerializeToString())
    sentry.ingest(b'{"a":', url="/api/1/store/")
    sentry.ingest(orjson.dumps(error_event("FromStore")), url="/api/1/store/")
    sentry.put(f"{ORGANIZATION}/issues/1/", {"status": "resolved"})
    sentry.clock.advance(3600)
    sentry.send_event(error_event())
    sentry.put(f"{ORGANIZATION}/issues/2/", {"status": "ignored"})
    for name in ("doomed", "other"):
        sentry.post("/api/0/teams/obs/qa/projects/", {"name": name})
    sentry.call("DELETE", "/api/0/projects/obs/doomed/")
    made = sentry.post(f"{PROJECT}/keys/", {"name": "second"})
    sentry.put(f"{PROJECT}/keys/{made['id']}/", {"isActive": False})
    removed = sentry.post(f"{PROJECT}/keys/", {"name": "third"})
    sentry.call("DELETE", f"{PROJECT}/keys/{removed['id']}/")
    sentry.send_event(error_event("Deleted"))
    sentry.call("DELETE", f"{ORGANIZATION}/issues/4/")


def everything(sentry: Sentry) -> dict[str, Any]:
    """The API's answers, by what was asked."""
    span_fields = ["id", "trace", "span.name", "transaction", "service.name", "span.status"]
    asked: list[tuple[str, dict[str, Any]]] = [
        ("/api/0/organizations/", {}),
        (f"{ORGANIZATION}/", {}),
        (f"{PROJECT}/", {}),
        (f"{PROJECT}/keys/", {}),
        ("/api/0/projects/obs/other/keys/", {}),
        (f"{ORGANIZATION}/issues/", {"query": ""}),
        *((f"{ORGANIZATION}/issues/{number}/", {}) for number in (1, 2, 3)),
        *((f"{ORGANIZATION}/issues/{n}/events/", {"full": "1"}) for n in (1, 2, 3)),
        (f"{ORGANIZATION}/issues/1/tags/", {}),
        (f"{ORGANIZATION}/events/", {"dataset": "transactions", "field": ["id", "title"]}),
        (f"{ORGANIZATION}/events/", {"dataset": "spans", "field": span_fields}),
        (f"{ORGANIZATION}/events/", {"dataset": "logs", "field": ["id", "message", "timestamp"]}),
        (f"{ORGANIZATION}/trace/{TRACE}/", {}),
        (f"{ORGANIZATION}/releases/", {}),
        (
            f"{ORGANIZATION}/stats_v2/",
            {"field": "sum(quantity)", "groupBy": ["category", "outcome", "reason", "project"]},
        ),
    ]
    answers = {f"{url} {params}": sentry.get(url, **params) for url, params in asked}
    events = sentry.get(f"{PROJECT}/events/")
    for event in events:
        url = f"{PROJECT}/events/{event['id']}/"
        answers[url] = sentry.get(url)
        answers[url + "json/"] = sentry.get(url + "json/")
        answers[url + "attachments/"] = sentry.get(url + "attachments/")
    answers["status"] = sentry.server.status()
    return answers


def test_replay_of_the_journal_gives_the_same_answers(tmp_path: Path) -> None:
    path = tmp_path / "sentry.jsonl"
    first = Sentry(path)
    use(first)
    before = everything(first)
    first.close()
    second = Sentry(path)
    second.clock.now_ns = first.clock.now_ns
    assert everything(second) == before
    assert second.server.status()["events"] == 4
    second.close()


def test_after_a_replay_it_goes_on_as_if_nothing_had_been(tmp_path: Path) -> None:
    path = tmp_path / "sentry.jsonl"
    first = Sentry(path)
    event = error_event()
    first.send_event(event)
    first.close()
    second = Sentry(path)
    second.send_event(event)
    second.send_event(error_event())
    second.send_event(error_event("Another"))
    issues = {issue["shortId"]: issue["count"] for issue in second.issues()}
    assert issues == {"SIMPLE-APP-1": "2", "SIMPLE-APP-2": "1"}
    second.close()


def replayed(path: Path, prepare: Callable[[SentryServer], object]) -> SentryServer:
    """A server that ``prepare`` has seen before it replays."""
    server = SentryServer(SentrySettings(), Journal(None))
    prepare(server)
    for entry in read_journal(path):
        server.replay(entry)
    return server


def test_replay_tells_no_observer(tmp_path: Path) -> None:
    path = tmp_path / "sentry.jsonl"
    first = Sentry(path)
    told: list[object] = []
    first.server.observers.on_event.append(lambda *args: told.append(args))
    first.send_event(error_event())
    first.close()
    assert len(told) == 1
    told.clear()
    second = replayed(
        path, lambda server: server.observers.on_event.append(lambda *args: told.append(args))
    )
    assert second.status()["events"] == 1
    assert told == []


def test_journal_holds_no_key_of_a_sender_beside_those_made_by_the_api(tmp_path: Path) -> None:
    path = tmp_path / "sentry.jsonl"
    server = Sentry(path)
    server.send_event(error_event())
    server.close()
    lines = path.read_text().splitlines()
    assert [line for line in lines if server.key in line and "project.created" not in line] == []


def test_parts_beside_the_store_keep_entries_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "sentry.jsonl"
    rules: list[tuple[str, Any]] = []

    def keep(entry: JournalEntry) -> int:
        rules.append((entry.kind, orjson.loads(entry.payload)))
        return len(rules)

    first = Sentry(path)
    first.server.ledger.register("alert_rule.created", keep)
    assert first.server.ledger.change("alert_rule.created", {"name": "r"}) == 1
    first.close()
    replayed(path, lambda server: server.ledger.register("alert_rule.created", keep))
    assert rules == [("alert_rule.created", {"name": "r"})] * 2


@pytest.mark.parametrize("kind", ["envelope", "issue.updated", "mine"])
def test_kind_of_entry_belongs_to_one_part(sentry: Sentry, kind: str) -> None:
    if kind == "mine":
        sentry.server.ledger.register(kind, repr)
    with pytest.raises(ValueError, match=f"journal kind '{kind}' is taken"):
        sentry.server.ledger.register(kind, repr)
