"""The ``otlp`` receiver: OTLP over HTTP, with the statuses and bodies of the collector's own.

Tempo receives with the collector's receiver too, so both products have it from here.

Source: OTLP specification, "OTLP/HTTP Request" and "OTLP/HTTP Response"; where it leaves a choice
this follows the collector's ``otlpreceiver`` and ``confighttp``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from pytest_obsstack.embedded.body import BodyError, BodyLimits, BodyTooLarge, read_body
from pytest_obsstack.wire import otlp

_KNOWN_ENCODINGS = frozenset({"", "identity", "gzip", "zstd", "deflate"})
UNSUPPORTED_ENCODINGS = frozenset({"snappy", "zlib", "lz4", "x-snappy-framed"})
"""The real receiver unpacks these too; here they are refused by name."""


@dataclass(frozen=True)
class Outcome:
    """What became of a request that could be read: a 200 or an error, with a text.

    With status 200 ``rejected`` items and their reason become a partial success.
    """

    status: int = 200
    message: str = ""
    rejected: int = 0


Consume = Callable[[bytes, otlp.Encoding], Awaitable[Outcome]]
Refusal = Callable[[str], str]
"""From what is not supported to how the product says so."""


class OtlpEndpoint:
    """One path of the receiver as an ASGI application; ``consume`` gets the unpacked body."""

    def __init__(
        self, signal: otlp.Signal, limits: Callable[[], int], consume: Consume, refusal: Refusal
    ) -> None:
        self._signal: otlp.Signal = signal
        self._limit_bytes = limits
        self._consume = consume
        self._refusal = refusal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        response = await self._answer(request)
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        if request.method != "POST":
            return _plain(405, "405 method not allowed, supported: [POST]")
        encoding = otlp.encoding_of(request.headers.get("content-type"))
        if encoding is None:
            return _plain(
                415,
                "415 unsupported media type, supported: [application/json, application/x-protobuf]",
            )
        try:
            body = await self._body(request)
            outcome = await self._consume(body, encoding)
        except (BodyError, otlp.WireError) as error:
            # The receiver answers whatever is wrong with a body with 400, its size included.
            outcome = Outcome(400, str(error))
        if outcome.status == 200:
            content = otlp.success_body(
                self._signal, encoding, rejected=outcome.rejected, message=outcome.message
            )
        else:
            content = otlp.error_body(outcome.status, outcome.message, encoding)
        return Response(
            content,
            status_code=outcome.status,
            headers={"content-type": otlp.CONTENT_TYPES[encoding]},
        )

    async def _body(self, request: Request) -> bytes:
        content_encoding = request.headers.get("content-encoding", "").strip().lower()
        if content_encoding in UNSUPPORTED_ENCODINGS:
            raise BodyError(self._refusal(f"Content-Encoding {content_encoding}"))
        if content_encoding not in _KNOWN_ENCODINGS:
            raise BodyError(f"unsupported Content-Encoding: {content_encoding}")
        limit_bytes = self._limit_bytes()
        try:
            return await read_body(request, BodyLimits(packed=limit_bytes, unpacked=limit_bytes))
        except BodyTooLarge as error:
            raise BodyTooLarge(f"http: request body too large: {error}") from error


def _plain(status: int, text: str) -> Response:
    return Response(text, status_code=status, headers={"content-type": "text/plain"})
