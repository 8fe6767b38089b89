"""The one way to a product's HTTP API: an answer, or an error that says who failed, and why.

::

    no connection, timeout, broken answer, 5xx    BackendUnavailable (worth another try)
    3xx, 4xx, 501                                 BackendRefused (the same again gives the same)
    429                                           waited out as the server asks, within a bound
    a write on a read-only client                 ObsstackError, before anything is sent

No message carries a token, a cookie or a password: what was given as a secret is replaced.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any, TypedDict
from urllib.parse import urlsplit

import httpx

from pytest_obsstack.clients.fields import unexpected
from pytest_obsstack.clients.rate_limits import rate_limit_delay_s
from pytest_obsstack.clients.redaction import all_secrets, redacted, without_credentials
from pytest_obsstack.endpoints import needs_certificates
from pytest_obsstack.errors import BackendRefused, BackendUnavailable, ObsstackError

DEFAULT_TIMEOUT_S = 10.0
"""Seconds for connecting, and for each read of an answer."""
MAX_RATE_LIMIT_WAIT_S = 60.0
"""Seconds that one request waits for a rate limit to end, all its 429 answers together."""

_SHOWN_CHARS = 500
_ADVICE = {
    400: "correct the request: the product's own words above say what it does not take",
    401: "give a valid token",
    403: "give a token with the scopes that this call needs",
    404: "check the URL, and that what is asked for exists there",
    413: "send less at once",
    429: "ask less often, or raise the server's rate limit",
    501: "ask what this server supports, or use the real product",
}

QueryParams = Mapping[str, Any]


class HttpOptions(TypedDict, total=False):
    """The keyword arguments that every client takes and hands on to its ``ApiClient``.

    What is not given is as ``ApiClient`` has it by default.
    """

    timeout_s: float
    """Seconds for connecting, and for each read of an answer."""
    max_rate_limit_wait_s: float
    """Seconds that one request waits for a rate limit to end."""
    transport: httpx.BaseTransport | None
    """Replaces the network in tests."""
    sleep: Callable[[float], None]
    """Replaces the wait for a rate limit in tests; takes seconds."""


class ApiClient:
    """A product's HTTP API under one base URL.

    ``product`` names it in messages. ``headers`` go with every request. ``secrets`` are texts that
    no message may show, beside the credentials in ``headers`` and in the URL. ``advice`` replaces
    the general advice for a status. ``transport`` replaces the network in tests; ``sleep`` and
    ``now_s`` (seconds since the epoch) the clock.

    Keep-alive, never through a proxy; redirects are followed only if ``follow_redirects`` says so.
    Usable from several threads.
    """

    def __init__(
        self,
        product: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        secrets: Iterable[str | None] = (),
        advice: Mapping[int, str] | None = None,
        writable: bool = True,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        max_rate_limit_wait_s: float = MAX_RATE_LIMIT_WAIT_S,
        follow_redirects: bool = False,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self.product = product
        self.writable = writable
        self.timeout_s = timeout_s
        self._max_rate_limit_wait_s = max_rate_limit_wait_s
        self._advice = {**_ADVICE, **(advice or {})}
        self._sleep = sleep
        self._now_s = now_s
        headers = dict(headers or {})
        self._secrets = all_secrets(url, headers, secrets)
        self.clock_ahead_s = 0.0
        """Seconds by which the server's clock is ahead of this one, to a second or two: what its
        last answer says (``Date``, RFC 9110, 6.6.1). 0 until it has said so."""
        self.url = without_credentials(url)
        self._base_path = urlsplit(self.url).path
        self._client = httpx.Client(
            base_url=url.rstrip("/"),
            headers={"accept": "application/json", **headers},
            timeout=timeout_s,
            transport=transport,
            verify=needs_certificates(url),
            trust_env=False,
            follow_redirects=follow_redirects,
        )

    def close(self) -> None:
        """Close the kept-alive connections; the client is of no use afterwards."""
        self._client.close()

    def redact(self, text: str) -> str:
        """The text with every secret of this client replaced."""
        return redacted(text, self._secrets)

    def cookie(self, name: str) -> str | None:
        """The value of a cookie that the server has set; all go back to it with each request."""
        return self._client.cookies.get(name)

    def get(self, path: str, params: QueryParams | None = None) -> httpx.Response:
        """The successful answer to a GET; parameters that are ``None`` are left out."""
        return self.request("GET", path, params=params)

    def get_json(self, path: str, params: QueryParams | None = None) -> Any:
        """The parsed JSON answer to a GET."""
        return self.json_of(self.get(path, params))

    def send_json(self, method: str, path: str, body: Any) -> Any:
        """The parsed JSON answer to a request with a JSON body."""
        return self.json_of(self.request(method, path, json=body))

    def request(
        self,
        method: str,
        path: str,
        *,
        params: QueryParams | None = None,
        json: Any = None,
        data: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        changes: bool | None = None,
    ) -> httpx.Response:
        """The successful answer (2xx) to one request.

        ``json`` and ``data`` (a form) are the body. ``changes`` says whether the request changes
        anything on the server; by default every method but GET and HEAD does.
        """
        if changes if changes is not None else method not in ("GET", "HEAD"):
            self._require_writable(method, path)
        request = self._client.build_request(
            method,
            path,
            params=_given(params),
            json=json,
            data=data,
            headers=headers,
        )
        waited_s = 0.0
        while True:
            response = self._send(request)
            delay_s = self._rate_limit_delay_s(response)
            if delay_s is None or waited_s + delay_s > self._max_rate_limit_wait_s:
                break
            self._sleep(delay_s)
            waited_s += delay_s
        if response.is_success:
            return response
        raise self._refusal(response, waited_s)

    def json_of(self, response: httpx.Response) -> Any:
        """The JSON of an answer; ``ObsstackError`` where it is something else."""
        try:
            return response.json()
        except ValueError:
            kind = response.headers.get("content-type", "no content type")
            shown = self.redact(response.text[:_SHOWN_CHARS])
            error = unexpected(self._request_line(response.request), "JSON", f"{kind}: {shown}")
        raise error from None

    def _require_writable(self, method: str, path: str) -> None:
        if not self.writable:
            line = f"{method} {self._base_path}{path}"
            raise ObsstackError(
                f"{self.product} is used read-only, so {line} was not sent.",
                expected="a stack that this run has started, or leave to write",
                found=f"an attached {self.product} at {self.url}",
                advice="pass --obs-allow-writes if this stack may be changed",
            )

    def _send(self, request: httpx.Request) -> httpx.Response:
        try:
            response = self._client.send(request)
        except (httpx.TransportError, httpx.DecodingError) as error:
            cause: httpx.HTTPError = error
        else:
            self._read_clock(response.headers.get("date"))
            return response
        line = self._request_line(request)
        if isinstance(cause, httpx.UnsupportedProtocol):
            raise ObsstackError(
                f"{self.product} has no usable URL.",
                expected="a URL that begins with http:// or https://",
                found=repr(self.url),
                advice="correct the URL",
            ) from cause
        found = self.redact(f"{type(cause).__name__}: {cause}".rstrip(": "))
        raise BackendUnavailable(
            f"{self.product} did not answer {line}.",
            expected=f"an answer from {self.url} within {self.timeout_s:g} s",
            found=found,
            advice=f"check that {self.product} is running and can be reached at {self.url}",
        ) from cause

    def _read_clock(self, date: str | None) -> None:
        if date is not None:
            with contextlib.suppress(ValueError):
                self.clock_ahead_s = parsedate_to_datetime(date).timestamp() - self._now_s()

    def _refusal(self, response: httpx.Response, waited_s: float) -> ObsstackError:
        status = response.status_code
        line = self._request_line(response.request)
        phrase = f"{status} {response.reason_phrase}".rstrip()
        found = self.redact(error_text(response)) or "no text"
        if response.is_redirect:
            found = f"a redirect to {self.redact(response.headers['location'])}"
        if status >= 500 and status != 501:
            return BackendUnavailable(
                f"{self.product} failed to answer {line}: {phrase}.",
                expected="a 2xx status",
                found=found,
                advice=f"look at the logs of {self.product} at {self.url}",
            )
        if status == 429:
            asked_s = self._rate_limit_delay_s(response)
            found += f"\nwaited {waited_s:g} s, asked to wait {asked_s:g} s more"
        advice = self._advice.get(status, f"check what {self.product} at {self.url} expects")
        return BackendRefused(
            f"{self.product} refused {line}: {phrase}.",
            status=status,
            expected="a 2xx status",
            found=found,
            advice=advice,
        )

    def _rate_limit_delay_s(self, response: httpx.Response) -> float | None:
        """Seconds that a 429 asks to wait; ``None`` for any other status."""
        if response.status_code != 429:
            return None
        return rate_limit_delay_s(response.headers, self._now_s())

    def _request_line(self, request: httpx.Request) -> str:
        return self.redact(f"{request.method} {request.url.path}")


def error_text(response: httpx.Response) -> str:
    """What the product itself says about an error: its JSON message, or its plain text.

    Sentry ``{"detail": text | {"message"}}`` or ``{field: [texts]}``, Prometheus
    ``{"errorType", "error"}``, Loki plain text.
    """
    try:
        body = response.json()
    except ValueError:
        return response.text.strip()[:_SHOWN_CHARS]
    if isinstance(body, Mapping):
        if "error" in body and "errorType" in body:
            return f"{body['errorType']}: {body['error']}"
        detail = body.get("detail", body.get("message", body))
        if isinstance(detail, Mapping) and "message" in detail:
            detail = detail["message"]
        body = detail
    text = body if isinstance(body, str) else json.dumps(body)
    return text[:_SHOWN_CHARS]


def _given(params: QueryParams | None) -> dict[str, Any] | None:
    if params is None:
        return None
    return {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in params.items()
        if value is not None
    }
