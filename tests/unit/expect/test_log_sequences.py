"""Log lines in their order: subset, exactly, ties of time, and what cannot be told."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from pytest_obsstack.errors import CannotTell, ObsstackError
from pytest_obsstack.expect.logs import LogExpectations
from tests.unit.expect.fakes import Bench, bench
from tests.unit.expect.models import OTHER_TRACE, line

LOOK = (
    '  look      http://127.0.0.1:3100 {service_name=~".+"} | '
    'trace_id="4bf92f3577b34da6a3ce929d0e0e4736"  ·  keep the stack: --obs-keep-stack'
)


def arrived(*, finished: bool = True) -> Bench:
    """Three lines of a request, of two services, and the last one if ``finished``."""
    given = bench()
    given.loki.lines = [
        line("order received", timestamp_ns=10),
        line("counting stock", timestamp_ns=20, service="inventory", level="DEBUG"),
        line("stock is low", timestamp_ns=30, level="WARN"),
    ]
    if finished:
        given.loki.lines.append(line("request finished in 3 ms", timestamp_ns=40))
    return given


def logs(given: Bench) -> LogExpectations:
    return LogExpectations(given.context)


@pytest.mark.proves("obs.logs.expect_lines", "green")
def test_lines_are_found_in_their_order_with_others_between() -> None:
    found = logs(arrived()).expect_lines(["received", re.compile("low$")])
    assert [entry.timestamp_ns for entry in found] == [10, 30]


def test_a_line_may_be_given_with_its_level_and_service() -> None:
    logs(arrived()).expect_lines(
        [
            {"line": "counting", "service": "inventory", "level": "debug"},
            {"level": "WARNING", "service": "simple-app"},
        ]
    )


def test_exactly_looks_at_the_entries_of_a_service_or_a_level() -> None:
    given = logs(arrived())
    given.expect_lines(["received", "low", "finished"], exactly=True, service="simple-app")
    given.expect_lines(["low"], exactly=True, level="WARNING")


@pytest.mark.proves("obs.logs.expect_lines", "red")
def test_message_of_another_order() -> None:
    given = arrived()
    given.collector.accepted = {"log_records": 4}
    given.collector.sent = {"log_records": 4}
    with pytest.raises(AssertionError) as caught:
        logs(given).expect_lines([{"line": "low", "level": "WARNING"}, "counting"])
    assert str(caught.value) == (
        "The lines in Loki are not as expected in their order within 0.0 s (1 poll).\n"
        "  expected  'low' 'WARNING' → 'counting'\n"
        "  found     4 lines of trace 4bf92f35… to look at\n"
        "  nearest   the lines by their times\n"
        "              lines  2 expected in this order, 4 found\n"
        "                       expected           found\n"
        "                                          1 'order received' 'INFO'\n"
        "                                          2 'counting stock' 'DEBUG'\n"
        "                     = 1 'low' 'WARNING'  3 'stock is low' 'WARNING'\n"
        "                     ≠ 2 'counting'       4 'request finished in 3 ms' 'INFO'\n"
        "                         it is there as number 2: the order is another\n"
        "  pipeline  app 1 request (500) → collector accepted 4 log records, sent 4 to Loki, "
        "failed 0 → Loki has 4 lines of this trace\n" + LOOK
    )


@pytest.mark.proves("obs.logs.expect_lines", "red")
def test_message_of_a_line_that_is_too_much() -> None:
    with pytest.raises(AssertionError) as caught:
        logs(arrived()).expect_lines(["received", "finished"], exactly=True, service="simple-app")
    assert str(caught.value) == (
        "The lines in Loki are not as expected in their order.\n"
        "  expected  exactly 'received' → 'finished'\n"
        "  found     3 lines of trace 4bf92f35… to look at\n"
        "  nearest   the lines by their times\n"
        "              lines  2 expected in this order, 3 found\n"
        "                       expected      found\n"
        "                     = 1 'received'  1 'order received'\n"
        "                     +               2 'stock is low'\n"
        "                     = 2 'finished'  3 'request finished in 3 ms'\n" + LOOK
    )


@pytest.mark.proves("obs.logs.expect_lines", "cannot tell")
def test_exactly_cannot_be_told_before_the_last_line_has_arrived() -> None:
    with pytest.raises(CannotTell) as caught:
        logs(arrived(finished=False)).expect_lines(
            ["received", "low"], exactly=True, service="simple-app"
        )
    assert str(caught.value) == (
        "Cannot assert that there are no other lines: it is not proven that all logs of this test "
        "have arrived.\n"
        "  expected  the fence of each request has arrived\n"
        "  found     0 of 1 lines /^request finished/ of simple-app have arrived in Loki after "
        "0.0 s (1 poll)\n"
        "            stopped at app → collector: collector accepted 0 log records, sent 0 to Loki, "
        "failed 0\n"
        "  do        the app exports nothing: look at its OTEL_EXPORTER_OTLP_* variables and at "
        "its log for export errors"
    )


def test_a_line_that_comes_later_is_waited_for() -> None:
    given = arrived()
    late = given.loki.lines.pop(2)
    given.context.timeout_s = 5.0
    given.loki.at_poll = lambda polls: given.loki.lines.insert(2, late) if polls == 2 else None
    assert len(logs(given).expect_lines(["received", "low", "finished"])) == 3


def test_entries_of_one_stream_and_one_time_keep_their_order() -> None:
    given = arrived()
    given.loki.lines = [line(text, timestamp_ns=1) for text in ("one", "two")]
    logs(given).expect_lines(["one", "two"])
    with pytest.raises(AssertionError, match="it is there as number 1"):
        logs(given).expect_lines(["two", "one"])


@pytest.mark.proves("obs.logs.expect_lines", "cannot tell")
def test_the_order_of_streams_with_entries_of_one_time_cannot_be_told() -> None:
    given = arrived()
    given.loki.lines = [line("one", timestamp_ns=1), line("two", timestamp_ns=1, service="other")]
    logs(given).expect_lines(["one", "two"])
    with pytest.raises(CannotTell) as caught:
        logs(given).expect_lines(["two", "one"])
    assert str(caught.value) == (
        "Cannot tell the order of the lines: several streams have entries of one time.\n"
        "  expected  'two' → 'one'\n"
        "  found     1 time with entries of several streams, the first at 1 ns\n"
        "  do        expect the lines of one service at a time (service=…), or each by expect_line"
    )


def test_a_field_that_no_line_has_is_refused() -> None:
    with pytest.raises(ObsstackError) as caught:
        logs(arrived()).expect_lines([{"line": "x", "text": "y"}])
    assert str(caught.value) == (
        "A line of expect_lines has fields that no line has.\n"
        "  expected  of line, level, service, labels, metadata\n"
        "  found     text"
    )


@pytest.mark.proves("obs.logs.expect_lines", "other trace")
@pytest.mark.parametrize(
    "asked",
    [
        lambda logs: logs.expect_lines(["received"]),
        lambda logs: logs.expect_lines(["received", "low"], exactly=True, service="simple-app"),
    ],
)
def test_what_another_trace_has_logged_satisfies_nothing(
    asked: Callable[[LogExpectations], object],
) -> None:
    given = arrived()
    given.context.trace = replace(given.context.trace, trace_id=OTHER_TRACE)
    with pytest.raises((AssertionError, CannotTell)):
        asked(logs(given))
