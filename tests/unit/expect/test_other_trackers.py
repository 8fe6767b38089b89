"""Expectations on error trackers that show less than Sentry: what still works, and what is told."""

from __future__ import annotations

import pytest

from pytest_obsstack.clients.sentry.traits import BUGSINK, GLITCHTIP, TrackerTraits
from pytest_obsstack.errors import CannotTell
from pytest_obsstack.expect.fence import errors_settled
from pytest_obsstack.expect.nowhere import search
from pytest_obsstack.expect.once import _events, counted, expect_exactly_once
from pytest_obsstack.expect.sdk_queue import queue_overflows
from pytest_obsstack.expect.sentry import SentryExpectations
from pytest_obsstack.expect.sentry_hops import sentry_hops
from pytest_obsstack.record.hops import Hop, first_broken
from tests.unit.expect.fakes import Bench, bench
from tests.unit.expect.models import event, exchange, issue, outcome, root_span

LOSSES = {
    "GlitchTip": "after one request with a wrong key it refuses the whole project for 30 s",
    "Bugsink": "by default it takes 1000 events in 5 minutes",
}
both = pytest.mark.parametrize("traits", [GLITCHTIP, BUGSINK], ids=lambda traits: traits.product)


def bench_of(traits: TrackerTraits, *, status: int = 500) -> Bench:
    """All that Sentry would show has arrived."""
    given = bench(exchange(status=status))
    given.sentry.traits = traits
    given.sentry.events = [event()]
    given.sentry.issues = [issue()]
    given.sentry.spans = [root_span()]
    return given


@both
def test_what_is_there_is_found(traits: TrackerTraits) -> None:
    given = bench_of(traits)
    sentry = SentryExpectations(given.context)
    assert sentry.expect_issue().id == issue().id
    assert sentry.expect_event().event_id == event().event_id


@both
def test_the_events_are_asked_for_since_the_test_began(traits: TrackerTraits) -> None:
    given = bench_of(traits)
    SentryExpectations(given.context).expect_event()
    assert given.sentry.since_s == given.context.started_s


@both
def test_absence_is_never_told_though_the_transaction_is_there(traits: TrackerTraits) -> None:
    given = bench_of(traits)
    settled = errors_settled(given.context)
    assert not settled.proven
    assert (settled.polls, given.sentry.polls) == (0, 0)
    assert traits.product in str(settled.reason)


@pytest.mark.parametrize("status", [200, 500])
def test_message_of_an_absence_on_glitchtip(status: int) -> None:
    """Nobody has waited, so that an error which has not come yet is not said to be lost."""
    given = bench_of(GLITCHTIP, status=status)
    given.sentry.events = []
    with pytest.raises(CannotTell) as caught:
        SentryExpectations(given.context).expect_no_issue("KeyError")
    assert str(caught.value) == (
        "Cannot assert that there is no issue: it is not proven that all errors of this test have "
        "arrived.\n"
        "  expected  the fence of each request has arrived\n"
        "  found     GlitchTip does not show transactions by trace, and its workers store errors "
        "and transactions in batches of their own, so nothing that it shows proves that no error "
        "will follow\n"
        "  do        assert absence and exact numbers on a tracker that can prove them (--obs-use "
        "sentry=lite, or the URL of a Sentry); obs_requires('settled_errors') skips the test here"
    )


def test_message_of_a_number_of_events_on_bugsink() -> None:
    given = bench_of(BUGSINK)
    with pytest.raises(CannotTell, match="Bugsink takes no transactions, and several workers"):
        SentryExpectations(given.context).events()


@both
def test_what_must_not_be_and_is_there_fails_without_proof(traits: TrackerTraits) -> None:
    given = bench_of(traits)
    with pytest.raises(AssertionError, match=f"{traits.product} has 1 event that must not be"):
        SentryExpectations(given.context).expect_no_event()


@both
def test_a_miss_names_the_tracker_and_how_far_the_error_got(traits: TrackerTraits) -> None:
    given = bench_of(traits)
    given.sentry.events = []
    with pytest.raises(AssertionError) as caught:
        SentryExpectations(given.context).expect_event(type="ValueError")
    text = str(caught.value)
    assert text.startswith(f"No {traits.product} event matched within")
    assert f"{traits.product} shows 0 events of this trace" in text


@both
def test_an_error_that_did_not_arrive_is_the_broken_hop(traits: TrackerTraits) -> None:
    given = bench_of(traits)
    given.sentry.events = []
    assert first_broken(sentry_hops(given.context)) == Hop(
        f"SDK → {traits.product}",
        f"{traits.product} shows 0 events of this trace",
        broken=True,
        cause="the SDK sent no event (look at before_send, ignore_errors, sample_rate, and at the "
        f"app's own try/except), or {traits.product} did not take it ({LOSSES[traits.product]}): "
        "see the answers in the app's log with debug=True, and the logs of the tracker and its "
        "workers",
    )


@both
def test_nothing_is_broken_where_a_request_without_error_left_none(traits: TrackerTraits) -> None:
    given = bench_of(traits, status=200)
    given.sentry.events = []
    assert [hop.seen for hop in sentry_hops(given.context)][-2:] == [
        f"{traits.product} shows 0 events of this trace",
        f"{traits.product} does not tell what was discarded",
    ]
    assert first_broken(sentry_hops(given.context)) is None


@both
def test_a_tracker_that_counts_no_outcomes_is_not_asked_for_them(traits: TrackerTraits) -> None:
    given = bench_of(traits)
    given.sentry.outcome_list = [outcome("client_discard", "queue_overflow", 3)]
    assert queue_overflows(given.context.clients) == 0


@both
def test_a_text_is_looked_for_in_what_the_tracker_keeps(traits: TrackerTraits) -> None:
    given = bench_of(traits)
    given.stack.capabilities = traits.capabilities
    given.sentry.bodies = {event().event_id: {"extra": {"password": "hunter2"}}}
    assert [find.where for find in search(given.context, "hunter2")] == [
        f"{traits.product} event {event().event_id}"
    ]


@both
def test_a_count_is_never_told_unless_there_are_too_many(traits: TrackerTraits) -> None:
    sentry = SentryExpectations(bench_of(traits).context)
    with pytest.raises(CannotTell, match=r"^Cannot count the events: "):
        sentry.expect_events(count=1)
    with pytest.raises(AssertionError, match=f"^{traits.product} has another number of events"):
        sentry.expect_events(count=0)


def test_it_is_never_told_that_an_event_has_come_once() -> None:
    given = bench_of(GLITCHTIP)
    given.stack.capabilities -= {"tracker_spans"}
    with pytest.raises(CannotTell, match=r"^Cannot tell whether everything was delivered"):
        expect_exactly_once(given.context, ("events",), ())
    assert _events(given.context, counted(given.context)) == (
        [],
        ["GlitchTip keeps one event of each id and does not tell how often it has come"],
    )
