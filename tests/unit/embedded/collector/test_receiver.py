"""The OTLP receiver over HTTP: statuses, bodies, limits."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from typing import Any

import cramjam
import httpx
import orjson
import pytest

from pytest_obsstack.embedded.collector.server import CollectorServer
from pytest_obsstack.embedded.collector.settings import CollectorSettings
from pytest_obsstack.embedded.journal import Journal
from pytest_obsstack.wire import otlp
from tests.unit.embedded.collector.support import (
    JSON,
    PROTOBUF,
    client,
    counter,
    gauge,
    logs_body,
    metrics_body,
    number,
    traces_body,
)

BODY = metrics_body(counter("requests", number(3)))


def request(
    method: str, path: str, settings: CollectorSettings | None = None, **arguments: Any
) -> httpx.Response:
    server = CollectorServer(settings or CollectorSettings(), Journal(None))

    async def send() -> httpx.Response:
        async with client(server) as http:
            return await http.request(method, path, **arguments)

    return asyncio.run(send())


@pytest.mark.parametrize(
    ("path", "body"),
    [("/v1/traces", traces_body()), ("/v1/metrics", BODY), ("/v1/logs", logs_body())],
)
def test_json_request_gets_an_empty_partial_success(path: str, body: bytes) -> None:
    response = request("POST", path, content=body, headers=JSON)
    assert (response.status_code, response.json()) == (200, {"partialSuccess": {}})
    assert response.headers["content-type"] == "application/json"


def test_protobuf_request_gets_an_empty_protobuf() -> None:
    body = otlp.encode(otlp.decode_metrics(BODY, "json"), "protobuf")
    response = request("POST", "/v1/metrics", content=body, headers=PROTOBUF)
    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["content-type"] == "application/x-protobuf"


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("gzip", gzip.compress(BODY)),
        ("zstd", bytes(cramjam.zstd.compress(BODY))),
        ("deflate", zlib.compress(BODY)),
        ("identity", BODY),
    ],
)
def test_packed_bodies_are_unpacked(encoding: str, packed: bytes) -> None:
    headers = {**JSON, "content-encoding": encoding}
    response = request("POST", "/v1/metrics", content=packed, headers=headers)
    assert response.status_code == 200


@pytest.mark.parametrize(
    ("encoding", "message"),
    [
        ("br", "unsupported Content-Encoding: br"),
        (
            "snappy",
            (
                "not supported by the embedded OpenTelemetry Collector: Content-Encoding snappy; "
                "use --obs-stack=compose, or --obs-use collector=URL"
            ),
        ),
        ("gzip", "not valid gzip"),
    ],
)
def test_unknown_and_corrupt_encodings_are_400(encoding: str, message: str) -> None:
    headers = {**JSON, "content-encoding": encoding}
    response = request("POST", "/v1/metrics", content=BODY, headers=headers)
    assert response.status_code == 400
    assert response.json()["code"] == 3
    assert response.json()["message"].startswith(message)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_other_methods_are_405(method: str) -> None:
    response = request(method, "/v1/traces", headers=JSON)
    assert (response.status_code, response.text) == (
        405,
        "405 method not allowed, supported: [POST]",
    )
    assert response.headers["content-type"] == "text/plain"


@pytest.mark.parametrize("content_type", ["text/plain", "application/xml", ""])
def test_other_content_types_are_415(content_type: str) -> None:
    response = request("POST", "/v1/logs", content=b"{}", headers={"content-type": content_type})
    assert (response.status_code, response.text) == (
        415,
        "415 unsupported media type, supported: [application/json, application/x-protobuf]",
    )


@pytest.mark.parametrize("path", ["/v1/traces", "/v1/metrics", "/v1/logs"])
def test_malformed_json_is_400_with_a_status(path: str) -> None:
    response = request("POST", path, content=b"{", headers=JSON)
    assert response.status_code == 400
    assert response.json()["code"] == 3
    assert response.json()["message"].startswith("not a JSON Export")


def test_malformed_protobuf_is_400_with_a_protobuf_status() -> None:
    response = request("POST", "/v1/traces", content=b"\xff\xff", headers=PROTOBUF)
    assert response.status_code == 400
    assert response.headers["content-type"] == "application/x-protobuf"
    status = otlp.read_error_body(response.content, "protobuf")
    assert status.code == 3
    assert status.message.startswith("not a protobuf ExportTraceServiceRequest")


@pytest.mark.parametrize("packed", [False, True])
def test_body_beyond_the_limit_is_refused(packed: bool) -> None:
    settings = CollectorSettings(max_request_bytes=1000)
    body = b" " * 50_000
    headers = {**JSON, **({"content-encoding": "gzip"} if packed else {})}
    response = request(
        "POST",
        "/v1/logs",
        settings,
        content=gzip.compress(body) if packed else body,
        headers=headers,
    )
    # As the real receiver: http.MaxBytesReader's error is one of reading the body, so 400.
    assert response.status_code == 400
    assert response.json()["message"].startswith("http: request body too large: ")


def test_default_limit_is_20_mib() -> None:
    assert CollectorSettings().max_request_bytes == 20 * 1024 * 1024


def test_refused_points_are_told_in_a_partial_success() -> None:
    exponential = {
        "name": "sizes",
        "exponentialHistogram": {"aggregationTemporality": 2, "dataPoints": [{}, {}]},
    }
    response = request(
        "POST",
        "/v1/metrics",
        content=metrics_body(gauge("up", number(1)), exponential),
        headers=JSON,
    )
    assert response.status_code == 200
    partial = orjson.loads(response.content)["partialSuccess"]
    assert partial["rejectedDataPoints"] == "2"
    assert partial["errorMessage"].startswith(
        "sizes: not supported by the embedded OpenTelemetry Collector: exponential histograms"
    )


@pytest.mark.parametrize("path", ["/v1/profiles", "/v1/traces/", "/nowhere"])
def test_other_paths_are_404(path: str) -> None:
    response = request("POST", path, content=b"{}", headers=JSON)
    assert (response.status_code, response.text) == (404, "404 page not found\n")
