"""The collector as a product of the embedded stack: the pipeline between receiver and exporters."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pytest_obsstack.embedded.collector.accumulator import Accumulator
from pytest_obsstack.embedded.collector.exporter import (
    ExportError,
    OtlpHttpExporter,
    PayloadFormat,
    joined,
)
from pytest_obsstack.embedded.collector.page import CONTENT_TYPES, MetricsPage, negotiate
from pytest_obsstack.embedded.collector.points import Batch, PointReader
from pytest_obsstack.embedded.collector.receiver import endpoint
from pytest_obsstack.embedded.collector.settings import CollectorSettings
from pytest_obsstack.embedded.collector.telemetry import Telemetry
from pytest_obsstack.embedded.journal import Journal, JournalEntry
from pytest_obsstack.embedded.otlp_receiver import Outcome
from pytest_obsstack.wire import otlp

log = logging.getLogger("obsstack.embedded.collector")

_NS = 1_000_000_000
_PAGE_EXPORTER = "prometheus"
_CONSUMERS = 10
"""``num_consumers`` of a sending queue, by default."""


class CollectorServer:
    """See ``embedded/product.py``.

    The journal holds a ``traces`` or ``logs`` entry for each request that reached an exporter, with
    the outcome of each exporter, and ``metrics`` entries. Replay restores counters and metric
    values; it sends nothing again.
    """

    name = "collector"
    version = "0.144.0-embedded"

    def __init__(
        self,
        settings: CollectorSettings,
        journal: Journal,
        *,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._settings = settings
        self._journal = journal
        self._clock_ns = clock_ns
        self._started_ns = clock_ns()
        self._telemetry = Telemetry()
        self._reader = PointReader()
        self._accumulator = Accumulator()
        self._page = MetricsPage(self._accumulator)
        self._exporters: dict[otlp.Signal, list[OtlpHttpExporter]] = {}
        # Points of the metrics requests since the last journalled one; see _consume_metrics.
        self._unchanged_points = 0
        self._unchanged_refused = 0
        self._logged: set[str] = set()
        self._sending: set[asyncio.Task[None]] = set()
        self._consumers = asyncio.Semaphore(_CONSUMERS)
        self._make_exporters()
        self._make_applications()

    # Life

    def replay(self, entry: JournalEntry) -> None:
        if entry.kind == "metrics":
            self._count_points(entry.meta["unchanged_points"], entry.meta["unchanged_refused"])
            request = otlp.decode_metrics(entry.payload, entry.meta["encoding"])
            self._apply_metrics(self._reader.read(request), entry.received_ns)
        else:
            self._apply_export(entry)

    async def start(self) -> None:
        """Nothing runs in the background: everything happens within a request."""

    async def stop(self) -> None:
        """Send what waits, then close the connections; a later start opens new ones."""
        await asyncio.gather(*self._sending, return_exceptions=True)
        self.configure(self._settings)

    def configure(self, settings: CollectorSettings) -> None:
        """Take other settings at once; requests under way end with the old exporters."""
        for exporter in self._forwarders():
            exporter.close()
        self._settings = settings
        self._logged.clear()
        self._make_exporters()

    def status(self) -> dict[str, Any]:
        status = self._telemetry.status(self._running())
        for exporter in self._forwarders():
            status["exporters"][exporter.name]["endpoint"] = exporter.endpoint
        status["series"] = len(self._accumulator)
        status["left_out"] = list(self._page.complaints())
        return status

    # Pipelines

    async def _consume_traces(self, body: bytes, encoding: otlp.Encoding) -> Outcome:
        request = otlp.decode_traces(body, encoding)
        spans = sum(
            len(scope_spans.spans)
            for resource_spans in request.resource_spans
            for scope_spans in resource_spans.scope_spans
        )
        return await self._export(PayloadFormat("traces", encoding), body, spans)

    async def _consume_logs(self, body: bytes, encoding: otlp.Encoding) -> Outcome:
        request = otlp.decode_logs(body, encoding)
        records = sum(
            len(scope_logs.log_records)
            for resource_logs in request.resource_logs
            for scope_logs in resource_logs.scope_logs
        )
        return await self._export(PayloadFormat("logs", encoding), body, records)

    async def _export(self, payload_format: PayloadFormat, body: bytes, items: int) -> Outcome:
        if not items:
            return Outcome()
        if self._settings.sending_queue_size:
            return self._enqueue(payload_format, body, items)
        return await self._send(payload_format, body, items)

    def _enqueue(self, payload_format: PayloadFormat, body: bytes, items: int) -> Outcome:
        """The sender is answered at once; consumers send, several at a time and in no order."""
        signal = payload_format.signal
        # What is being sent takes room, too, as in memory_queue.go since v0.121.
        if self._telemetry.queued[signal] >= self._settings.sending_queue_size:
            names = [exporter.name for exporter in self._exporters[signal]]
            self._telemetry.record_full_queue(signal, names, items)
            return Outcome(503, "sending queue is full")
        self._telemetry.queued[signal] += 1
        self._telemetry.waiting[signal] += items
        task = asyncio.get_running_loop().create_task(self._send_later(payload_format, body, items))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)
        return Outcome()

    async def _send_later(self, payload_format: PayloadFormat, body: bytes, items: int) -> None:
        try:
            async with self._consumers:
                await self._send(payload_format, body, items, answered=True)
        finally:
            self._telemetry.queued[payload_format.signal] -= 1
            self._telemetry.waiting[payload_format.signal] -= items

    async def _send(
        self, payload_format: PayloadFormat, body: bytes, items: int, *, answered: bool = False
    ) -> Outcome:
        """``answered``: the sender has been told that it was accepted, whatever follows."""
        signal = payload_format.signal
        # In the pipeline's order, one after the other: as the real one does without queues.
        exports: dict[str, str | None] = {}
        failures: list[ExportError] = []
        for exporter in self._exporters[signal]:
            try:
                exports[exporter.name] = await self._try(exporter, body, payload_format)
            except ExportError as failure:
                exports[exporter.name] = str(failure)
                failures.append(failure)
                log.error("Exporting failed. Dropping data. %s: %s", exporter.name, failure)
        outcome = Outcome()
        meta: dict[str, Any] = {
            "encoding": payload_format.encoding,
            "items": items,
            "exports": exports,
        }
        if failures:
            error = joined(failures)
            outcome = Outcome(error.app_status, str(error))
            if not answered:
                meta["refused"] = outcome.status
        self._apply_export(self._journal.append(signal, body, **meta))
        return outcome

    async def _try(
        self, exporter: OtlpHttpExporter, body: bytes, payload_format: PayloadFormat
    ) -> str | None:
        """None if it was sent, else why it was dropped; raises ``ExportError``."""
        if exporter.has_endpoint:
            await exporter.export(body, payload_format)
            return None
        # The app is not told: an exporter that is not there is no failure that it could mend.
        error = f"{exporter.name} has no endpoint, {payload_format.signal} are dropped"
        self._log_once(error)
        return error

    def _apply_export(self, entry: JournalEntry) -> None:
        signal: otlp.Signal = "traces" if entry.kind == "traces" else "logs"
        items: int = entry.meta["items"]
        counted = self._telemetry.refused if "refused" in entry.meta else self._telemetry.accepted
        counted[signal] += items
        exports: dict[str, str | None] = entry.meta["exports"]
        for exporter, error in exports.items():
            if error is None:
                self._telemetry.record_sent(exporter, items)
            else:
                self._telemetry.record_failure(exporter, items, error, entry.received_ns)

    async def _consume_metrics(self, body: bytes, encoding: otlp.Encoding) -> Outcome:
        batch = self._reader.read(otlp.decode_metrics(body, encoding))
        for refusal in batch.refusals:
            self._log_once(f"dropped metric {refusal.metric}: {refusal.reason}")
        if self._accumulator.moves(batch.observations):
            entry = self._journal.append(
                "metrics",
                body,
                encoding=encoding,
                unchanged_points=self._unchanged_points,
                unchanged_refused=self._unchanged_refused,
            )
            self._unchanged_points = self._unchanged_refused = 0
            received_ns = entry.received_ns
        else:
            # An idle app sends the same values several times a second, and only the latest state
            # matters: such a request is counted, keeps its series alive and moves their timestamps,
            # but it is not journalled. The next entry tells how many points went by meanwhile.
            self._unchanged_points += batch.points
            self._unchanged_refused += batch.refused_points
            received_ns = self._clock_ns()
        self._apply_metrics(batch, received_ns)
        return Outcome(
            message="; ".join(f"{r.metric}: {r.reason}" for r in batch.refusals),
            rejected=batch.refused_points,
        )

    def _apply_metrics(self, batch: Batch, received_ns: int) -> None:
        self._count_points(batch.points, batch.refused_points)
        if batch.refusals:
            first = batch.refusals[0]
            self._telemetry.record_failure(
                _PAGE_EXPORTER, 0, f"dropped metric {first.metric}: {first.reason}", received_ns
            )
        else:
            self._telemetry.record_sent(_PAGE_EXPORTER, 0)
        self._accumulator.apply(batch.observations, received_ns)

    def _count_points(self, points: int, refused: int) -> None:
        self._telemetry.accepted["metrics"] += points
        self._telemetry.sent[_PAGE_EXPORTER] += points - refused
        self._telemetry.send_failed[_PAGE_EXPORTER] += refused

    def _make_exporters(self) -> None:
        settings = self._settings
        told = {
            "otlp_http/tempo": (settings.tempo_endpoint, {}),
            "otlp_http/sentry": (settings.traces_endpoint, settings.traces_headers),
            "otlp_http/loki": (settings.logs_endpoint, settings.logs_headers),
        }
        pipelines: dict[otlp.Signal, tuple[str, ...]] = {
            "traces": settings.traces_exporters,
            "logs": ("otlp_http/loki",),
        }
        self._exporters = {
            signal: [
                OtlpHttpExporter(name, *told[name], timeout_s=settings.export_timeout_s)
                for name in names
            ]
            for signal, names in pipelines.items()
        }

    def _forwarders(self) -> list[OtlpHttpExporter]:
        return [exporter for exporters in self._exporters.values() for exporter in exporters]

    def _running(self) -> set[str]:
        return {_PAGE_EXPORTER, *(exporter.name for exporter in self._forwarders())}

    def _log_once(self, text: str) -> None:
        if text not in self._logged:
            self._logged.add(text)
            log.warning("%s", text)

    # Endpoints

    def _make_applications(self) -> None:
        def limit_bytes() -> int:
            return self._settings.max_request_bytes

        receiver = [
            Route("/v1/traces", endpoint("traces", limit_bytes, self._consume_traces)),
            Route("/v1/metrics", endpoint("metrics", limit_bytes, self._consume_metrics)),
            Route("/v1/logs", endpoint("logs", limit_bytes, self._consume_logs)),
        ]
        # As the real one, which has a port for each.
        self.receiver = _application(*receiver)
        self.exporter_page = _application(Route("/metrics", self._get_metrics))
        self.own_metrics = _application(Route("/metrics", self._get_telemetry))
        self.health = _application(Route("/", self._get_health))
        self.app = _application(
            *receiver,
            Route("/metrics", self._get_metrics),
            Route("/telemetry/metrics", self._get_telemetry),
            Route("/telemetry/config", self._get_config),
            Route("/", self._get_health),
        )

    async def _get_metrics(self, request: Request) -> Response:
        expiration_ns = int(self._settings.metric_expiration_s * _NS)
        if self._accumulator.expire(self._clock_ns() - expiration_ns):
            self._reader.forget()
        page_format = negotiate(request.headers.get("accept", ""))
        return Response(
            self._page.render(page_format), headers={"content-type": CONTENT_TYPES[page_format]}
        )

    async def _get_telemetry(self, _: Request) -> Response:
        page = self._telemetry.page(
            self._running(),
            uptime_s=self._uptime_ns() / _NS,
            queue_size=self._settings.sending_queue_size,
        )
        return Response(page, headers={"content-type": CONTENT_TYPES["text"]})

    async def _get_config(self, _: Request) -> Response:
        return JSONResponse(self._settings.effective_config())

    async def _get_health(self, _: Request) -> Response:
        """As the ``health_check`` extension answers on its own port."""
        since = datetime.fromtimestamp(self._started_ns / _NS, timezone.utc)
        return JSONResponse(
            {
                "status": "Server available",
                "upSince": since.isoformat().replace("+00:00", "Z"),
                "uptime": _go_duration(self._uptime_ns()),
            }
        )

    def _uptime_ns(self) -> int:
        return self._clock_ns() - self._started_ns


def _application(*routes: Route) -> Starlette:
    app = Starlette(routes=routes, exception_handlers={404: _not_found})
    app.router.redirect_slashes = False
    return app


async def _not_found(_: Request, __: Exception) -> Response:
    return Response("404 page not found\n", 404, {"content-type": "text/plain; charset=utf-8"})


def _go_duration(duration_ns: int) -> str:
    """As Go prints a duration: ``1h2m3.5s``."""
    minutes, rest_ns = divmod(duration_ns, 60 * _NS)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{rest_ns / _NS:.9f}".rstrip("0").rstrip(".")
    prefix = f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else ""
    return f"{prefix}{seconds}s"
