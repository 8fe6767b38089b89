"""The details of a span or a log: every attribute, as Sentry's trace view asks for them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.embedded.sentry.support import Sentry, log_item, transaction_event
from tests.unit.embedded.sentry.test_otlp import CLIENT, SERVER, TRACE, export, request_of

ITEMS = "/api/0/projects/obs/simple-app/trace-items"


def attributes(item: dict[str, Any]) -> dict[str, tuple[str, Any]]:
    return {each["name"]: (each["type"], each["value"]) for each in item["attributes"]}


def test_a_span_of_otlp_has_its_columns_and_all_its_own_attributes(sentry: Sentry) -> None:
    export(sentry, request_of().SerializeToString())
    item = sentry.get(f"{ITEMS}/{SERVER}/", trace_id=TRACE, item_type="spans")
    assert (item["itemId"], item["timestamp"]) == (SERVER, "2026-11-23T15:34:57.000000Z")
    found = attributes(item)
    assert found["span.name"] == ("str", "GET /error")
    assert found["span.duration"] == ("float", 150.0)
    assert found["is_transaction"] == ("bool", True)
    assert found["http.request.method"] == ("str", "GET")
    # Own numbers are marked as such, whole ones are text.
    assert found["tags[http.response.status_code,number]"] == ("int", "500")
    assert found["tags"] == ("str", '["a"]')
    assert found["service.name"] == ("str", "simple-app")
    assert found["sentry.status.message"] == ("str", "ValueError: boom")
    order = [(each["type"], each["name"]) for each in item["attributes"]]
    assert order == sorted(order)


def test_a_span_of_an_sdk_has_its_data(sentry: Sentry) -> None:
    sentry.send_event(transaction_event(trace_id=TRACE))
    item = sentry.get(f"{ITEMS}/8a060c795a813a4f/", trace_id=TRACE, item_type="spans")
    assert attributes(item)["db.system"] == ("str", "sqlite")


def test_a_span_is_found_in_its_own_trace_and_project_alone(sentry: Sentry) -> None:
    export(sentry, request_of().SerializeToString())
    sentry.post("/api/0/teams/obs/qa/projects/", {"name": "other"})
    elsewhere = ITEMS.replace("simple-app", "other")
    for url, trace in (
        (f"{ITEMS}/{CLIENT}/", "b" * 32),
        (f"{ITEMS}/{'c' * 16}/", TRACE),
        (f"{elsewhere}/{CLIENT}/", TRACE),
    ):
        answer = sentry.call("GET", url, trace_id=trace, item_type="spans")
        assert (answer.status_code, answer.json()) == (
            404,
            {"detail": "The requested resource does not exist"},
        )


def test_a_log_has_its_columns_and_all_its_own_attributes(sentry: Sentry) -> None:
    sentry.send(log_item("paid"))
    (row,) = sentry.get(
        "/api/0/organizations/obs/events/",
        dataset="logs",
        field=["id", "trace"],
        query="message:paid",
    )["data"]
    item = sentry.get(f"{ITEMS}/{row['id']}/", trace_id=row["trace"], item_type="logs")
    assert item["itemId"] == row["id"]
    found = attributes(item)
    assert found["message"] == ("str", "paid")
    assert found["severity"] == ("str", "info")
    assert found["logger.name"] == ("str", "shop")
    for item_id, trace in (("f" * 32, row["trace"]), (row["id"], "b" * 32)):
        url = f"{ITEMS}/{item_id}/"
        assert sentry.call("GET", url, trace_id=trace, item_type="logs").status_code == 404


@pytest.mark.parametrize(
    ("params", "body"),
    [
        ({"item_type": "spans"}, {"trace_id": ["This field is required."]}),
        ({"trace_id": TRACE}, {"item_type": ["This field is required."]}),
        (
            {"trace_id": TRACE, "item_type": "span"},
            {"item_type": ['"span" is not a valid choice.']},
        ),
        (
            {"trace_id": "xyz", "item_type": "spans"},
            {"trace_id": ["Must be a valid UUID."]},
        ),
        (
            {"trace_id": TRACE, "item_type": "tracemetrics"},
            {
                "detail": "not supported by the embedded Sentry: item_type 'tracemetrics' of trace "
                "items; use --obs-stack=compose, or --obs-use sentry=URL"
            },
        ),
    ],
)
def test_bad_questions_are_refused(
    sentry: Sentry, params: dict[str, str], body: dict[str, Any]
) -> None:
    answer = sentry.call("GET", f"{ITEMS}/{SERVER}/", **params)
    assert (answer.status_code, answer.json()) == (400, body)
