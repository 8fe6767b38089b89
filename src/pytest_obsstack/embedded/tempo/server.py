"""The embedded Tempo: a store of traces behind an OTLP receiver and Tempo's query API."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from pytest_obsstack.embedded.journal import Journal, JournalEntry
from pytest_obsstack.embedded.otlp_receiver import OtlpEndpoint, Outcome
from pytest_obsstack.embedded.tempo.answers import json_answer
from pytest_obsstack.embedded.tempo.api import QueryApi
from pytest_obsstack.embedded.tempo.refusal import unsupported_text
from pytest_obsstack.embedded.tempo.settings import TempoSettings
from pytest_obsstack.embedded.tempo.store import TraceStore
from pytest_obsstack.wire import otlp

if TYPE_CHECKING:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

log = logging.getLogger("obsstack.embedded.tempo")

_API_VERSION = "3.0.3"
_TRACES: otlp.Signal = "traces"


class TempoServer:
    """See ``embedded/product.py``. ``app`` is the query API, ``receiver`` has a port of its own.

    The journal holds every request that was taken, as it came.
    """

    name = "tempo"
    version = f"{_API_VERSION}-embedded"

    def __init__(
        self,
        settings: TempoSettings,
        journal: Journal,
        *,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._settings = settings
        self._journal = journal
        self._clock_ns = clock_ns
        self._store = TraceStore(settings)
        self.receiver = Starlette(
            routes=[
                Route(
                    "/v1/traces",
                    OtlpEndpoint(
                        _TRACES,
                        lambda: settings.max_request_bytes,
                        self._consume,
                        unsupported_text,
                    ),
                )
            ],
            exception_handlers={404: _not_found},
        )
        self.app = Starlette(
            routes=[
                Route("/ready", _ready),
                Route("/api/echo", _echo),
                Route("/api/status/buildinfo", self._build_info),
                *QueryApi(self._store, settings).routes(),
            ],
            exception_handlers={404: _not_found},
        )

    def replay(self, entry: JournalEntry) -> None:
        self._apply(entry, otlp.decode_traces(entry.payload, entry.meta["encoding"]))

    async def start(self) -> None:
        """Nothing runs in the background."""

    async def stop(self) -> None:
        """Everything accepted is in the journal."""

    def status(self) -> dict[str, Any]:
        return {
            "traces": len(self._store),
            "spans": self._store.span_count,
            "spans_received": self._store.received_spans,
            "discarded_spans": dict(self._store.discarded_spans),
            "retention_s": self._settings.retention_s,
        }

    async def _consume(self, body: bytes, encoding: otlp.Encoding) -> Outcome:
        request = otlp.decode_traces(body, encoding)
        wrong = _invalid_id(request)
        if wrong:
            return Outcome(400, wrong)
        if request.resource_spans:
            self._apply(self._journal.append(_TRACES, body, encoding=encoding), request)
        return Outcome()

    def _apply(self, entry: JournalEntry, request: ExportTraceServiceRequest) -> None:
        discarded = self._store.discarded_spans.total()
        self._store.add(request, entry.received_ns)
        if self._store.discarded_spans.total() > discarded:
            # As Tempo: the sender is not told, the log and the counters are.
            log.warning(
                "TRACE_TOO_LARGE: %d spans discarded, max_bytes_per_trace is %d",
                self._store.discarded_spans.total() - discarded,
                self._settings.max_bytes_per_trace,
            )

    async def _build_info(self, _: Request) -> Response:
        return json_answer(
            {
                "version": self.version,
                "revision": "",
                "branch": "",
                "buildUser": "",
                "buildDate": "",
                "goVersion": "",
            }
        )


def _invalid_id(request: ExportTraceServiceRequest) -> str:
    """What is wrong with the ids of the first span that has a wrong one; all zero is none."""
    for resource_spans in request.resource_spans:
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                if not any(span.trace_id):
                    return "trace ids must be 128 bit, received 0 bits"
                if not any(span.span_id):
                    return "span ids must be 64 bit and not all zero, received 0 bits"
    return ""


async def _ready(_: Request) -> Response:
    return PlainTextResponse("ready\n")


async def _echo(_: Request) -> Response:
    return PlainTextResponse("echo\n")


async def _not_found(_: Request, __: Exception) -> Response:
    return PlainTextResponse("404 page not found\n", 404)
