"""``obs``: drive the app within one trace, and assert on what arrived of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any, Literal

from pytest_obsstack.expect.app_client import AppClient
from pytest_obsstack.expect.background import expect_background_end
from pytest_obsstack.expect.context import Context
from pytest_obsstack.expect.logs import LogExpectations
from pytest_obsstack.expect.metrics import MetricExpectations
from pytest_obsstack.expect.nowhere import expect_nowhere
from pytest_obsstack.expect.once import expect_exactly_once
from pytest_obsstack.expect.sampling import (
    Driver,
    expect_decision_kept,
    expect_every_request_traced,
    expect_sampling_rate,
)
from pytest_obsstack.expect.sentry import SentryExpectations
from pytest_obsstack.expect.soft import Expectations, SoftBlock
from pytest_obsstack.expect.traces import TraceExpectations

if TYPE_CHECKING:
    import re

    import httpx


class Probe(AppClient, Expectations):
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
        super().__init__(context, client, decided=decided, before_first=before_first)
        self.sentry = SentryExpectations(context)
        self.traces = TraceExpectations(context)
        self.logs = LogExpectations(context)
        self.metrics = MetricExpectations(context)

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
        of them. The next request calls it into question again, and needs an end of its own, so ask
        after each request that starts such work. Raises ``AssertionError`` at the
        deadline.
        """
        __tracebackhide__ = True
        expect_background_end(self._context, transaction=transaction, span=span, line=line)

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
