"""Traces and logs on their way through the collector, to a backend on loopback."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import httpx
import pytest

from pytest_obsstack.embedded.collector.server import CollectorServer
from pytest_obsstack.embedded.collector.settings import CollectorSettings
from pytest_obsstack.embedded.journal import Journal
from pytest_obsstack.wire import otlp
from tests.unit.embedded.collector.support import (
    JSON,
    PROTOBUF,
    backend,
    client,
    closing,
    logs_body,
    traces_body,
)

AUTH = {"x-sentry-auth": "sentry sentry_key=abc"}


def post(server: CollectorServer, *requests: tuple[str, bytes, dict[str, str]]) -> httpx.Response:
    """The last answer to the requests, sent one after the other."""

    async def send() -> httpx.Response:
        async with client(server) as http:
            responses = [
                await http.post(path, content=body, headers=headers)
                for path, body, headers in requests
            ]
            return responses[-1]

    return asyncio.run(closing(server, send()))


def sending_traces_to(url: str) -> CollectorServer:
    endpoint = f"{url}/api/1/integration/otlp/v1/traces/"
    return CollectorServer(
        CollectorSettings(traces_endpoint=endpoint, traces_headers=AUTH), Journal(None)
    )


def span_counts(server: CollectorServer) -> tuple[int, int, int, int]:
    """(accepted, refused, sent, failed)."""
    status = server.status()
    receiver, exporter = status["receiver"]["spans"], status["exporters"]["otlp_http/sentry"]
    return receiver["accepted"], receiver["refused"], exporter["sent"], exporter["send_failed"]


@pytest.mark.parametrize("encoding", ["json", "protobuf"])
def test_traces_reach_the_backend_byte_for_byte(encoding: otlp.Encoding) -> None:
    body = otlp.encode(otlp.decode_traces(traces_body(2), "json"), encoding)
    headers = JSON if encoding == "json" else PROTOBUF
    with backend() as sentry:
        server = sending_traces_to(sentry.url)
        response = post(server, ("/v1/traces", body, headers))
    (received,) = sentry.received
    assert response.status_code == 200
    assert received.path == "/api/1/integration/otlp/v1/traces/"
    assert received.body == body
    assert received.headers["content-type"] == headers["content-type"]
    assert received.headers["x-sentry-auth"] == "sentry sentry_key=abc"
    assert span_counts(server) == (2, 0, 2, 0)


def test_logs_reach_their_own_backend() -> None:
    with backend(status=204) as loki:
        server = CollectorServer(
            CollectorSettings(logs_endpoint=f"{loki.url}/otlp/v1/logs"), Journal(None)
        )
        response = post(server, ("/v1/logs", logs_body(3), JSON))
    assert response.status_code == 200
    assert loki.received[0].path == "/otlp/v1/logs"
    status = server.status()
    assert status["receiver"]["log_records"] == {"accepted": 3, "refused": 0}
    assert status["exporters"]["otlp_http/loki"] == {
        "items": "log_records",
        "endpoint": f"{loki.url}/otlp/v1/logs",
        "sent": 3,
        "send_failed": 0,
        "last_error": None,
        "failing": False,
    }


def test_connection_to_the_backend_is_kept() -> None:
    with backend() as sentry:
        post(sending_traces_to(sentry.url), *[("/v1/traces", traces_body(), JSON)] * 3)
    assert len({received.connection for received in sentry.received}) == 1


def test_request_without_items_is_not_forwarded() -> None:
    with backend() as sentry:
        response = post(sending_traces_to(sentry.url), ("/v1/traces", b"{}", JSON))
    assert response.status_code == 200
    assert sentry.received == []


@pytest.mark.parametrize(
    ("status", "app_status", "rpc_code", "prefix"),
    [
        (400, 400, 3, "Permanent error: rpc error: code = InvalidArgument desc = "),
        (401, 401, 16, "Permanent error: rpc error: code = Unauthenticated desc = "),
        (403, 403, 7, "Permanent error: rpc error: code = PermissionDenied desc = "),
        (404, 404, 12, "Permanent error: rpc error: code = Unimplemented desc = "),
        (413, 500, 2, "Permanent error: rpc error: code = Unknown desc = "),
        (500, 500, 2, "Permanent error: rpc error: code = Unknown desc = "),
        (307, 500, 2, "Permanent error: rpc error: code = Unknown desc = "),
        (429, 429, 8, ""),
        (502, 503, 14, ""),
        (503, 503, 14, ""),
        (504, 503, 14, ""),
    ],
)
def test_error_of_the_backend_reaches_the_app(
    status: int, app_status: int, rpc_code: int, prefix: str
) -> None:
    with backend(status=status) as sentry:
        server = sending_traces_to(sentry.url)
        response = post(server, ("/v1/traces", traces_body(), JSON))
    endpoint = f"{sentry.url}/api/1/integration/otlp/v1/traces/"
    assert response.status_code == app_status
    assert response.json() == {
        "code": rpc_code,
        "message": f"{prefix}error exporting items, request to {endpoint} "
        f"responded with HTTP Status Code {status}",
    }
    assert span_counts(server) == (0, 1, 0, 1)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"body": otlp.error_body(400, "bad key", "protobuf")}, "bad key"),
        ({"body": b"entry too far behind\n", "content_type": "text/plain"}, "entry too far behind"),
        ({"body": b'{"code":3,"message":"no"}', "content_type": "application/json"}, "no"),
        ({"body": b'{"detail":"no"}x', "content_type": "application/json"}, '{"detail":"no"}x'),
    ],
)
def test_what_the_backend_says_is_passed_on(answer: dict[str, Any], reason: str) -> None:
    with backend(status=400, **answer) as sentry:
        response = post(sending_traces_to(sentry.url), ("/v1/traces", traces_body(), JSON))
    assert response.json()["message"].endswith(
        f"responded with HTTP Status Code 400, Message={reason}, Details=[]"
    )


def test_backend_that_is_down_is_503_and_remembered() -> None:
    with backend() as sentry:
        pass
    server = sending_traces_to(sentry.url)
    response = post(server, ("/v1/traces", traces_body(), JSON))
    message = response.json()["message"]
    assert response.status_code == 503
    assert message.startswith(
        "failed to make an HTTP request: "
        f'Post "{sentry.url}/api/1/integration/otlp/v1/traces/": [Errno '
    )
    last_error = server.status()["exporters"]["otlp_http/sentry"]["last_error"]
    assert last_error["text"] == message
    assert last_error["time_ns"] > 0


def test_exporter_fails_until_it_has_sent_again() -> None:
    with backend() as sentry:
        server = sending_traces_to(sentry.url)
        working = server.status()["exporters"]["otlp_http/sentry"]
        server.configure(CollectorSettings(traces_endpoint="http://127.0.0.1:1/traces"))
        post(server, ("/v1/traces", traces_body(), JSON))
        down = server.status()["exporters"]["otlp_http/sentry"]
        server.configure(CollectorSettings(traces_endpoint=f"{sentry.url}/traces"))
        post(server, ("/v1/traces", traces_body(), JSON))
    mended = server.status()["exporters"]["otlp_http/sentry"]
    assert [state["failing"] for state in (working, down, mended)] == [False, True, False]
    assert mended["last_error"] == down["last_error"]


def test_partial_success_of_the_backend_is_logged_and_counted_as_sent(
    caplog: pytest.LogCaptureFixture,
) -> None:
    partial = otlp.success_body("traces", "protobuf", rejected=1, message="too old")
    with backend(body=partial) as sentry, caplog.at_level(logging.WARNING):
        server = sending_traces_to(sentry.url)
        response = post(server, ("/v1/traces", traces_body(2), JSON))
    assert response.json() == {"partialSuccess": {}}
    assert span_counts(server) == (2, 0, 2, 0)
    assert caplog.messages == [
        "Partial success response: otlp_http/sentry rejected 1 items of traces: too old"
    ]


def test_answer_that_is_not_otlp_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with backend(body=b"\xff\xff") as sentry, caplog.at_level(logging.WARNING):
        server = sending_traces_to(sentry.url)
        post(server, ("/v1/traces", traces_body(), JSON))
    assert "not understood: not a protobuf OTLP response for traces" in caplog.text
    assert span_counts(server) == (1, 0, 1, 0)


def test_exporter_without_endpoint_drops_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    server = CollectorServer(CollectorSettings(), Journal(None))
    with caplog.at_level(logging.WARNING):
        response = post(server, *[("/v1/traces", traces_body(), JSON)] * 2)
    assert response.status_code == 200
    assert span_counts(server) == (2, 0, 0, 2)
    message = "otlp_http/sentry has no endpoint, traces are dropped"
    assert server.status()["exporters"]["otlp_http/sentry"]["last_error"]["text"] == message
    assert caplog.messages == [message]


def test_exporters_are_swapped_at_run_time() -> None:
    server = CollectorServer(CollectorSettings(), Journal(None))

    async def run(first_url: str, second_url: str) -> None:
        async with client(server) as http:
            for endpoint in ("", f"{first_url}/a", f"{second_url}/b", ""):
                server.configure(CollectorSettings(traces_endpoint=endpoint))
                response = await http.post("/v1/traces", content=traces_body(), headers=JSON)
                assert response.status_code == 200

    with backend() as first, backend() as second:
        asyncio.run(closing(server, run(first.url, second.url)))
    assert [received.path for received in (*first.received, *second.received)] == ["/a", "/b"]
    assert span_counts(server) == (4, 0, 2, 2)


def test_stopped_collector_sends_again_after_a_start() -> None:
    async def run(server: CollectorServer) -> None:
        async with client(server) as http:
            for _ in range(2):
                await server.start()
                response = await http.post("/v1/traces", content=traces_body(), headers=JSON)
                assert response.status_code == 200
                await server.stop()

    with backend() as sentry:
        asyncio.run(run(sending_traces_to(sentry.url)))
    assert len({received.connection for received in sentry.received}) == 2
