"""One HTTP GET of a scrape, on plain asyncio streams.

Written by hand because it starts in no time (an HTTP client library costs the start-up of the
whole process more than all its scrapes), ignores proxies, and needs no more than RFC 9112 says of
one request on one connection.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urljoin, urlsplit

from pytest_obsstack.embedded.body import BodyError, BodyTooLarge, unpack

_USER_AGENT = "Prometheus/3.5.0"
_ACCEPT = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
    "application/openmetrics-text;version=0.0.1;q=0.4,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,/;q=0.1"
)
_MAX_HEADER_BYTES = 64 * 1024
_MAX_REDIRECTS = 10


class FetchError(Exception):
    """A target that gave no body; ``str()`` is what Prometheus tells as last error."""


@dataclass(frozen=True)
class Fetched:
    body: bytes
    content_type: str


@dataclass(frozen=True)
class _Response:
    status: int
    headers: dict[str, str]
    body: bytes


async def fetch(url: str, *, timeout_s: float, size_limit: int) -> Fetched:
    """The unpacked body; follows redirects. Raises ``FetchError``."""
    try:
        response = await asyncio.wait_for(_follow(url, timeout_s, size_limit), timeout_s)
    except asyncio.TimeoutError:
        raise FetchError(f'Get "{url}": context deadline exceeded') from None
    except (OSError, EOFError, asyncio.LimitOverrunError) as error:
        raise FetchError(f'Get "{url}": {_cause(url, error)}') from error
    if response.status != 200:
        raise FetchError(f"server returned HTTP status {_status_text(response.status)}")
    body = response.body
    try:
        if response.headers.get("content-encoding", "").lower() == "gzip":
            body = unpack(body, "gzip", size_limit)
    except BodyTooLarge:
        raise FetchError("body size limit exceeded") from None
    except BodyError as error:
        raise FetchError(str(error)) from error
    return Fetched(body, response.headers.get("content-type", ""))


def _status_text(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _cause(url: str, error: Exception) -> str:
    address = urlsplit(url).netloc
    if isinstance(error, ConnectionRefusedError):
        return f"dial tcp {address}: connect: connection refused"
    if isinstance(error, ConnectionResetError):
        return f"read tcp {address}: connection reset by peer"
    if isinstance(error, EOFError):
        return "EOF"
    # asyncio's own text of a failed connection says the same twice.
    reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
    return f"dial tcp {address}: {reason.lower()}"


async def _follow(url: str, timeout_s: float, size_limit: int) -> _Response:
    for _ in range(_MAX_REDIRECTS):
        response = await _get(url, timeout_s, size_limit)
        location = response.headers.get("location")
        if response.status not in (301, 302, 303, 307, 308) or location is None:
            return response
        url = urljoin(url, location)
        if urlsplit(url).scheme != "http":
            raise FetchError(f"redirected to {url}, which the embedded Prometheus cannot scrape")
    raise FetchError(f'Get "{url}": stopped after {_MAX_REDIRECTS} redirects')


async def _get(url: str, timeout_s: float, size_limit: int) -> _Response:
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(
        parts.hostname, parts.port or 80, limit=_MAX_HEADER_BYTES
    )
    try:
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        request = (
            f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nUser-Agent: {_USER_AGENT}\r\n"
            f"Accept: {_ACCEPT}\r\nAccept-Encoding: gzip\r\nConnection: close\r\n"
            f"X-Prometheus-Scrape-Timeout-Seconds: {timeout_s:g}\r\n\r\n"
        )
        writer.write(request.encode())
        await writer.drain()
        return await _read_response(reader, size_limit)
    finally:
        writer.close()


async def _read_response(reader: asyncio.StreamReader, size_limit: int) -> _Response:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    status_line, *lines = head.rstrip("\r\n").split("\r\n")
    version, _, status = status_line.partition(" ")
    if not version.startswith("HTTP/1.") or not status[:3].isdigit():
        raise FetchError(f"malformed HTTP response {status_line[:100]!r}")
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    if headers.get("transfer-encoding", "").lower() == "chunked":
        body = await _read_chunks(reader, size_limit)
    elif headers.get("content-length", "").isdigit():
        length = int(headers["content-length"])
        if length > size_limit:
            raise FetchError("body size limit exceeded")
        body = await reader.readexactly(length)
    else:
        body = await _read_until_closed(reader, size_limit)
    return _Response(int(status[:3]), headers, body)


async def _read_chunks(reader: asyncio.StreamReader, size_limit: int) -> bytes:
    """RFC 9112 section 7.1; trailers are not needed."""
    chunks = bytearray()
    while True:
        line = await reader.readuntil(b"\r\n")
        try:
            size = int(line.partition(b";")[0], 16)
        except ValueError:
            raise FetchError("malformed chunked encoding") from None
        if size == 0:
            return bytes(chunks)
        if len(chunks) + size > size_limit:
            raise FetchError("body size limit exceeded")
        chunks += await reader.readexactly(size)
        await reader.readexactly(2)


async def _read_until_closed(reader: asyncio.StreamReader, size_limit: int) -> bytes:
    body = bytearray()
    while part := await reader.read(64 * 1024):
        body += part
        if len(body) > size_limit:
            raise FetchError("body size limit exceeded")
    return bytes(body)
