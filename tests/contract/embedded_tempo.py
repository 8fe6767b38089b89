"""The embedded Tempo on two loopback ports, for clients that speak HTTP."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pytest_obsstack.embedded.journal import Journal
from pytest_obsstack.embedded.listener import Listener
from pytest_obsstack.embedded.settings import PortWish
from pytest_obsstack.embedded.tempo.server import TempoServer
from pytest_obsstack.embedded.tempo.settings import TempoSettings

_DEADLINE_S = 10


@dataclass(frozen=True)
class RunningTempo:
    """Where it answers."""

    url: str
    otlp_url: str
    """Without ``/v1/traces``."""


@contextmanager
def running_embedded_tempo() -> Iterator[RunningTempo]:
    """A fresh server in a thread of its own; stopped at the end of the block."""
    server = TempoServer(TempoSettings(), Journal(None))
    api, receiver = Listener("127.0.0.1", PortWish()), Listener("127.0.0.1", PortWish())
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        for listener, app in ((api, server.app), (receiver, server.receiver)):
            asyncio.run_coroutine_threadsafe(listener.open(app), loop).result(_DEADLINE_S)
        yield RunningTempo(api.url, receiver.url)
        for listener in (receiver, api):
            asyncio.run_coroutine_threadsafe(listener.close(), loop).result(_DEADLINE_S)
    finally:
        for listener in (receiver, api):
            listener.release()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
