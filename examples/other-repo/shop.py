"""A small shop: a web app of the standard library that reports its errors to Sentry.

It is told where to report by ``SENTRY_DSN``, ``SENTRY_ENVIRONMENT`` and ``SENTRY_RELEASE``, which
the SDK reads by itself, and listens on 127.0.0.1 at the port in ``PORT``.
"""

from __future__ import annotations

import os
import signal
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import sentry_sdk
from sentry_sdk.tracing import TransactionSource

PRICES = {"apple": 2, "pear": 3}


def order(item: str) -> str:
    """A receipt; raises ``LookupError`` for what is not sold here."""
    sentry_sdk.set_tag("item", item)
    sentry_sdk.add_breadcrumb(category="order", message=f"looking for {item}")
    if item not in PRICES:
        raise LookupError(f"no {item} in stock")
    return f"{item}: {PRICES[item]}\n"


class Shop(BaseHTTPRequestHandler):
    """Answers ``GET /health`` and ``GET /order?item=…``."""

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if url.path == "/health":
            self._answer(HTTPStatus.OK, "ok\n")
        elif url.path == "/order":
            self._order(parse_qs(url.query).get("item", [""])[0])
        else:
            self._answer(HTTPStatus.NOT_FOUND, "no such page\n")

    def _order(self, item: str) -> None:
        with sentry_sdk.isolation_scope():
            # The caller's trace goes on: an error here is found from the request that caused it.
            transaction = sentry_sdk.continue_trace(
                dict(self.headers),
                op="http.server",
                name="GET /order",
                source=TransactionSource.ROUTE,
            )
            with sentry_sdk.start_transaction(transaction):
                try:
                    status, text = HTTPStatus.OK, order(item)
                except LookupError as error:
                    sentry_sdk.capture_exception(error)
                    status, text = HTTPStatus.INTERNAL_SERVER_ERROR, "the order failed\n"
                transaction.set_http_status(status)
                self._answer(status, text)

    def _answer(self, status: HTTPStatus, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Server(ThreadingHTTPServer):
    """Lets the requests at work finish before it closes."""

    daemon_threads = False


def main() -> None:
    sentry_sdk.init(traces_sample_rate=1.0)

    def stop(_number: int, _frame: Any) -> None:
        sys.exit()

    signal.signal(signal.SIGTERM, stop)
    with Server(("127.0.0.1", int(os.environ["PORT"])), Shop) as server:
        server.serve_forever()


if __name__ == "__main__":
    try:
        main()
    finally:
        # After the last request, so that nothing which was captured is lost.
        sentry_sdk.flush(timeout=5)
