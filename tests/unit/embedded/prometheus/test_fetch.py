from __future__ import annotations

import asyncio
import gzip
from collections.abc import Awaitable, Callable

import pytest

from pytest_obsstack.embedded.prometheus.fetch import Fetched, FetchError, fetch

Answer = Callable[[bytes], bytes]


def fetched(*answers: bytes, timeout_s: float = 5.0, size_limit: int = 1000) -> Fetched:
    """What is fetched from a server that gives these answers, one a connection."""
    return _with_server(
        list(answers), lambda url: fetch(url, timeout_s=timeout_s, size_limit=size_limit)
    )[0]


def _with_server(
    answers: list[bytes], ask: Callable[[str], Awaitable[Fetched]]
) -> tuple[Fetched, list[bytes]]:
    requests: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answers.pop(0))
        await writer.drain()
        writer.close()

    async def run() -> Fetched:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            return await ask(f"http://127.0.0.1:{port}/metrics?a=b")

    return asyncio.run(run()), requests


def response(body: bytes, *headers: str, status: str = "200 OK", length: bool = True) -> bytes:
    lines = [f"HTTP/1.1 {status}", *headers]
    if length:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def test_body_and_type_come_from_a_plain_answer() -> None:
    assert fetched(response(b"a 1\n", "Content-Type: text/plain")) == Fetched(
        b"a 1\n", "text/plain"
    )


def test_request_says_what_prometheus_says() -> None:
    _, (request,) = _with_server(
        [response(b"")], lambda url: fetch(url, timeout_s=0.5, size_limit=10)
    )
    head = request.decode()
    assert head.startswith("GET /metrics?a=b HTTP/1.1\r\nHost: 127.0.0.1:")
    assert "Accept: application/openmetrics-text;version=1.0.0" in head
    assert "X-Prometheus-Scrape-Timeout-Seconds: 0.5\r\n" in head


def test_chunks_are_joined() -> None:
    body = b"2;x=y\r\na \r\n2\r\n1\n\r\n0\r\n\r\n"
    assert fetched(response(body, "Transfer-Encoding: chunked", length=False)).body == b"a 1\n"


def test_body_without_a_length_ends_with_the_connection() -> None:
    assert fetched(response(b"a 1\n", length=False)).body == b"a 1\n"


def test_packed_body_is_unpacked() -> None:
    packed = gzip.compress(b"a 1\n")
    assert fetched(response(packed, "Content-Encoding: gzip")).body == b"a 1\n"


def test_redirect_is_followed() -> None:
    moved = response(b"", "Location: /other", status="302 Found")
    found, requests = _with_server(
        [moved, response(b"a 1\n")], lambda url: fetch(url, timeout_s=5, size_limit=10)
    )
    assert found.body == b"a 1\n"
    assert requests[1].startswith(b"GET /other ")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (response(b"", status="503 Nope"), "server returned HTTP status 503 Service Unavailable"),
        (response(b"", status="599 Nope"), "server returned HTTP status 599"),
        (response(b"x" * 1001), "body size limit exceeded"),
        (response(b"x" * 1001, length=False), "body size limit exceeded"),
        (
            response(b"3e9\r\n" + b"x" * 1001, "Transfer-Encoding: chunked", length=False),
            "body size limit exceeded",
        ),
        (
            response(gzip.compress(b"x" * 1_000_000), "Content-Encoding: gzip"),
            "body size limit exceeded",
        ),
        (response(b"nope", "Content-Encoding: gzip"), "not valid gzip"),
        (response(b"z\r\n", "Transfer-Encoding: chunked", length=False), "malformed chunked"),
        (b"SSH-2.0-x\r\n\r\n", "malformed HTTP response 'SSH-2.0-x'"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", '": EOF'),
        (b"", '": EOF'),
        (
            response(b"", "Location: https://127.0.0.1/", status="301 Moved"),
            "redirected to https://127.0.0.1/, which the embedded Prometheus cannot scrape",
        ),
    ],
)
def test_answer_that_is_no_body_is_told(answer: bytes, reason: str) -> None:
    with pytest.raises(FetchError, match=reason.replace("(", r"\(")):
        fetched(answer)


def test_endless_redirects_end() -> None:
    moved = response(b"", "Location: /again", status="302 Found")
    with pytest.raises(FetchError, match="stopped after 10 redirects"):
        fetched(*[moved] * 10)


def test_refused_connection_is_told_as_prometheus_tells_it() -> None:
    with pytest.raises(FetchError) as caught:
        asyncio.run(fetch("http://127.0.0.1:1/metrics", timeout_s=5, size_limit=10))
    assert str(caught.value) == (
        'Get "http://127.0.0.1:1/metrics": dial tcp 127.0.0.1:1: connect: connection refused'
    )


def test_answer_that_does_not_come_in_time_is_a_timeout() -> None:
    async def run() -> None:
        asked = asyncio.Event()

        async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await asked.wait()
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            try:
                await fetch(f"http://127.0.0.1:{port}/", timeout_s=0.05, size_limit=10)
            finally:
                asked.set()

    with pytest.raises(FetchError, match="context deadline exceeded"):
        asyncio.run(run())
