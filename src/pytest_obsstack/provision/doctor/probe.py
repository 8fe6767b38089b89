"""One harmless request to each server, and in plain words why it got no answer.

Nothing is written by it: OPTIONS to the envelope endpoint, GET to everything else.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import httpx

from pytest_obsstack.endpoints import needs_certificates

CONNECT_TIMEOUT_S = 5.0
_DEFAULT_PORTS = {"http": 80, "https": 443}

Resolve = Callable[[str, int], object]
"""Raises ``OSError`` where a host's name does not resolve."""


@dataclass(frozen=True)
class Server:
    """A server and the request that tells whether it is there."""

    component: str
    product: str
    url: str
    """Base URL, for messages."""
    path_url: str
    """The whole URL that is asked."""
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def host(self) -> str:
        return urlsplit(self.path_url).hostname or ""

    @property
    def port(self) -> int:
        parts = urlsplit(self.path_url)
        return parts.port or _DEFAULT_PORTS.get(parts.scheme, 0)

    @property
    def path(self) -> str:
        return urlsplit(self.path_url).path


@dataclass(frozen=True)
class Failure:
    """Why there was no answer."""

    found: str
    do: str
    tls: bool = False
    """Whether it is a matter of TLS."""


@dataclass(frozen=True)
class Probe:
    """What a server answered, or why it did not."""

    took_s: float
    status: int | None = None
    text: str = ""
    location: str | None = None
    ahead_s: float | None = None
    """Seconds by which the server's clock is ahead of this one; ``None`` where it tells none."""
    tls: str | None = None
    """Version of TLS, where it is spoken."""
    certificate_ends_s: float | None = None
    """Unix time at which the server's certificate expires."""
    failure: Failure | None = None


def resolve(host: str, port: int) -> object:
    """The addresses of a name; raises ``OSError``."""
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


def probe(
    server: Server,
    *,
    resolve: Resolve = resolve,
    transport: httpx.BaseTransport | None = None,
    now_s: Callable[[], float] = time.time,
) -> Probe:
    """Ask the server once, past any proxy."""
    started_s = time.monotonic()
    try:
        resolve(server.host, server.port)
    except (OSError, UnicodeError) as error:
        return Probe(time.monotonic() - started_s, failure=unresolved(server.host, error))
    with httpx.Client(
        transport=transport,
        verify=needs_certificates(server.path_url),
        trust_env=False,
        timeout=CONNECT_TIMEOUT_S,
    ) as client:
        asked_s, started_s = now_s(), time.monotonic()
        try:
            response = client.request(server.method, server.path_url, headers=dict(server.headers))
        except (httpx.TransportError, httpx.DecodingError) as error:
            took_s = time.monotonic() - started_s
            return Probe(took_s, failure=why(error, server.host, server.port))
        answered_s, took_s = now_s(), time.monotonic() - started_s
        version, ends_s = _tls_of(response)
        return Probe(
            took_s,
            status=response.status_code,
            text=response.text.strip()[:200],
            location=response.headers.get("location"),
            ahead_s=_ahead_s(response.headers.get("date"), (asked_s + answered_s) / 2),
            tls=version,
            certificate_ends_s=ends_s,
        )


def unresolved(host: str, error: Exception) -> Failure:
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return Failure(
        f"the name {host!r} does not resolve ({reason})",
        "correct the host; names of a container network are not known on this machine",
    )


def why(error: Exception, host: str, port: int) -> Failure:
    """What a failed request says of the server, and the usual cause."""
    text = str(error)
    at = f"{host}:{port}"
    cause = error.__cause__ or error.__context__
    while cause is not None:
        if isinstance(cause, socket.gaierror):
            return unresolved(host, cause)
        cause = cause.__cause__ or cause.__context__
    if "CERTIFICATE_VERIFY_FAILED" in text:
        reason = text.partition("certificate verify failed: ")[2].partition(" (_ssl")[0] or text
        return Failure(
            f"the certificate of {at} is not trusted: {reason}",
            "let the senders trust its issuer: ca_certs of sentry_sdk.init, "
            "OTEL_EXPORTER_OTLP_CERTIFICATE; or give the server a certificate of a public issuer",
            tls=True,
        )
    if "WRONG_VERSION_NUMBER" in text or "wrong version number" in text:
        return Failure(
            f"{at} speaks plain HTTP, not TLS", "write http://, or the port of TLS", tls=True
        )
    if isinstance(error, httpx.ConnectError) and "SSL" in text:
        return Failure(
            f"TLS with {at} fails: {text}", "look at the server's TLS settings", tls=True
        )
    if isinstance(error, httpx.ConnectError) and ("refused" in text or "111" in text):
        return Failure(
            f"nothing listens at {at} (connection refused)", "start it, or correct host and port"
        )
    if isinstance(error, httpx.ConnectTimeout):
        return Failure(
            f"no connection to {at} within {CONNECT_TIMEOUT_S:g} s",
            "a firewall or network policy may drop the packets; check host and port",
        )
    if isinstance(error, httpx.TimeoutException):
        return Failure(
            f"{at} takes the connection but does not answer within {CONNECT_TIMEOUT_S:g} s",
            "it hangs or is overloaded: look at its log",
        )
    if isinstance(error, httpx.RemoteProtocolError):
        return Failure(
            f"what listens at {at} does not speak HTTP/1.1 ({text.rstrip('.')})",
            "check the port: OTLP over HTTP is 4318, 4317 is gRPC; a port of TLS needs https://",
        )
    return Failure(
        f"no answer from {at}: {type(error).__name__}: {text}".rstrip(": "),
        "check host, port and network",
    )


def _ahead_s(date: str | None, now_s: float) -> float | None:
    """From ``Date`` (RFC 9110, 6.6.1), which is cut to whole seconds."""
    if date is None:
        return None
    try:
        return parsedate_to_datetime(date).timestamp() + 0.5 - now_s
    except ValueError:
        return None


def _tls_of(response: httpx.Response) -> tuple[str | None, float | None]:
    stream = response.extensions.get("network_stream")
    connection = None if stream is None else stream.get_extra_info("ssl_object")
    if connection is None:
        return None, None
    ends = (connection.getpeercert() or {}).get("notAfter")
    ends_s = None
    if ends is not None:
        with contextlib.suppress(ValueError):
            ends_s = float(ssl.cert_time_to_seconds(ends))
    return connection.version(), ends_s
