"""Budgets of spans, lines, bytes and series: kept, broken, and what cannot be told."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pytest_obsstack.errors import CannotTell, ObsstackError
from pytest_obsstack.expect.budget import Volume
from pytest_obsstack.expect.context import AppHistory
from pytest_obsstack.expect.logs import LogExpectations
from pytest_obsstack.expect.metrics import MetricExpectations
from pytest_obsstack.expect.traces import TraceExpectations
from tests.unit.expect.fakes import Bench, bench
from tests.unit.expect.models import SENT_S, line, otlp_span

SPANS = (
    "  look      http://127.0.0.1:9000/api/0/organizations/obsstack/trace/"
    "4bf92f3577b34da6a3ce929d0e0e4736/  ·  keep the stack: --obs-keep-stack"
)
LINES = (
    '  look      http://127.0.0.1:3100 {service_name=~".+"} | '
    'trace_id="4bf92f3577b34da6a3ce929d0e0e4736"  ·  keep the stack: --obs-keep-stack'
)
BEFORE_S, AFTER_S = SENT_S - 0.2, SENT_S + 0.2
OWN = 'orders_total{instance="simple-app-main"}'


def spans(queries: int, *, settled: bool = True) -> Bench:
    given = bench()
    given.sentry.spans = [otlp_span()] if settled else []
    given.sentry.spans += [
        otlp_span("SELECT", parent="2" * 16, id=f"{n:016x}", kind="client") for n in range(queries)
    ]
    return given


def lines(*texts: str, finished: bool = True) -> Bench:
    given = bench()
    given.loki.lines = [line(text, timestamp_ns=n) for n, text in enumerate(texts)]
    if finished:
        given.loki.lines.append(line("request finished", timestamp_ns=10**6))
    return given


def series(new: int, *, old: int = 1, exact: bool = True) -> Bench:
    given = bench(exact_metrics=exact)
    for number in range(old):
        given.prometheus.add("orders_total", (BEFORE_S, 1), (AFTER_S, 2), user=f"old-{number}")
    for number in range(new):
        given.prometheus.add("orders_total", (AFTER_S, 1), user=f"user-{number}")
    return given


# ---- spans


@pytest.mark.proves("obs.traces.expect_span_count", "green")
def test_as_many_spans_as_the_budget_are_within_it() -> None:
    assert TraceExpectations(spans(4).context).expect_span_count(max=5) == 5


@pytest.mark.proves("obs.traces.expect_span_count", "red")
def test_message_of_too_many_spans() -> None:
    given = spans(7, settled=False)
    with pytest.raises(AssertionError) as caught:
        TraceExpectations(given.context).expect_span_count(max=3)
    assert str(caught.value) == (
        "The test has caused more spans than it may.\n"
        "  expected  at most 3 spans of trace 4bf92f35…\n"
        "  found     7 spans\n"
        "  also      7 × SELECT of simple-app (client)\n" + SPANS
    )


def test_the_biggest_contributors_are_told_and_the_others_counted() -> None:
    given = spans(3)
    given.sentry.spans += [otlp_span(f"step {n}", id=f"f{n:015x}") for n in range(6)]
    with pytest.raises(AssertionError) as caught:
        TraceExpectations(given.context).expect_span_count(max=0)
    assert "  also      3 × SELECT of simple-app (client)\n" in str(caught.value)
    assert "  also      3 others\n" in str(caught.value)


@pytest.mark.proves("obs.traces.expect_span_count", "cannot tell")
def test_the_number_of_spans_cannot_be_told_before_the_server_span_has_arrived() -> None:
    with pytest.raises(CannotTell) as caught:
        TraceExpectations(spans(1, settled=False).context).expect_span_count(max=3)
    assert str(caught.value).startswith(
        "Cannot count the spans: it is not proven that all spans of this test have arrived.\n"
        "  expected  the fence of each request has arrived\n"
        "  found     the server span of GET /error (500) has not arrived in Sentry after 0.0 s"
    )


# ---- lines


@pytest.mark.proves("obs.logs.expect_volume", "green")
def test_lines_and_bytes_within_their_budget() -> None:
    given = LogExpectations(lines("größe").context)
    assert given.expect_volume(max_lines=2, max_bytes=23) == Volume(lines=2, bytes=7 + 16)


@pytest.mark.proves("obs.logs.expect_volume", "red")
def test_message_of_too_many_lines() -> None:
    given = lines("user 17 logged in", "user 4 logged in", "done", finished=False)
    with pytest.raises(AssertionError) as caught:
        LogExpectations(given.context).expect_volume(max_lines=2)
    assert str(caught.value) == (
        "The test has logged more than it may.\n"
        "  expected  at most 2 lines logged in trace 4bf92f35…\n"
        "  found     3 lines, 37 bytes\n"
        "  also      2 × simple-app 'user # logged in'\n"
        "  also      1 × simple-app 'done'\n" + LINES
    )


@pytest.mark.proves("obs.logs.expect_volume", "red")
def test_message_of_too_many_bytes() -> None:
    given = lines("a" * 1000, "b", "b", "b")
    with pytest.raises(AssertionError) as caught:
        LogExpectations(given.context).expect_volume(max_lines=50, max_bytes=999)
    assert str(caught.value) == (
        "The test has logged more than it may.\n"
        "  expected  at most 50 lines and 999 bytes logged in trace 4bf92f35…\n"
        "  found     5 lines, 1019 bytes\n"
        "  also      1 × simple-app '#': 1000 bytes\n"
        "  also      1 × simple-app 'request finished': 16 bytes\n"
        "  also      3 × simple-app 'b': 3 bytes\n" + LINES
    )


@pytest.mark.proves("obs.logs.expect_volume", "cannot tell")
def test_the_volume_cannot_be_told_before_the_last_line_has_arrived() -> None:
    with pytest.raises(CannotTell, match=r"^Cannot tell how much the test has logged: it is not"):
        LogExpectations(lines("x", finished=False).context).expect_volume(max_lines=9)


# ---- series


@pytest.mark.proves("obs.metrics.expect_cardinality", "green")
def test_series_within_their_budget() -> None:
    expectations = MetricExpectations(series(2).context)
    assert expectations.expect_cardinality("orders_total", max=3).total == 3
    found = expectations.expect_cardinality("orders_total", max_new=2)
    assert (found.total, found.new) == (3, 2)
    assert expectations.expect_cardinality('orders_total{user="user-1"}', max=1).new is None


@pytest.mark.proves("obs.metrics.expect_cardinality", "red")
def test_message_of_too_many_series() -> None:
    with pytest.raises(AssertionError) as caught:
        MetricExpectations(series(4).context).expect_cardinality("orders_total", max=3)
    assert str(caught.value) == (
        "The app exports more series than it may.\n"
        f"  expected  {OWN}: at most 3 series\n"
        "  found     5 series\n"
        "  also      label user: 5 values, 'old-0', 'user-0', 'user-1', …\n"
        "  do        a label is for what has few values: put ids, paths with parameters and texts "
        "into spans or log lines instead\n"
        f"  look      http://127.0.0.1:9090 {OWN}  ·  keep the stack: --obs-keep-stack"
    )


def test_message_of_too_many_new_series() -> None:
    with pytest.raises(AssertionError) as caught:
        MetricExpectations(series(2, old=7).context).expect_cardinality(
            "orders_total", max=20, max_new=1
        )
    assert str(caught.value) == (
        "The app exports more series than it may.\n"
        f"  expected  {OWN}: at most 20 series, at most 1 new series since the test began\n"
        "  found     9 series, 2 new\n"
        "  also      label user: 2 values, 'user-0', 'user-1'\n"
        "  do        a label is for what has few values: put ids, paths with parameters and texts "
        "into spans or log lines instead\n"
        f"  look      http://127.0.0.1:9090 {OWN}  ·  keep the stack: --obs-keep-stack"
    )


def test_several_names_are_told_before_their_labels() -> None:
    given = series(1)
    given.prometheus.add("refunds_total", (AFTER_S, 1), user="user-0")
    with pytest.raises(AssertionError) as caught:
        MetricExpectations(given.context).expect_cardinality('{job="simple-app"}', max=1)
    assert (
        "  also      2 series of orders_total\n"
        "  also      1 series of refunds_total\n"
        "  also      label user: 2 values, 'old-0', 'user-0'\n"
    ) in str(caught.value)


@pytest.mark.proves("obs.metrics.expect_cardinality", "other trace")
def test_another_instances_series_are_not_counted() -> None:
    given = series(1)
    given.prometheus.add("orders_total", (AFTER_S, 1), user="x", instance="simple-app-gw1")
    assert MetricExpectations(given.context).expect_cardinality("orders_total", max=2).total == 2


@pytest.mark.proves("obs.metrics.expect_cardinality", "cannot tell")
def test_series_cannot_be_counted_before_a_sample_is_newer_than_the_response() -> None:
    given = bench()
    given.prometheus.add("orders_total", (BEFORE_S, 1))
    with pytest.raises(CannotTell) as caught:
        MetricExpectations(given.context).expect_cardinality("orders_total", max=1)
    assert str(caught.value).startswith(
        f"Cannot count the series of {OWN}: it is not proven that all metrics of this test have "
        "arrived.\n"
    )


def test_a_metric_that_is_not_there_is_within_no_budget() -> None:
    with pytest.raises(CannotTell) as caught:
        MetricExpectations(series(1).context).expect_cardinality("ordres_total", max=1)
    assert str(caught.value) == (
        'Cannot count the series of ordres_total{instance="simple-app-main"}: there are none.\n'
        "  expected  one series or more\n"
        "  found     none: the app has not exported that name with these labels\n"
        "  do        correct the selector, or let the app count something under it first"
    )


def test_new_series_need_a_clean_starting_point() -> None:
    given = series(1)
    given.context.history = AppHistory(last_ended_s=SENT_S - 0.1)
    expectations = MetricExpectations(given.context)
    assert expectations.expect_cardinality("orders_total", max=2).total == 2
    with pytest.raises(CannotTell, match="there is no clean starting point"):
        expectations.expect_cardinality("orders_total", max_new=1)


def test_new_series_of_an_app_that_others_use_cannot_be_told() -> None:
    given = MetricExpectations(series(1, exact=False).context)
    assert given.expect_cardinality("orders_total", max=2).total == 2
    with pytest.raises(ObsstackError) as caught:
        given.expect_cardinality("orders_total", max_new=1)
    assert str(caught.value) == (
        "expect_cardinality(max_new=…) cannot be told on this stack.\n"
        "  expected  an app that this test drives alone\n"
        "  found     --obs-stack=embedded: others may use the app\n"
        "  do        use max=…, or run without -n where nobody else uses the app"
    )


# ---- of all


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        (
            lambda given: LogExpectations(given.context).expect_volume(),
            (
                "expect_volume was given no budget.\n"
                "  expected  max_lines or max_bytes, 0 or more\n"
                "  found     none"
            ),
        ),
        (
            lambda given: TraceExpectations(given.context).expect_span_count(max=-1),
            (
                "expect_span_count was given no budget.\n"
                "  expected  max, 0 or more\n"
                "  found     max=-1"
            ),
        ),
    ],
)
def test_no_budget_is_refused(asked: Callable[[Bench], object], text: str) -> None:
    with pytest.raises(ObsstackError) as caught:
        asked(bench())
    assert str(caught.value) == text
