"""What an app samples: by its own decision, and when a caller has decided.

Each request of these expectations has a trace of its own, because an SDK decides once a trace. They
are not among the test's requests. Counts are settled: after every few of them one request follows
whose caller says that it is sampled, and once what it reports is there, so is the rest (one
process, one queue); so few that no queue can overflow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from pytest_obsstack.clients.sentry.explore import OTLP_ORIGIN
from pytest_obsstack.errors import CannotTell, ObsstackError
from pytest_obsstack.expect.binomial import clopper_pearson
from pytest_obsstack.expect.fence import errors_settled, spans_settled
from pytest_obsstack.expect.hops import span_hops
from pytest_obsstack.expect.losses import counts
from pytest_obsstack.expect.mismatch import Mismatch, fail, plural
from pytest_obsstack.expect.own_traces import REQUEST_ID_ATTRIBUTE
from pytest_obsstack.expect.question import KEEP, cannot_tell
from pytest_obsstack.expect.sdk_queue import taken
from pytest_obsstack.expect.sentry_hops import sentry_hops
from pytest_obsstack.providers.app import REQUEST_ID_HEADER
from pytest_obsstack.wire.trace_context import TraceContext

if TYPE_CHECKING:
    from pytest_obsstack.expect.context import Context

Of = Literal["transactions", "spans"]

_SPANS_AT_A_TIME = 500
"""A quarter of what OpenTelemetry's batch processor lets wait by default."""
_CAPTURE = (
    f"let the app's instrumentation put {REQUEST_ID_HEADER} on the spans of its requests "
    f"(OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST={REQUEST_ID_HEADER})"
)


class Send(Protocol):
    """Sends a GET with these headers alone, outside of the test's trace."""

    def __call__(self, path: str, headers: Mapping[str, str]) -> None: ...


@dataclass(frozen=True)
class Driver:
    """How to ask the app."""

    context: Context
    send: Send
    decided: Callable[[str, Mapping[str, str]], object]
    """Sends a request of the test itself, with more headers."""


@dataclass(frozen=True)
class Sent:
    """Requests whose sampling was left to the app, by request id: the trace id sent to Sentry."""

    traces: Mapping[str, str]
    path: str


def expect_sampling_rate(
    driver: Driver, rate: float, *, requests: int, confidence: float, path: str | None, of: Of
) -> float:
    """The observed rate; fails where the interval around it does not have ``rate``."""
    __tracebackhide__ = True
    if not (0 <= rate <= 1 and 0 < confidence < 1 and requests > 0):
        raise ObsstackError(
            "Not a sampling rate that can be observed.",
            expected="rate from 0 to 1, confidence between 0 and 1, one request or more",
            found=f"rate {rate:g}, confidence {confidence:g}, {plural(requests, 'request')}",
        )
    context = driver.context
    sent = _sent(driver, path, requests, (of,), never_below_one=False)
    sampled = len(
        _with_transaction(context, sent) if of == "transactions" else _with_span(context, sent)
    )
    low, high = clopper_pearson(sampled, requests, confidence)
    if not low <= rate <= high:
        fail(
            Mismatch(
                summary="The app does not sample at the expected rate.",
                expected=f"{_noun(of)} of a share of {rate:g} of the requests to {sent.path}",
                found=f"{sampled} of {requests}: with a confidence of {confidence:g} the rate is "
                f"between {_rate(low)} and {_rate(high)}",
                hops=(sentry_hops if of == "transactions" else span_hops)(context),
                advice="traces_sample_rate or traces_sampler in sentry_sdk.init"
                if of == "transactions"
                else "the app's OpenTelemetry sampler (OTEL_TRACES_SAMPLER, …_ARG)",
                look=(KEEP,),
            )
        )
    context.asserted.add("sampling", "all", found=["expect_sampling_rate"])
    return sampled / requests


def expect_every_request_traced(driver: Driver, n: int, *, path: str | None) -> None:
    """Each of ``n`` undecided requests has a transaction and a server span."""
    __tracebackhide__ = True
    context = driver.context
    signals = _seen(context, "tell whether every request is traced")
    sent = _sent(driver, path, n, signals, never_below_one=True)
    found = {
        of: _with_transaction(context, sent) if of == "transactions" else _with_span(context, sent)
        for of in signals
    }
    if any(len(traced) < n for traced in found.values()):
        worst: Of = min(found, key=lambda of: len(found[of]))
        fail(
            Mismatch(
                summary="Not every request is traced.",
                expected=" and ".join(_noun(of) for of in signals)
                + f" of each of {plural(n, 'request')} to {sent.path}",
                found=", ".join(
                    f"{len(traced)} of {n} have {_noun(of)}" for of, traced in found.items()
                ),
                hops=(sentry_hops if worst == "transactions" else span_hops)(context),
                advice="traces_sample_rate=1.0 in sentry_sdk.init, and no traces_sampler below that"
                if worst == "transactions"
                else "OTEL_TRACES_SAMPLER=parentbased_always_on",
                look=(KEEP,),
            )
        )
    context.asserted.add("sampling", "all", found=["expect_every_request_traced"])


def expect_decision_kept(driver: Driver, path: str) -> None:
    """A request that its caller has not sampled leaves nothing, one that it has leaves all."""
    __tracebackhide__ = True
    context = driver.context
    purpose = "tell whether the caller's decision is kept"
    _need_one_process(context, purpose)
    seen_by = _seen(context, purpose)
    refused = TraceContext.new(sampled=False)
    driver.send(path, refused.headers())
    driver.decided(path, {})
    wrong = []
    if "transactions" in seen_by:
        _settle(context, "transactions", purpose)
        rows = context.clients.sentry.spans_of_trace(refused.trace_id)
        wrong += [
            f"transaction {r.name}" for r in rows if r.is_transaction and r.origin != OTLP_ORIGIN
        ]
    if "spans" in seen_by:
        _settle(context, "spans", purpose)
        store = context.clients.traces
        wrong += [f"span {s.service}: {s.name}" for s in store.otlp_spans(refused.trace_id)]
        # Those of the services that were called are there, too: the fence has waited for them.
        seen = {span.service for span in store.otlp_spans(context.trace_id)}
        missing = [s.service for s in context.services() if s.service not in seen]
        if missing:
            fail(
                Mismatch(
                    summary="A sampling decision was lost on the way.",
                    expected=f"spans of {', '.join(s.service for s in context.services())} for a "
                    f"request to {path} that its caller has sampled",
                    found=f"none of {', '.join(missing)}",
                    advice="pass traceparent and baggage on to the service, and use a parentbased "
                    "sampler there; or ask for a path that calls it",
                    look=(KEEP,),
                )
            )
    if wrong:
        fail(
            Mismatch(
                summary="A caller's sampling decision was not kept.",
                expected=f"nothing of a request to {path} that its caller has not sampled",
                found=wrong[0],
                others=tuple(wrong[1:6]),
                advice="use a parentbased sampler, and let traces_sampler return parent_sampled "
                "where there is one",
                look=(KEEP,),
            )
        )
    context.asserted.add("sampling", "absent", found=["expect_decision_kept"])


# ---- sending, settled


def _sent(
    driver: Driver, path: str | None, count: int, signals: Sequence[Of], *, never_below_one: bool
) -> Sent:
    """Undecided requests, all of whose telemetry has arrived.

    ``never_below_one``: with the random number that any rate below one would leave out.
    """
    __tracebackhide__ = True
    context = driver.context
    purpose = "tell what the app samples"
    _need_one_process(context, purpose)
    asked = context.app.ready_path if path is None else path
    at_a_time = min(_SPANS_AT_A_TIME, max(1, context.app.sentry_queue_size // 4))
    traces: dict[str, str] = {}
    for number in range(1, count + 1):
        trace = TraceContext.new(sampled=None)
        request_id = f"{context.trace_id}-{trace.span_id}"
        headers = {**trace.headers(), REQUEST_ID_HEADER: request_id}
        if never_below_one:
            # https://develop.sentry.dev/sdk/telemetry/traces/#propagated-random-value
            headers["baggage"] = f"sentry-trace_id={trace.trace_id},sentry-sample_rand=0.999999"
        driver.send(asked, headers)
        traces[request_id] = trace.trace_id
        if number % at_a_time == 0 or number == count:
            driver.decided(asked, {REQUEST_ID_HEADER: f"{context.trace_id}-last-{number}"})
            for of in signals:
                _settle(context, of, purpose)
    return Sent(traces, asked)


def _settle(context: Context, of: Of, purpose: str) -> None:
    __tracebackhide__ = True
    if of == "transactions":
        settled = errors_settled(context)
        if not settled.proven:
            raise cannot_tell(purpose, settled, "transactions", sentry_hops(context))
        if context.taken_before is not None:
            # No queue was full so far: what comes from now on is counted anew.
            context.taken_before = taken(counts(context.clients.sentry.outcomes()))
        return
    settled = spans_settled(context)
    if not settled.proven:
        raise cannot_tell(purpose, settled, "spans", span_hops(context))


def _seen(context: Context, purpose: str) -> list[Of]:
    """By what of the app it can be seen that it has sampled a request."""
    __tracebackhide__ = True
    signals: list[Of] = []
    if "errors" in context.app.signals and "transactions" in context.stack.capabilities:
        signals.append("transactions")
    if "spans" in context.app.signals and context.clients.span_stores:
        signals.append("spans")
    if not signals:
        raise CannotTell(
            f"Cannot {purpose}.",
            expected="an app that reports errors or spans, and a backend that shows them by trace",
            found=f"an app that reports {', '.join(sorted(context.app.signals))}, "
            f"--obs-stack={context.stack.kind}",
            advice='mark the test with obs_requires("transactions") or obs_requires("spans")',
        )
    return signals


def _need_one_process(context: Context, purpose: str) -> None:
    """A later request proves only for the process that has answered it that earlier ones came."""
    __tracebackhide__ = True
    several = next((s for s in context.services() if s.processes > 1), None)
    if several is not None:
        raise CannotTell(
            f"Cannot {purpose}.",
            expected="services of one process each, whose reports come in order",
            found=f"{several.service} with {several.processes} processes",
            advice="run the app with one process for this test (WEB_CONCURRENCY=1)",
        )


def _with_transaction(context: Context, sent: Sent) -> list[str]:
    """Ids of the requests that have one."""
    return [
        request_id
        for request_id, trace_id in sent.traces.items()
        if any(
            row.is_transaction and row.origin != OTLP_ORIGIN
            for row in context.clients.sentry.spans_of_trace(trace_id)
        )
    ]


def _with_span(context: Context, sent: Sent) -> list[str]:
    __tracebackhide__ = True
    found = context.clients.traces.found_by(
        REQUEST_ID_ATTRIBUTE, context.trace_id, since_s=context.since_ns / 1e9
    )
    texts = " ".join(text for text, _ in found)
    if f"{context.trace_id}-last-" not in texts:
        raise CannotTell(
            "Cannot tell whose spans are there.",
            expected=f"the attribute {REQUEST_ID_ATTRIBUTE} on the span of each request",
            found="none on the span of a request that its caller has sampled",
            advice=_CAPTURE,
        )
    return [request_id for request_id in sent.traces if request_id in texts]


def _rate(rate: float) -> str:
    shown = f"{rate:.4g}"
    return "just below 1" if rate < 1 and shown == "1" else shown


def _noun(of: Of) -> str:
    return "a transaction" if of == "transactions" else "a server span"
