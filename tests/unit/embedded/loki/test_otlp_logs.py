from __future__ import annotations

import gzip
import json
from typing import Any

import httpx
import pytest

from pytest_obsstack.wire.otlp import decode_logs, encode
from tests.unit.embedded.loki.support import NOW_NS, Loki

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def attribute(key: str, text: str) -> dict[str, Any]:
    return {"key": key, "value": {"stringValue": text}}


def request(record: dict[str, Any], *resource: dict[str, Any]) -> bytes:
    """OTLP/JSON with one record."""
    scope_logs = [{"scope": {"name": "shop.log"}, "logRecords": [record]}]
    resource_logs = {"resource": {"attributes": list(resource)}, "scopeLogs": scope_logs}
    return json.dumps({"resourceLogs": [resource_logs]}).encode()


RECORD = {
    "timeUnixNano": str(NOW_NS - 5),
    "severityNumber": 17,
    "body": {"stringValue": "order failed"},
    "traceId": TRACE,
    "attributes": [attribute("order.id", "o-1")],
    "eventName": "order.failed",
}
RESOURCE = (attribute("service.name", "shop"), attribute("host.name", "h1"))


def send(loki: Loki, body: bytes, content_type: str, **headers: str) -> httpx.Response:
    return loki.http.post(
        "/otlp/v1/logs", content=body, headers={"Content-Type": content_type, **headers}
    )


@pytest.mark.parametrize("packing", ["gzip", ""])
@pytest.mark.parametrize("content_type", ["application/x-protobuf", "application/json"])
def test_a_record_is_stored_from_either_encoding(content_type: str, packing: str) -> None:
    loki = Loki()
    body = request(RECORD, *RESOURCE)
    if content_type == "application/x-protobuf":
        body = encode(decode_logs(body, "json"), "protobuf")
    headers = {"Content-Encoding": "gzip"} if packing else {}

    answer = send(loki, gzip.compress(body) if packing else body, content_type, **headers)

    assert (answer.status_code, answer.content) == (204, b"")
    [labels] = loki.labels(f'{{service_name="shop"}} | trace_id="{TRACE}"')
    assert labels == {
        "event_name": "order.failed",
        "host_name": "h1",
        "order_id": "o-1",
        "scope_name": "shop.log",
        "severity_number": "17",
        "trace_id": TRACE,
    }


def test_a_record_without_any_time_is_as_of_now() -> None:
    loki = Loki()
    send(loki, request({"body": {"stringValue": "timeless"}}, *RESOURCE), "application/json")

    answer = loki.ask("query_range", query='{service_name="shop"}').json()
    assert answer["data"]["result"][0]["values"] == [[str(NOW_NS), "timeless"]]


def test_a_service_name_is_taken_from_other_labels_where_the_resource_has_none() -> None:
    loki = Loki()
    resource = attribute("k8s.container.name", "cart")
    send(loki, request(RECORD, resource), "application/json")

    assert loki.lines('{service_name="cart", k8s_container_name="cart"}') == ["order failed"]


@pytest.mark.parametrize(
    ("body", "content_type", "status", "text"),
    [
        (b"{}", "application/json", 422, "error at least one valid stream is required"),
        (b"{nope", "application/json", 400, "not a JSON ExportLogsServiceRequest"),
        (b"\xff", "application/x-protobuf", 400, "not a protobuf ExportLogsServiceRequest"),
        (b"x", "text/plain", 400, "content type: text/plain is not supported"),
        (request({**RECORD, "timeUnixNano": "1"}, *RESOURCE), "application/json", 400, "too old"),
    ],
)
def test_a_refusal_is_a_protobuf_status(
    body: bytes, content_type: str, status: int, text: str
) -> None:
    answer = send(Loki(), body, content_type)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.content[0] == 2 << 3 | 2  # field 2 of google.rpc.Status: the message
    assert text in answer.content.decode(errors="replace")
