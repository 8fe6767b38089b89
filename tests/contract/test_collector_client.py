"""``CollectorClient`` against the embedded collector, over HTTP."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from pytest_obsstack.clients.collector import CollectorClient, CollectorReading, Counts
from pytest_obsstack.embedded.collector.server import CollectorServer
from pytest_obsstack.embedded.collector.settings import CollectorSettings
from pytest_obsstack.embedded.journal import Journal
from pytest_obsstack.embedded.listener import Listener
from pytest_obsstack.embedded.settings import PortWish
from pytest_obsstack.endpoints import CollectorEndpoint
from pytest_obsstack.errors import BackendUnavailable
from tests.unit.embedded.collector.support import (
    JSON,
    Backend,
    backend,
    counter,
    logs_body,
    metrics_body,
    number,
    traces_body,
)

_DEADLINE_S = 10


@contextmanager
def collector_before(sentry: Backend, loki: Backend) -> Iterator[CollectorClient]:
    """A client of a running collector that forwards to these backends."""
    settings = CollectorSettings(
        traces_endpoint=f"{sentry.url}/v1/traces", logs_endpoint=f"{loki.url}/otlp/v1/logs"
    )
    server = CollectorServer(settings, Journal(None))
    listener = Listener("127.0.0.1", PortWish())
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    endpoint = CollectorEndpoint(listener.url, telemetry_url=f"{listener.url}/telemetry/metrics")
    client = CollectorClient(endpoint)
    try:
        asyncio.run_coroutine_threadsafe(listener.open(server.app), loop).result(_DEADLINE_S)
        yield client
        asyncio.run_coroutine_threadsafe(listener.close(), loop).result(_DEADLINE_S)
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(_DEADLINE_S)
    finally:
        client.close()
        listener.release()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def change(client: CollectorClient, signal: str, body: bytes) -> CollectorReading:
    """What one OTLP request changes."""
    before = client.reading()
    url = f"{client.endpoint.otlp_url}/v1/{signal}"
    httpx.post(url, content=body, headers=JSON, trust_env=False)
    return client.reading() - before


def test_what_is_forwarded_counts_as_accepted_and_sent() -> None:
    with backend() as sentry, backend() as loki, collector_before(sentry, loki) as client:
        spans = change(client, "traces", traces_body(3))
        logs = change(client, "logs", logs_body(2))
        points = change(client, "metrics", metrics_body(counter("hits", number(1), number(2))))
    assert spans.received("spans") == Counts(accepted=3)
    assert spans.exported("spans", "otlp_http/sentry") == Counts(sent=3)
    assert spans.received("log_records") == Counts()
    assert logs.received("log_records") == Counts(accepted=2)
    assert logs.exported("log_records", "otlp_http/loki") == Counts(sent=2)
    assert points.received("metric_points") == Counts(accepted=2)
    assert points.exported("metric_points").lost == 0


def test_what_the_backend_refuses_counts_as_failed() -> None:
    with (
        backend(status=400) as sentry,
        backend() as loki,
        collector_before(sentry, loki) as client,
    ):
        spans = change(client, "traces", traces_body(3))
    exported = spans.exported("spans", "otlp_http/sentry")
    assert (exported.sent, exported.send_failed, exported.lost) == (0, 3, 3)


def test_a_collector_that_is_gone_is_unhealthy_and_unavailable() -> None:
    with backend() as sentry, backend() as loki:
        with collector_before(sentry, loki) as running:
            assert running.healthy()
        gone = CollectorClient(running.endpoint)
        assert not gone.healthy()
        with pytest.raises(BackendUnavailable, match="The collector did not answer"):
            gone.reading()
        gone.close()
