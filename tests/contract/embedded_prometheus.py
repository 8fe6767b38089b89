"""The embedded Prometheus on a loopback port, for clients that speak HTTP."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from pytest_obsstack.embedded.journal import Journal
from pytest_obsstack.embedded.listener import Listener
from pytest_obsstack.embedded.prometheus.server import PrometheusServer
from pytest_obsstack.embedded.prometheus.settings import PrometheusSettings
from pytest_obsstack.embedded.settings import PortWish

T = TypeVar("T")
_DEADLINE_S = 10


@dataclass(frozen=True)
class EmbeddedPrometheus:
    url: str
    server: PrometheusServer
    _loop: asyncio.AbstractEventLoop

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of a coroutine that was run in the server's event loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_DEADLINE_S)


@contextmanager
def running_embedded(
    scrape_configs: Sequence[dict[str, Any]] = (), **given: Any
) -> Iterator[EmbeddedPrometheus]:
    """Served from a thread of its own; stopped at the end of the block.

    ``given`` are other settings, as JSON.
    """
    document = {"scrape_configs": list(scrape_configs), **given}
    settings = PrometheusSettings.from_json(document)
    server = PrometheusServer(settings, Journal(None))
    listener = Listener("127.0.0.1", PortWish())
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    embedded = EmbeddedPrometheus(listener.url, server, loop)
    try:
        embedded.run(listener.open(server.app))
        embedded.run(server.start())
        yield embedded
        embedded.run(server.stop())
        embedded.run(listener.close())
    finally:
        listener.release()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
