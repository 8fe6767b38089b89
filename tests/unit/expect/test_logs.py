"""Log lines: what is found, what is told where nothing is, and absence."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from pytest_obsstack.errors import CannotTell
from pytest_obsstack.expect.logs import LogExpectations, level_of
from tests.unit.expect.fakes import Bench, bench
from tests.unit.expect.models import OTHER_TRACE, SENT_S, line

LOOK = (
    '  look      http://127.0.0.1:3100 {service_name=~".+"} | '
    'trace_id="4bf92f3577b34da6a3ce929d0e0e4736"  ·  keep the stack: --obs-keep-stack'
)


def arrived() -> Bench:
    """A request whose lines, the last one among them, have arrived."""
    given = bench()
    given.loki.lines = [
        line("2023 app: Intentional error for testing", level="ERROR", thread="t1"),
        line("request finished in 3 ms"),
    ]
    given.collector.accepted = {"log_records": 2}
    given.collector.sent = {"log_records": 2}
    return given


def logs(given: Bench) -> LogExpectations:
    return LogExpectations(given.context)


@pytest.mark.proves("obs.logs.expect_line", "green")
def test_a_line_is_found_by_a_part_of_its_text_and_its_level() -> None:
    found = logs(arrived()).expect_line("Intentional error", level="error", service="simple-app")
    assert found.structured_metadata["thread"] == "t1"


def test_a_text_is_no_pattern() -> None:
    with pytest.raises(AssertionError):
        logs(arrived()).expect_line("Intentional.error")
    logs(arrived()).expect_line(re.compile("Intentional.error"))


def test_labels_and_metadata_are_compared() -> None:
    expectations = logs(arrived())
    expectations.expect_line(metadata={"thread": "t1"}, labels={"service_name": "simple-app"})
    with pytest.raises(AssertionError, match=r"metadata\.thread  expected 't2'   got 't1'"):
        expectations.expect_line("Intentional", metadata={"thread": "t2"})


@pytest.mark.parametrize(
    ("asked", "sent"), [("WARNING", "WARN"), ("warn", "WARNING"), ("CRITICAL", "FATAL")]
)
def test_levels_are_named_as_python_names_them(asked: str, sent: str) -> None:
    given = arrived()
    given.loki.lines = [line("low on disk", level=sent)]
    assert logs(given).expect_line("low on disk", level=asked).line == "low on disk"


def test_the_level_may_come_as_a_label() -> None:
    entry = line("x", level=None)
    assert level_of(entry) is None
    assert level_of(type(entry)(1, "x", {"level": "warn"}, {}, {}, {})) == "WARNING"


def test_loki_is_asked_from_a_minute_before_the_test() -> None:
    given = arrived()
    logs(given).expect_line("Intentional")
    assert given.loki.since_ns == int((SENT_S - 61) * 1e9)


@pytest.mark.proves("obs.logs.expect_line", "red")
def test_message_of_a_line_of_another_level() -> None:
    with pytest.raises(AssertionError) as caught:
        logs(arrived()).expect_line("Intentional error", level="WARN")
    assert str(caught.value) == (
        "No Loki line matched within 0.0 s (1 poll).\n"
        "  expected  line 'Intentional error', level 'WARNING'\n"
        "  found     2 lines of trace 4bf92f35…\n"
        "  nearest   ERROR '2023 app: Intentional error for testing'\n"
        "              level  expected 'WARNING'   got 'ERROR'\n"
        "  pipeline  app 1 request (500) → collector accepted 2 log records, sent 2 to Loki, "
        "failed 0 → Loki has 2 lines of this trace\n" + LOOK
    )


@pytest.mark.proves("obs.logs.expect_no_line", "red")
def test_message_of_a_line_that_must_not_be() -> None:
    with pytest.raises(AssertionError) as caught:
        logs(arrived()).expect_no_line(level="ERROR")
    assert str(caught.value) == (
        "Loki has 1 line that must not be there.\n"
        "  expected  no line level 'ERROR'\n"
        "  found     ERROR '2023 app: Intentional error for testing'\n" + LOOK
    )


def test_a_long_line_is_cut_in_a_title() -> None:
    given = arrived()
    given.loki.lines.append(line("x" * 200))
    with pytest.raises(AssertionError, match="found     INFO '" + "x" * 100 + "…'\n"):
        logs(given).expect_no_line("xxx")


@pytest.mark.proves("obs.logs.expect_no_line", "green")
def test_no_line_passes_once_the_last_line_has_arrived() -> None:
    logs(arrived()).expect_no_line("password")


@pytest.mark.proves("obs.logs.expect_no_line", "cannot tell")
def test_no_line_cannot_be_told_before_the_last_line_has_arrived() -> None:
    given = arrived()
    given.loki.lines = given.loki.lines[:1]
    with pytest.raises(CannotTell) as caught:
        logs(given).expect_no_line("password")
    assert str(caught.value) == (
        "Cannot assert that there is no line: it is not proven that all logs of this test have "
        "arrived.\n"
        "  expected  the fence of each request has arrived\n"
        "  found     0 of 1 lines /^request finished/ of simple-app have arrived in Loki after "
        "0.0 s (1 poll)\n"
        "  do        find out why it has not arrived; absence is never asserted on a guess"
    )


@pytest.mark.proves("obs.logs.lines", "green")
def test_all_lines_are_given_oldest_first_once_settled() -> None:
    assert [entry.line[:7] for entry in logs(arrived()).lines()] == ["2023 ap", "request"]


@pytest.mark.proves("obs.logs.expect_line", "other trace")
def test_what_another_trace_has_sent_satisfies_nothing() -> None:
    given = arrived()
    given.context.trace = replace(given.context.trace, trace_id=OTHER_TRACE)
    with pytest.raises(AssertionError, match="found     0 lines of trace aaaaaaaa…"):
        logs(given).expect_line()
