"""A collector that answers before it has sent: what it tells of what still waits."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest

from pytest_obsstack.clients.collector import CollectorReading, parse_metrics
from pytest_obsstack.embedded.collector.server import CollectorServer
from pytest_obsstack.embedded.collector.settings import CollectorSettings
from pytest_obsstack.embedded.journal import Journal
from tests.unit.embedded.collector.support import JSON, backend, client, closing, traces_body

SENTRY = "otlp_http/sentry"


def server(url: str, size: int) -> CollectorServer:
    settings = CollectorSettings(traces_endpoint=f"{url}/v1/traces", sending_queue_size=size)
    return CollectorServer(settings, Journal(None))


def readings(
    collector: CollectorServer, requests: int, *, then: Callable[[], None] = lambda: None
) -> tuple[list[int], CollectorReading, CollectorReading]:
    """Statuses of requests with two spans each, what is told at once, and what once all is sent.

    ``then`` is called in between.
    """

    async def ask() -> tuple[list[int], CollectorReading, CollectorReading]:
        async with client(collector) as http:

            async def reading() -> CollectorReading:
                return parse_metrics((await http.get("/telemetry/metrics")).text)

            statuses = [
                (await http.post("/v1/traces", content=traces_body(2), headers=JSON)).status_code
                for _ in range(requests)
            ]
            at_once = await reading()
            then()
            last = at_once
            deadline = time.monotonic() + 10
            while last.received("spans").accepted > (
                last.exported("spans", SENTRY).sent + last.exported("spans", SENTRY).send_failed
            ):
                assert time.monotonic() < deadline
                await asyncio.sleep(0.005)
                last = await reading()
            return statuses, at_once, last

    return asyncio.run(closing(collector, ask()))


def test_what_was_accepted_is_sent_afterwards() -> None:
    with backend() as to:
        statuses, at_once, last = readings(server(to.url, 10), 3)
    assert statuses == [200, 200, 200]
    assert at_once.received("spans").accepted == 6
    assert at_once.waiting("spans", SENTRY).keys() == {SENTRY}
    assert last.waiting("spans", SENTRY) == {SENTRY: 0}
    assert last.exported("spans", SENTRY).sent == 6
    assert len(to.received) == 3


def test_the_sender_does_not_learn_that_the_backend_refuses() -> None:
    with backend(status=400) as to:
        statuses, _, last = readings(server(to.url, 10), 1)
    assert statuses == [200]
    assert last.received("spans").refused == 0
    assert last.exported("spans", SENTRY).send_failed == 2


def test_a_full_queue_is_told_to_the_sender_and_counted() -> None:
    with backend() as to:
        to.open.clear()
        statuses, at_once, last = readings(server(to.url, 2), 3, then=to.open.set)
    assert statuses == [200, 200, 503]
    # Requests, as the queue is measured in; what is being sent counts.
    assert at_once.waiting("spans", SENTRY) == {SENTRY: 2}
    assert at_once.received("spans").refused == 2
    assert at_once.exported("spans", SENTRY).enqueue_failed == 2
    assert last.exported("spans", SENTRY).sent == 4


def test_without_a_queue_none_is_told() -> None:
    with backend() as to:
        _, at_once, _ = readings(server(to.url, 0), 1)
    assert not at_once.waiting("spans", SENTRY)
    assert at_once.exported("spans", SENTRY).sent == 2


@pytest.mark.parametrize(
    ("size", "told"), [(0, {"enabled": False}), (5, {"enabled": True, "queue_size": 5})]
)
def test_the_configuration_tells_of_the_queue(size: int, told: dict[str, object]) -> None:
    config = CollectorSettings(sending_queue_size=size).effective_config()
    assert config["exporters"]["otlp_http/loki"]["sending_queue"] == told
