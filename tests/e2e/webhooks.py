"""A receiver for the webhooks of alert rules: what somebody's chat or pager would be."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from pytest_obsstack import Stack
from pytest_obsstack.waiting import until


@dataclass(frozen=True)
class Webhook:
    """One that arrived."""

    headers: Mapping[str, str]
    """Names in small letters."""
    content: bytes

    @property
    def resource(self) -> str:
        """``event_alert`` or ``metric_alert``."""
        return self.headers["sentry-hook-resource"]

    @property
    def body(self) -> dict[str, Any]:
        parsed: dict[str, Any] = json.loads(self.content)
        return parsed

    @property
    def data(self) -> dict[str, Any]:
        """What it is about."""
        about: dict[str, Any] = self.body["data"]
        return about

    def signed_with(self, client_secret: str) -> bool:
        """Whether it is the integration's: the body's HMAC stands in a header."""
        wanted = hmac.new(client_secret.encode(), self.content, hashlib.sha256).hexdigest()
        return hmac.compare_digest(wanted, self.headers["sentry-hook-signature"])


class WebhookReceiver:
    """Answers every webhook with 200 and keeps it."""

    def __init__(self, url: str, arrived: list[Webhook]) -> None:
        self.url = url
        self._arrived = arrived

    @property
    def arrived(self) -> tuple[Webhook, ...]:
        """In the order of their arrival."""
        return tuple(self._arrived)

    def wait_for(self, count: int, *, timeout_s: float) -> tuple[Webhook, ...]:
        """All that have arrived, once these are ``count``; fails where they are fewer in the end.

        More than ``count`` are given as they are: the caller compares them all.
        """
        until(lambda: True if len(self._arrived) >= count else None, timeout_s=timeout_s)
        assert len(self._arrived) >= count, [webhook.data for webhook in self._arrived]
        return self.arrived


@contextlib.contextmanager
def webhook_receiver(stack: Stack) -> Iterator[WebhookReceiver]:
    """A receiver on a free port of the address at which the stack's servers reach this machine."""
    arrived: list[Webhook] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            arrived.append(Webhook(headers, content))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing: pytest's output is for the tests."""

    server = ThreadingHTTPServer((stack.callback_bind, 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        url = f"http://{stack.callback_host}:{server.server_port}/alerts"
        yield WebhookReceiver(url, arrived)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
