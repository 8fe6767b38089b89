"""Driving the app within one trace: by requests, or by what other clients are given."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pytest_obsstack.errors import ObsstackError
from pytest_obsstack.expect.context import Context
from pytest_obsstack.expect.own_traces import request_id
from pytest_obsstack.expect.streaming import is_streamed
from pytest_obsstack.providers.app import REQUEST_ID_HEADER
from pytest_obsstack.record.exchanges import Exchange
from pytest_obsstack.wire.trace_context import TraceContext

if TYPE_CHECKING:
    import httpx


class AppClient:
    """A client of the app whose requests all carry this test's trace id."""

    def __init__(
        self,
        context: Context,
        client: httpx.Client,
        *,
        decided: bool = True,
        before_first: Callable[[], None] | None = None,
    ) -> None:
        self._context = context
        self._client = client
        self._decided = decided
        self._before_first = before_first

    @property
    def trace_id(self) -> str:
        """32 hex digits; every rerun of a test has its own."""
        return self._context.trace_id

    @property
    def url(self) -> str:
        """The app's base URL."""
        return self._context.app.url

    @property
    def exchanges(self) -> tuple[Exchange, ...]:
        """The requests made so far, oldest first."""
        return tuple(self._context.exchanges.all)

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers that put another client's request into this test's trace.

        Each reading gives a span id of its own and counts as one request that is to be answered:
        absence is asserted only once its transaction, span and records have arrived.
        """
        trace = self._trace_of_request()
        now_s = time.time()
        self._context.exchanges.all.append(
            Exchange(
                "request",
                "with obs.headers",
                None,
                trace.span_id,
                now_s,
                now_s,
                self._decided,
                handed_out=True,
            )
        )
        return self._headers_of(trace)

    @property
    def env(self) -> Mapping[str, str]:
        """Variables that put a command-line program into this test's trace.

        ``SENTRY_TRACE`` and ``SENTRY_BAGGAGE`` as Sentry's SDKs read them, ``TRACEPARENT`` and
        ``BAGGAGE`` as the OpenTelemetry specification names them.
        """
        headers = self.headers
        names = {
            "SENTRY_TRACE": "sentry-trace",
            "SENTRY_BAGGAGE": "baggage",
            "TRACEPARENT": "traceparent",
            "BAGGAGE": "baggage",
        }
        return {name: headers[key] for name, key in names.items() if key in headers}

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request to the app and return its response, whatever its status.

        ``options`` are those of ``httpx.Client.request``; headers given there win. Raises
        ``httpx.HTTPError`` where the app does not answer.
        """
        if not path.startswith("/"):
            raise ObsstackError(
                "Not a path of the app.",
                expected="a path that begins with a slash, as in obs.get('/error')",
                found=repr(path),
                advice="for another server use a client of your own, with obs.headers",
            )
        before_first = self._take_before_first()
        if before_first is not None:
            before_first()
        trace = self._trace_of_request()
        headers = {**self._headers_of(trace), **(options.pop("headers", None) or {})}
        started_s = time.time()
        status: int | None = None
        streamed = False
        try:
            response = self._client.request(method, self.url + path, headers=headers, **options)
            status = response.status_code
            streamed = is_streamed(response)
        finally:
            ended_s = time.time()
            self._context.exchanges.all.append(
                Exchange(
                    method,
                    path,
                    status,
                    trace.span_id,
                    started_s,
                    ended_s,
                    self._decided,
                    streamed=streamed,
                )
            )
        return response

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self.request("POST", path, **options)

    def put(self, path: str, **options: Any) -> httpx.Response:
        return self.request("PUT", path, **options)

    def delete(self, path: str, **options: Any) -> httpx.Response:
        return self.request("DELETE", path, **options)

    def _headers_of(self, trace: TraceContext) -> dict[str, str]:
        headers = trace.headers()
        if not self._decided:
            headers[REQUEST_ID_HEADER] = request_id(self._context, trace.span_id)
        return headers

    def _trace_of_request(self) -> TraceContext:
        """The test's trace with a span id of its own: it tells one request's server span."""
        fresh = TraceContext.new(sampled=True if self._decided else None)
        return replace(fresh, trace_id=self.trace_id)

    def _take_before_first(self) -> Callable[[], None] | None:
        taken, self._before_first = self._before_first, None
        return taken
