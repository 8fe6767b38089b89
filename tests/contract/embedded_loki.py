"""The embedded Loki on a loopback port, for clients that speak HTTP."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from pytest_obsstack.embedded.journal import Journal
from pytest_obsstack.embedded.listener import Listener
from pytest_obsstack.embedded.loki.server import LokiServer
from pytest_obsstack.embedded.loki.settings import LokiSettings
from pytest_obsstack.embedded.settings import PortWish

_DEADLINE_S = 10


@contextmanager
def running_embedded_loki() -> Iterator[str]:
    """The URL of a fresh server in a thread of its own; stopped at the end of the block."""
    server = LokiServer(LokiSettings(), Journal(None))
    listener = Listener("127.0.0.1", PortWish())
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(listener.open(server.app), loop).result(_DEADLINE_S)
        yield listener.url
        asyncio.run_coroutine_threadsafe(listener.close(), loop).result(_DEADLINE_S)
    finally:
        listener.release()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
