from __future__ import annotations

import pytest

from tests.unit.embedded.sentry.support import (
    TRACE,
    Sentry,
    error_event,
    log_item,
    transaction_event,
)

EVENTS = "/api/0/organizations/obs/events/"
OTHER_TRACE = "190a81a379724061a6d708bb231c383d"


@pytest.fixture
def filled(sentry: Sentry) -> Sentry:
    """An error and a transaction of one trace, a slow transaction of another, two logs."""
    sentry.send_event(error_event(tags={"endpoint": "/error"}, user={"id": "7", "email": "a@b.c"}))
    sentry.send_event(transaction_event())
    slow = transaction_event(
        "slow",
        trace_id=OTHER_TRACE,
        start_timestamp=1795448000,
        timestamp=1795448002.5,
        measurements={"memory": {"value": 12.5, "unit": "megabyte"}},
        user={"id": "8"},
    )
    slow["spans"][0]["trace_id"] = OTHER_TRACE
    slow["contexts"]["trace"]["span_id"] = "aaaaaaaaaaaaaaaa"
    slow["spans"][0] |= {"span_id": "bbbbbbbbbbbbbbbb", "parent_span_id": "aaaaaaaaaaaaaaaa"}
    sentry.send_event(slow)
    sentry.send(log_item("about to fail", "failed"))
    return sentry


def test_errors_show_fields_and_tags(filled: Sentry) -> None:
    fields = (
        "title",
        "message",
        "level",
        "endpoint",
        "tags[endpoint]",
        "issue",
        "issue.id",
        "project",
        "user",
        "user.email",
        "error.type",
        "error.unhandled",
        "stack.function",
        "release",
        "trace",
        "nothing",
    )
    assert filled.rows("errors", *fields) == [
        {
            "title": "ValueError: Intentional error for testing",
            "message": "ValueError Intentional error for testing",
            "level": "error",
            "endpoint": "/error",
            "tags[endpoint]": "/error",
            "issue": "SIMPLE-APP-1",
            "issue.id": 1,
            "project": "simple-app",
            "user": "id:7",
            "user.email": "a@b.c",
            "error.type": ["ValueError"],
            "error.unhandled": True,
            "stack.function": ["view"],
            "release": "simple-app@1.0.0",
            "trace": TRACE,
            "nothing": None,
        }
    ]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["error", "slow"]),
        ("transaction.duration:>500ms", ["slow"]),
        ("transaction.duration:>2.4s", ["slow"]),
        ("transaction.duration:>=2500", ["slow"]),
        ("transaction.duration:<1s", ["error"]),
        ("transaction.op:http.server", ["error", "slow"]),
        ("transaction.status:internal_error", ["error", "slow"]),
        ("http.status_code:500 transaction:slow", ["slow"]),
        (f"trace:{TRACE}", ["error"]),
        ("measurements.memory:>10", ["slow"]),
        ("has:measurements.memory", ["slow"]),
        ("user.id:8", ["slow"]),
        ("!has:user", ["error"]),
    ],
)
def test_transactions_are_searched(filled: Sentry, query: str, names: list[str]) -> None:
    rows = filled.rows("transactions", "transaction", query=query, sort="transaction")
    assert [row["transaction"] for row in rows] == names


def test_transaction_has_its_duration_in_milliseconds(filled: Sentry) -> None:
    response = filled.get(EVENTS, dataset="transactions", field=["transaction.duration", "id"])
    assert [row["transaction.duration"] for row in response["data"]] == [98.47, 2500.0]
    assert response["meta"]["fields"]["transaction.duration"] == "duration"
    assert response["meta"]["units"]["transaction.duration"] == "millisecond"


def test_spans_hold_segments_and_their_children(filled: Sentry) -> None:
    [event] = filled.rows("transactions", "id", query=f"trace:{TRACE}")
    fields = (
        "id",
        "parent_span",
        "span.op",
        "span.description",
        "span.status",
        "span.duration",
        "precise.start_ts",
        "precise.finish_ts",
        "is_transaction",
        "transaction",
        "transaction.event_id",
        "transaction.span_id",
        "db.system",
        "origin",
        "environment",
    )
    rows = filled.rows("spans", *fields, query=f"trace:{TRACE}", sort="id")
    common = {
        "transaction": "error",
        "transaction.event_id": event["id"],
        "transaction.span_id": "909081044307ecaf",
        "environment": "staging",
    }
    assert rows == [
        {
            "id": "8a060c795a813a4f",
            "parent_span": "909081044307ecaf",
            "span.op": "db.query",
            "span.description": "SELECT 1",
            "span.status": "ok",
            "span.duration": 50.204,
            "precise.start_ts": 1795448097.243544,
            "precise.finish_ts": 1795448097.293748,
            "is_transaction": False,
            "db.system": "sqlite",
            "origin": "manual",
            **common,
        },
        {
            "id": "909081044307ecaf",
            "parent_span": None,
            "span.op": "http.server",
            "span.description": "error",
            "span.status": "internal_error",
            "span.duration": 98.47,
            "precise.start_ts": 1795448097.236271,
            "precise.finish_ts": 1795448097.334741,
            "is_transaction": True,
            "db.system": None,
            "origin": "auto.http.flask",
            **common,
        },
    ]


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("is_transaction:true", 2),
        ("is_transaction:0", 2),
        ("span.op:db*", 2),
        ("span.duration:>1s", 1),
        ("span.status:[ok, internal_error]", 4),
        ("!span.status:ok", 2),
        ("span.description:SELECT*", 2),
        ('span.description:"SELECT 1"', 2),
        ("select", 2),
        ("db.system:sqlite", 2),
        ("http.status_code:500", 2),
        ("(span.op:db* OR span.op:http*) transaction:slow", 2),
        ("user.id:8", 2),
        ("timestamp:-24h", 4),
    ],
)
def test_spans_are_searched(filled: Sentry, query: str, count: int) -> None:
    assert len(filled.rows("spans", "id", query=query)) == count


def test_logs_are_searched_by_text_severity_and_trace(filled: Sentry) -> None:
    assert [r["message"] for r in filled.rows("logs", "message", query="FAIL")] == [
        "failed",
        "about to fail",
    ]
    assert len(filled.rows("logs", "message", query="message:failed")) == 1
    assert len(filled.rows("logs", "id", query="severity:info logger.name:shop")) == 2
    assert len(filled.rows("ourlogs", "id", query=f"trace:{OTHER_TRACE}")) == 0
    assert len(filled.rows("ourlogs", "id", query=f"trace:{TRACE} severity_number:>=9")) == 2


def test_functions_group_by_the_other_fields(filled: Sentry) -> None:
    rows = filled.rows(
        "spans",
        "span.op",
        "count()",
        "avg(span.duration)",
        "p95(span.duration)",
        "max(span.duration)",
        "count_unique(transaction)",
        sort="-count()",
    )
    by_op = {row["span.op"]: row for row in rows}
    assert by_op["http.server"] == {
        "span.op": "http.server",
        "count()": 2,
        "avg(span.duration)": pytest.approx(1299.235),
        "p95(span.duration)": pytest.approx(98.47 + 0.95 * (2500 - 98.47)),
        "max(span.duration)": 2500.0,
        "count_unique(transaction)": 2,
    }
    assert len(rows) == 2


def test_functions_alone_give_one_row_even_of_nothing(filled: Sentry) -> None:
    fields = ("count()", "p50()", "sum(transaction.duration)")
    assert filled.rows("transactions", *fields, query="transaction:none") == [
        {"count()": 0, "p50()": None, "sum(transaction.duration)": None}
    ]


def test_rows_come_newest_first_and_in_pages(filled: Sentry) -> None:
    params = {"dataset": "spans", "field": ["id"], "per_page": "3"}
    response = filled.call("GET", EVENTS, **params)
    first = [row["id"] for row in response.json()["data"]]
    assert len(first) == 3
    assert 'rel="next"; results="true"; cursor="0:3:0"' in response.headers["link"]
    response = filled.call("GET", EVENTS, **params, cursor="0:3:0")
    second = [row["id"] for row in response.json()["data"]]
    assert 'rel="next"; results="false"' in response.headers["link"]
    assert 'rel="previous"; results="true"' in response.headers["link"]
    everything = filled.rows("spans", "id", "timestamp")
    assert [row["id"] for row in everything] == first + second
    times = [row["timestamp"] for row in everything]
    assert times == sorted(times, reverse=True)


@pytest.mark.parametrize(
    ("params", "what"),
    [
        ({"field": ["id"]}, "dataset 'discover' of"),
        ({"dataset": "profile_functions", "field": ["id"]}, "dataset 'profile_functions' of"),
        ({"dataset": "spans", "field": ["epm()"]}, "field 'epm()' of dataset 'spans'"),
        ({"dataset": "errors", "field": ["geo.city"]}, "field 'geo.city' of dataset 'errors'"),
        ({"dataset": "errors", "field": ["equation|count()/2"]}, "field 'equation|count()/2'"),
        ({"dataset": "spans", "field": ["id"], "query": "span.self_time:>1"}, "field 'span.self"),
        ({"dataset": "spans", "field": ["id"], "query": "count():>1"}, "field 'count()'"),
        ({"dataset": "spans", "field": ["id"], "interval": "1h"}, "parameter 'interval'"),
    ],
)
def test_what_sentry_has_and_this_server_has_not_is_refused_by_name(
    filled: Sentry, params: dict[str, object], what: str
) -> None:
    response = filled.call("GET", EVENTS, **params)
    assert response.status_code == 400
    detail = response.json()["detail"]
    assert detail.startswith(f"not supported by the embedded Sentry: {what}")
    assert detail.endswith("; use --obs-stack=compose, or --obs-use sentry=URL")


@pytest.mark.parametrize(
    ("params", "problem"),
    [
        ({}, "No columns selected"),
        ({"field": [f"f{n}" for n in range(21)]}, "You can view up to 20 fields at a time."),
        ({"field": ["id"], "sort": "-level"}, "orderby must also be in the selected columns"),
        ({"field": ["id"], "query": "("}, "Error parsing search query"),
        ({"field": ["id"], "per_page": "1000"}, "Invalid per_page value."),
    ],
)
def test_bad_requests_tell_why(filled: Sentry, params: dict[str, object], problem: str) -> None:
    response = filled.call("GET", EVENTS, dataset="errors", **params)
    assert response.status_code == 400
    assert problem in response.json()["detail"]


def test_a_column_of_mixed_types_can_be_sorted(sentry: Sentry) -> None:
    for value in (5, "text", None, True):
        transaction = transaction_event()
        transaction["contexts"]["trace"]["data"] = {"mixed": value}
        sentry.send_event(transaction)
    rows = sentry.rows("spans", "mixed", query="is_transaction:true", sort="mixed")
    assert [row["mixed"] for row in rows] == [None, True, 5, "text"]
