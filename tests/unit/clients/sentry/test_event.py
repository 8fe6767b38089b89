"""Events, parsed from a real answer and from the example in Sentry's OpenAPI document."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from pytest_obsstack.clients.sentry.event import parse_event
from pytest_obsstack.clients.sentry.transaction import parse_transaction
from pytest_obsstack.errors import ObsstackError

SHARED = Path(__file__).parents[5] / "shared"
EVENT_PATH = "/api/0/projects/{organization_id_or_slug}/{project_id_or_slug}/events/{event_id}/"
ISSUE_EVENT_PATH = (
    "/api/0/organizations/{organization_id_or_slug}/issues/{issue_id}/events/{event_id}/"
)


def shared_json(*parts: str) -> Any:
    path = SHARED.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"{path} is not there: the samples are not part of this repository")
    return json.loads(path.read_text())


def documented_example(path: str) -> Any:
    document = shared_json("contract", "sentry-openapi.json")
    content = document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]
    [example] = content["examples"].values()
    return example["value"]


def test_every_part_of_a_real_event_is_typed() -> None:
    event = parse_event(shared_json("samples", "sentry-compatible", "glitchtip_event.json"))
    assert event.event_id == "dfdbbedee2674f4ba1e3190db683e4c1"
    assert (event.issue_id, event.project_id) == ("1", "1")
    assert event.title == "ZeroDivisionError: division by zero"
    assert event.date == datetime(2026, 11, 23, 15, 48, 50, 97000, timezone.utc)
    assert event.tags["marker"] == "m3"
    assert event.environment == "staging"
    assert event.release == "shop@1.2.3"
    assert event.trace_id == "fecad3f9216c4c7185f3e759480072a7"
    assert event.span_id == "8bc7657081ed8c1d"
    assert event.contexts["order"] == {"id": 3, "total": 12.5}
    assert event.extra["extra_k"] == "extra_v"
    assert event.sdk is not None
    assert (event.sdk.name, event.sdk.version) == ("sentry.python.flask", "2.75.0")
    assert "flask" in event.sdk.integrations
    assert event.user is not None
    assert (event.user.id, event.user.username) == ("u-7", "ann")
    assert event.user.email == "ann@example.com"


def test_request_of_a_real_event() -> None:
    request = parse_event(
        shared_json("samples", "sentry-compatible", "glitchtip_event.json")
    ).request
    assert request is not None
    assert (request.method, request.url) == ("GET", "http://localhost/boom/3")
    assert request.query == (("x", "1"),)
    assert request.header("x-test") == "abc"
    assert request.header("X-TEST") == "abc"
    assert request.header("cookie") is None
    assert request.cookies == ()
    assert request.env["REMOTE_ADDR"] == "127.0.0.1"


def test_exception_and_breadcrumbs_of_a_real_event() -> None:
    event = parse_event(shared_json("samples", "sentry-compatible", "glitchtip_event.json"))
    [crumb] = event.breadcrumbs
    assert (crumb.category, crumb.message, crumb.level) == ("cart", "added sku-1", "info")
    assert crumb.data == {"qty": 2}
    assert crumb.timestamp == datetime(2026, 11, 23, 15, 48, 50, 84000, timezone.utc)
    exception = event.exception
    assert exception is not None
    assert (exception.type, exception.value) == ("ZeroDivisionError", "division by zero")
    assert (exception.mechanism, exception.handled) == ("flask", False)
    outer = exception.frames[0]
    assert (outer.function, outer.module, outer.lineno) == ("wsgi_app", "flask.app", 1511)
    assert outer.in_app is False
    assert outer.abs_path is not None
    assert outer.abs_path.endswith("site-packages/flask/app.py")
    assert outer.context_line == "                response = self.full_dispatch_request()"
    assert outer.pre_context[0] == "        ctx = self.request_context(environ)"
    assert outer.pre_context[-1] == "                ctx.push()"
    assert outer.post_context[0] == "            except Exception as e:"
    assert outer.vars["self"] == "<Flask 'flaskrun'>"


def test_the_event_that_sentry_documents() -> None:
    event = parse_event(documented_example(ISSUE_EVENT_PATH))
    assert event.event_id == "9999aaaaca8b46d797c23c6077c6ff01"
    assert event.issue_id == "1341191803"
    assert event.level == "error"
    assert event.environment == "prod"
    assert event.platform == "javascript"
    exception = event.exception
    assert exception is not None
    assert exception.handled is True
    assert exception.frames[0].lineno == 71
    assert exception.frames[0].context_line is not None
    assert "fn.apply" in exception.frames[0].context_line
    assert exception.frames[0].vars == {}
    assert event.breadcrumbs[0].category == "tracing"
    assert event.user is not None
    assert event.user.name == "Hell Boy"


def test_both_event_endpoints_are_documented_with_the_same_body() -> None:
    one = documented_example(EVENT_PATH)
    assert parse_event(one).exception is not None


def test_a_message_has_no_exception() -> None:
    event = parse_event({"eventID": "a" * 32, "title": "hello", "type": "default", "entries": []})
    assert event.exception is None
    assert event.request is None
    assert event.user is None
    assert event.trace_id is None
    assert event.raw["title"] == "hello"


def test_the_release_is_an_object_or_a_tag() -> None:
    base = {"eventID": "a" * 32, "tags": [{"key": "release", "value": "app@2"}]}
    assert parse_event({**base, "release": {"version": "app@1"}}).release == "app@1"
    assert parse_event({**base, "release": None}).release == "app@2"
    assert parse_event({"eventID": "a" * 32}).release is None


def test_headers_may_repeat_and_a_query_may_be_text() -> None:
    data = {
        "method": "POST",
        "query": "a=1&b=",
        "headers": [["Cookie", "[Filtered]"], ["Accept", "x"], ["Accept", "y"]],
        "cookies": {"session": "[Filtered]"},
        "data": {"password": "[Filtered]"},
    }
    event = parse_event({"eventID": "a" * 32, "entries": [{"type": "request", "data": data}]})
    request = event.request
    assert request is not None
    assert request.query == (("a", "1"), ("b", ""))
    assert request.header("accept") == "x"
    assert [value for name, value in request.headers if name == "Accept"] == ["x", "y"]
    assert request.cookies == (("session", "[Filtered]"),)
    assert request.data == {"password": "[Filtered]"}


def test_a_frame_without_a_line_number_has_no_line_of_its_own() -> None:
    frame: dict[str, Any] = {"function": "native", "lineNo": None, "context": [], "vars": None}
    values = [{"type": "E", "stacktrace": {"frames": [frame]}}]
    entries = [{"type": "exception", "data": {"values": values}}]
    event = parse_event({"eventID": "a" * 32, "entries": entries})
    parsed = event.exceptions[0].frames[0]
    assert (parsed.lineno, parsed.context_line, parsed.pre_context) == (None, None, ())


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ([], "an event"),
        ({}, "field 'eventID'"),
        ({"eventID": "a", "tags": {}}, "field 'tags'"),
        ({"eventID": "a", "entries": ["x"]}, "an entry"),
    ],
)
def test_what_is_no_event_says_so(raw: Any, message: str) -> None:
    with pytest.raises(ObsstackError, match=message):
        parse_event(raw)


TRANSACTION = {
    "eventID": "b" * 32,
    "type": "transaction",
    "title": "checkout",
    "startTimestamp": 1795448930.25,
    "endTimestamp": 1795448931.5,
    "contexts": {
        "trace": {
            "trace_id": "c" * 32,
            "span_id": "d" * 16,
            "parent_span_id": "e" * 16,
            "op": "http.server",
            "status": "internal_error",
        },
        "empty": None,
    },
    "tags": [{"key": "environment", "value": "staging"}],
    "measurements": {"fp": {"value": 1.5, "unit": "millisecond"}},
    "entries": [
        {
            "type": "spans",
            "data": [
                {
                    "span_id": "f" * 16,
                    "parent_span_id": "d" * 16,
                    "trace_id": "c" * 32,
                    "op": "db.query",
                    "description": "SELECT 1",
                    "start_timestamp": 1795448930.5,
                    "timestamp": 1795448931.0,
                    "data": {"db.system": "sqlite"},
                    "tags": None,
                }
            ],
        }
    ],
}


def test_a_transaction_is_typed_with_its_spans() -> None:
    transaction = parse_transaction(TRANSACTION)
    assert (transaction.name, transaction.op) == ("checkout", "http.server")
    assert transaction.status == "internal_error"
    assert transaction.duration_s == 1.25
    assert (transaction.trace_id, transaction.span_id) == ("c" * 32, "d" * 16)
    assert transaction.parent_span_id == "e" * 16
    assert transaction.environment == "staging"
    assert "empty" not in transaction.contexts
    [span] = transaction.spans
    assert (span.op, span.description, span.duration_s) == ("db.query", "SELECT 1", 0.5)
    assert span.data == {"db.system": "sqlite"}
    assert span.tags == {}


def test_an_error_event_is_no_transaction() -> None:
    with pytest.raises(ObsstackError, match="expected  transaction"):
        parse_transaction({"eventID": "a" * 32, "type": "error"})
