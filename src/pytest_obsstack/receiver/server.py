"""The HTTP server of the receiver: an Alertmanager, and the target of webhooks.

Threads and the standard library: it lives in the test process, beside tests that have no event
loop, and must cost nothing to load.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from pytest_obsstack.receiver.alert import Alert, NotAnAlert, Request
from pytest_obsstack.receiver.alertmanager import ALERTS_PATH, parse_alerts
from pytest_obsstack.receiver.plain import parse_plain
from pytest_obsstack.receiver.sentry_hook import RESOURCE_HEADER, parse_hook

_MAX_BODY_BYTES = 10 * 1024 * 1024
_POLL_S = 0.02
_STATUS = {
    "cluster": {"name": "", "peers": [], "status": "disabled"},
    "config": {"original": ""},
    "versionInfo": dict.fromkeys(
        ("version", "revision", "branch", "buildUser", "buildDate", "goVersion"), "obsstack"
    ),
}


class Receiver:
    """Keeps every request and every alert that it tells of, in the order of their arrival.

    ``host`` and ``port`` are how the senders reach it.
    """

    def __init__(self, host: str, port: int) -> None:
        self.url = f"http://{host}:{port}"
        """Base URL, and that of the Alertmanager."""
        self.address = f"{host}:{port}"
        """For ``targets`` of an Alertmanager's ``static_configs``."""
        self._lock = threading.Lock()
        self._requests: list[Request] = []
        self._alerts: list[Alert] = []
        self._refused: list[str] = []
        self._secrets: list[str] = []
        self._status = 200

    @property
    def webhook_url(self) -> str:
        """Where webhooks are posted to: Sentry's, Grafana's, GlitchTip's, anybody's JSON."""
        return f"{self.url}/webhook"

    @property
    def requests(self) -> tuple[Request, ...]:
        with self._lock:
            return tuple(self._requests)

    @property
    def alerts(self) -> tuple[Alert, ...]:
        with self._lock:
            return tuple(self._alerts)

    @property
    def refused(self) -> tuple[str, ...]:
        """Why requests were answered with 400."""
        with self._lock:
            return tuple(self._refused)

    def trust(self, client_secret: str) -> None:
        """Check the signature of Sentry's webhooks from now on, by this secret or earlier ones."""
        self._secrets.append(client_secret)

    def answer(self, status: int) -> None:
        """Answer what is posted from now on with that status; what is not 200 is not kept."""
        self._status = status

    def take(self, request: Request) -> tuple[int, str]:
        """Keep a request; the status and the text of the answer."""
        if self._status != 200:
            return self._status, f"answered {self._status} on purpose"
        try:
            alerts = self._alerts_of(request)
        except NotAnAlert as error:
            with self._lock:
                self._refused.append(f"POST {request.path}: {error}")
            return 400, str(error)
        with self._lock:
            self._requests.append(request)
            self._alerts.extend(alerts)
        return 200, ""

    def _alerts_of(self, request: Request) -> list[Alert]:
        try:
            body = json.loads(request.content)
        except ValueError as error:
            raise NotAnAlert(f"the body is no JSON: {error}") from None
        if request.path.rstrip("/") == ALERTS_PATH:
            return parse_alerts(request, body)
        if RESOURCE_HEADER in request.headers:
            alert = parse_hook(request, body, self._secrets)
            return [] if alert is None else [alert]
        return parse_plain(request, body)


@contextlib.contextmanager
def serving(bind: str, host: str) -> Iterator[Receiver]:
    """A receiver that listens on a free port of ``bind``, which its senders call ``host``."""
    server = ThreadingHTTPServer((bind, 0), _Handler)
    server.daemon_threads = True
    receiver = Receiver(host, server.server_port)
    server.receiver = receiver  # type: ignore[attr-defined]  # how handlers find it
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": _POLL_S}, daemon=True
    )
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path in ("/-/ready", "/-/healthy"):
            self._answer(200, "OK")
        elif path == "/api/v2/status":
            self._answer(200, json.dumps(_STATUS), "application/json")
        else:
            self._answer(404, f"{path} is not among what the receiver of pytest-obsstack answers")

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdigit():
            self._answer(411, "send the body with its Content-Length")
            return
        if int(length) > _MAX_BODY_BYTES:
            self._answer(413, f"a body of more than {_MAX_BODY_BYTES} bytes")
            return
        content = self.rfile.read(int(length))
        headers = {name.lower(): value for name, value in self.headers.items()}
        path = self.path.partition("?")[0]
        receiver: Receiver = self.server.receiver  # type: ignore[attr-defined]
        status, text = receiver.take(Request(path, headers, content, time.time()))
        self._answer(status, text)

    def _answer(self, status: int, text: str, media_type: str = "text/plain") -> None:
        content = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(content)))
        if status in (411, 413):
            # What is left of the body would be read as the next request.
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: pytest's output is for the tests."""
