from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from pytest_obsstack.embedded.journal import Journal, JournalEntry
from pytest_obsstack.embedded.prometheus.model import is_stale, labels_of
from pytest_obsstack.embedded.prometheus.server import PrometheusServer
from pytest_obsstack.embedded.prometheus.settings import PrometheusSettings

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n"
DEADLINE_S = 5


@dataclass
class Exposer:
    """A target: counts its requests, answers when it may."""

    body: bytes = b"a 1\n"
    requests: int = 0
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)
    address: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.requests += 1
        await reader.readuntil(b"\r\n\r\n")
        await self.may_answer.wait()
        writer.write(HEAD + self.body)
        await writer.drain()
        writer.close()


class RecordingJournal(Journal):
    """Keeps its entries, for a test to read and replay."""

    def __init__(self) -> None:
        super().__init__(None)
        self.entries: list[JournalEntry] = []

    def append(self, kind: str, payload: bytes, **meta: Any) -> JournalEntry:
        entry = super().append(kind, payload, **meta)
        self.entries.append(entry)
        return entry


@asynccontextmanager
async def exposing(body: bytes = b"a 1\n") -> AsyncIterator[Exposer]:
    exposer = Exposer(body)
    exposer.may_answer.set()
    server = await asyncio.start_server(exposer.serve, "127.0.0.1", 0)
    exposer.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield exposer
    finally:
        exposer.may_answer.set()
        server.close()


def settings(*addresses: str, interval_s: float = 60) -> PrometheusSettings:
    jobs = [
        {"job_name": f"job{index}", "targets": [address], "scrape_interval_s": interval_s}
        for index, address in enumerate(addresses)
    ]
    return PrometheusSettings.from_json({"scrape_configs": jobs})


def stored(server: PrometheusServer, name: str, **labels: str) -> list[float]:
    found = server.store.get(labels_of({"__name__": name, **labels}))
    return [] if found is None else list(found.values)


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.001)


def test_scrape_on_demand_returns_when_the_samples_are_stored() -> None:
    async def run() -> None:
        async with exposing() as exposer:
            server = PrometheusServer(settings(exposer.address), Journal(None))
            before_ms = server._now_ms()
            (report,) = await server.scrape_now()
            assert stored(server, "a", job="job0", instance=exposer.address) == [1.0]
            assert (report.job, report.instance, report.health, report.error) == (
                "job0",
                exposer.address,
                "up",
                "",
            )
            assert report.url == f"http://{exposer.address}/metrics"
            assert report.timestamp_ms >= before_ms

    asyncio.run(run())


def test_scrape_on_demand_may_be_of_one_job_and_tells_what_is_down() -> None:
    async def run() -> None:
        async with exposing() as exposer:
            server = PrometheusServer(settings(exposer.address, "127.0.0.1:1"), Journal(None))
            (report,) = await server.scrape_now("job1")
            assert exposer.requests == 0
            assert report.health == "down"
            assert report.error.endswith("connect: connection refused")
            assert await server.scrape_now("unknown") == []

    asyncio.run(run())


def test_calls_that_wait_for_the_same_scrape_share_it() -> None:
    async def run() -> None:
        async with exposing() as exposer:
            server = PrometheusServer(settings(exposer.address), Journal(None))
            reports = await asyncio.gather(*(server.scrape_now() for _ in range(5)))
            assert exposer.requests == 1
            assert len({report.timestamp_ms for (report,) in reports}) == 1

    asyncio.run(run())


def test_call_during_a_scrape_gets_one_that_begins_after_it() -> None:
    async def run() -> None:
        async with exposing() as exposer:
            exposer.may_answer.clear()
            server = PrometheusServer(settings(exposer.address), Journal(None))
            first = asyncio.create_task(server.scrape_now())
            await until(lambda: exposer.requests == 1)
            later = [asyncio.create_task(server.scrape_now()) for _ in range(3)]
            exposer.may_answer.set()
            (early,) = await first
            reports = [(await task)[0] for task in later]
            assert exposer.requests == 2
            assert {report.timestamp_ms > early.timestamp_ms for report in reports} == {True}

    asyncio.run(run())


def test_scrapes_in_the_same_millisecond_have_times_of_their_own() -> None:
    async def run() -> None:
        async with exposing() as exposer:
            server = PrometheusServer(
                settings(exposer.address), Journal(None), clock_ns=lambda: 10**15
            )
            times = [(await server.scrape_now())[0].timestamp_ms for _ in range(3)]
            assert times == [10**9, 10**9 + 1, 10**9 + 2]

    asyncio.run(run())


def test_targets_are_scraped_by_the_clock_between_start_and_stop() -> None:
    async def run() -> None:
        async with exposing() as exposer:
            server = PrometheusServer(settings(exposer.address, interval_s=0.01), Journal(None))
            await server.start()
            await until(lambda: exposer.requests >= 3)
            await server.stop()
            seen = exposer.requests
            await server.start()
            await until(lambda: exposer.requests > seen)
            await server.stop()
            assert len(stored(server, "up", job="job0", instance=exposer.address)) >= 3

    asyncio.run(run())


def test_stop_ends_a_scrape_that_is_under_way() -> None:
    async def run() -> None:
        async with exposing() as exposer:
            exposer.may_answer.clear()
            server = PrometheusServer(settings(exposer.address), Journal(None))
            waiting = asyncio.create_task(server.scrape_now())
            await until(lambda: exposer.requests == 1)
            await server.stop()
            (report,) = await asyncio.wait_for(waiting, DEADLINE_S)
            assert report.error == "context canceled"
            assert len(server.store) == 0
            others = asyncio.all_tasks() - {asyncio.current_task()}
            exposer.may_answer.set()
            await asyncio.wait_for(asyncio.gather(*others), DEADLINE_S)

    asyncio.run(run())


def test_only_a_scrape_that_changed_is_journalled() -> None:
    async def run() -> None:
        async with exposing() as exposer:
            journal = RecordingJournal()
            server = PrometheusServer(
                replace(settings(exposer.address), journal_interval_s=0), journal
            )
            for body in (b"a 1\n", b"a 1\n", b"a 2\n", b"a {\n", b"a {\n"):
                exposer.body = body
                await server.scrape_now()
            assert [entry.payload for entry in journal.entries] == [b"a 1\n", b"a 2\n", b"a {\n"]
            assert stored(server, "up", job="job0", instance=exposer.address) == [1, 1, 1, 0, 0]

            other = PrometheusServer(PrometheusSettings(), Journal(None))
            for entry in journal.entries:
                other.replay(entry)
            values = stored(other, "a", job="job0", instance=exposer.address)
            assert values[:2] == [1.0, 2.0]
            assert is_stale(values[2])
            assert stored(other, "up", job="job0", instance=exposer.address) == [1, 1, 0]

    asyncio.run(run())


def test_values_that_move_with_each_scrape_are_journalled_now_and_then_and_at_the_end() -> None:
    async def run() -> None:
        async with exposing() as exposer:
            journal = RecordingJournal()
            server = PrometheusServer(settings(exposer.address), journal)
            for body in (b"a 1\n", b"a 2\n", b"a 3\n", b"a 3\nb 1\n", b"a 3\nb 2\n"):
                exposer.body = body
                await server.scrape_now()
            await server.stop()
            written = [entry.payload for entry in journal.entries]
            # The first; the last before a new series; that one; the last of all.
            assert written == [b"a 1\n", b"a 3\n", b"a 3\nb 1\n", b"a 3\nb 2\n"]
            assert stored(server, "a", job="job0", instance=exposer.address) == [1, 2, 3, 3, 3]

    asyncio.run(run())


def test_replayed_target_goes_on_where_it_was() -> None:
    """A series that vanished while the server was down still ends with the next scrape."""

    async def run() -> None:
        async with exposing(b"a 1\n") as exposer:
            journal = RecordingJournal()
            await PrometheusServer(settings(exposer.address), journal).scrape_now()
            server = PrometheusServer(settings(exposer.address), Journal(None))
            server.replay(journal.entries[0])
            exposer.body = b"b 1\n"
            await server.scrape_now()
            values = stored(server, "a", job="job0", instance=exposer.address)
            assert values[0] == 1.0
            assert is_stale(values[1])

    asyncio.run(run())


def test_jobs_can_be_changed_while_the_server_runs() -> None:
    async def run() -> None:
        async with exposing() as old, exposing() as new:
            server = PrometheusServer(settings(old.address, interval_s=0.01), Journal(None))
            await server.start()
            await until(lambda: old.requests >= 1)
            await server.configure(settings(new.address, interval_s=0.01))
            await until(lambda: new.requests >= 1)
            await until(lambda: stored(server, "up", job="job0", instance=new.address) != [])
            seen = old.requests
            await server.scrape_now()
            assert old.requests == seen
            assert is_stale(stored(server, "up", job="job0", instance=old.address)[-1])
            assert [target["url"] for target in server.status()["targets"]] == [
                f"http://{new.address}/metrics"
            ]
            await server.stop()

    asyncio.run(run())


def test_target_that_stays_keeps_its_state_when_its_interval_changes() -> None:
    async def run() -> None:
        async with exposing() as exposer:
            server = PrometheusServer(settings(exposer.address), Journal(None))
            await server.scrape_now()
            await server.configure(settings(exposer.address, interval_s=30))
            await server.scrape_now()
            labels = {"job": "job0", "instance": exposer.address}
            assert stored(server, "up", **labels) == [1.0, 1.0]
            assert stored(server, "scrape_series_added", **labels) == [1.0, 0.0]

    asyncio.run(run())
