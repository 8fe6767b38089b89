"""``web``: the embedded Sentry, whose ingest puts on the queue what it accepts.

Judging a request (key, size, form) and answering it are the embedded server's own. What it would
then record goes on the queue; the worker brings it back to ``/internal/deliveries``, where it is
recorded. Everything else (API, pages) records at once.
"""

from __future__ import annotations

import logging
import secrets
import time
import uuid
from collections.abc import Callable
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route

from pytest_obsstack.embedded.journal import Journal
from pytest_obsstack.embedded.sentry.ingest import Ingest
from pytest_obsstack.embedded.sentry.ledger import Ledger
from pytest_obsstack.embedded.sentry.server import SentryServer
from pytest_obsstack.embedded.sentry.state.store import ENVELOPE
from pytest_obsstack.wire.envelope import Envelope
from tests.compose.standins.glitchtip.journal_table import AlreadyDelivered
from tests.compose.standins.glitchtip.queue import Item, Queue
from tests.compose.standins.glitchtip.web_path import DELIVERIES

log = logging.getLogger("glitchtip_standin")


class QueueingLedger(Ledger):
    """Puts telemetry on the queue instead of recording it; nothing else may be asked of it."""

    def __init__(
        self,
        server: SentryServer,
        queue: Queue,
        *,
        clock_ns: Callable[[], int] = time.time_ns,
        new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
    ) -> None:
        super().__init__(server.store, Journal(None), server.observers)
        self._queue = queue
        self._clock_ns = clock_ns
        self._new_id = new_id

    def telemetry(self, kind: str, payload: bytes, **meta: Any) -> Any:
        self._queue.put(Item(self._new_id(), self._clock_ns(), kind, meta, payload))

    def envelope(self, payload: bytes, envelope: Envelope, **meta: Any) -> None:
        """The worker brings the bytes, so that they are parsed again."""
        del envelope
        self.telemetry(ENVELOPE, payload, **meta)

    def change(self, kind: str, data: Any) -> Any:
        raise NotImplementedError(f"{kind} is recorded by the server's own ledger, not queued")


def web_app(
    server: SentryServer,
    queue: Queue,
    worker_token: str,
    *,
    away: tuple[type[Exception], ...] = (),
) -> Starlette:
    """The application of ``web``; ``away`` are the errors of a queue that cannot be reached."""
    expected = f"Bearer {worker_token}".encode()

    async def take_delivery(request: Request) -> Response:
        given = request.headers.get("authorization", "").encode()
        if not secrets.compare_digest(given, expected):
            return JSONResponse({"error": "only the worker delivers here"}, 401)
        try:
            item = Item.decode(await request.body())
        except (ValueError, KeyError) as error:
            return JSONResponse({"error": f"not an item of the queue: {error}"}, 400)
        try:
            server.ledger.telemetry(
                item.kind,
                item.payload,
                **item.meta,
                delivery=item.delivery,
                accepted_ns=item.accepted_ns,
            )
        except AlreadyDelivered:
            log.info("%s has been delivered before", item.delivery)
            return JSONResponse({"stored": False})
        return JSONResponse({"stored": True})

    async def queue_away(_request: Request, error: Exception) -> Response:
        log.error("the queue cannot be reached: %s", error)
        return PlainTextResponse("queue unavailable", 503)

    ingest = Ingest(server.store, QueueingLedger(server, queue), server.settings.limits)
    return Starlette(
        routes=[
            Route(DELIVERIES, take_delivery, methods=["POST"]),
            *ingest.routes(),
            Mount("/", server.app),
        ],
        exception_handlers=dict.fromkeys(away, queue_away),
    )
