"""The embedded Loki: a store of streams behind Loki's HTTP API."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from pytest_obsstack.embedded.journal import Journal, JournalEntry
from pytest_obsstack.embedded.loki.counters import Counters
from pytest_obsstack.embedded.loki.ingest import ingest
from pytest_obsstack.embedded.loki.limits import Discarded, PushRefused, RateLimiter
from pytest_obsstack.embedded.loki.push import PushHandlers
from pytest_obsstack.embedded.loki.settings import LokiSettings
from pytest_obsstack.embedded.loki.store import TRACE_ID, Store
from pytest_obsstack.wire.loki_push import LokiStream, build_push, parse_push

_API_VERSION = "3.8.0"
_PUSH = "push"
_NS_PER_S = 1_000_000_000


class LokiServer:
    """Loki's push, OTLP and query API on a store in memory (``embedded.product.Product``).

    The journal holds what was stored, as JSON pushes: after the limits, with what Loki adds.
    """

    name = "loki"
    version = f"{_API_VERSION}-embedded"

    def __init__(
        self,
        settings: LokiSettings,
        journal: Journal,
        *,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._settings = settings
        self._journal = journal
        self._clock_ns = clock_ns
        self._store = Store()
        self._counters = Counters()
        self._limiter = RateLimiter(
            settings.ingestion_rate_bytes_per_s, settings.ingestion_burst_size_bytes, clock_ns
        )
        self._queries: Starlette | None = None
        self.app: ASGIApp = self._application()

    def replay(self, entry: JournalEntry) -> None:
        """Apply an entry of the journal exactly as when it was accepted."""
        self._apply(entry)

    async def start(self) -> None:
        """Nothing runs in the background."""

    async def stop(self) -> None:
        """Nothing runs in the background."""

    def status(self) -> dict[str, Any]:
        """Counts and settings for ``obsstack status``."""
        return {
            "streams": self._store.stream_count,
            "entries": self._store.entry_count,
            "lines_received": self._counters.lines_received,
            "bytes_received": self._counters.bytes_received,
            "duplicate_lines": len(self._store.dropped),
            "discarded_lines": dict(self._counters.discarded_lines),
            "retention_s": self._settings.retention_s,
        }

    def _accept(self, pushed: list[LokiStream]) -> str | None:
        """Store what is within the limits; tells what was wrong with the rest. ``PushRefused``."""
        discarded = Discarded()
        try:
            found = ingest(
                pushed, self._store, self._settings, self._limiter, self._clock_ns(), discarded
            )
        except PushRefused:
            self._counters.discarded(discarded)
            raise
        self._counters.received(found.lines, found.size_bytes)
        self._counters.discarded(discarded)
        if found.streams:
            self._apply(self._journal.append(_PUSH, build_push(found.streams)))
        return found.error

    def _apply(self, entry: JournalEntry) -> None:
        for stream in parse_push(entry.payload):
            self._store.add(stream.labels, stream.entries)
        retention_s = self._settings.retention_s
        if retention_s is not None:
            self._store.expire(self._clock_ns() - int(retention_s * _NS_PER_S))

    # HTTP -----------------------------------------------------------------------------------------

    def _application(self) -> ASGIApp:
        push = PushHandlers(self._settings, self._accept, self._clock_ns)
        return Starlette(
            routes=[
                Route("/loki/api/v1/push", push.push, methods=["POST"]),
                Route("/otlp/v1/logs", push.otlp, methods=["POST"]),
                Route("/ready", _ready),
                Route("/flush", _flush, methods=["GET", "POST"]),
                Route("/metrics", self._metrics),
                Route("/loki/api/v1/status/buildinfo", self._build_info),
                Route("/obsstack/traces/{trace_id}", self._dropped_of_trace),
                Mount("/", self._query_api),
            ],
        )

    async def _query_api(self, scope: Scope, receive: Receive, send: Send) -> None:
        """All other paths. LogQL is loaded when the first of them is asked for: start-up counts."""
        if self._queries is None:
            from pytest_obsstack.embedded.loki.api import QueryApi

            routes = QueryApi(self._store, self._settings, self._clock_ns).routes()
            self._queries = Starlette(routes=routes, exception_handlers={404: _not_found})
        await self._queries(scope, receive, send)

    async def _metrics(self, _request: Request) -> Response:
        text = self._counters.exposition(self._store.stream_count, self._store.entry_count)
        return PlainTextResponse(text, media_type="text/plain; version=0.0.4; charset=utf-8")

    async def _dropped_of_trace(self, request: Request) -> Response:
        """Entries that came once more: what Loki itself drops and never tells, for tests alone."""
        wanted = request.path_params["trace_id"]
        dropped = [
            {"timestamp_ns": str(entry.timestamp_ns), "line": entry.line, "stream": stream.labels}
            for stream, entry in self._store.dropped
            if entry.metadata.get(TRACE_ID) == wanted
        ]
        return Response(orjson.dumps({"dropped": dropped}), media_type="application/json")

    async def _build_info(self, _request: Request) -> Response:
        info = {
            "version": self.version,
            "revision": "",
            "branch": "",
            "buildUser": "",
            "buildDate": "",
            "goVersion": "",
        }
        return Response(orjson.dumps(info), media_type="application/json")


async def _ready(_request: Request) -> Response:
    return PlainTextResponse("ready\n")


async def _flush(_request: Request) -> Response:
    """Everything is visible at once, so there is nothing to flush."""
    return Response(status_code=204)


async def _not_found(_request: Request, _error: Exception) -> Response:
    return PlainTextResponse("404 page not found\n", 404)
