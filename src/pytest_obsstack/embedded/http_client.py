"""POST over HTTP/1.1 with connections that are kept alive, to one URL.

Written on h11, which uvicorn has loaded already: importing a whole client costs the embedded
process a tenth of a second at its first export. Proxies are not looked for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import h11

_READ_BYTES = 64 * 1024
_MAX_ANSWER_BYTES = 64 * 1024
_MAX_IDLE = 4


class SendError(Exception):
    """No answer was received: refused, reset, timed out, or not HTTP."""


@dataclass(frozen=True)
class Answer:
    """Status and body; of a longer body the first 64 KiB, as the collector reads it."""

    status: int
    body: bytes
    content_type: str


@dataclass
class _Connection:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    protocol: h11.Connection


class _StaleConnection(Exception):
    """A kept connection that the server has closed before it began to answer."""


class PostClient:
    """Sends to one URL; each of several tasks at once takes a connection of its own."""

    def __init__(self, url: str, *, timeout_s: float) -> None:
        parts = urlsplit(url)
        self._host = parts.hostname or ""
        self._secure = parts.scheme == "https"
        self._port = parts.port or (443 if self._secure else 80)
        self._host_header = parts.netloc.rpartition("@")[2]
        self._target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._timeout_s = timeout_s
        self._idle: list[_Connection] = []
        self._keep = True

    async def post(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """The answer, whatever its status; raises ``SendError``. Redirects are not followed."""
        try:
            return await asyncio.wait_for(self._post(body, headers), self._timeout_s)
        except asyncio.TimeoutError as error:
            raise SendError(f"no answer within {self._timeout_s:g}s") from error
        except OSError as error:
            raise SendError(str(error) or type(error).__name__) from error
        except h11.RemoteProtocolError as error:
            raise SendError(f"malformed HTTP response: {error}") from error

    def close(self) -> None:
        """Close the connections that are kept; those in use close after their answer."""
        self._keep = False
        while self._idle:
            self._idle.pop().writer.close()

    async def _post(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        while self._idle:
            try:
                return await self._exchange(self._idle.pop(), body, headers, kept=True)
            except _StaleConnection:
                # Closed by the server while it was idle: nothing was processed, so send again.
                continue
        reader, writer = await asyncio.open_connection(
            self._host, self._port, ssl=True if self._secure else None
        )
        connection = _Connection(reader, writer, h11.Connection(h11.CLIENT))
        return await self._exchange(connection, body, headers, kept=False)

    async def _exchange(
        self, connection: _Connection, body: bytes, headers: Mapping[str, str], *, kept: bool
    ) -> Answer:
        request = h11.Request(
            method="POST",
            target=self._target,
            headers=[
                ("Host", self._host_header),
                *headers.items(),
                ("Content-Length", str(len(body))),
            ],
        )
        reusable = False
        try:
            try:
                connection.writer.write(
                    (connection.protocol.send(request) or b"")
                    + (connection.protocol.send(h11.Data(data=body)) or b"")
                    + (connection.protocol.send(h11.EndOfMessage()) or b"")
                )
                await connection.writer.drain()
                first = await _next_event(connection)
            except (ConnectionError, h11.RemoteProtocolError) as error:
                if kept:
                    raise _StaleConnection from error
                raise
            answer = await _read_answer(connection, first)
            if connection.protocol.our_state is h11.DONE is connection.protocol.their_state:
                connection.protocol.start_next_cycle()
                reusable = self._keep and len(self._idle) < _MAX_IDLE
            return answer
        finally:
            if reusable:
                self._idle.append(connection)
            else:
                connection.writer.close()


async def _read_answer(connection: _Connection, event: h11.Event) -> Answer:
    while isinstance(event, h11.InformationalResponse):
        event = await _next_event(connection)
    if not isinstance(event, h11.Response):
        raise h11.RemoteProtocolError(f"expected a response, found {type(event).__name__}")
    content_type = dict(event.headers).get(b"content-type", b"").decode("latin-1")
    chunks: list[bytes] = []
    size = 0
    while not isinstance(part := await _next_event(connection), h11.EndOfMessage):
        if isinstance(part, h11.Data) and size < _MAX_ANSWER_BYTES:
            chunks.append(bytes(part.data))
            size += len(part.data)
    return Answer(event.status_code, b"".join(chunks)[:_MAX_ANSWER_BYTES], content_type)


async def _next_event(connection: _Connection) -> h11.Event:
    while True:
        event = connection.protocol.next_event()
        if event is h11.NEED_DATA:
            connection.protocol.receive_data(await connection.reader.read(_READ_BYTES))
        elif isinstance(event, h11.Event):
            return event
        else:
            raise h11.RemoteProtocolError("the server closed the connection")
