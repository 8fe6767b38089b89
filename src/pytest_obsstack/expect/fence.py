"""Fences: proof that everything a test's requests reported has arrived, signal by signal.

A fence is a thing that the app sends after whatever else a request reported, on the same way; once
it is visible, so is the rest, or it was lost. What proves what, and where it proves nothing:

=======  =========================================  =============================================
signal   fence                                      cannot tell
=======  =========================================  =============================================
errors   the request's own Sentry transaction,      background threads; streamed bodies; a queue
         on a tracker that keeps the order          that may have overflowed
spans    the request's SERVER span                  background threads; streamed bodies; what
                                                    waits in a collector's sending queue
logs     the record that the app logs last, else    background threads; streamed bodies; what
         the exporter's delay after the SERVER span  waits in a collector's sending queue
metrics  a sample as new as the last response, of   background threads; a process that was never
         each process of the app                    seen
=======  =========================================  =============================================

A fence returns a ``Settled``: proven, or the reason why it cannot be told.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_obsstack.clients.sentry.explore import OTLP_ORIGIN
from pytest_obsstack.expect.collector_queue import waiting_in_collector
from pytest_obsstack.expect.context import Context
from pytest_obsstack.expect.own_traces import is_known, lines_of_test, spans_of_test
from pytest_obsstack.expect.sdk_queue import lost_in_queue
from pytest_obsstack.expect.settled import Fenced, Settled, never_tells
from pytest_obsstack.waiting import until

if TYPE_CHECKING:
    from pytest_obsstack.clients.spans import Span, SpanStore

__all__ = ["Settled", "errors_settled", "logs_settled", "never_tells", "spans_settled"]

_SAME_MOMENT_S = 0.02
"""A span may end a little after its parent, when nothing goes on."""

_LET_IT_TRACE = (
    "let the app trace each request (traces_sample_rate=1.0): its transaction is the proof that "
    "its errors have arrived; absence is never asserted on a guess"
)


def errors_settled(context: Context) -> Settled:
    """Each request's transaction has arrived, and no queue of an SDK can have overflowed.

    Never proven where the error tracker does not show a transaction after the errors before it.
    """
    ordering = context.clients.sentry.traits.ordering
    if not ordering.settles_errors:
        return Settled(ordering.unproven, polls=0, advice=ordering.instead)
    settled = _fence(
        context, "errors", "transaction", "", lambda: _transactions(context), _LET_IT_TRACE
    )
    if not settled.proven:
        return settled
    return lost_in_queue(context) or settled


def spans_settled(context: Context, store: SpanStore | None = None) -> Settled:
    """Each request's SERVER span has arrived in ``store``, by default the one that is asked."""
    unknown = never_tells(context, "spans")
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
    settled = _fence(context, "spans", "server span", where, lambda: _server_spans(context, asked))
    return waiting_in_collector(context, "spans", asked.store_name, settled)


def logs_settled(context: Context) -> Settled:
    """The last record of each request has arrived, or the log exporter's delay has passed."""
    unknown = never_tells(context, "logs")
    if unknown is not None:
        return unknown
    return waiting_in_collector(context, "log_records", "Loki", _records_arrived(context))


def _records_arrived(context: Context) -> Settled:
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
        lines = lines_of_test(context)
        for service in context.services():
            if service.last_log_line is None:
                continue
            # A record that came twice is the last one of one request still.
            last = [
                entry.structured_metadata.get("span_id") or index
                for index, entry in enumerate(lines)
                if entry.labels.get("service_name") == service.service
                and service.last_log_line.search(entry.line)
            ]
            seen = len(set(last))
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


def _fence(
    context: Context,
    signal: Fenced,
    what: str,
    where: str,
    look: Callable[[], _Looked],
    advice: str | None = None,
) -> Settled:
    """Each request, and each call to a companion, has the span that answers it."""
    unknown = never_tells(context, signal)
    if unknown is not None:
        return unknown
    missing = ""
    looked = _Looked((), (), ())

    def poll() -> bool | None:
        nonlocal missing, looked
        looked = look()
        parents = {entry.parent_span_id for entry in looked.entries}
        for exchange in context.answered:
            if exchange.span_id not in parents and not (
                signal == "spans" and is_known(context, exchange)
            ):
                missing = f"the {what} of {exchange.describe()} has not arrived{where}"
                return None
        for call in looked.calls:
            if call.span_id not in parents:
                missing = f"the {what} of the call {call.name} has not arrived{where}"
                return None
        return True

    waited = until(poll, timeout_s=context.timeout_s)
    if waited.value:
        settled = Settled(None, waited.polls, waited.waited_s)
        return _goes_on(context, signal, looked) or settled
    return Settled(missing, waited.polls, waited.waited_s, advice)


@dataclass(frozen=True)
class _Looked:
    """What there is of a test's spans, of one kind."""

    entries: Sequence[Span]
    """Those with which services begin their parts of the trace."""
    calls: Sequence[Span]
    """Those of calls to companions."""
    all: Sequence[Span]


def _goes_on(context: Context, signal: Fenced, looked: _Looked) -> Settled | None:
    """A span that ended after the requests had: something goes on that nobody has declared."""
    if context.background_ends.get(signal) == len(context.exchanges.all):
        return None
    sent = {exchange.span_id for exchange in context.exchanges.all}
    asked = sent | {call.span_id for call in looked.calls}
    answers = [
        entry
        for entry in looked.entries
        if entry.end_s is not None and (entry.parent_span_id in asked or not entry.parent_span_id)
    ]
    # Of each service by itself: another one may run on another clock.
    ends_s: dict[str | None, float] = {}
    for answer in answers:
        name = _service_of(answer)
        ends_s[name] = max(ends_s.get(name, 0.0), answer.end_s or 0.0)
    for span in looked.all:
        ended_s = ends_s.get(_service_of(span))
        if ended_s is None or span in answers:
            continue
        if (span.end_s or 0.0) > ended_s + _SAME_MOMENT_S:
            return Settled(
                f"the span {span.name} ended {(span.end_s or 0.0) - ended_s:.2f} s after the last "
                "request had been answered, so the app goes on reporting after its responses",
                polls=0,
                advice="declare it, AppSpec(background_threads=True), and wait for the end of that "
                "work first: obs.expect_background_end(…)",
            )
    return None


def _service_of(span: Span) -> str | None:
    """Sentry's own SDKs name a release, but no service."""
    return span.service or getattr(span, "release", None)


def _transactions(context: Context) -> _Looked:
    rows = context.clients.sentry.spans_of_trace(context.trace_id)
    own = [row for row in rows if row.origin != OTLP_ORIGIN]
    calls = [row for row in own if row.kind == "client" or row.op == "http.client"]
    entries = [row for row in own if row.is_transaction]
    return _Looked(entries, _to_companions(context, calls), own)


def _server_spans(context: Context, store: SpanStore) -> _Looked:
    spans = spans_of_test(context, store)
    calls = [span for span in spans if span.kind == "client"]
    entries = [span for span in spans if span.kind == "server"]
    return _Looked(entries, _to_companions(context, calls), spans)


def _to_companions(context: Context, calls: Iterable[Span]) -> list[Span]:
    """Those of the calls that go to services which the app is known to call."""
    hosts = [companion.url.removeprefix("http://") for companion in context.app.companions]
    return [call for call in calls if any(host in _target(call) for host in hosts)]


def _target(call: Span) -> str:
    values = (call.name, *(str(value) for value in call.attributes.values()))
    return " ".join(value for value in values if value)


def _calls_to_companions(context: Context) -> dict[str, int]:
    """How many requests each companion has answered in this trace, by its server spans."""
    answers = _server_spans(context, context.clients.traces).entries
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
