"""A target to scrape whose answer a test sets."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TEXT = "text/plain; version=0.0.4"
OPEN_METRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


@dataclass
class Exposure:
    """What the target answers with; may be changed while it runs."""

    body: str = ""
    content_type: str = TEXT
    status: int = 200
    address: str = ""
    requests: int = 0


@contextmanager
def exposing_target(body: str, content_type: str = TEXT, status: int = 200) -> Iterator[Exposure]:
    """A target on a loopback port; its ``address`` is ``host:port``."""
    exposure = Exposure(body, content_type, status)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            exposure.requests += 1
            content = exposure.body.encode()
            self.send_response(exposure.status)
            self.send_header("Content-Type", exposure.content_type)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Nothing: the answer is the test's own."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    exposure.address = f"127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield exposure
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
