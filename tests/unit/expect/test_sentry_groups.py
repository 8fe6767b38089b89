"""Breadcrumbs in order, number of events, events of one issue or of several."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from pytest_obsstack.clients.sentry.event import Event
from pytest_obsstack.errors import CannotTell, ObsstackError
from pytest_obsstack.expect.sentry import SentryExpectations
from tests.unit.expect.fakes import Bench, bench
from tests.unit.expect.models import OTHER_TRACE, TRACE, event, issue, root_span

ISSUE_1 = (
    "  look      http://127.0.0.1:9000/organizations/obsstack/issues/1/  ·  "
    "keep the stack: --obs-keep-stack"
)
CHECKOUT = [
    {"category": "user_action", "message": "User clicked checkout button", "level": "info"},
    {"category": "payment", "message": "Authorizing payment", "level": "info"},
]


def own(*, breadcrumbs: Any = (), trace: str | None = TRACE, **more: Any) -> Event:
    """An event of this test."""
    made = event(
        contexts={} if trace is None else {"trace": {"trace_id": trace}},
        **more,
    )
    trail = {"type": "breadcrumbs", "data": {"values": list(breadcrumbs)}}
    return event(contexts=dict(made.contexts), entries=[*made.raw["entries"], trail], **more)


def arrived(*events: Event, settled: bool = True) -> Bench:
    given = bench()
    given.sentry.events = list(events)
    given.sentry.issues = [issue(), issue(id="2")]
    given.sentry.spans = [root_span()] if settled else []
    return given


def sentry(given: Bench) -> SentryExpectations:
    return SentryExpectations(given.context)


# ---- breadcrumbs


def test_an_event_is_found_by_its_breadcrumbs_in_order() -> None:
    one, other = own(event_id="1" * 32), own(event_id="2" * 32, breadcrumbs=CHECKOUT)
    found = sentry(arrived(other, one)).expect_event(breadcrumbs=CHECKOUT)
    assert found.event_id == "2" * 32


@pytest.mark.proves("obs.sentry.expect_breadcrumbs", "green")
def test_breadcrumbs_are_compared_by_the_fields_that_are_named() -> None:
    found = own(breadcrumbs=[*CHECKOUT, {"category": "query", "data": {"rows": 3, "db": "x"}}])
    expectations = sentry(arrived(found))
    expectations.expect_breadcrumbs(found, [{"category": "payment"}, {"data": {"rows": 3}}])
    expectations.expect_breadcrumbs(found, [*CHECKOUT, {"category": "query"}], exactly=True)


@pytest.mark.proves("obs.sentry.expect_breadcrumbs", "red")
def test_message_of_breadcrumbs_that_are_not_as_expected() -> None:
    found = own(breadcrumbs=[CHECKOUT[0], {**CHECKOUT[1], "message": "Authorising payment"}])
    with pytest.raises(AssertionError) as caught:
        sentry(arrived(found)).expect_breadcrumbs(found, CHECKOUT, exactly=True)
    column = "'user_action' 'User clicked checkout button' 'i…"
    assert str(caught.value) == (
        "The breadcrumbs of an event are not as expected in their order.\n"
        "  expected  exactly 'user_action' 'User clicked checkout button' 'info' → 'payment' "
        "'Authorizing payment' 'info'\n"
        "  found     2 breadcrumbs\n"
        '  nearest   ValueError "Intentional error for testing"\n'
        "              breadcrumbs  2 expected in this order, 2 found\n"
        "                             expected                                            found\n"
        f"                           = 1 {column}  1 {column}\n"
        "                           ≠ 2 'payment' 'Authorizing payment' 'info'            "
        "2 'payment' 'Authorising payment' 'info'\n"
        "                               message  expected 'Authorizing payment'   got "
        "'Authorising payment'\n" + ISSUE_1
    )


def test_breadcrumbs_of_an_event_are_a_part_of_its_near_miss() -> None:
    found = own(breadcrumbs=CHECKOUT[1:])
    with pytest.raises(AssertionError) as caught:
        sentry(arrived(found)).expect_event(type="ValueError", breadcrumbs=CHECKOUT)
    assert "breadcrumbs  2 expected in this order, 1 found\n" in str(caught.value)
    assert "expected  ValueError, breadcrumbs 'user_action' 'User" in str(caught.value)


def test_a_breadcrumb_with_unknown_fields_is_refused() -> None:
    found = own()
    with pytest.raises(ObsstackError) as caught:
        sentry(arrived(found)).expect_breadcrumbs(found, [{"text": "x"}])
    assert str(caught.value) == (
        "A breadcrumb was given that cannot be compared.\n"
        "  expected  a mapping with some of category, message, level, type, data\n"
        "  found     {'text': 'x'}"
    )


def test_a_tracker_without_breadcrumbs_is_named() -> None:
    given = arrived(own())
    given.sentry.traits = replace(
        given.sentry.traits, product="Tracker", capabilities=frozenset({"issues"})
    )
    with pytest.raises(ObsstackError) as caught:
        sentry(given).expect_event(breadcrumbs=CHECKOUT)
    assert str(caught.value).startswith("Tracker does not show breadcrumbs.\n")


@pytest.mark.proves("obs.sentry.expect_breadcrumbs", "other trace")
def test_breadcrumbs_of_another_tests_event_are_refused() -> None:
    other = own(trace=OTHER_TRACE, breadcrumbs=CHECKOUT)
    with pytest.raises(ObsstackError) as caught:
        sentry(arrived(other)).expect_breadcrumbs(other, CHECKOUT)
    assert str(caught.value) == (
        "An event of another test was given.\n"
        "  expected  events of trace 4bf92f3577b34da6a3ce929d0e0e4736\n"
        '  found     ValueError "Intentional error for testing" of trace '
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n"
        "  do        get it by obs.sentry.expect_event or obs.sentry.events"
    )


# ---- number of events


@pytest.mark.proves("obs.sentry.expect_events", "green")
def test_the_number_of_events_of_an_issue() -> None:
    given = arrived(own(event_id="1" * 32), own(event_id="2" * 32), own(issue_id="2"))
    expectations = sentry(given)
    assert len(expectations.expect_events(issue(), count=2)) == 2
    assert len(expectations.expect_events(count=3)) == 3
    assert expectations.expect_events(type="KeyError", count=0) == ()


def test_the_number_of_events_of_one_fingerprint() -> None:
    given = arrived(own(event_id="1" * 32, fingerprint=["payment", "EUR"]), own(event_id="2" * 32))
    (found,) = sentry(given).expect_events(fingerprint=["payment", "EUR"], count=1)
    assert found.event_id == "1" * 32


@pytest.mark.proves("obs.sentry.expect_events", "red")
def test_message_of_too_many_events() -> None:
    given = arrived(own(event_id="1" * 32), own(event_id="2" * 32), settled=False)
    with pytest.raises(AssertionError) as caught:
        sentry(given).expect_events(issue(), count=1)
    assert str(caught.value) == (
        "Sentry has another number of events of this test.\n"
        "  expected  1 event in issue SIMPLE-APP-1\n"
        "  found     2 of the 2 events of this test in issue SIMPLE-APP-1\n"
        '  also      2 × ValueError "Intentional error for testing"\n' + ISSUE_1
    )


@pytest.mark.proves("obs.sentry.expect_events", "red")
def test_message_of_too_few_events() -> None:
    with pytest.raises(AssertionError) as caught:
        sentry(arrived(own(tags={"endpoint": "/error"}))).expect_events(
            tags={"endpoint": "/eror"}, count=2
        )
    assert str(caught.value) == (
        "Sentry has another number of events of this test.\n"
        "  expected  2 events tags {endpoint: '/eror'}\n"
        "  found     0 of the 1 event of this test\n"
        '  nearest   ValueError "Intentional error for testing"\n'
        "              tags.endpoint  expected '/eror'   got '/error'\n"
        "  pipeline  app 1 request (500) → SDK has the DSN http://0123…@127.0.0.1:9000/1 → "
        "Sentry accepted 1 event, 1 transaction of this trace → SDK reported no discards\n"
        + ISSUE_1
    )


@pytest.mark.proves("obs.sentry.expect_events", "cannot tell")
def test_the_number_cannot_be_told_before_the_transaction_has_arrived() -> None:
    with pytest.raises(CannotTell) as caught:
        sentry(arrived(own(), settled=False)).expect_events(count=1)
    assert str(caught.value).startswith(
        "Cannot count the events: it is not proven that all errors of this test have arrived.\n"
        "  expected  the fence of each request has arrived\n"
        "  found     the transaction of GET /error (500) has not arrived after 0.0 s (1 poll)\n"
    )


def test_a_negative_number_is_refused() -> None:
    with pytest.raises(ObsstackError, match="expect_events was given no count"):
        sentry(arrived()).expect_events(count=-1)


@pytest.mark.proves("obs.sentry.expect_events", "other trace")
def test_events_of_another_trace_are_not_counted() -> None:
    given = arrived(own())
    given.make_foreign(settled=True)
    assert sentry(given).expect_events(count=0) == ()
    with pytest.raises(AssertionError, match="found     0 of the 0 events of this test"):
        sentry(given).expect_events(count=1)


# ---- groups


@pytest.mark.proves("obs.sentry.expect_same_issue", "green")
@pytest.mark.proves("obs.sentry.expect_different_issues", "green")
def test_events_of_one_issue_and_of_several() -> None:
    one, two = own(event_id="1" * 32), own(event_id="2" * 32)
    other = own(event_id="3" * 32, issue_id="2")
    expectations = sentry(arrived(one, two, other))
    assert expectations.expect_same_issue(one, two) == "1"
    assert expectations.expect_different_issues(one, other) == ("1", "2")


@pytest.mark.proves("obs.sentry.expect_same_issue", "red")
def test_message_of_events_that_are_not_in_one_issue() -> None:
    one = own(event_id="1" * 32, fingerprints=["abc"])
    other = own(type="KeyError", value="x", event_id="3" * 32, issue_id="2", fingerprint=["stock"])
    with pytest.raises(AssertionError) as caught:
        sentry(arrived(one, other)).expect_same_issue(one, other)
    assert str(caught.value) == (
        "The events are not all in one issue.\n"
        "  expected  2 events in one issue\n"
        "  found     2 issues\n"
        f"  also      issue 1: event {'1' * 32}, "
        'ValueError "Intentional error for testing", grouped by abc\n'
        f"  also      issue 2: event {'3' * 32}, KeyError \"x\", fingerprint ['stock']\n"
        "  do        errors are grouped by their fingerprint, else by their stack trace, else by "
        "type and value: give them one fingerprint, or take out of it what differs\n"
        "  look      http://127.0.0.1:9000/organizations/obsstack/issues/1/  ·  "
        "http://127.0.0.1:9000/organizations/obsstack/issues/2/  ·  keep the stack: "
        "--obs-keep-stack"
    )


@pytest.mark.proves("obs.sentry.expect_different_issues", "red")
def test_message_of_events_that_must_be_in_different_issues() -> None:
    one, two = own(event_id="1" * 32), own(event_id="2" * 32)
    with pytest.raises(AssertionError) as caught:
        sentry(arrived(one, two)).expect_different_issues(one, two)
    assert str(caught.value) == (
        "Events that must not be grouped are in one issue.\n"
        "  expected  2 events in as many issues\n"
        "  found     1 issue\n"
        f"  also      issue 1: event {'1' * 32}, "
        'ValueError "Intentional error for testing"\n'
        f"  also      issue 1: event {'2' * 32}, "
        'ValueError "Intentional error for testing"\n'
        "  do        errors are grouped by their fingerprint, else by their stack trace, else by "
        "type and value: give each a fingerprint of its own\n" + ISSUE_1
    )


def test_the_issue_of_an_event_that_is_not_grouped_yet_is_waited_for() -> None:
    one, late = own(event_id="1" * 32), own(event_id="2" * 32, issue_id=None)
    given = arrived(one, late)
    given.sentry.events[1] = own(event_id="2" * 32)
    assert sentry(given).expect_same_issue(one, late) == "1"


ASKED = [SentryExpectations.expect_same_issue, SentryExpectations.expect_different_issues]


@pytest.mark.proves("obs.sentry.expect_same_issue", "cannot tell")
@pytest.mark.proves("obs.sentry.expect_different_issues", "cannot tell")
@pytest.mark.parametrize("asked", ASKED)
def test_the_issue_of_an_event_that_is_never_grouped_cannot_be_told(
    asked: Callable[..., object],
) -> None:
    one, late = own(event_id="1" * 32), own(event_id="2" * 32, issue_id=None)
    with pytest.raises(CannotTell) as caught:
        asked(sentry(arrived(one, late)), one, late)
    assert str(caught.value) == (
        "Cannot tell in which issue an event is.\n"
        '  expected  Sentry has grouped ValueError "Intentional error for testing"\n'
        "  found     it belongs to no issue after 0.0 s (1 poll)\n"
        "  do        look at the logs of the tracker and its workers"
    )


def test_one_event_cannot_be_compared() -> None:
    one = own()
    with pytest.raises(ObsstackError) as caught:
        sentry(arrived(one)).expect_same_issue(one, one)
    assert str(caught.value) == (
        "Only several events can be compared by their issues.\n"
        "  expected  two different events or more\n"
        "  found     2 events"
    )


@pytest.mark.proves("obs.sentry.expect_same_issue", "other trace")
@pytest.mark.proves("obs.sentry.expect_different_issues", "other trace")
@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize(
    ("trace", "whose"), [(None, "no trace"), (OTHER_TRACE, f"trace {OTHER_TRACE}")]
)
def test_another_tests_event_is_in_no_issue_of_this_one(
    asked: Callable[..., object], trace: str | None, whose: str
) -> None:
    """Whether or not its issue would do."""
    one = own(event_id="1" * 32)
    for issue_id in ("1", "2"):
        other = own(event_id="2" * 32, issue_id=issue_id, trace=trace)
        with pytest.raises(ObsstackError, match=f" of {whose}\n"):
            asked(sentry(arrived(one)), one, other)
