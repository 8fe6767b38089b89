from __future__ import annotations

import orjson
import pytest

from pytest_obsstack.wire.envelope import Item
from tests.unit.embedded.sentry.support import (
    Sentry,
    error_event,
    log_item,
    new_id,
    transaction_event,
)


def outcomes(sentry: Sentry) -> dict[tuple[str, str, str], int]:
    return {
        (key.category, key.outcome, key.reason): quantity
        for key, quantity, _ in sentry.server.store.outcomes
    }


def test_items_of_unknown_types_are_kept_as_they_came(sentry: Sentry) -> None:
    sentry.send(Item.of("sessions", b'{"a":1}', x=1), Item.of("from_the_future", b"\xff\x00"))
    kept = sentry.server.store.telemetry.kept_items
    assert [(item.type, item.payload) for item in kept] == [
        ("sessions", b'{"a":1}'),
        ("from_the_future", b"\xff\x00"),
    ]
    assert kept[0].header == {"type": "sessions", "x": 1}
    assert outcomes(sentry) == {
        ("session", "accepted", ""): 1,
        ("from_the_future", "accepted", ""): 1,
    }


def test_transaction_counts_itself_and_its_spans(sentry: Sentry) -> None:
    sentry.send_event(transaction_event())
    assert outcomes(sentry) == {("transaction", "accepted", ""): 1, ("span", "accepted", ""): 2}


def test_event_sent_twice_is_one_event_with_two_deliveries(sentry: Sentry) -> None:
    event = error_event()
    attachment = Item.of("attachment", b"hello", filename="note.txt")
    sentry.send_event(event, attachment)
    sentry.send_event(event, attachment)
    [issue] = sentry.issues()
    assert issue["count"] == "1"
    url = f"/api/0/projects/obs/simple-app/events/{event['event_id']}/"
    assert sentry.call("GET", url).headers["X-Obsstack-Deliveries"] == "2"
    assert len(sentry.get(url + "attachments/")) == 1
    assert outcomes(sentry)["error", "accepted", ""] == 1
    assert outcomes(sentry)["error", "invalid", "duplicate"] == 1
    assert sentry.server.status()["duplicate_deliveries"] == 1


def test_envelope_with_two_events_is_dropped_as_a_whole(sentry: Sentry) -> None:
    item = Item.of("event", orjson.dumps(error_event()))
    sentry.send(item, item, event_id=new_id())
    assert sentry.issues() == []
    assert outcomes(sentry) == {("error", "invalid", "duplicate_item"): 2}


@pytest.mark.parametrize(
    "payload",
    [b"{", b"[1]", b'"text"', b'{"a":' + b"[" * 300 + b"]" * 300 + b"}", b"[" * 100_000],
)
def test_event_that_cannot_be_read_is_counted_as_invalid(sentry: Sentry, payload: bytes) -> None:
    sentry.send(Item.of("event", payload), event_id=new_id())
    assert sentry.issues() == []
    assert outcomes(sentry) == {("error", "invalid", "invalid_json"): 1}


def test_client_report_is_counted_with_its_reasons(sentry: Sentry) -> None:
    report = {
        "timestamp": "2026-11-23T15:35:00Z",
        "discarded_events": [
            {"reason": "queue_overflow", "category": "error", "quantity": 399},
            {"reason": "sample_rate", "category": "transaction", "quantity": 2},
            {"reason": "nonsense", "category": "error", "quantity": -1},
            "nonsense",
        ],
        "rate_limited_events": [{"reason": "quota", "category": "error", "quantity": 1}],
    }
    sentry.send(Item.of("client_report", orjson.dumps(report)))
    assert outcomes(sentry) == {
        ("error", "client_discard", "queue_overflow"): 399,
        ("transaction", "client_discard", "sample_rate"): 2,
        ("error", "rate_limited", "quota"): 1,
    }


def test_logs_of_a_container_are_single_records(sentry: Sentry) -> None:
    sentry.send(log_item("one", "two", level="warn"))
    rows = sentry.rows(
        "logs", "message", "severity", "severity_number", "trace", "logger.name", "environment"
    )
    assert [row["message"] for row in rows] == ["two", "one"]
    assert rows[0] == {
        "message": "two",
        "severity": "warn",
        "severity_number": 13,
        "trace": "fcfcf75ace5145be92ec4bbdbfa895f8",
        "logger.name": "shop",
        "environment": "staging",
    }


def test_log_without_a_text_is_invalid_and_the_others_are_not(sentry: Sentry) -> None:
    payload = orjson.dumps({"items": [{"level": "info"}, 5, {"body": "fine"}]})
    sentry.send(Item.of("log", payload))
    assert outcomes(sentry) == {
        ("log_item", "accepted", ""): 1,
        ("log_item", "invalid", "invalid_log"): 1,
        ("log_item", "invalid", "invalid_json"): 1,
    }


def test_attachment_is_given_back_byte_for_byte(sentry: Sentry) -> None:
    event = error_event()
    payload = bytes(range(256))
    name = 'a"b\r\n.bin'
    sentry.send_event(
        event, Item.of("attachment", payload, filename=name, content_type="text/html")
    )
    url = f"/api/0/projects/obs/simple-app/events/{event['event_id']}/attachments/"
    [attachment] = sentry.get(url)
    assert attachment["name"] == name
    assert attachment["mimetype"] == "text/html"
    assert attachment["size"] == 256
    response = sentry.call("GET", f"{url}{attachment['id']}/", download="1")
    assert response.content == payload
    assert response.headers["content-type"] == "application/octet-stream"
    assert response.headers["content-disposition"] == 'attachment; filename="a_b__.bin"'


def test_streamed_spans_are_spans(sentry: Sentry) -> None:
    span = {
        "trace_id": "190a81a379724061a6d708bb231c383d",
        "span_id": "9fe90cc04d7710a5",
        "name": "boom",
        "status": "error",
        "is_segment": True,
        "start_timestamp": 1795448099.028182,
        "end_timestamp": 1795448099.117769,
        "attributes": {
            "sentry.op": {"value": "http.server", "type": "string"},
            "http.response.status_code": {"value": 500, "type": "integer"},
            "user.id": {"value": "u-7", "type": "string"},
        },
    }
    payload = orjson.dumps({"version": 2, "items": [span, {**span, "span_id": None}]})
    content_type = "application/vnd.sentry.items.span.v2+json"
    sentry.send(Item.of("span", payload, content_type=content_type))
    fields = ("span.op", "span.status", "transaction", "http.response.status_code", "user.id")
    assert sentry.rows("spans", *fields, query="is_transaction:true") == [
        dict(zip(fields, ("http.server", "error", "boom", 500, "u-7"), strict=True))
    ]
    assert outcomes(sentry)["span", "invalid", "invalid_span"] == 1
