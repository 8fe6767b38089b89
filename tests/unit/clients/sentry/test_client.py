from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx
import pytest

from pytest_obsstack.clients.sentry.client import SentryClient
from pytest_obsstack.clients.sentry.explore import LOG_FIELDS, SPAN_FIELDS
from pytest_obsstack.endpoints import SentryEndpoint
from pytest_obsstack.errors import BackendRefused, BackendUnavailable, ObsstackError
from tests.unit.clients.answers import Answers, Turns, refusal

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
ORG = "/api/0/organizations/acme"
PROJECT = "/api/0/projects/acme/shop"
EVENT = {"eventID": "a" * 32, "title": "ValueError: x", "type": "error", "groupID": "1"}
TRANSACTION = {"eventID": "b" * 32, "title": "checkout", "type": "transaction"}
ISSUE = {
    "id": "1",
    "shortId": "SHOP-1",
    "title": "ValueError: x",
    "type": "error",
    "count": "150",
    "userCount": 2,
    "status": "unresolved",
    "substatus": "new",
    "level": "error",
    "culprit": "shop in pay",
    "firstSeen": "2018-11-06T21:19:55Z",
    "lastSeen": "2018-12-06T21:19:55Z",
    "permalink": "http://127.0.0.1:9000/organizations/acme/issues/1/",
    "metadata": {"type": "ValueError", "value": "x"},
    "project": {"id": "2", "slug": "shop"},
    "firstRelease": {"version": "shop@1"},
    "lastRelease": None,
}


def client(table: dict[str, Any], **options: Any) -> tuple[SentryClient, Answers]:
    answers = Answers(table)
    endpoint = SentryEndpoint(
        "http://127.0.0.1:9000/", token="token-1234", organization="acme", project="shop"
    )
    return SentryClient(endpoint, transport=answers, **options), answers


def test_the_token_goes_to_the_api_but_not_to_the_health_page() -> None:
    sentry, answers = client({f"GET {ORG}/issues/": [], "GET /_health/": "ok"})
    sentry.issues()
    sentry.health()
    assert answers.requests[0].headers["authorization"] == "Bearer token-1234"
    assert "authorization" not in answers.requests[1].headers


def test_an_unhealthy_server_is_unavailable() -> None:
    sentry, _ = client({"GET /_health/": refusal(503, "shutting down")})
    with pytest.raises(BackendUnavailable, match="503"):
        sentry.health()


def test_the_version_is_told_where_the_server_tells_it() -> None:
    config = {"version": {"current": "26.8.0", "latest": "26.8.0"}}
    assert client({"GET /api/client-config/": config})[0].version() == "26.8.0"
    assert client({"GET /api/client-config/": refusal(404, "")})[0].version() is None


def test_issues_of_the_project_are_searched_with_all_states() -> None:
    sentry, answers = client({f"GET {ORG}/issues/": [ISSUE]})
    [issue] = sentry.issues(limit=10)
    assert answers.params() == [("query", ""), ("project", "shop"), ("limit", "10")]
    assert (issue.id, issue.short_id, issue.count, issue.user_count) == ("1", "SHOP-1", 150, 2)
    assert (issue.type, issue.value, issue.event_type) == ("ValueError", "x", "error")
    assert (issue.status, issue.substatus, issue.level) == ("unresolved", "new", "error")
    assert (issue.first_release, issue.last_release) == ("shop@1", None)
    assert issue.first_seen is not None
    assert issue.first_seen.isoformat() == "2018-11-06T21:19:55+00:00"
    assert issue.project == "shop"
    assert issue.raw == ISSUE


def test_an_issue_made_by_a_message_has_no_type() -> None:
    message = {**ISSUE, "type": "default", "metadata": {"title": "hello"}}
    [issue] = client({f"GET {ORG}/issues/": [message]})[0].issues()
    assert (issue.type, issue.value) == (None, None)


def test_resolving_an_issue_sends_the_status_alone() -> None:
    sentry, answers = client({f"PUT {ORG}/issues/1/": {**ISSUE, "status": "resolved"}})
    assert sentry.update_issue("1", status="resolved").status == "resolved"
    assert answers.body() == {"status": "resolved"}


def test_a_read_only_client_does_not_resolve() -> None:
    sentry, answers = client({}, writable=False)
    with pytest.raises(ObsstackError, match="--obs-allow-writes"):
        sentry.update_issue("1", status="resolved")
    assert answers.requests == []


def test_errors_of_a_trace_are_queried_by_trace_and_fetched_once_each() -> None:
    sentry, answers = client(
        {
            f"GET {ORG}/events/": {"data": [{"id": "a" * 32, "project": "shop"}], "meta": {}},
            f"GET {PROJECT}/events/{'a' * 32}/": EVENT,
        }
    )
    first, second = sentry.events_of_trace(TRACE), sentry.events_of_trace(TRACE)
    assert [event.event_id for event in first] == ["a" * 32]
    assert first == second
    assert answers.params(0) == [
        ("dataset", "errors"),
        ("field", "id"),
        ("field", "project"),
        ("field", "timestamp"),
        ("query", f"trace:{TRACE}"),
        ("sort", "timestamp"),
        ("per_page", "100"),
    ]
    assert sum("/projects/" in line for line in answers.lines) == 1


def test_an_error_of_another_project_is_fetched_from_there() -> None:
    sentry, _ = client(
        {
            f"GET {ORG}/events/": {"data": [{"id": "a" * 32, "project": "stock"}]},
            f"GET /api/0/projects/acme/stock/events/{'a' * 32}/": EVENT,
        }
    )
    assert len(sentry.events_of_trace(TRACE)) == 1


def test_an_error_whose_body_is_not_there_yet_is_found_by_the_next_poll() -> None:
    bodies = Turns([refusal(404, {"detail": "Event not found"}), httpx.Response(200, json=EVENT)])
    sentry, _ = client(
        {
            f"GET {ORG}/events/": {"data": [{"id": "a" * 32, "project": "shop"}]},
            f"GET {PROJECT}/events/{'a' * 32}/": bodies,
        }
    )
    assert sentry.events_of_trace(TRACE) == ()
    assert len(sentry.events_of_trace(TRACE)) == 1


def test_a_body_that_is_forbidden_is_an_error_and_not_absent() -> None:
    sentry, _ = client(
        {
            f"GET {ORG}/events/": {"data": [{"id": "a" * 32, "project": "shop"}]},
            f"GET {PROJECT}/events/{'a' * 32}/": refusal(403, {"detail": "no permission"}),
        }
    )
    with pytest.raises(BackendRefused, match="event:read"):
        sentry.events_of_trace(TRACE)


def span(**values: Any) -> dict[str, Any]:
    return {
        "id": "1" * 16,
        "project": "shop",
        "parent_span": None,
        "span.op": "http.server",
        "span.name": "",
        "span.description": "GET /error",
        "span.status": "internal_error",
        "span.duration": 12.5,
        "kind": "SERVER",
        "precise.start_ts": 1795448930.25,
        "precise.finish_ts": 1795448930.2625,
        "transaction": "GET /error",
        "transaction.event_id": None,
        "is_transaction": 1,
        "origin": "auto.otlp",
        "service.name": "simple-app",
        "environment": None,
        "release": None,
        **values,
    }


def test_spans_of_a_trace_are_typed_rows() -> None:
    sentry, answers = client({f"GET {ORG}/events/": {"data": [span()]}})
    [row] = sentry.spans_of_trace(TRACE)
    assert (row.op, row.name, row.description) == ("http.server", "GET /error", "GET /error")
    assert (row.status, row.kind, row.service) == ("internal_error", "server", "simple-app")
    assert (row.start_s, row.end_s, row.duration_ms) == (1795448930.25, 1795448930.2625, 12.5)
    assert row.is_transaction
    assert row.transaction_event_id is None
    assert "environment" not in row.attributes
    assert row.attributes["service.name"] == "simple-app"
    fields = [value for name, value in answers.params() if name == "field"]
    assert fields == list(SPAN_FIELDS)
    assert dict(answers.params())["dataset"] == "spans"
    assert dict(answers.params())["sort"] == "precise.start_ts"


def test_no_request_selects_more_fields_than_sentry_allows() -> None:
    assert len(SPAN_FIELDS) <= 20
    assert len(LOG_FIELDS) <= 20


def test_transactions_of_a_trace_are_found_by_their_root_spans() -> None:
    data = [
        span(id="2" * 16),
        span(**{"transaction.event_id": "b" * 32}),
        span(id="3" * 16, is_transaction=0, **{"transaction.event_id": "b" * 32}),
    ]
    sentry, answers = client(
        {
            f"GET {ORG}/events/": {"data": data},
            f"GET {PROJECT}/events/{'b' * 32}/": TRANSACTION,
        }
    )
    [transaction] = sentry.transactions_of_trace(TRACE)
    assert transaction.name == "checkout"
    assert len(answers.requests) == 2


def test_logs_of_a_trace_are_typed_rows() -> None:
    row = {
        "id": "0192",
        "trace": TRACE,
        "trace.parent_span_id": "1" * 16,
        "span_id": None,
        "timestamp": "2026-11-23T15:48:50+00:00",
        "timestamp_precise": 1795448930097178000,
        "severity": "warn",
        "severity_number": 13,
        "message": "low stock",
    }
    [log] = client({f"GET {ORG}/events/": {"data": [row]}})[0].logs_of_trace(TRACE)
    assert (log.message, log.severity, log.severity_number) == ("low stock", "warn", 13)
    assert (log.trace_id, log.span_id) == (TRACE, "1" * 16)
    assert log.timestamp_ns == 1795448930097178000


def test_outcomes_are_asked_by_the_projects_number() -> None:
    groups = [
        {
            "by": {"category": "error", "outcome": "client_discard", "reason": "queue_overflow"},
            "totals": {"sum(quantity)": 3},
            "series": {},
        }
    ]
    sentry, answers = client(
        {
            f"GET {PROJECT}/": {"id": "4505", "slug": "shop"},
            f"GET {ORG}/stats_v2/": {"groups": groups},
        }
    )
    [outcome] = sentry.outcomes()
    sentry.outcomes()
    assert (outcome.category, outcome.outcome) == ("error", "client_discard")
    assert (outcome.reason, outcome.quantity) == ("queue_overflow", 3)
    assert ("project", "4505") in answers.params()
    assert sum(line.endswith("/projects/acme/shop/") for line in answers.lines) == 1


def test_a_release_with_a_slash_is_found_under_its_encoded_name() -> None:
    release = {"version": "web/app@1.0", "newGroups": 2, "projects": [{"slug": "shop"}]}
    sentry, _ = client({f"GET {ORG}/releases/web%2Fapp%401.0/": release})
    found = sentry.release("web/app@1.0")
    assert found is not None
    assert (found.new_issues, found.projects) == (2, ("shop",))


def test_any_other_path_can_be_asked() -> None:
    sentry, answers = client({f"GET {ORG}/replays/": {"data": []}})
    assert sentry.get("organizations/acme/replays/", per_page=5) == {"data": []}
    assert answers.params() == [("per_page", "5")]


@pytest.mark.parametrize("missing", ["organization", "project"])
def test_a_call_that_needs_what_the_endpoint_has_not_names_it(missing: str) -> None:
    known = SentryEndpoint("http://127.0.0.1:9000", organization="acme", project="shop")
    endpoint = replace(known, **{missing: None})  # type: ignore[arg-type]
    sentry = SentryClient(endpoint, transport=Answers({}))
    with pytest.raises(ObsstackError) as caught:
        sentry.event("a" * 32)
    assert caught.value.summary == f"This call needs to know Sentry's {missing}."
    assert caught.value.advice == f"give the {missing}'s slug"


def test_attributes_of_a_span_are_asked_for_once_and_numbers_are_numbers() -> None:
    listed = {"id": "1" * 16, "project": "cart", "span.name": "GET /"}
    details = {
        "itemId": "1" * 16,
        "attributes": [
            {"name": "is_transaction", "type": "bool", "value": True},
            {"name": "span.duration", "type": "float", "value": 2.5},
            {"name": "tags[http.response.status_code,number]", "type": "int", "value": "200"},
            {"name": "url.query", "type": "str", "value": "page=3"},
        ],
    }
    sentry, answers = client(
        {
            f"GET {ORG}/events/": {"data": [listed], "meta": {}},
            f"GET /api/0/projects/acme/cart/trace-items/{'1' * 16}/": details,
        }
    )
    (row,) = sentry.spans_of_trace(TRACE)
    expected = {
        "is_transaction": True,
        "span.duration": 2.5,
        "http.response.status_code": 200,
        "url.query": "page=3",
    }
    assert sentry.span_attributes(TRACE, row) == expected
    assert sentry.span_attributes(TRACE, row) == expected
    assert answers.params() == [("trace_id", TRACE), ("item_type", "spans")]
    assert len(answers.requests) == 2


def test_a_server_that_does_not_tell_attributes_refuses_rather_than_having_none() -> None:
    listed = {"id": "1" * 16, "project": "shop"}
    sentry, _ = client(
        {
            f"GET {ORG}/events/": {"data": [listed], "meta": {}},
            f"GET {PROJECT}/trace-items/{'1' * 16}/": refusal(404, ""),
        }
    )
    (row,) = sentry.spans_of_trace(TRACE)
    with pytest.raises(BackendRefused, match="404"):
        sentry.span_attributes(TRACE, row)


def test_attributes_of_a_log_are_asked_for_in_its_project() -> None:
    log_id = "a" * 32
    row = {"id": log_id, "project": "cart", "trace": TRACE, "message": "paid"}
    details = {"attributes": [{"name": "user.card", "type": "str", "value": "4111"}]}
    sentry, answers = client(
        {
            f"GET {ORG}/events/": {"data": [row], "meta": {}},
            f"GET /api/0/projects/acme/cart/trace-items/{log_id}/": details,
        }
    )
    (log,) = sentry.logs_of_trace(TRACE)
    assert log.project == "cart"
    assert sentry.log_attributes(TRACE, log) == {"user.card": "4111"}
    assert answers.params() == [("trace_id", TRACE), ("item_type", "logs")]


def test_spans_are_found_by_an_attribute_in_all_traces() -> None:
    row = {"id": "1" * 16, "trace": TRACE, "request.id": '["x-1"]'}
    sentry, answers = client({f"GET {ORG}/events/": {"data": [row], "meta": {}}})
    assert sentry.spans_by("request.id", "request.id:*x*") == (row,)
    params = answers.params()
    assert ("dataset", "spans") in params
    assert ("query", "request.id:*x*") in params
    assert [value for name, value in params if name == "field"] == ["id", "trace", "request.id"]


def test_an_events_json_is_asked_for_in_its_project() -> None:
    url = "GET /api/0/projects/acme/2/events/e1/json/"
    sentry, _ = client({url: {"event_id": "e1"}})
    assert sentry.event_json("e1", project="2") == {"event_id": "e1"}
