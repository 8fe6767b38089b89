"""The OpenTelemetry traces of a test: its own, and those that undecided requests have begun.

A request whose sampling is left to the app carries no ``traceparent``, so OpenTelemetry begins a
trace of its own. Its SERVER span tells the request by the header that instrumentations put on it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_obsstack.providers.app import REQUEST_ID_HEADER

if TYPE_CHECKING:
    from pytest_obsstack.clients.loki.models import LogEntry
    from pytest_obsstack.clients.spans import Span, SpanStore
    from pytest_obsstack.expect.context import Context
    from pytest_obsstack.record.exchanges import Exchange

REQUEST_ID_ATTRIBUTE = f"http.request.header.{REQUEST_ID_HEADER.lower().replace('-', '_')}"
"""As OpenTelemetry's semantic conventions name it, with the underscores of its Python packages."""


def request_id(context: Context, span_id: str) -> str:
    """The id of a request of this test; all of them begin with its trace id."""
    return f"{context.trace_id}-{span_id}"


def is_known(context: Context, exchange: Exchange) -> bool:
    """Whether the trace of an undecided request has been found."""
    return not exchange.decided and exchange.span_id in context.found_traces


def spans_of_test(context: Context, store: SpanStore) -> list[Span]:
    """The OpenTelemetry spans of all traces of the test that ``store`` has."""
    found: list[Span] = []
    for trace_id in _trace_ids(context, store):
        for span in store.otlp_spans(trace_id):
            context.traces_of_spans[span.span_id] = trace_id
            found.append(span)
    return found


def whole_span(context: Context, store: SpanStore, span: Span) -> Span:
    """The span with all its attributes."""
    return store.whole(context.traces_of_spans.get(span.span_id, context.trace_id), span)


def lines_of_test(context: Context) -> list[LogEntry]:
    """The log lines of all traces of the test, oldest first."""
    stores = context.clients.span_stores
    trace_ids = _trace_ids(context, stores[0]) if stores else (context.trace_id,)
    lines = [
        entry
        for trace_id in trace_ids
        for entry in context.clients.loki.lines_of_trace(trace_id, since_ns=context.since_ns)
    ]
    # One trace's are in order already.
    return lines if len(trace_ids) == 1 else sorted(lines, key=lambda entry: entry.timestamp_ns)


def _trace_ids(context: Context, store: SpanStore) -> tuple[str, ...]:
    """The test's own trace, and those of its undecided requests as far as they are known."""
    missing = [
        exchange.span_id
        for exchange in context.exchanges.all
        if not exchange.decided and exchange.span_id not in context.found_traces
    ]
    if missing:
        since_s = context.since_ns / 1e9
        for text, trace_id in store.found_by(
            REQUEST_ID_ATTRIBUTE, context.trace_id, since_s=since_s
        ):
            for span_id in missing:
                if request_id(context, span_id) in text:
                    context.found_traces[span_id] = trace_id
    return (context.trace_id, *dict.fromkeys(context.found_traces.values()))
