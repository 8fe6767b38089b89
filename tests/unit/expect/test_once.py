"""Exactly once: what came twice, what cannot be seen, and errors that were reported by two ways."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_obsstack.errors import CannotTell, ObsstackError
from pytest_obsstack.expect.once import expect_exactly_once
from tests.unit.expect.fakes import Bench, bench
from tests.unit.expect.models import event, line, otlp_span, root_span, tempo_span

TWICE = (
    "look for an SDK that is started twice, two exporters or pipelines for one signal, and retries "
    "after a lost answer"
)
TWO_WAYS = (
    "report an error by one of the two, or allow both ways: "
    'expect_exactly_once(allow=("sentry+otel",))'
)
LOOK = "  look      keep the stack: --obs-keep-stack"
SPAN_ID, EVENT_ID = "2" * 16, "e" * 32


def arrived(**counted: Any) -> Bench:
    """A failed request of which everything has come once, and what its tracker has counted."""
    given = bench()
    given.sentry.events = [event()]
    given.sentry.spans = [root_span(), otlp_span()]
    given.sentry.deliveries = {"events": {EVENT_ID: 1}, "spans": {SPAN_ID: 1}, **counted}
    given.loki.lines = [
        line("counting", timestamp_ns=1),
        line("request finished", timestamp_ns=2),
    ]
    return given


def fail_once(given: Bench, *kinds: str, allow: tuple[str, ...] = ()) -> str:
    with pytest.raises(AssertionError) as caught:
        expect_exactly_once(given.context, kinds, allow)
    return str(caught.value)


@pytest.mark.proves("obs.expect_exactly_once", "green")
def test_what_came_once_is_exactly_once() -> None:
    expect_exactly_once(arrived().context, (), ())
    expect_exactly_once(arrived().context, ("events", "lines"), ())


@pytest.mark.proves("obs.expect_exactly_once", "red")
def test_message_of_everything_that_came_twice() -> None:
    given = arrived(events={EVENT_ID: 3, "f" * 32: 2})
    given.sentry.spans.append(otlp_span())
    given.loki.dropped = [{"timestamp_ns": "1", "line": "counting", "stream": {}}]
    assert fail_once(given) == (
        "Something of this test was delivered more than once.\n"
        "  expected  each of the events, spans, lines, errors of trace 4bf92f35… once\n"
        '  found     ValueError "Intentional error for testing" (eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee) '
        "has come 3 times in Sentry\n"
        "  also      transaction (ffffffffffffffffffffffffffffffff) has come 2 times in Sentry\n"
        "  also      span GET /error of simple-app (2222222222222222) has come 2 times in Sentry\n"
        "  also      line 'counting' of simple-app has come 2 times in Loki\n"
        f"  do        {TWICE}\n" + LOOK
    )


def test_a_line_of_one_time_in_two_streams_came_twice() -> None:
    given = arrived()
    given.loki.lines.append(line("counting", timestamp_ns=1, service="simple-app-copy"))
    assert "line 'counting' of simple-app-copy has come 2 times in Loki" in fail_once(
        given, "lines"
    )


def test_only_what_was_named_is_looked_at() -> None:
    given = arrived(events={EVENT_ID: 2})
    expect_exactly_once(given.context, ("spans", "lines"), ())
    assert "has come 2 times in Sentry" in fail_once(given, "events")


# ---- two ways


def test_message_of_an_error_that_was_reported_by_two_ways() -> None:
    given = arrived(
        exceptions=[
            {
                "span_id": SPAN_ID,
                "type": "shop.ValueError",
                "message": "Intentional error for testing",
            }
        ]
    )
    given.loki.lines.append(
        line(
            "it failed",
            timestamp_ns=3,
            exception_type="ValueError",
            exception_message="Intentional error for testing",
        )
    )
    text = fail_once(given)
    assert text == (
        "Something of this test was delivered more than once.\n"
        "  expected  each of the events, spans, lines, errors of trace 4bf92f35… once\n"
        '  found     ValueError "Intentional error for testing" was reported by Sentry (event '
        "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee) and by OpenTelemetry (an event of span "
        "2222222222222222)\n"
        '  also      ValueError "Intentional error for testing" was reported by Sentry (event '
        "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee) and by OpenTelemetry (a log record of simple-app)\n"
        f"  do        {TWO_WAYS}\n" + LOOK
    )
    expect_exactly_once(given.context, (), ("sentry+otel",))


def test_both_advices_are_given_where_both_have_happened() -> None:
    given = arrived(
        events={EVENT_ID: 2},
        exceptions=[
            {"span_id": "s", "type": "ValueError", "message": "Intentional error for testing"}
        ],
    )
    assert f"  do        {TWICE}; {TWO_WAYS}\n" in fail_once(given)


def test_another_error_is_not_the_same() -> None:
    given = arrived(exceptions=[{"span_id": SPAN_ID, "type": "ValueError", "message": "other"}])
    expect_exactly_once(given.context, (), ())


def test_tempo_shows_the_exceptions_of_spans() -> None:
    given = arrived()
    given.add_tempo(tracker_spans=True)
    facts = {"exception.type": "ValueError", "exception.message": "Intentional error for testing"}
    attributes = [{"key": key, "value": {"stringValue": value}} for key, value in facts.items()]
    given.tempo.spans = [tempo_span(events=[{"name": "exception", "attributes": attributes}])]
    given.sentry.deliveries = None
    assert "(an event of span 2222222222222222)" in fail_once(given, "errors")


# ---- cannot tell


def test_products_that_do_not_count_are_named() -> None:
    given = arrived()
    given.sentry.deliveries, given.loki.dropped = None, None
    given.add_tempo(tracker_spans=True)
    given.tempo.spans = [tempo_span()]
    with pytest.raises(CannotTell) as caught:
        expect_exactly_once(given.context, (), ())
    assert str(caught.value) == (
        "Cannot tell whether everything was delivered exactly once: a backend hides it.\n"
        "  expected  backends that tell how often events, spans, lines, errors have come\n"
        "  found     Sentry keeps one event of each id and does not tell how often it has come\n"
        "            Sentry may keep one span of each id and does not tell how often it has come\n"
        "            Tempo may keep one span of each id and does not tell how often it has come\n"
        "            Loki drops a line that it has already, of one time and stream, and tells "
        "nobody\n"
        "  do        ask for what can be told: obs.expect_exactly_once('errors')"
    )
    expect_exactly_once(given.context, ("errors",), ())


def test_a_sentry_proper_keeps_no_exceptions_of_spans() -> None:
    given = arrived()
    given.sentry.deliveries = None
    with pytest.raises(CannotTell) as caught:
        expect_exactly_once(given.context, ("errors",), ())
    assert str(caught.value) == (
        "Cannot tell whether everything was delivered exactly once: a backend hides it.\n"
        "  expected  backends that tell how often errors have come\n"
        "  found     Sentry keeps no exceptions that OpenTelemetry records as events of spans\n"
        "  do        ask it on the embedded stack, whose servers count deliveries"
    )


def test_what_came_twice_is_told_where_the_rest_is_hidden() -> None:
    given = arrived()
    given.sentry.deliveries = None
    given.sentry.spans.append(otlp_span())
    assert "span GET /error of simple-app" in fail_once(given)


@pytest.mark.proves("obs.expect_exactly_once", "cannot tell")
def test_it_cannot_be_told_before_the_transaction_has_arrived() -> None:
    given = arrived()
    del given.sentry.spans[0]
    with pytest.raises(CannotTell) as caught:
        expect_exactly_once(given.context, ("events",), ())
    assert str(caught.value).startswith(
        "Cannot tell whether everything was delivered exactly once: it is not proven that all "
        "errors of this test have arrived.\n"
        "  expected  the fence of each request has arrived\n"
        "  found     the transaction of GET /error (500) has not arrived after 0.0 s (1 poll)\n"
    )


def test_a_stack_without_what_was_named_is_told() -> None:
    given = arrived()
    given.stack.capabilities -= {"logs"}
    expect_exactly_once(given.context, (), ())
    with pytest.raises(CannotTell) as caught:
        expect_exactly_once(given.context, ("lines",), ())
    assert str(caught.value) == (
        "Cannot tell whether everything was delivered exactly once: nothing can be asked.\n"
        "  expected  a stack that shows what is asked for, and an app that reports it\n"
        "  found     without logs\n"
        "  do        mark the test with obs_requires, or name what this stack shows"
    )


def test_an_unknown_word_is_refused() -> None:
    with pytest.raises(ObsstackError) as caught:
        expect_exactly_once(arrived().context, ("event",), ("sentry",))
    assert str(caught.value) == (
        "expect_exactly_once was given a word that it does not know.\n"
        '  expected  events, spans, lines, errors; allow=("sentry+otel",)\n'
        "  found     event, sentry"
    )
