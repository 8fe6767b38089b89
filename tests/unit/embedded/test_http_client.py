"""The exporters' HTTP client against servers on loopback that are written out byte by byte."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from pytest_obsstack.embedded.http_client import Answer, PostClient, SendError

OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"
Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Server:
    """A server that runs a script for each connection."""

    port: int = 0
    connections: int = 0

    def client(self, path: str = "/", timeout_s: float = 5.0) -> PostClient:
        return PostClient(f"http://127.0.0.1:{self.port}{path}", timeout_s=timeout_s)


@asynccontextmanager
async def serving(script: Script) -> AsyncIterator[Server]:
    server = Server()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.connections += 1
        try:
            await script(reader, writer)
        finally:
            writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        await listener.wait_closed()


async def read_request(reader: asyncio.StreamReader) -> bytes:
    """Head and body of a request; empty at the end of the connection."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    return head + await reader.readexactly(length)


async def answer_all(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await read_request(reader):
        writer.write(OK)


def replying(reply: bytes) -> Script:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(reply)
        await writer.drain()

    return script


async def post_once(server: Server, timeout_s: float = 5.0) -> Answer:
    client = server.client(timeout_s=timeout_s)
    try:
        return await client.post(b"x", {})
    finally:
        client.close()


def test_request_holds_target_host_headers_and_body() -> None:
    seen: list[bytes] = []

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await read_request(reader))
        writer.write(OK)

    async def run() -> Answer:
        async with serving(script) as server:
            client = server.client("/api/1/?a=b")
            answer = await client.post(b"payload", {"X-Sentry-Auth": "key"})
            client.close()
            assert f"\r\nHost: 127.0.0.1:{server.port}\r\n".encode() in seen[0]
            return answer

    assert asyncio.run(run()) == Answer(200, b"ok", "text/plain")
    assert seen[0].startswith(b"POST /api/1/?a=b HTTP/1.1\r\n")
    assert b"\r\nX-Sentry-Auth: key\r\n" in seen[0]
    assert seen[0].endswith(b"\r\n\r\npayload")


def test_connection_is_kept_alive() -> None:
    async def run() -> int:
        async with serving(answer_all) as server:
            client = server.client()
            for _ in range(3):
                assert (await client.post(b"x", {})).status == 200
            client.close()
            return server.connections

    assert asyncio.run(run()) == 1


def test_tasks_at_once_have_a_connection_each() -> None:
    async def run() -> int:
        async with serving(answer_all) as server:
            client = server.client()
            await asyncio.gather(*(client.post(b"x", {}) for _ in range(3)))
            client.close()
            return server.connections

    assert asyncio.run(run()) == 3


def test_kept_connection_that_the_server_closed_is_replaced() -> None:
    async def run() -> int:
        # Each connection is closed after its first answer, without saying so.
        async with serving(replying(OK)) as server:
            client = server.client()
            for _ in range(3):
                assert (await client.post(b"x", {})).status == 200
            client.close()
            return server.connections

    assert asyncio.run(run()) == 3


def test_connection_close_is_heeded() -> None:
    reply = OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")

    async def run() -> int:
        async with serving(replying(reply)) as server:
            client = server.client()
            assert (await client.post(b"x", {})).body == b"ok"
            assert (await client.post(b"x", {})).body == b"ok"
            client.close()
            return server.connections

    assert asyncio.run(run()) == 2


def test_chunked_answer_after_a_100_continue() -> None:
    reply = (
        b"HTTP/1.1 100 Continue\r\n\r\n"
        b"HTTP/1.1 503 Nope\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    )

    async def run() -> Answer:
        async with serving(replying(reply)) as server:
            return await post_once(server)

    assert asyncio.run(run()) == Answer(503, b"abcde", "")


def test_long_answer_is_cut_off() -> None:
    reply = b"HTTP/1.1 500 No\r\nContent-Length: 200000\r\n\r\n" + b"y" * 200_000

    async def run() -> Answer:
        async with serving(replying(reply)) as server:
            return await post_once(server)

    assert len(asyncio.run(run()).body) == 64 * 1024


def test_nobody_listening() -> None:
    async def run() -> None:
        async with serving(answer_all) as server:
            client = server.client()
        await client.post(b"x", {})

    with pytest.raises(SendError, match=r"Connect call failed"):
        asyncio.run(run())


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (b"", "malformed HTTP response"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "malformed HTTP response"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", "malformed HTTP response"),
    ],
)
def test_answers_that_are_not_http(reply: bytes, message: str) -> None:
    async def run() -> None:
        async with serving(replying(reply)) as server:
            await post_once(server)

    with pytest.raises(SendError, match=message):
        asyncio.run(run())


def test_answer_that_does_not_come_in_time() -> None:
    async def script(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await read_request(reader)
        await reader.read()

    async def run() -> None:
        async with serving(script) as server:
            await post_once(server, timeout_s=0.05)

    with pytest.raises(SendError, match=r"no answer within 0.05s"):
        asyncio.run(run())
