"""A server that takes whatever the app reports and keeps it: Sentry's envelopes and OTLP."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from pytest_obsstack.embedded.body import unpack
from pytest_obsstack.wire.envelope import parse_envelope
from pytest_obsstack.wire.otlp import (
    OtlpLogRecord,
    OtlpSpan,
    attributes,
    decode_logs,
    decode_metrics,
    decode_traces,
    log_records,
    spans,
)

MAX_BODY_BYTES = 10_000_000


class Backend:
    """What has arrived so far; ``hold`` keeps the answers back until ``release``."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._changed = threading.Condition()
        self._open = threading.Event()
        self._open.set()
        self._items: list[tuple[str, Any]] = []
        self._spans: list[OtlpSpan] = []
        self._logs: list[OtlpLogRecord] = []
        self._counts: dict[tuple[str, str, str], int] = {}

    @property
    def environ(self) -> dict[str, str]:
        """The variables that make an app report here."""
        return {
            "SENTRY_DSN": f"http://thekey@127.0.0.1:{self.port}/1",
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{self.port}",
        }

    def hold(self) -> None:
        self._open.clear()

    def release(self) -> None:
        self._open.set()

    def take(self, path: str, body: bytes) -> None:
        self._open.wait(timeout=30)
        with self._changed:
            if path == "/api/1/envelope/":
                items = parse_envelope(body).items
                self._items += [(item.type, json.loads(item.payload)) for item in items]
            elif path == "/v1/traces":
                self._spans += spans(decode_traces(body, "protobuf"))
            elif path == "/v1/logs":
                self._logs += log_records(decode_logs(body, "protobuf"))
            elif path == "/v1/metrics":
                self._count(body)
            self._changed.notify_all()

    def wait_for(self, arrived: Callable[[], bool], *, timeout_s: float = 10.0) -> None:
        """Returns when ``arrived`` is true; fails with what is there when the time is up."""
        with self._changed:
            assert self._changed.wait_for(arrived, timeout_s), (
                [kind for kind, _ in self.items()],
                [span.name for span in self.spans()],
                [record.body for record in self.logs()],
            )

    def items(self) -> list[tuple[str, Any]]:
        """Items of envelopes, (type, payload)."""
        return list(self._items)

    def events(self) -> list[dict[str, Any]]:
        return [payload for kind, payload in self.items() if kind == "event"]

    def transactions(self) -> list[dict[str, Any]]:
        return [payload for kind, payload in self.items() if kind == "transaction"]

    def spans(self) -> list[OtlpSpan]:
        return list(self._spans)

    def logs(self) -> list[OtlpLogRecord]:
        """In the order of their times; a batch has them grouped by logger."""
        return sorted(self._logs, key=lambda record: record.time_ns)

    def counts(self) -> dict[tuple[str, str], int]:
        """The newest value of ``http_requests`` by (endpoint, status), all instances together."""
        total: dict[tuple[str, str], int] = {}
        for (_, endpoint, status), value in dict(self._counts).items():
            total[endpoint, status] = total.get((endpoint, status), 0) + value
        return total

    def _count(self, body: bytes) -> None:
        for resource in decode_metrics(body, "protobuf").resource_metrics:
            instance = attributes(resource.resource.attributes)["service.instance.id"]
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    if metric.name == "http_requests":
                        for point in metric.sum.data_points:
                            labels = attributes(point.attributes)
                            key = (instance, labels["endpoint"], labels["status"])
                            self._counts[key] = point.as_int


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Without these every answer waits 40 ms for an acknowledgement.
    disable_nagle_algorithm = True
    wbufsize = -1
    backend: Backend

    def handle(self) -> None:
        # A sender may go away at any time: some tests are about just that.
        with contextlib.suppress(ConnectionError):
            super().handle()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        encoding = self.headers.get("Content-Encoding")
        if encoding:
            body = unpack(body, encoding, MAX_BODY_BYTES)
        self.backend.take(self.path, body)
        answer = b"{}" if "envelope" in self.path else b""
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing: what arrived is kept."""


@contextmanager
def running_backend() -> Iterator[Backend]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    backend = Backend(server.server_address[1])
    server.RequestHandlerClass = type("Handler", (_Handler,), {"backend": backend})
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield backend
    finally:
        backend.release()
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def silent_port() -> Iterator[int]:
    """A port that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        yield listener.getsockname()[1]


def free_port() -> int:
    """A port on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def poll(condition: Callable[[], bool], what: str, *, timeout_s: float = 10.0) -> None:
    """Asks every few milliseconds until true; fails naming ``what`` when the time is up."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"{what} not within {timeout_s} s"
        time.sleep(0.01)
