"""Errors and transactions: what is found, what is told where nothing is, and absence."""

from __future__ import annotations

import re

import pytest

from pytest_obsstack.errors import BackendUnavailable, CannotTell
from pytest_obsstack.expect.matching import ABSENT
from pytest_obsstack.expect.sentry import SentryExpectations
from tests.unit.expect.fakes import Bench, bench
from tests.unit.expect.models import event, exchange, issue, outcome, root_span, transaction

DSN_HOP = "SDK has the DSN http://0123…@127.0.0.1:9000/1"
LOOK = "http://127.0.0.1:9000/organizations/obsstack/issues"


def arrived(**more: object) -> Bench:
    """A request whose error and transaction have arrived."""
    given = bench(**more)  # type: ignore[arg-type]
    given.sentry.events = [event(tags={"endpoint": "/eror", "region": "eu"})]
    given.sentry.issues = [issue()]
    given.sentry.spans = [root_span()]
    given.sentry.transactions = [transaction()]
    return given


def obs_sentry(given: Bench) -> SentryExpectations:
    return SentryExpectations(given.context)


def failure(given: Bench, expectation: str, **fields: object) -> str:
    with pytest.raises(AssertionError) as caught:
        getattr(obs_sentry(given), expectation)(**fields)
    return str(caught.value)


# ---- presence


@pytest.mark.proves("obs.sentry.expect_issue", "green")
def test_an_issue_is_found_by_type_and_value() -> None:
    found = obs_sentry(arrived()).expect_issue("ValueError", value=re.compile("^Intentional"))
    assert found.short_id == "SIMPLE-APP-1"


@pytest.mark.proves("obs.sentry.expect_event", "green")
def test_an_event_is_found_by_its_tags_and_issue() -> None:
    given = arrived()
    found = obs_sentry(given).expect_event(issue(), tags={"region": "eu"}, user=None)
    assert found.event_id == "e" * 32


def test_the_latest_of_several_matching_events_is_given() -> None:
    given = arrived()
    given.sentry.events.append(event(event_id="2" * 32))
    assert obs_sentry(given).expect_event().event_id == "2" * 32


def test_an_event_of_another_issue_is_not_taken() -> None:
    given = arrived()
    with pytest.raises(AssertionError, match=re.escape("found     0 events of trace 4bf92f35…")):
        obs_sentry(given).expect_event(issue(id="7"))


@pytest.mark.proves("obs.sentry.expect_transaction", "green")
def test_a_transaction_is_found() -> None:
    found = obs_sentry(arrived()).expect_transaction("error", op="http.server", duration_s=0.5)
    assert found.status == "internal_error"


def test_an_event_that_arrives_later_is_waited_for() -> None:
    given = bench(timeout_s=5.0)

    def arrive(poll: int) -> None:
        if poll == 4:
            given.sentry.events = [event()]

    given.sentry.at_poll = arrive
    assert obs_sentry(given).expect_event(type="ValueError").issue_id == "1"


def test_no_response_of_sentry_is_never_no_such_event() -> None:
    given = bench()
    given.sentry.error = BackendUnavailable("Sentry did not answer.", found="ConnectError")
    with pytest.raises(BackendUnavailable) as caught:
        obs_sentry(given).expect_event()
    assert str(caught.value) == (
        "Sentry did not answer.\n"
        "  found     ConnectError\n"
        "            1 of 1 polls in 0.0 s got no answer"
    )


@pytest.mark.proves("obs.sentry.expect_issue", "other trace")
@pytest.mark.proves("obs.sentry.expect_event", "other trace")
@pytest.mark.proves("obs.sentry.expect_transaction", "other trace")
def test_what_another_trace_has_reported_satisfies_nothing() -> None:
    given = arrived()
    from dataclasses import replace

    given.context.trace = replace(given.context.trace, trace_id="a" * 32)
    assert "found     0 events of trace aaaaaaaa…" in failure(given, "expect_event")
    assert "found     0 issues of trace aaaaaaaa…" in failure(given, "expect_issue")
    assert "found     0 transactions of trace aaaaaaaa…" in failure(given, "expect_transaction")


# ---- the whole message


@pytest.mark.proves("obs.sentry.expect_event", "red")
def test_message_of_an_event_that_differs_in_one_tag() -> None:
    given = arrived()
    given.sentry.events.insert(0, event("KeyError", "'x'", issue_id="2"))
    text = failure(given, "expect_event", type="ValueError", tags={"endpoint": "/error"})
    assert text == (
        "No Sentry event matched within 0.0 s (1 poll).\n"
        "  expected  ValueError, tags {endpoint: '/error'}\n"
        "  found     2 events of trace 4bf92f35…\n"
        '  nearest   ValueError "Intentional error for testing"\n'
        "              tags.endpoint  expected '/error'   got '/eror'\n"
        f"  pipeline  app 1 request (500) → {DSN_HOP} → Sentry accepted 2 events, 1 transaction "
        "of this trace → SDK reported no discards\n"
        f"  look      {LOOK}/1/  ·  {LOOK}/2/  ·  keep the stack: --obs-keep-stack"
    )


def test_message_of_an_issue_that_nothing_resembles() -> None:
    given = bench()
    assert failure(given, "expect_issue", type="ValueError", count=2) == (
        "No Sentry issue matched within 0.0 s (1 poll).\n"
        "  expected  ValueError, count 2\n"
        "  found     0 issues of trace 4bf92f35…\n"
        f"  pipeline  app 1 request (500) → {DSN_HOP} → Sentry accepted 0 events, 0 transactions "
        "of this trace → SDK reported no discards\n"
        "  stopped   at SDK → Sentry\n"
        "  do        the SDK sent nothing: traces_sample_rate may be unset or 0, before_send and "
        "before_send_transaction may drop all, the network or Sentry's answers may be in the way; "
        "see the app's log\n"
        f"  look      {LOOK}/  ·  keep the stack: --obs-keep-stack"
    )


@pytest.mark.proves("obs.sentry.expect_issue", "red")
def test_message_of_an_issue_with_another_value() -> None:
    given = arrived()
    assert failure(given, "expect_issue", type="ValueError", value="Intentional") == (
        "No Sentry issue matched within 0.0 s (1 poll).\n"
        "  expected  ValueError, value 'Intentional'\n"
        "  found     1 issue of trace 4bf92f35…\n"
        '  nearest   SIMPLE-APP-1 ValueError "Intentional error for testing"\n'
        "              value  expected 'Intentional'   got 'Intentional error for testing'\n"
        f"  pipeline  app 1 request (500) → {DSN_HOP} → Sentry accepted 1 event, 1 transaction "
        "of this trace → SDK reported no discards\n"
        f"  look      {LOOK}/1/  ·  keep the stack: --obs-keep-stack"
    )


@pytest.mark.proves("obs.sentry.expect_transaction", "red")
def test_message_of_a_transaction_with_another_status() -> None:
    given = arrived()
    given.sentry.outcome_list = [outcome("client_discard", "before_send", 3)]
    assert failure(given, "expect_transaction", name="error", status="ok") == (
        "No Sentry transaction matched within 0.0 s (1 poll).\n"
        "  expected  error, status 'ok'\n"
        "  found     1 transaction of trace 4bf92f35…\n"
        "  nearest   error (http.server, internal_error)\n"
        "              status  expected 'ok'   got 'internal_error'\n"
        f"  pipeline  app 1 request (500) → {DSN_HOP} → Sentry accepted 1 event, 1 transaction "
        "of this trace → the project's outcomes: 3 error client_discard (before_send)\n"
        f"  look      {LOOK}/1/  ·  keep the stack: --obs-keep-stack"
    )


def test_message_without_any_field_says_any() -> None:
    assert "\n  expected  any event\n" in failure(bench(), "expect_event")


def test_a_captured_message_is_titled_by_its_level_and_text() -> None:
    given = arrived()
    given.sentry.events = [event(None, level="warning", message="disk is full")]
    text = failure(given, "expect_event", message="disk is empty")
    assert '  nearest   warning "disk is full"\n' in text
    assert "              message  expected 'disk is empty'   got 'disk is full'\n" in text


# ---- absence


@pytest.mark.proves("obs.sentry.expect_no_issue", "green")
def test_no_issue_passes_once_the_transaction_has_arrived() -> None:
    obs_sentry(arrived()).expect_no_issue("KeyError")


@pytest.mark.proves("obs.sentry.expect_no_event", "green")
def test_no_event_passes_once_the_transaction_has_arrived() -> None:
    obs_sentry(arrived()).expect_no_event(tags={"endpoint": "/login"})


@pytest.mark.proves("obs.sentry.expect_no_issue", "red")
def test_message_of_an_issue_that_must_not_be() -> None:
    given = arrived()
    given.sentry.events.append(event("ValueError", "other", issue_id="2"))
    given.sentry.issues.append(issue("ValueError", "other", id="2"))
    assert failure(given, "expect_no_issue", type="ValueError") == (
        "Sentry has 2 issues that must not be there.\n"
        "  expected  no issue ValueError\n"
        '  found     SIMPLE-APP-1 ValueError "Intentional error for testing"\n'
        '  also      SIMPLE-APP-2 ValueError "other"\n'
        f"  look      {LOOK}/1/  ·  {LOOK}/2/  ·  keep the stack: --obs-keep-stack"
    )


@pytest.mark.proves("obs.sentry.expect_no_event", "red")
def test_message_of_an_event_that_must_not_be() -> None:
    assert failure(arrived(), "expect_no_event") == (
        "Sentry has 1 event that must not be there.\n"
        "  expected  no event\n"
        '  found     ValueError "Intentional error for testing"\n'
        f"  look      {LOOK}/1/  ·  keep the stack: --obs-keep-stack"
    )


@pytest.mark.proves("obs.sentry.expect_no_issue", "cannot tell")
def test_absence_cannot_be_told_before_the_transaction_has_arrived() -> None:
    given = arrived()
    given.sentry.spans = []
    with pytest.raises(CannotTell) as caught:
        obs_sentry(given).expect_no_issue("KeyError")
    assert str(caught.value) == (
        "Cannot assert that there is no issue: it is not proven that all errors of this test have "
        "arrived.\n"
        "  expected  the fence of each request has arrived\n"
        "  found     the transaction of GET /error (500) has not arrived after 0.0 s (1 poll)\n"
        "  do        let the app trace each request (traces_sample_rate=1.0): its transaction is "
        "the proof that its errors have arrived; absence is never asserted on a guess"
    )


def test_no_issue_cannot_be_told_while_an_error_is_in_none() -> None:
    given = arrived()
    given.sentry.events.append(event("KeyError", "'x'", event_id="2" * 32, issue_id=None))
    with pytest.raises(CannotTell) as caught:
        obs_sentry(given).expect_no_issue("KeyError")
    assert str(caught.value) == (
        "Cannot assert that there is no issue: it is not proven that all errors of this test have "
        "arrived.\n"
        "  expected  the fence of each request has arrived\n"
        "  found     KeyError \"'x'\" belongs to no issue yet after 0.0 s (2 polls)\n"
        "  do        look at the logs of the tracker and its workers"
    )
    given.sentry.issues.append(issue("KeyError", "'x'", id="2"))
    given.context.timeout_s = 5.0

    def group(_: int) -> None:
        given.sentry.events[1] = event("KeyError", "'x'", event_id="2" * 32, issue_id="2")

    given.sentry.at_poll = group
    with pytest.raises(AssertionError, match="Sentry has 1 issue that must not be there"):
        obs_sentry(given).expect_no_issue("KeyError")


@pytest.mark.proves("obs.sentry.events", "cannot tell")
def test_cannot_tell_names_the_hop_that_is_broken() -> None:
    given = bench(exchange(status=200))
    given.collector.accepted = {}
    with pytest.raises(CannotTell) as caught:
        obs_sentry(given).events()
    assert str(caught.value) == (
        "Cannot count the events: it is not proven that all errors of this test have arrived.\n"
        "  expected  the fence of each request has arrived\n"
        "  found     the transaction of GET /error (200) has not arrived after 0.0 s (1 poll)\n"
        "            stopped at SDK → Sentry: Sentry accepted 0 events, 0 transactions of this "
        "trace\n"
        "  do        the SDK sent nothing: traces_sample_rate may be unset or 0, before_send and "
        "before_send_transaction may drop all, the network or Sentry's answers may be in the way; "
        "see the app's log"
    )


@pytest.mark.proves("obs.sentry.expect_no_event", "cannot tell")
def test_absence_cannot_be_told_of_a_request_without_a_response() -> None:
    given = bench(exchange("/slow", None))
    with pytest.raises(CannotTell) as caught:
        obs_sentry(given).expect_no_event()
    assert str(caught.value).startswith(
        "Cannot assert that there is no event: it is not proven that all errors of this test have "
        "arrived.\n"
        "  expected  the fence of each request has arrived\n"
        "  found     GET /slow got no response, so the app may still be at work on it\n"
    )


def test_what_has_arrived_is_told_though_more_may_come() -> None:
    given = bench(exchange("/slow", None))
    given.sentry.events = [event()]
    with pytest.raises(AssertionError) as caught:
        obs_sentry(given).expect_no_event()
    assert "Sentry has 1 event that must not be there." in str(caught.value)


def test_absence_cannot_be_told_after_a_full_queue() -> None:
    given = arrived()
    given.sentry.outcome_list = [outcome("client_discard", "queue_overflow", 2)]
    with pytest.raises(CannotTell) as caught:
        obs_sentry(given).expect_no_issue("KeyError")
    assert str(caught.value) == (
        "Cannot assert that there is no issue: it is not proven that all errors of this test have "
        "arrived.\n"
        "  expected  the fence of each request has arrived\n"
        "  found     the SDK reported that it dropped 2 items because its queue was full\n"
        "  do        raise transport_queue_size in the app's sentry_sdk.init and say so: "
        "AppSpec(sentry_queue_size=…)"
    )


@pytest.mark.proves("obs.sentry.events", "green")
@pytest.mark.proves("obs.sentry.transactions", "green")
def test_all_events_and_transactions_are_given_once_settled() -> None:
    expectations = obs_sentry(arrived())
    assert [found.issue_id for found in expectations.events()] == ["1"]
    assert [found.name for found in expectations.transactions()] == ["error"]


def test_an_absent_handled_flag_is_no_false() -> None:
    given = arrived()
    text = failure(given, "expect_event", handled=False)
    assert f"handled  expected False   got {ABSENT!r}" in text
