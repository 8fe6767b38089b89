"""The traces that OpenTelemetry has begun for requests whose sampling was left to the app."""

from __future__ import annotations

from pytest_obsstack.expect.fence import errors_settled, logs_settled, spans_settled
from pytest_obsstack.expect.logs import LogExpectations, line_question
from pytest_obsstack.expect.nowhere import search
from pytest_obsstack.expect.traces import TraceExpectations
from tests.unit.expect.fakes import Bench, bench
from tests.unit.expect.models import (
    OTHER_TRACE,
    SPAN,
    TRACE,
    exchange,
    line,
    otlp_span,
    root_span,
    tempo_span,
)

REQUEST_ID = f"{TRACE}-{SPAN}"


def undecided(*, known: bool = True) -> Bench:
    """An undecided request, for which OpenTelemetry has begun another trace."""
    given = bench(exchange("/health", 200, decided=False))
    given.sentry.other_traces[OTHER_TRACE] = [otlp_span("GET /health", parent=None)]
    given.loki.other_traces[OTHER_TRACE] = [line("hello", timestamp_ns=5), line(timestamp_ns=9)]
    if known:
        given.sentry.by_request[REQUEST_ID] = OTHER_TRACE
    return given


def test_its_spans_and_lines_are_the_tests() -> None:
    given = undecided()
    assert TraceExpectations(given.context).expect_span("GET /health").parent_span_id is None
    assert LogExpectations(given.context).expect_line("hello").timestamp_ns == 5
    assert [find.where for find in search(given.context, "hello")] == ["log line of simple-app"]


def test_lines_of_several_traces_are_in_the_order_of_time() -> None:
    given = undecided()
    given.loki.lines = [line("between", timestamp_ns=7)]
    found = [entry.line for entry in line_question(given.context).fetch()]
    assert found == ["hello", "between", "request finished"]


def test_its_server_span_is_the_fence_of_spans_and_lines_but_not_of_errors() -> None:
    given = undecided()
    assert spans_settled(given.context).proven
    assert logs_settled(given.context).proven
    assert errors_settled(given.context).reason == (
        "the transaction of GET /health (200) has not arrived"
    )
    given.sentry.spans = [root_span()]
    assert errors_settled(given.context).proven


def test_a_trace_that_nobody_has_found_is_no_fence() -> None:
    given = undecided(known=False)
    assert spans_settled(given.context).reason == (
        "the server span of GET /health (200) has not arrived in Sentry"
    )


def test_the_request_of_another_test_is_not_its_own() -> None:
    given = undecided(known=False)
    given.sentry.by_request[f"{'c' * 32}-{SPAN}"] = OTHER_TRACE
    given.sentry.by_request[f"{TRACE}-{'9' * 16}"] = OTHER_TRACE
    assert not spans_settled(given.context).proven
    assert TraceExpectations(given.context)._fetch() == []


def test_requests_that_were_decided_are_not_looked_for() -> None:
    given = bench()
    given.sentry.by_request[REQUEST_ID] = OTHER_TRACE
    given.sentry.other_traces[OTHER_TRACE] = [otlp_span()]
    assert TraceExpectations(given.context)._fetch() == []


def test_they_are_found_in_tempo_too() -> None:
    given = undecided(known=False)
    given.add_tempo(tracker_spans=False)
    given.tempo.by_request[REQUEST_ID] = TRACE
    given.tempo.spans = [tempo_span("GET /health", parent=None)]
    assert spans_settled(given.context).proven
