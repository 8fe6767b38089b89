"""OTLP requests, a backend on loopback and a client, for the tests of the embedded collector."""

from __future__ import annotations

import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar

import httpx
import orjson

from pytest_obsstack.embedded.collector.points import Batch, PointReader
from pytest_obsstack.embedded.collector.server import CollectorServer
from pytest_obsstack.wire import otlp

T = TypeVar("T")
JSON = {"content-type": "application/json"}
PROTOBUF = {"content-type": "application/x-protobuf"}
TRACE = "5b8efff798038103d269b633813fc60c"
SPAN = "eee19b7ec3c1b174"
START_NS, TIME_NS = 1_700_000_000_000_000_000, 1_700_000_001_500_000_000
RESOURCE = {"service.name": "simple-app", "service.instance.id": "i1"}


def key_values(values: dict[str, Any]) -> list[dict[str, Any]]:
    """Attributes in OTLP/JSON; a value that is a dict is an AnyValue already."""
    return [
        {"key": key, "value": value if isinstance(value, dict) else {"stringValue": value}}
        for key, value in values.items()
    ]


def number(
    value: float,
    attributes: dict[str, Any] | None = None,
    *,
    time_ns: int = TIME_NS,
    start_ns: int = START_NS,
    **more: Any,
) -> dict[str, Any]:
    """A number data point."""
    return {
        "asDouble": value,
        "timeUnixNano": str(time_ns),
        "startTimeUnixNano": str(start_ns),
        "attributes": key_values(attributes or {}),
        **more,
    }


def counter(name: str, *points: dict[str, Any], delta: bool = False, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "sum": {
            "isMonotonic": True,
            "aggregationTemporality": 1 if delta else 2,
            "dataPoints": points,
        },
        **more,
    }


def gauge(name: str, *points: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": name, "gauge": {"dataPoints": points}, **more}


def histogram(
    name: str, *points: dict[str, Any], delta: bool = False, **more: Any
) -> dict[str, Any]:
    return {
        "name": name,
        "histogram": {"aggregationTemporality": 1 if delta else 2, "dataPoints": points},
        **more,
    }


def buckets(
    bounds: list[float],
    counts: list[int],
    total: float,
    *,
    time_ns: int = TIME_NS,
    start_ns: int = START_NS,
    **more: Any,
) -> dict[str, Any]:
    """A histogram data point."""
    return {
        "count": sum(counts),
        "sum": total,
        "explicitBounds": bounds,
        "bucketCounts": counts,
        "timeUnixNano": str(time_ns),
        "startTimeUnixNano": str(start_ns),
        **more,
    }


def metrics_body(
    *metrics: dict[str, Any],
    resource: dict[str, Any] | None = None,
    scope: dict[str, Any] | None = None,
) -> bytes:
    """A metrics request in OTLP/JSON, of one resource and one scope."""
    return orjson.dumps(
        {
            "resourceMetrics": [
                {
                    "resource": {
                        "attributes": key_values(RESOURCE if resource is None else resource)
                    },
                    "scopeMetrics": [{"scope": scope or {"name": "meter"}, "metrics": metrics}],
                }
            ]
        }
    )


def traces_body(spans: int = 1) -> bytes:
    """A traces request in OTLP/JSON."""
    span = {"traceId": TRACE, "spanId": SPAN, "name": "GET /error", "kind": 2}
    return orjson.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span] * spans}]}]})


def logs_body(records: int = 1) -> bytes:
    """A logs request in OTLP/JSON."""
    record = {"body": {"stringValue": "it failed"}, "severityText": "ERROR"}
    return orjson.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": [record] * records}]}]})


def read_points(body: bytes, reader: PointReader | None = None) -> Batch:
    return (reader or PointReader()).read(otlp.decode_metrics(body, "json"))


@dataclass
class Received:
    """A request that a backend got."""

    path: str
    headers: dict[str, str]
    body: bytes
    connection: tuple[str, int]


@dataclass
class Backend:
    """A server on loopback that answers every POST with the same; keeps connections alive."""

    url: str
    status: int = 200
    body: bytes = b""
    content_type: str = "application/x-protobuf"
    received: list[Received] = field(default_factory=list)
    open: threading.Event = field(default_factory=threading.Event)
    """Nothing is answered before it is set."""


@contextmanager
def backend(**answer: Any) -> Iterator[Backend]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {key.lower(): value for key, value in self.headers.items()}
            address = (str(self.client_address[0]), int(self.client_address[1]))
            state.received.append(Received(self.path, headers, body, address))
            assert state.open.wait(30)
            self.send_response(state.status)
            self.send_header("Content-Type", state.content_type)
            self.send_header("Content-Length", str(len(state.body)))
            self.end_headers()
            self.wfile.write(state.body)

        def log_message(self, *_: Any) -> None:
            """Nothing: the tests read what was received."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state = Backend(f"http://127.0.0.1:{server.server_address[1]}", **answer)
    state.open.set()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def client(server: CollectorServer) -> httpx.AsyncClient:
    """A client whose requests go straight into the server's application."""
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app=server.app), base_url="http://collector"
    )


async def closing(server: CollectorServer, work: Coroutine[Any, Any, T]) -> T:
    """The result of ``work``; the collector's connections are closed after it."""
    try:
        return await work
    finally:
        await server.stop()
