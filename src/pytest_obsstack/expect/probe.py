"""``obs``: drive the app within one trace, and assert on what arrived of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any, Literal

from pytest_obsstack.errors import ObsstackError
from pytest_obsstack.expect.context import Context
from pytest_obsstack.expect.logs import LogExpectations
from pytest_obsstack.expect.metrics import MetricExpectations
from pytest_obsstack.expect.nowhere import expect_nowhere
from pytest_obsstack.expect.once import expect_exactly_once
from pytest_obsstack.expect.own_traces import request_id
from pytest_obsstack.expect.sampling import (
    Driver,
    expect_decision_kept,
    expect_every_request_traced,
    expect_sampling_rate,
)
from pytest_obsstack.expect.sentry import SentryExpectations
from pytest_obsstack.expect.soft import Expectations, SoftBlock
from pytest_obsstack.expect.streaming import is_streamed
from pytest_obsstack.expect.traces import TraceExpectations
from pytest_obsstack.providers.app import REQUEST_ID_HEADER
from pytest_obsstack.record.exchanges import Exchange

if TYPE_CHECKING:
    import re

    import httpx

    from pytest_obsstack.wire.trace_context import TraceContext


class Probe(Expectations):
    """The fixture ``obs``: a client of the app whose requests all carry this test's trace id.

    ``sentry``, ``traces``, ``logs`` and ``metrics`` hold the expectations on what they caused.
    """

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
        self.sentry = SentryExpectations(context)
        self.traces = TraceExpectations(context)
        self.logs = LogExpectations(context)
        self.metrics = MetricExpectations(context)

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

    @property
    def undecided(self) -> Probe:
        """The same test and trace, but the app decides whether to sample.

        Only Sentry's header can leave that open, so OpenTelemetry begins a trace of its own. It is
        found by the header ``X-Request-Id``, which instrumentations put on the request's span as
        ``http.request.header.x_request_id`` (the app is told so by the variable
        ``OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST``).
        """
        return Probe(
            self._context, self._client, decided=False, before_first=self._take_before_first()
        )

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

    def expect_nowhere(self, text: str | re.Pattern[str]) -> None:
        """Nothing that arrived for this trace holds ``text``, in any signal or usual encoding.

        Searched are events and transactions as sent, attachments, spans, log lines with labels and
        metadata, and label values of the app's metrics. Raises ``AssertionError`` with every place,
        ``CannotTell`` where arrival is not proven settled.
        """
        __tracebackhide__ = True
        expect_nowhere(self._context, text)

    def expect_exactly_once(
        self, *kinds: Literal["events", "spans", "lines", "errors"], allow: Collection[str] = ()
    ) -> None:
        """Nothing of this test was delivered twice, and no error was reported by two ways.

        ``events``: each event id of the error tracker has come once; ``spans``: each span id;
        ``lines``: each line of one time; ``errors``: no exception (by type and message) was
        reported both by Sentry's SDK and by OpenTelemetry, as a span's event or a log record, which
        ``allow=("sentry+otel",)`` allows. All by default that the stack shows and the app reports.

        Raises ``AssertionError`` with everything that came twice, and ``CannotTell`` where arrival
        is not proven settled, or where a backend keeps one of each and tells nobody: products do,
        the embedded servers count.
        """
        __tracebackhide__ = True
        expect_exactly_once(self._context, kinds, allow)

    def expect_every_request_traced(self, n: int = 20, *, path: str | None = None) -> None:
        """Each of ``n`` requests whose sampling is left to the app has a transaction and a span.

        They are sent now, each in a trace of its own, to ``path`` (by default that which tells
        that the app is ready), and are not among the test's requests. Any ``traces_sample_rate``
        below 1 fails. Raises ``AssertionError``, and ``CannotTell`` where arrival is not proven
        settled.
        """
        __tracebackhide__ = True
        expect_every_request_traced(self._driver(), n, path=path)

    def expect_sampling_rate(
        self,
        rate: float,
        *,
        requests: int = 200,
        confidence: float = 0.999,
        path: str | None = None,
        of: Literal["transactions", "spans"] = "transactions",
    ) -> float:
        """The observed share of sampled ``requests``, whose sampling is left to the app.

        They are sent as those of ``expect_every_request_traced``. ``of`` says whose rate it is:
        that of Sentry's SDK or that of OpenTelemetry's sampler. Fails where the exact binomial
        interval (Clopper-Pearson) of that ``confidence`` does not have ``rate``: a right rate fails
        once in a thousand runs at 0.999. Raises ``AssertionError``; ``CannotTell`` where arrival
        is not proven settled.
        """
        __tracebackhide__ = True
        return expect_sampling_rate(
            self._driver(), rate, requests=requests, confidence=confidence, path=path, of=of
        )

    def expect_decision_kept(self, path: str) -> None:
        """Every service keeps the sampling decision of the caller of a request to ``path``.

        Two requests are sent: one whose caller says that it is not sampled, which must leave no
        transaction and no span in any service, and one of this test, sampled, which must leave
        spans of the app and of all services that it is known to call. Raises ``AssertionError``;
        ``CannotTell`` where arrival is not proven settled.
        """
        __tracebackhide__ = True
        expect_decision_kept(self._driver(), path)

    def _driver(self) -> Driver:
        def send(path: str, headers: Mapping[str, str]) -> None:
            before_first = self._take_before_first()
            if before_first is not None:
                before_first()
            self._client.get(self.url + path, headers=dict(headers))

        decided = Probe(self._context, self._client)
        return Driver(self._context, send, lambda path, more: decided.get(path, headers=more))

    def expect_background_end(
        self, *, transaction: Any = None, span: Any = None, line: Any = None
    ) -> None:
        """What the app reports last of its background work has arrived.

        For an ``AppSpec`` with ``background_threads``: from then on absence can be asserted, of
        errors by a ``transaction``, of spans by a ``span``, of log records by a ``line``, each
        named as in ``expect_transaction``, ``expect_span`` and ``expect_line``; of metrics by any
        of them. The next request calls it into question again. Raises ``AssertionError`` at the
        deadline.
        """
        __tracebackhide__ = True
        if transaction is None and span is None and line is None:
            raise ObsstackError(
                "expect_background_end was given nothing to wait for.",
                expected="transaction=, span= or line=: what the background work reports last",
                found="none of them",
            )
        if transaction is not None:
            self.sentry.expect_transaction(transaction)
            self._background_ended("errors")
        if span is not None:
            self.traces.expect_span(span)
            self._background_ended("spans")
        if line is not None:
            self.logs.expect_line(line)
            self._background_ended("logs")

    def _background_ended(self, signal: str) -> None:
        context = self._context
        for name in (signal, "metrics"):
            context.background_ends[name] = len(context.exchanges.all)
        context.background_ended_s = time.time()

    def soft(self) -> SoftBlock:
        """``with obs.soft():`` goes on after an expectation that is not met, and tells all at last.

        One ``AssertionError`` with each mismatch and the test's line. ``CannotTell``, a plain
        ``assert`` and any other error end the block at once, with what was collected so far; so
        does using what an unmet expectation should have returned. Inner blocks report with the
        outermost one.
        """
        return SoftBlock()

    def links(self) -> list[tuple[str, str]]:
        """Where to look at this test's telemetry, for reports: name and URL."""
        sentry = self._context.stack.endpoints.sentry
        if sentry is None or sentry.organization is None:
            return []
        return [
            (
                "obs_sentry",
                (
                    f"{sentry.url}/organizations/{sentry.organization}/issues/"
                    f"?query=trace%3A{self.trace_id}"
                ),
            )
        ]

    def _headers_of(self, trace: TraceContext) -> dict[str, str]:
        headers = trace.headers()
        if not self._decided:
            headers[REQUEST_ID_HEADER] = request_id(self._context, trace.span_id)
        return headers

    def _trace_of_request(self) -> TraceContext:
        """The test's trace with a span id of its own: it tells one request's server span."""
        from dataclasses import replace

        from pytest_obsstack.wire.trace_context import TraceContext

        fresh = TraceContext.new(sampled=True if self._decided else None)
        return replace(fresh, trace_id=self.trace_id)

    def _take_before_first(self) -> Callable[[], None] | None:
        taken, self._before_first = self._before_first, None
        return taken
