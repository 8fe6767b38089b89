"""What expectations write down of themselves, for the mutation self-check."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pytest_obsstack.errors import CannotTell
from pytest_obsstack.expect.logs import LogExpectations
from pytest_obsstack.expect.metrics import MetricExpectations
from pytest_obsstack.expect.sentry import SentryExpectations
from pytest_obsstack.expect.traces import TraceExpectations
from pytest_obsstack.record.asserted import Asserted, How
from tests.unit.expect.fakes import Bench, bench
from tests.unit.expect.models import SENT_S, event, issue, line, root_span, transaction

LINE, LAST = "Intentional error for testing", "request finished in 3 ms"


def arrived() -> Bench:
    """A request of which everything has arrived."""
    given = bench()
    given.sentry.events = [event(tags={"endpoint": "/error"})]
    given.sentry.issues = [issue()]
    given.sentry.spans = [root_span()]
    given.sentry.transactions = [transaction()]
    given.loki.lines = [line(LINE, level="ERROR"), line(LAST)]
    given.prometheus.add("hits_total", (SENT_S - 0.5, 1), (SENT_S + 1, 2), endpoint="/error")
    return given


def fact(kind: str, how: How, *fields: str, found: tuple[str, ...] = ()) -> Asserted:
    return Asserted(kind, how, frozenset(fields), found)


EVERY: list[tuple[Callable[[Bench], object], Asserted]] = [
    (
        lambda given: SentryExpectations(given.context).expect_issue("ValueError"),
        fact("issue", "present", "type"),
    ),
    (
        lambda given: SentryExpectations(given.context).expect_event(
            tags={"endpoint": "/error", "gone": None}, transaction=None, title=...
        ),
        fact("event", "present", "tags.endpoint", "title"),
    ),
    (
        lambda given: SentryExpectations(given.context).expect_no_event(type="KeyError"),
        fact("event", "absent", "type"),
    ),
    (lambda given: SentryExpectations(given.context).events(), fact("event", "all")),
    (
        lambda given: LogExpectations(given.context).expect_line("Intentional", level="error"),
        fact("line", "present", "line", "level", found=(LINE,)),
    ),
    (
        lambda given: LogExpectations(given.context).expect_no_line(level="critical"),
        fact("line", "absent", "level"),
    ),
    (
        lambda given: LogExpectations(given.context).lines(),
        fact("line", "all", found=(LINE, LAST)),
    ),
    (
        lambda given: MetricExpectations(given.context).expect_increase(
            'hits_total{endpoint="/error"}', at_least=1
        ),
        fact("metric", "present", "endpoint", found=('hits_total{endpoint="/error"}',)),
    ),
]


@pytest.mark.parametrize(
    ("expect", "written"), EVERY, ids=[f"{made.kind} {made.how}" for _, made in EVERY]
)
def test_an_expectation_that_is_met_writes_down_what_it_looked_at(
    expect: Callable[[Bench], object], written: Asserted
) -> None:
    given = arrived()
    expect(given)
    assert list(given.context.asserted) == [written]


def test_one_that_is_not_met_writes_nothing() -> None:
    given = arrived()
    sentry = SentryExpectations(given.context)
    with pytest.raises(AssertionError):
        sentry.expect_event(type="KeyError")
    with pytest.raises(AssertionError):
        sentry.expect_no_event(type="ValueError")
    given.sentry.spans = []
    given.sentry.transactions = []
    with pytest.raises(CannotTell):
        sentry.expect_no_event(type="KeyError")
    with pytest.raises(CannotTell):
        sentry.events()
    with pytest.raises(AssertionError):
        TraceExpectations(given.context).expect_span("GET /pay")
    assert list(given.context.asserted) == []
