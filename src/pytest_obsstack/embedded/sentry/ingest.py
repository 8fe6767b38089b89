"""Where telemetry comes in: envelopes, single events of old SDKs, spans over OTLP.

Answers as Relay's: 200 with the event's id, 202 for OTLP, and Relay's errors. What is answered with
200 or 202 is in the journal and visible in the API.
"""

from __future__ import annotations

import base64
import binascii
import uuid
from collections.abc import Awaitable, Callable

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pytest_obsstack.embedded.body import BodyError, BodyLimits, read_body, unpack
from pytest_obsstack.embedded.sentry.ingest_auth import envelope_key, shown_key
from pytest_obsstack.embedded.sentry.ledger import Ledger
from pytest_obsstack.embedded.sentry.refusal import not_supported
from pytest_obsstack.embedded.sentry.relay_errors import RelayError, invalid_envelope, too_large
from pytest_obsstack.embedded.sentry.settings import IngestLimits
from pytest_obsstack.embedded.sentry.state.envelopes import EVENT_ITEMS
from pytest_obsstack.embedded.sentry.state.outcomes import category_of_item
from pytest_obsstack.embedded.sentry.state.store import OTLP_TRACES, REFUSED, SentryStore
from pytest_obsstack.wire.envelope import (
    CONTENT_TYPE,
    Envelope,
    EnvelopeError,
    EnvelopeLimits,
    EnvelopeTooLarge,
    Item,
    normalize_event_id,
    parse_envelope,
    serialize_envelope,
)

_CONTAINERS = ("log", "span", "trace_metric")
# Relay: these items need the id of an event, so an envelope without one is given one.
_NEED_EVENT = (*EVENT_ITEMS, "attachment", "form_data", "security", "user_report", "feedback")


class Ingest:
    """The ingest endpoints; ``new_id`` makes event ids (32 hex digits) where none is sent."""

    def __init__(
        self,
        store: SentryStore,
        ledger: Ledger,
        limits: IngestLimits,
        *,
        new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._limits = limits
        self._new_id = new_id

    def routes(self) -> list[Route]:
        endpoints = {"envelope": self.envelope, "store": self.store}
        routes = [
            Route(f"/api/{{project_id}}/{name}{slash}", handler, methods=["POST"])
            for name, handler in endpoints.items()
            for slash in ("/", "")
        ]
        otlp = "/api/{project_id}/integration/otlp/v1/traces"
        routes += [Route(otlp + slash, self.otlp_traces, methods=["POST"]) for slash in ("/", "")]
        return routes

    def fallback(self) -> Route:
        """For Relay's endpoints that this server does not have: minidumps, crons and others."""
        return Route("/api/{project_id}/{rest:path}", _refuse_endpoint, methods=["POST"])

    async def envelope(self, request: Request) -> Response:
        return await self._answered(request, self._take_envelope)

    async def store(self, request: Request) -> Response:
        return await self._answered(request, self._take_event)

    async def otlp_traces(self, request: Request) -> Response:
        return await self._answered(request, self._take_otlp_traces)

    async def _answered(
        self, request: Request, take: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        try:
            return await take(request)
        except RelayError as error:
            return error.response()

    async def _take_envelope(self, request: Request) -> Response:
        key = shown_key(request.headers, request.query_params)
        # A key that is shown is judged before the body is read, as in Relay.
        project_id = None if key is None else self._accepting_project(request, key)
        payload = await self._read(request, self._limits.envelope_bytes)
        envelope = self._parsed(payload)
        inner_key = envelope_key(envelope.dsn, request.path_params["project_id"], key)
        if project_id is None:
            if inner_key is None:
                raise RelayError(401, "missing authorization information")
            project_id = self._accepting_project(request, inner_key)
        return self._accept(payload, envelope, project_id)

    async def _take_event(self, request: Request) -> Response:
        """``/store/``: one JSON event, or an envelope by its media type."""
        key = shown_key(request.headers, request.query_params)
        if key is None:
            raise RelayError(401, "missing authorization information")
        project_id = self._accepting_project(request, key)
        if request.headers.get("content-type", "").startswith(CONTENT_TYPE):
            payload = await self._read(request, self._limits.envelope_bytes)
            return self._accept(payload, self._parsed(payload), project_id)
        body = _legacy_decoded(
            await self._read(request, self._limits.item_bytes), self._limits.item_bytes
        )
        try:
            event = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            self._refuse(project_id, "error", "invalid_json")
            raise RelayError(400, "invalid JSON data", str(error)) from error
        if not isinstance(event, dict):
            self._refuse(project_id, "error", "invalid_json")
            raise RelayError(400, "invalid JSON data", "expected an object")
        sent_id = event.get("event_id")
        event_id = normalize_event_id(sent_id) if isinstance(sent_id, str) else None
        if event_id is None and sent_id is not None:
            raise RelayError(400, "invalid event id")
        item_type = "transaction" if event.get("type") == "transaction" else "event"
        envelope = Envelope(
            {"event_id": event_id or self._new_id()},
            (Item.of(item_type, body, content_type="application/json"),),
        )
        return self._accept(serialize_envelope(envelope), envelope, project_id)

    async def _take_otlp_traces(self, request: Request) -> Response:
        from pytest_obsstack.wire.otlp import WireError, decode_traces, encoding_of, spans

        encoding = encoding_of(request.headers.get("content-type"))
        if encoding is None:
            return Response(status_code=415)
        key = shown_key(request.headers, request.query_params)
        if key is None:
            raise RelayError(401, "missing authorization information")
        project_id = self._accepting_project(request, key)
        payload = await self._read(request, self._limits.otlp_bytes)
        try:
            spans(decode_traces(payload, encoding))
        except WireError as error:
            self._refuse(project_id, "span", "invalid_otlp")
            raise RelayError(400, "invalid OTLP traces", str(error)) from error
        self._ledger.telemetry(OTLP_TRACES, payload, project_id=project_id, encoding=encoding)
        return Response(status_code=202)

    def _accept(self, payload: bytes, envelope: Envelope, project_id: int) -> Response:
        for item in envelope.items:
            limit = self._limit_of(item)
            if limit is not None and len(item.payload) > limit:
                self._refuse(project_id, category_of_item(item.type), "too_large")
                raise too_large(item.type, f"{len(item.payload)} bytes, the limit is {limit}")
        event_id = envelope.event_id
        if event_id is None and envelope.of_type(*_NEED_EVENT):
            event_id = self._new_id()
        self._ledger.envelope(payload, envelope, project_id=project_id, event_id=event_id)
        body = {} if event_id is None else {"id": event_id}
        return Response(orjson.dumps(body), media_type="application/json")

    def _parsed(self, payload: bytes) -> Envelope:
        if not payload:
            raise RelayError(400, "empty request body")
        try:
            return parse_envelope(
                payload, EnvelopeLimits(envelope_bytes=self._limits.envelope_bytes)
            )
        except EnvelopeTooLarge as error:
            raise RelayError(413, error.words, error.expected) from error
        except EnvelopeError as error:
            raise invalid_envelope((*error.causes, _one_line(error))) from error

    async def _read(self, request: Request, unpacked: int) -> bytes:
        limits = BodyLimits(packed=min(self._limits.packed_bytes, unpacked), unpacked=unpacked)
        try:
            return await read_body(request, limits)
        except BodyError as error:
            raise RelayError(error.status, "invalid request body", str(error)) from error

    def _accepting_project(self, request: Request, key: str) -> int:
        """The id of the path's project, if ``key`` is an active one of its."""
        path_id = request.path_params["project_id"]
        if not (path_id.isascii() and path_id.isdigit()):
            raise RelayError(400, "bad project path parameter", f"invalid project id {path_id!r}")
        rejected = "event submission rejected with_reason: ProjectId"
        project = self._store.catalog.projects.get(int(path_id))
        if project is None:
            raise RelayError(403, rejected, f"there is no project {path_id}")
        known = self._store.catalog.keys.get(key)
        if known is None or known.project_id != project.id:
            raise RelayError(403, rejected, f"the key is none of project {path_id}")
        if not known.is_active:
            raise RelayError(403, rejected, f"the key of project {path_id} is disabled")
        return project.id

    def _limit_of(self, item: Item) -> int | None:
        if item.type in EVENT_ITEMS:
            return self._limits.item_bytes
        if item.type == "attachment":
            return self._limits.attachment_bytes
        return self._limits.container_bytes if item.type in _CONTAINERS else None

    def _refuse(self, project_id: int, category: str, reason: str) -> None:
        self._ledger.telemetry(
            REFUSED, b"", project_id=project_id, category=category, outcome="invalid", reason=reason
        )


async def _refuse_endpoint(request: Request) -> Response:
    return RelayError(404, not_supported(f"POST {request.url.path}")).response()


def _legacy_decoded(body: bytes, limit: int) -> bytes:
    """``/store/`` bodies of the oldest SDKs are base64, of zlib or of plain JSON."""
    if not body:
        raise RelayError(400, "empty request body")
    if body.lstrip().startswith(b"{"):
        return body
    try:
        decoded = base64.b64decode(body, validate=True)
        return decoded if decoded.startswith(b"{") else unpack(decoded, "deflate", limit)
    except (binascii.Error, BodyError) as error:
        raise RelayError(
            getattr(error, "status", 400), "invalid request body", str(error)
        ) from error


def _one_line(error: EnvelopeError) -> str:
    return f"at byte {error.offset}: expected {error.expected}, found {error.found}"
