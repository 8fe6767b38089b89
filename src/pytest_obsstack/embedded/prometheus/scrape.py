"""Scraping: when each target is asked, by the clock and on demand."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from pytest_obsstack.embedded.prometheus.fetch import FetchError, fetch
from pytest_obsstack.embedded.prometheus.settings import ScrapeConfig
from pytest_obsstack.embedded.prometheus.target import (
    Health,
    ScrapeResult,
    Target,
    TargetKey,
)

Store = Callable[[Target, ScrapeResult], None]


@dataclass(frozen=True)
class ScrapeReport:
    """A target after a scrape that was asked for; the scrape began at ``timestamp_ms``."""

    job: str
    instance: str
    url: str
    health: Health
    error: str
    timestamp_ms: int


class ScrapeLoop:
    """Scrapes one target; all scrapes of it, by the clock or on demand, come one after another."""

    def __init__(
        self, target: Target, config: ScrapeConfig, store: Store, clock_ns: Callable[[], int]
    ) -> None:
        self.target = target
        self.config = config
        self._store = store
        self._clock_ns = clock_ns
        self._busy = asyncio.Lock()
        self._next: asyncio.Task[ScrapeReport] | None = None
        self._current: asyncio.Task[ScrapeReport] | None = None
        self._loop: asyncio.Task[None] | None = None

    def start(self) -> None:
        if self._loop is None:
            self._loop = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End the loop and a scrape that is under way; what was stored stays."""
        tasks = [task for task in (self._loop, self._next, self._current) if task is not None]
        self._loop = self._next = self._current = None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def scrape(self) -> ScrapeReport:
        """A scrape that begins after this call; calls that wait for the same one share it."""
        if self._next is None:
            self._next = asyncio.create_task(self._scrape_next())
        task = self._next
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if not task.cancelled():
                raise
            # Stopped: what was not scraped is told as Prometheus tells it.
            last = self.target.last_result
            return self._report("context canceled", 0 if last is None else last.timestamp_ms)

    async def _run(self) -> None:
        due = time.monotonic()
        # A scrape that is cancelled together with this loop takes its cancellation for its own.
        while self._loop is asyncio.current_task():
            await self.scrape()
            due = max(due + self.config.scrape_interval_s, time.monotonic())
            await asyncio.sleep(due - time.monotonic())

    async def _scrape_next(self) -> ScrapeReport:
        async with self._busy:
            # From here on the scrape has begun: who calls now needs the one after it.
            self._current, self._next = self._next, None
            return await self._scrape()

    async def _scrape(self) -> ScrapeReport:
        key, last = self.target.key, self.target.last_result
        began_ms = self._clock_ns() // 10**6
        if last is not None:
            # Two scrapes within a millisecond must not be taken for the same sample.
            began_ms = max(began_ms, last.timestamp_ms + 1)
        started = time.monotonic()
        body, content_type, error = b"", "", ""
        try:
            fetched = await fetch(
                key.url,
                timeout_s=self.config.scrape_timeout_s,
                size_limit=self.config.body_size_limit,
            )
            body, content_type = fetched.body, fetched.content_type
        except FetchError as failed:
            error = str(failed)
        duration_s = time.monotonic() - started
        result = ScrapeResult(began_ms, duration_s, body, content_type, error)
        self._store(self.target, result)
        return self._report(self.target.last_error, began_ms)

    def _report(self, error: str, timestamp_ms: int) -> ScrapeReport:
        key = self.target.key
        instance = dict(key.labels)["instance"]
        return ScrapeReport(key.job, instance, key.url, self.target.health, error, timestamp_ms)


class ScrapeManager:
    """The loops of all targets of the configured jobs."""

    def __init__(
        self, store: Store, retire: Callable[[Target], None], clock_ns: Callable[[], int]
    ) -> None:
        self._store = store
        self._retire = retire
        self._clock_ns = clock_ns
        self._loops: dict[TargetKey, ScrapeLoop] = {}
        self._known: dict[TargetKey, Target] = {}
        self._running = False

    @property
    def loops(self) -> list[ScrapeLoop]:
        """In the order of job, then of address."""
        return sorted(
            self._loops.values(), key=lambda loop: (loop.config.job_name, loop.target.key.address)
        )

    def target(self, key: TargetKey) -> Target:
        """The target, also one that is known from the journal alone."""
        return self._known.setdefault(key, Target(key))

    async def configure(self, configs: Iterable[ScrapeConfig]) -> None:
        """Scrape these jobs from now on; a target that stays keeps its state."""
        wanted = {TargetKey.of(c, address): c for c in configs for address in c.targets}
        for key, loop in list(self._loops.items()):
            if wanted.get(key) != loop.config:
                del self._loops[key]
                await loop.stop()
                if key not in wanted:
                    self._retire(loop.target)
        self.add(wanted)
        if self._running:
            self.start()

    def add(self, wanted: dict[TargetKey, ScrapeConfig]) -> None:
        for key, config in wanted.items():
            if key not in self._loops:
                loop = ScrapeLoop(self.target(key), config, self._store, self._clock_ns)
                self._loops[key] = loop

    def start(self) -> None:
        self._running = True
        for loop in self._loops.values():
            loop.start()

    async def stop(self) -> None:
        self._running = False
        await _all(loop.stop() for loop in self._loops.values())

    async def scrape_now(self, job: str | None) -> list[ScrapeReport]:
        """Scrape the targets of the job (or all) at once; returns when all is stored."""
        chosen = [loop for loop in self.loops if job in (None, loop.config.job_name)]
        return list(await asyncio.gather(*(loop.scrape() for loop in chosen)))


async def _all(awaitables: Iterable[Awaitable[None]]) -> None:
    await asyncio.gather(*awaitables)
