"""How canaries are sent: envelopes to the tracker, OTLP to the collector, past any proxy."""

from __future__ import annotations

import gzip
import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

import httpx

from pytest_obsstack.endpoints import needs_certificates
from pytest_obsstack.provision.doctor.finding import Outcome, fail
from pytest_obsstack.provision.doctor.probe import why
from pytest_obsstack.provision.doctor.surroundings import installed_version
from pytest_obsstack.wire.dsn import Dsn
from pytest_obsstack.wire.envelope import CONTENT_TYPE, Envelope, serialize_envelope
from pytest_obsstack.wire.malformed import WireError
from pytest_obsstack.wire.otlp import Signal, encode, read_error_body, read_partial_success

if TYPE_CHECKING:
    from google.protobuf.message import Message

Encoding = Literal["br", "gzip"]

SEND_TIMEOUT_S = 10.0
_SHOWN_CHARS = 200


@dataclass(frozen=True)
class Answer:
    """What a server said to something that was sent."""

    status: int | None
    """``None`` where there was no answer."""
    text: str
    """The server's own words; of no answer the reason."""
    do: str | None = None
    """Of no answer: what to do."""
    limits: str = ""
    """``X-Sentry-Rate-Limits``."""
    rejected: int = 0
    """Of an accepted OTLP request: how many items were not."""

    @property
    def accepted(self) -> bool:
        return self.status is not None and 200 <= self.status < 300 and not self.rejected


def package_version() -> str:
    return installed_version("pytest-obsstack") or "0"


def brotli_installed() -> bool:
    """Whether the SDK of this environment compresses with br: it does if it can import this."""
    try:
        importlib.import_module("brotli")
    except ImportError:
        return False
    return True


def sdk_encoding() -> Encoding:
    """The content encoding that the Sentry SDK of this environment uses."""
    return "br" if brotli_installed() else "gzip"


def send_envelope(
    dsn: Dsn,
    envelope: Envelope,
    *,
    encoding: Encoding = "gzip",
    transport: httpx.BaseTransport | None = None,
) -> Answer:
    """Post an envelope as an SDK would."""
    headers = {
        "content-type": CONTENT_TYPE,
        "content-encoding": encoding,
        "x-sentry-auth": f"{dsn.auth_header}, sentry_client=obsstack-doctor/{package_version()}",
    }
    body = _packed(serialize_envelope(envelope), encoding)
    response = _post(dsn.envelope_url, body, headers, transport)
    if isinstance(response, Answer):
        return response
    return Answer(
        response.status_code,
        _words(response),
        limits=response.headers.get("x-sentry-rate-limits", ""),
    )


def send_otlp(
    base_url: str,
    signal: Signal,
    message: Message,
    *,
    transport: httpx.BaseTransport | None = None,
) -> Answer:
    """Post one OTLP request in binary protobuf."""
    headers = {"content-type": "application/x-protobuf"}
    url = f"{base_url.rstrip('/')}/v1/{signal}"
    response = _post(url, encode(message, "protobuf"), headers, transport)
    if isinstance(response, Answer):
        return response
    if response.is_success:
        try:
            rejected, text = read_partial_success(signal, response.content, "protobuf")
        except WireError:
            rejected, text = 0, ""
        return Answer(response.status_code, text, rejected=rejected)
    try:
        text = read_error_body(response.content, "protobuf").message
    except WireError:
        text = ""
    return Answer(response.status_code, _cut(text) or _words(response))


def refusal(answer: Answer, what: str, who: str) -> Outcome:
    """The outcome of an envelope that was not accepted; ``what`` was sent to ``who``."""
    hop = f"here → {who}"
    if answer.status is None:
        return fail(f"{what} could not be sent: {answer.text}", answer.do or "", hop=hop)
    said = f"{what} was answered {answer.status}" + (f": {answer.text}" if answer.text else "")
    return fail(said, _REFUSALS.get(answer.status, f"look at the log of {who}"), hop=hop)


_REFUSALS: Mapping[int, str] = {
    400: "the server does not understand it: check that the DSN's host and path lead to it",
    401: "take the DSN of the project's settings (Client Keys)",
    403: "take the DSN of the project's settings (Client Keys): its key is unknown, disabled or "
    "another project's; a GlitchTip refuses all for 30 s after a wrong key",
    404: "correct host, path and project of the DSN",
    413: "raise the size limit of the proxy in front of the tracker",
    415: "let the tracker, or the proxy in front of it, take that content encoding",
    429: "wait until the limit ends, or raise the project's quota",
}


def _post(
    url: str, body: bytes, headers: Mapping[str, str], transport: httpx.BaseTransport | None
) -> httpx.Response | Answer:
    with httpx.Client(
        transport=transport,
        verify=needs_certificates(url),
        trust_env=False,
        timeout=SEND_TIMEOUT_S,
    ) as client:
        try:
            return client.post(url, content=body, headers=dict(headers))
        except (httpx.TransportError, httpx.DecodingError, httpx.InvalidURL) as error:
            parts = urlsplit(url)
            port = parts.port or {"http": 80, "https": 443}[parts.scheme]
            failure = why(error, parts.hostname or "", port)
            return Answer(None, failure.found, failure.do)


def _packed(body: bytes, encoding: Encoding) -> bytes:
    if encoding == "gzip":
        return gzip.compress(body)
    # The very package that the SDK would use.
    compress: Callable[[bytes], bytes] = importlib.import_module("brotli").compress
    return compress(body)


def _words(response: httpx.Response) -> str:
    """The server's text: Sentry's and GlitchTip's ``detail``, else the body's beginning."""
    try:
        body = response.json()
    except ValueError:
        return _cut(response.text)
    if isinstance(body, dict):
        causes = body.get("causes")
        text = body.get("detail") or body.get("error") or body.get("message") or ""
        if isinstance(causes, list):
            text = "; ".join(map(str, [text, *causes]))
        return _cut(str(text))
    return _cut(str(body))


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN_CHARS else line[:_SHOWN_CHARS] + "…"
