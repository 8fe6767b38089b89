"""Absence and counts are of the test's own trace: another's things are none, nor is its fence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from pytest_obsstack import Probe
from pytest_obsstack.errors import CannotTell
from tests.unit.expect.fakes import Bench, bench
from tests.unit.expect.models import SENT_S, event, issue, line, otlp_span, root_span, transaction

SECRET = "hunter2"
ASKED: dict[str, tuple[Callable[[Probe], Any], Any]] = {
    "no issue": (lambda obs: obs.sentry.expect_no_issue(), None),
    "no event": (lambda obs: obs.sentry.expect_no_event(), None),
    "events": (lambda obs: obs.sentry.events(), ()),
    "transactions": (lambda obs: obs.sentry.transactions(), ()),
    "no span": (lambda obs: obs.traces.expect_no_span("SELECT"), None),
    "spans": (lambda obs: [each.name for each in obs.traces.spans()], ["GET /error"]),
    "span count": (lambda obs: obs.traces.expect_span_count(max=1), 1),
    "no line": (lambda obs: obs.logs.expect_no_line("low"), None),
    "lines": (lambda obs: [each.line for each in obs.logs.lines()], ["request finished"]),
    "volume": (lambda obs: obs.logs.expect_volume(max_lines=1).lines, 1),
    "nowhere": (lambda obs: obs.expect_nowhere(SECRET), None),
    "once": (lambda obs: obs.expect_exactly_once(), None),
}
"""A question, and the answer where of the test's own trace there are only the fences."""


def given() -> Bench:
    """A trace with more than its fences: an error that came twice, a secret, a query, a line."""
    made = bench()
    made.sentry.events = [event()]
    made.sentry.issues = [issue()]
    made.sentry.transactions = [transaction()]
    made.sentry.bodies["e" * 32] = {"request": {"data": {"password": SECRET}}}
    query = otlp_span("SELECT", parent="2" * 16, id="3" * 16, kind="client")
    made.sentry.spans = [root_span(), otlp_span(), query]
    made.sentry.deliveries = {"events": {"e" * 32: 2}}
    made.loki.lines = [line("stock is low", timestamp_ns=1), line(timestamp_ns=2)]
    made.prometheus.add("http_requests_total", (SENT_S + 0.1, 1), endpoint="/error")
    return made


def probe(made: Bench) -> Probe:
    return Probe(made.context, httpx.Client())


@pytest.mark.parametrize("asked", ASKED)
def test_in_their_own_trace_they_make_a_difference(asked: str) -> None:
    ask, answer = ASKED[asked]
    try:
        found = ask(probe(given()))
    except AssertionError:
        return
    assert found != answer


@pytest.mark.proves("obs.sentry.expect_no_issue", "other trace")
@pytest.mark.proves("obs.sentry.expect_no_event", "other trace")
@pytest.mark.proves("obs.sentry.events", "other trace")
@pytest.mark.proves("obs.sentry.transactions", "other trace")
@pytest.mark.proves("obs.traces.expect_no_span", "other trace")
@pytest.mark.proves("obs.traces.spans", "other trace")
@pytest.mark.proves("obs.traces.expect_span_count", "other trace")
@pytest.mark.proves("obs.logs.expect_no_line", "other trace")
@pytest.mark.proves("obs.logs.lines", "other trace")
@pytest.mark.proves("obs.logs.expect_volume", "other trace")
@pytest.mark.proves("obs.expect_nowhere", "other trace")
@pytest.mark.proves("obs.expect_exactly_once", "other trace")
@pytest.mark.parametrize("asked", ASKED)
def test_what_another_trace_has_sent_is_none_of_this_test(asked: str) -> None:
    made = given()
    made.make_foreign(settled=True)
    ask, answer = ASKED[asked]
    assert ask(probe(made)) == answer


@pytest.mark.proves("obs.sentry.transactions", "cannot tell")
@pytest.mark.proves("obs.traces.spans", "cannot tell")
@pytest.mark.proves("obs.logs.lines", "cannot tell")
@pytest.mark.parametrize("asked", ASKED)
def test_the_fence_of_another_trace_proves_nothing(asked: str) -> None:
    made = given()
    made.make_foreign(settled=False)
    ask, _ = ASKED[asked]
    with pytest.raises(CannotTell, match="it is not proven that all"):
        ask(probe(made))
