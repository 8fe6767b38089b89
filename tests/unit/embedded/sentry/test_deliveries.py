"""What the server counts of a trace beside Sentry's own API: deliveries, exceptions of spans."""

from __future__ import annotations

from typing import Any

from tests.unit.embedded.sentry import test_otlp as otlp
from tests.unit.embedded.sentry.support import TRACE, Sentry, error_event, transaction_event


def deliveries(sentry: Sentry, trace_id: str) -> Any:
    return sentry.get(f"/api/0/obsstack/traces/{trace_id}/")


def test_events_and_transactions_are_counted_by_their_ids(sentry: Sentry) -> None:
    event, transaction = error_event(), transaction_event()
    for each in (event, event, event, transaction):
        each.setdefault("contexts", {}).setdefault("trace", {})["trace_id"] = TRACE
        sentry.send_event(each)
    assert deliveries(sentry, TRACE)["events"] == {
        event["event_id"]: 3,
        transaction["event_id"]: 1,
    }


def test_spans_are_counted_by_their_ids(sentry: Sentry) -> None:
    request = otlp.request_of()
    otlp.export(sentry, request.SerializeToString())
    del request.resource_spans[0].scope_spans[0].spans[0]
    otlp.export(sentry, request.SerializeToString())
    assert deliveries(sentry, otlp.TRACE) == {
        "events": {},
        "spans": {otlp.SERVER: 1, otlp.CLIENT: 2},
        "exceptions": [],
    }


def test_exceptions_that_spans_have_recorded_are_kept(sentry: Sentry) -> None:
    request = otlp.request_of()
    span = request.resource_spans[0].scope_spans[0].spans[0]
    span.events.add(name="retry")
    exception = span.events.add(name="exception")
    for key, value in {"exception.type": "ValueError", "exception.message": "boom"}.items():
        exception.attributes.add(key=key).value.string_value = value
    otlp.export(sentry, request.SerializeToString())
    assert deliveries(sentry, otlp.TRACE)["exceptions"] == [
        {"span_id": otlp.SERVER, "type": "ValueError", "message": "boom"}
    ]


def test_an_unknown_trace_has_nothing(sentry: Sentry) -> None:
    assert deliveries(sentry, "0" * 32) == {"events": {}, "spans": {}, "exceptions": []}


def test_the_token_is_needed(sentry: Sentry) -> None:
    assert sentry.request("GET", f"/api/0/obsstack/traces/{TRACE}/").status_code == 401
