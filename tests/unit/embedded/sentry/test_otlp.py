from __future__ import annotations

import gzip
from typing import Any

import httpx
import orjson
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from tests.unit.embedded.sentry.support import Sentry, error_event

URL = "/api/1/integration/otlp/v1/traces"
TRACE = "5b8efff798038103d269b633813fc60c"
SERVER, CLIENT, REMOTE = "eee19b7ec3c1b174", "eee19b7ec3c1b175", "aaaaaaaaaaaaaaaa"


def request_of(service: str = "simple-app") -> ExportTraceServiceRequest:
    """A server span with a remote parent, that failed, and a client span under it."""
    request = ExportTraceServiceRequest()
    resource_spans = request.resource_spans.add()
    for key, value in {
        "service.name": service,
        "deployment.environment.name": "staging",
        "telemetry.sdk.language": "python",
    }.items():
        resource_spans.resource.attributes.add(key=key).value.string_value = value
    scope_spans = resource_spans.scope_spans.add()
    scope_spans.scope.name = "flask"
    server = scope_spans.spans.add(
        trace_id=bytes.fromhex(TRACE),
        span_id=bytes.fromhex(SERVER),
        parent_span_id=bytes.fromhex(REMOTE),
        name="GET /error",
        kind=2,
        start_time_unix_nano=1_795_448_097_000_000_000,
        end_time_unix_nano=1_795_448_097_150_000_000,
        flags=0x301,
    )
    server.status.code = Status.STATUS_CODE_ERROR
    server.status.message = "ValueError: boom"
    server.attributes.add(key="http.request.method").value.string_value = "GET"
    server.attributes.add(key="http.response.status_code").value.int_value = 500
    server.attributes.add(key="tags").value.array_value.values.add().string_value = "a"
    client = scope_spans.spans.add(
        trace_id=bytes.fromhex(TRACE),
        span_id=bytes.fromhex(CLIENT),
        parent_span_id=bytes.fromhex(SERVER),
        name="GET",
        kind=3,
        start_time_unix_nano=1_795_448_097_050_000_000,
        end_time_unix_nano=1_795_448_097_060_000_000,
        flags=0x101,
    )
    client.attributes.add(key="db.system").value.string_value = "sqlite"
    return request


def export(sentry: Sentry, body: bytes, url: str = URL, **headers: str) -> httpx.Response:
    defaults = {
        "content-type": "application/x-protobuf",
        "x-sentry-auth": f"sentry sentry_key={sentry.key}",
    }
    changed = {name.replace("_", "-"): value for name, value in headers.items()}
    return sentry.request("POST", url, content=body, headers={**defaults, **changed})


@pytest.mark.parametrize("url", [URL, URL + "/"])
def test_protobuf_spans_are_accepted(sentry: Sentry, url: str) -> None:
    response = export(sentry, request_of().SerializeToString(), url)
    assert (response.status_code, response.content) == (202, b"")
    assert len(sentry.rows("spans", "id", query=f"trace:{TRACE}")) == 2
    assert sentry.server.store.outcomes.quantity(1, "span", "accepted") == 2


def test_packed_spans_are_accepted(sentry: Sentry) -> None:
    body = gzip.compress(request_of().SerializeToString())
    assert export(sentry, body, content_encoding="gzip").status_code == 202
    assert len(sentry.rows("spans", "id")) == 2


def test_json_spans_are_accepted(sentry: Sentry) -> None:
    span = {
        "traceId": TRACE.upper(),
        "spanId": SERVER,
        "name": "job",
        "startTimeUnixNano": "1795448097000000000",
        "endTimeUnixNano": "1795448098000000000",
    }
    body = orjson.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]})
    response = export(sentry, body, content_type="application/json; charset=utf-8")
    assert response.status_code == 202
    assert sentry.rows("spans", "span.name", "span.duration", query=f"trace:{TRACE}") == [
        {"span.name": "job", "span.duration": 1000.0}
    ]


def test_span_shows_what_the_app_said_of_it(sentry: Sentry) -> None:
    export(sentry, request_of().SerializeToString())
    fields = {
        "id": SERVER,
        "parent_span": REMOTE,
        "span.name": "GET /error",
        "span.description": "GET /error",
        "span.op": "http.server",
        "span.status": "error",
        "sentry.status.message": "ValueError: boom",
        "span.kind": "server",
        "span.duration": 150.0,
        "service.name": "simple-app",
        "resource.service.name": "simple-app",
        "environment": "staging",
        "sentry.origin": "auto.otlp.spans",
        "http.response.status_code": 500,
        "tags": '["a"]',
        "is_transaction": True,
        "transaction": "GET /error",
        "transaction.event_id": None,
        "instrumentation.name": "flask",
    }
    assert sentry.rows("spans", *fields, query=f"id:{SERVER}") == [fields]


def test_child_knows_its_segment_even_if_that_came_later(sentry: Sentry) -> None:
    request = request_of()
    spans = request.resource_spans[0].scope_spans[0].spans
    late = ExportTraceServiceRequest()
    late.CopyFrom(request)
    del late.resource_spans[0].scope_spans[0].spans[1]
    del spans[0]
    export(sentry, request.SerializeToString())
    assert sentry.rows("spans", "transaction", query=f"id:{CLIENT}") == [{"transaction": None}]
    export(sentry, late.SerializeToString())
    assert sentry.rows("spans", "transaction", "span.op", query=f"id:{CLIENT}") == [
        {"transaction": "GET /error", "span.op": "db"}
    ]


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("service.name:simple-app", 2),
        ("service.name:inventory", 0),
        ("span.status:error", 1),
        ("span.kind:client", 1),
        ("http.response.status_code:500", 1),
        ("http.response.status_code:>=500", 1),
        ("origin:auto.otlp.spans", 2),
        ("environment:staging", 2),
        (f"trace:{TRACE} span.op:http.server service.name:simple-app", 1),
    ],
)
def test_spans_are_searched_by_attributes(sentry: Sentry, query: str, count: int) -> None:
    export(sentry, request_of().SerializeToString())
    assert len(sentry.rows("spans", "id", query=query)) == count


def test_trace_is_a_tree_with_its_errors_and_counts(sentry: Sentry) -> None:
    export(sentry, request_of().SerializeToString())
    error = error_event(trace_id=TRACE)
    error["contexts"]["trace"]["span_id"] = CLIENT
    sentry.send_event(error)
    sentry.send_event(error_event("Orphan", trace_id=TRACE))
    url = f"/api/0/organizations/obs/trace/{TRACE}/"
    root, orphan = sentry.get(url, additional_attributes=["service.name", "span.status"])
    assert (root["event_id"], root["parent_span_id"]) == (SERVER, REMOTE)
    assert root["additional_attributes"] == {"service.name": "simple-app", "span.status": "error"}
    [child] = root["children"]
    assert (child["event_id"], child["transaction"], child["op"]) == (CLIENT, "GET /error", "db")
    assert child["start_timestamp"] == 1795448097.05
    assert child["duration"] == 10.0
    [found] = child["errors"]
    assert (found["event_id"], found["issue_id"]) == (error["event_id"], 1)
    assert (orphan["event_type"], orphan["short_id"]) == ("error", "SIMPLE-APP-2")
    meta = sentry.get(f"/api/0/organizations/obs/trace-meta/{TRACE}/")
    assert (meta["errorsCount"], meta["spansCount"], meta["logsCount"]) == (2, 2, 0)
    assert meta["spansCountMap"] == {"http.server": 1, "db": 1}


def test_spans_in_a_circle_are_all_there(sentry: Sentry) -> None:
    request = request_of()
    spans = request.resource_spans[0].scope_spans[0].spans
    spans[0].parent_span_id = bytes.fromhex(CLIENT)
    spans.add().CopyFrom(spans[0])
    spans[2].span_id = spans[2].parent_span_id = bytes.fromhex("ccccccccccccccc1")
    export(sentry, request.SerializeToString())
    roots = sentry.get(f"/api/0/organizations/obs/trace/{TRACE}/")
    assert sorted(span["event_id"] for span in roots) == ["ccccccccccccccc1", SERVER, CLIENT]


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({"content_type": "text/plain"}, b"", 415),
        ({"content_type": ""}, b"", 415),
        ({"x_sentry_auth": "sentry sentry_key=" + "0" * 32}, b"", 403),
        ({}, b"\xff\xff", 400),
        ({"content_type": "application/json"}, b"{", 400),
        ({"content_encoding": "gzip"}, b"nope", 400),
        ({"content_encoding": "snappy"}, b"", 415),
    ],
)
def test_bad_exports_are_refused(
    sentry: Sentry, headers: dict[str, str], body: bytes, status: int
) -> None:
    assert export(sentry, body, **headers).status_code == status
    assert sentry.rows("spans", "id") == []


def test_export_without_a_key_is_refused(sentry: Sentry) -> None:
    response = sentry.request(
        "POST", URL, content=b"", headers={"content-type": "application/x-protobuf"}
    )
    assert response.status_code == 401
    assert response.json() == {"detail": "missing authorization information"}


def test_broken_export_tells_why_and_is_counted(sentry: Sentry) -> None:
    body: Any = export(sentry, b"\xff\xff").json()
    assert body["detail"] == "invalid OTLP traces"
    assert "protobuf" in body["causes"][0]
    assert sentry.server.store.outcomes.quantity(1, "span", "invalid", "invalid_otlp") == 1


def test_span_without_ids_is_dropped_and_counted(sentry: Sentry) -> None:
    request = request_of()
    request.resource_spans[0].scope_spans[0].spans[0].trace_id = b""
    assert export(sentry, request.SerializeToString()).status_code == 202
    assert len(sentry.rows("spans", "id")) == 1
    assert sentry.server.store.outcomes.quantity(1, "span", "invalid", "invalid_span") == 1
