"""``POST /loki/api/v1/push`` and ``POST /otlp/v1/logs``: bodies in, 204 or Loki's refusal out."""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from pytest_obsstack.embedded.body import BodyError, BodyLimits, read_body
from pytest_obsstack.embedded.loki.limits import PushRefused
from pytest_obsstack.embedded.loki.settings import LokiSettings
from pytest_obsstack.wire.loki_push import LokiPushError, LokiStream, parse_push
from pytest_obsstack.wire.malformed import WireError

Accept = Callable[[list[LokiStream]], str | None]
"""Takes the streams of a push and tells what was wrong with some of them; ``PushRefused``."""

_ENCODINGS = frozenset({"", "identity", "gzip", "deflate", "snappy"})


class PushHandlers:
    """The two ways in."""

    def __init__(self, settings: LokiSettings, accept: Accept, clock_ns: Callable[[], int]) -> None:
        self._limits = BodyLimits(settings.max_push_packed_bytes, settings.max_push_unpacked_bytes)
        self._accept = accept
        self._clock_ns = clock_ns

    async def push(self, request: Request) -> Response:
        try:
            error = self._accept(await self._pushed(request))
        except PushRefused as refused:
            return PlainTextResponse(refused.text + "\n", refused.status)
        except BodyError as body_error:
            return PlainTextResponse(f"{body_error}\n", body_error.status)
        return Response(status_code=204) if error is None else PlainTextResponse(error + "\n", 400)

    async def _pushed(self, request: Request) -> list[LokiStream]:
        body = await self._body(request)
        if _media_type(request) != "application/json":
            # Whatever is not JSON is read as protobuf, as by Loki.
            from pytest_obsstack.embedded.loki.push_protobuf import parse_protobuf_push

            return parse_protobuf_push(body, self._limits.unpacked)
        try:
            return parse_push(body)
        except LokiPushError as error:
            raise PushRefused(400, str(error)) from error

    async def otlp(self, request: Request) -> Response:
        try:
            error = self._accept(await self._otlp_streams(request))
        except PushRefused as refused:
            return _otlp_error(refused.status, refused.text)
        except BodyError as body_error:
            return _otlp_error(body_error.status, str(body_error))
        return Response(status_code=204) if error is None else _otlp_error(400, error)

    async def _otlp_streams(self, request: Request) -> list[LokiStream]:
        from pytest_obsstack.embedded.loki.otlp_logs import streams_of
        from pytest_obsstack.wire.otlp import decode_logs, encoding_of, log_records

        body = await self._body(request)
        content_type = request.headers.get("content-type", "")
        encoding = encoding_of(content_type)
        if encoding is None:
            raise PushRefused(400, f"content type: {content_type} is not supported")
        try:
            return streams_of(log_records(decode_logs(body, encoding)), self._clock_ns())
        except WireError as error:
            raise PushRefused(400, str(error)) from error

    async def _body(self, request: Request) -> bytes:
        encoding = request.headers.get("content-encoding", "").strip().lower()
        if encoding not in _ENCODINGS:
            raise PushRefused(400, f'Content-Encoding "{encoding}" not supported')
        if encoding == "snappy":
            # The protobuf format is snappy by itself; the header adds nothing.
            headers = [pair for pair in request.headers.raw if pair[0] != b"content-encoding"]
            request = Request({**request.scope, "headers": headers}, request.receive)
        return await read_body(request, self._limits)


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _otlp_error(status: int, message: str) -> Response:
    """A protobuf ``google.rpc.Status`` whatever was sent, with nothing but a message (field 2).

    Unlike the OTLP specification, Loki sets no code.
    """
    text = message.encode()
    size, prefix = len(text), bytearray(b"\x12")
    while size > 0x7F:
        prefix.append(size & 0x7F | 0x80)
        size >>= 7
    prefix.append(size)
    return Response(bytes(prefix) + text, status, media_type="application/octet-stream")
