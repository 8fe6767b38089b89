"""Fences: proof that everything a test's requests reported has arrived, signal by signal.

A fence is a thing that the app sends after whatever else a request reported, on the same way; once
it is visible, so is the rest, or it was lost. What proves what, and what it does not prove:

=======  =========================================  =============================================
signal   fence                                      does not cover
=======  =========================================  =============================================
errors   the request's own Sentry transaction,      background threads; a queue that overflowed
         on a tracker that keeps the order
spans    the request's SERVER span                  spans of background threads, streamed bodies
logs     the record that the app logs last, else    records of background threads
         the exporter's delay after the SERVER span
metrics  a sample as new as the last response       —
=======  =========================================  =============================================

A fence returns a ``Settled``: proven, or the reason why it cannot be told.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_obsstack.clients.sentry.explore import OTLP_ORIGIN
from pytest_obsstack.expect.context import AppFacts, Context
from pytest_obsstack.waiting import until

if TYPE_CHECKING:
    from pytest_obsstack.clients.spans import Span, SpanStore
    from pytest_obsstack.expect.clients import Clients

OVERFLOW_REASONS = ("queue_overflow", "sample_queue_overflow")

_LET_IT_TRACE = (
    "let the app trace each request (traces_sample_rate=1.0): its transaction is the proof that "
    "its errors have arrived; absence is never asserted on a guess"
)


@dataclass(frozen=True)
class Settled:
    """Whether arrival is proven; ``reason`` says why not."""

    reason: str | None = None
    polls: int = 1
    """0 where waiting could not have helped."""
    waited_s: float = 0.0
    advice: str | None = None
    """What the usual cause is and what to do, where the reason has one."""

    @property
    def proven(self) -> bool:
        return self.reason is None


def errors_settled(context: Context) -> Settled:
    """Each request's transaction has arrived, and no SDK has reported an overflow since.

    Never proven where the error tracker does not show a transaction after the errors before it.
    """
    ordering = context.clients.sentry.traits.ordering
    if not ordering.settles_errors:
        return Settled(ordering.unproven, polls=0, advice=ordering.instead)
    settled = _fence(context, "transaction", "", lambda: _transactions(context), _LET_IT_TRACE)
    if not settled.proven:
        return settled
    context.history.queue_overflows = queue_overflows(context.clients)
    # Since the test began, and not since the last look: asking twice gives the same answer.
    lost = context.history.queue_overflows - context.overflows_before
    if lost > 0:
        return Settled(
            f"the SDK reported that it dropped {lost} items because its queue was full "
            "(raise transport_queue_size)",
            polls=0,
        )
    return settled


def queue_overflows(clients: Clients) -> int:
    """How many items the SDKs of the project have dropped so far because their queue was full.

    None where the error tracker does not tell; there, ``errors_settled`` is never proven.
    """
    if not clients.sentry.traits.counts_outcomes:
        return 0
    return sum(
        outcome.quantity
        for outcome in clients.sentry.outcomes()
        if outcome.outcome == "client_discard" and outcome.reason in OVERFLOW_REASONS
    )


def spans_settled(context: Context, store: SpanStore | None = None) -> Settled:
    """Each request's SERVER span has arrived in ``store``, by default the one that is asked."""
    unknown = never_tells(context)
    if unknown is not None:
        return unknown
    if store is None and not context.clients.span_stores:
        return Settled(
            "nothing on this stack can be asked for the spans of the requests",
            polls=0,
            advice="add a Tempo (--obs-use tempo=URL), or let the app tell its last log record "
            "(AppSpec.last_log_line)",
        )
    asked = context.clients.traces if store is None else store
    where = f" in {asked.store_name}"
    return _fence(context, "server span", where, lambda: _server_spans(context, asked))


def logs_settled(context: Context) -> Settled:
    """The last record of each request has arrived, or the log exporter's delay has passed."""
    unknown = never_tells(context)
    if unknown is not None:
        return unknown
    if context.app.last_log_line is None:
        return _log_delay_passed(context)
    expected = {context.app.service: len(context.answered)}
    if context.app.companions:
        # How many records the companions owe is known once the spans of the calls are all there.
        spans = spans_settled(context)
        if not spans.proven:
            return spans
        expected |= _calls_to_companions(context)
    missing = ""

    def poll() -> bool | None:
        nonlocal missing
        lines = context.clients.loki.lines_of_trace(context.trace_id, since_ns=context.since_ns)
        for service in context.services():
            if service.last_log_line is None:
                continue
            seen = sum(
                1
                for entry in lines
                if entry.labels.get("service_name") == service.service
                and service.last_log_line.search(entry.line)
            )
            if seen < expected.get(service.service, 0):
                missing = (
                    f"{seen} of {expected[service.service]} lines /{service.last_log_line.pattern}/"
                    f" of {service.service} have arrived in Loki"
                )
                return None
        return True

    waited = until(poll, timeout_s=context.timeout_s)
    if not waited.value:
        return Settled(missing, waited.polls, waited.waited_s)
    if any(service.last_log_line is None for service in context.services()):
        return _log_delay_passed(context)
    return Settled(None, waited.polls, waited.waited_s)


def metrics_settled(context: Context, after_s: float, *, timeout_s: float | None = None) -> Settled:
    """Prometheus holds a sample that the app took at ``after_s`` (Unix seconds) or later.

    The collector passes the app's own sample times on, so one look proves both that the app has
    exported and that a scrape has stored it.
    """
    newest: float | None = None

    def poll() -> bool | None:
        nonlocal newest
        if context.stack.steerable:
            context.stack.scrape("otel-collector")
        newest = newest_sample_s(context)
        return True if newest is not None and newest >= after_s else None

    waited = until(poll, timeout_s=context.timeout_s if timeout_s is None else timeout_s)
    if waited.value:
        return Settled(None, waited.polls, waited.waited_s)
    if newest is None:
        reason = f"Prometheus has no sample of {_instance(context.app)}"
    else:
        reason = (
            f"the newest sample of {_instance(context.app)} in Prometheus is "
            f"{after_s - newest:.2f} s older than the last response"
        )
    return Settled(reason, waited.polls, waited.waited_s)


def newest_sample_s(context: Context, at_s: float | None = None) -> float | None:
    """Time of the app's newest sample (Unix seconds), now or as it was known at ``at_s``."""
    name = context.history.metric_name
    if name is None:
        name = context.history.metric_name = _any_metric_name(context)
    if name is None:
        return None
    result = context.clients.prometheus.query(
        f"max(timestamp({name}{{{_own_matcher(context.app)}}}))", time_s=at_s
    )
    return result.series[0].last.value if result.series else None


def _any_metric_name(context: Context) -> str | None:
    """A metric of the app itself; an exporter sends all of them at one time, so any will do."""
    # target_info, like what Prometheus adds, has the time of the scrape and not of the app.
    matcher = f'{{{_own_matcher(context.app)},__name__!~"target_info|up|scrape_.+"}}'
    series = context.clients.prometheus.series(matcher)
    return min((labels["__name__"] for labels in series), default=None)


def _own_matcher(app: AppFacts) -> str:
    return f'instance="{app.instance}"' if app.instance else f'job="{app.service}"'


def _instance(app: AppFacts) -> str:
    return app.instance or app.service


def never_tells(context: Context) -> Settled | None:
    """The reason for which no fence can prove anything, however long it waits."""
    if not context.exchanges.all:
        return Settled("no request of this test is known, so there is nothing to wait for", polls=0)
    for exchange in context.exchanges.all:
        if exchange.status is None and not exchange.handed_out:
            return Settled(
                f"{exchange.method} {exchange.path} got no response, so the app may still be at "
                "work on it",
                polls=0,
            )
    return None


def _fence(
    context: Context,
    what: str,
    where: str,
    look: Callable[[], tuple[Sequence[Span], Sequence[Span]]],
    advice: str | None = None,
) -> Settled:
    """Each request, and each call to a companion, has the span that answers it.

    ``look`` gives the spans with which services begin their parts of the trace, and the calls.
    """
    unknown = never_tells(context)
    if unknown is not None:
        return unknown
    missing = ""

    def poll() -> bool | None:
        nonlocal missing
        entries, calls = look()
        parents = {entry.parent_span_id for entry in entries}
        for exchange in context.answered:
            if exchange.span_id not in parents:
                missing = f"the {what} of {exchange.describe()} has not arrived{where}"
                return None
        for call in calls:
            if call.span_id not in parents:
                missing = f"the {what} of the call {call.name} has not arrived{where}"
                return None
        return True

    waited = until(poll, timeout_s=context.timeout_s)
    if waited.value:
        return Settled(None, waited.polls, waited.waited_s)
    return Settled(missing, waited.polls, waited.waited_s, advice)


def _transactions(context: Context) -> tuple[list[Span], list[Span]]:
    rows = context.clients.sentry.spans_of_trace(context.trace_id)
    own = [row for row in rows if row.origin != OTLP_ORIGIN]
    calls = [row for row in own if row.kind == "client" or row.op == "http.client"]
    return [row for row in own if row.is_transaction], _to_companions(context, calls)


def _server_spans(context: Context, store: SpanStore) -> tuple[list[Span], list[Span]]:
    spans = store.otlp_spans(context.trace_id)
    calls = [span for span in spans if span.kind == "client"]
    return [span for span in spans if span.kind == "server"], _to_companions(context, calls)


def _to_companions(context: Context, calls: Iterable[Span]) -> list[Span]:
    """Those of the calls that go to services which the app is known to call."""
    hosts = [companion.url.removeprefix("http://") for companion in context.app.companions]
    return [call for call in calls if any(host in _target(call) for host in hosts)]


def _target(call: Span) -> str:
    values = (call.name, *(str(value) for value in call.attributes.values()))
    return " ".join(value for value in values if value)


def _calls_to_companions(context: Context) -> dict[str, int]:
    """How many requests each companion has answered in this trace, by its server spans."""
    answers, _ = _server_spans(context, context.clients.traces)
    counts: dict[str, int] = {}
    for answer in answers:
        if answer.service and answer.service != context.app.service:
            counts[answer.service] = counts.get(answer.service, 0) + 1
    return counts


def _log_delay_passed(context: Context) -> Settled:
    """Without a last record, only the time tells: the SERVER span, then the exporter's delay."""
    settled = spans_settled(context)
    if not settled.proven:
        return settled
    delay_s = max(
        service.log_delay_s for service in context.services() if service.last_log_line is None
    )
    due_s = context.last_ended_s + delay_s
    waited = until(lambda: True if time.time() >= due_s else None, timeout_s=delay_s + 1)
    return Settled(None, settled.polls + waited.polls, settled.waited_s + waited.waited_s)
