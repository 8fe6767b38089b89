"""Whether all errors of a test have arrived, for apps that make it hard to tell, by real SDKs."""
# ruff: noqa: E501 - messages are as long as they are

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_obsstack import AppProcess, AppSpec, CannotTell, Probe
from pytest_obsstack.expect.opening import Bench
from pytest_obsstack.provision.session import Session
from tests.plugin.red import red

pytestmark = pytest.mark.obs_requires("app_control", "settled_errors", "faults")

SPEC = AppSpec(
    command=[sys.executable, str(Path(__file__).parent / "apps" / "hard_cases.py")],
    service="hard-cases",
    background_threads=True,
)


@pytest.fixture(scope="module")
def app(obs_session: Session) -> Iterator[AppProcess]:
    """One for all: it takes a second to start."""
    app = obs_session.start_app(SPEC)
    yield app
    app.stop()


@pytest.fixture
def busy(app: AppProcess, obs_bench: Bench) -> Iterator[Probe]:
    """The app as it is declared: it goes on reporting after its responses."""
    with obs_bench.probe(app) as probe:
        yield probe


@pytest.fixture
def quiet(app: AppProcess, obs_bench: Bench) -> Iterator[Probe]:
    """The app as if it had no background threads; nothing asks it for any."""
    with obs_bench.probe(app) as probe:
        context = probe._context
        context.app = replace(context.app, background_threads=False)
        yield probe


# ---- the SDK's queue


def test_few_errors_cannot_have_filled_the_queue(quiet: Probe) -> None:
    quiet.get("/burst?events=20")
    assert len(quiet.sentry.events()) == 20


def test_a_burst_that_the_queue_may_not_have_held_is_never_counted(quiet: Probe) -> None:
    """The transaction has found room again, but a part of the errors before it had not."""
    sent = 500
    quiet.get(f"/burst?events={sent}&rest=0.3")
    with red(CannotTell) as failure:
        quiet.sentry.events()
    assert (
        failure.text
        == """\
Cannot count the events: it is not proven that all errors of this test have arrived.
  expected  the fence of each request has arrived
  found     N items or more may have been waiting in the queue of hard-cases's Sentry SDK, which holds 100: an error may have been dropped, and the SDK's report of that comes half a minute later
  do        raise transport_queue_size in the app's sentry_sdk.init and say so: AppSpec(sentry_queue_size=…)"""
    )
    # What the fence alone would have taken for all.
    client = quiet._context.clients.sentry
    assert 100 <= len(client.events_of_trace(quiet.trace_id)) < sent


@pytest.mark.obs_exclusive
def test_a_burst_of_which_the_sdk_tells_that_it_was_too_much(
    obs_session: Session, obs_bench: Bench
) -> None:
    """Alone, because the project's tests all hear of it."""
    app = obs_session.start_app(
        replace(SPEC, env={"CLIENT_REPORTS": "on"}, background_threads=False)
    )
    try:
        with obs_bench.probe(app) as obs:
            obs.get("/burst?events=500&rest=0.3")
            obs.get("/flush")
            with red(CannotTell) as failure:
                obs.sentry.expect_no_issue("KeyError")
    finally:
        app.stop()
    assert (
        re.sub(r"dropped \d+ items", "dropped N items", failure.text)
        == """\
Cannot assert that there is no issue: it is not proven that all errors of this test have arrived.
  expected  the fence of each request has arrived
  found     the SDK reported that it dropped N items because its queue was full
  do        raise transport_queue_size in the app's sentry_sdk.init and say so: AppSpec(sentry_queue_size=…)"""
    )


def test_presence_is_told_whatever_was_lost(quiet: Probe) -> None:
    quiet.get("/burst?events=200")
    quiet.sentry.expect_event(message="message 0")


# ---- background threads


def test_an_error_of_a_background_thread_is_not_taken_for_absent(busy: Probe) -> None:
    busy.get("/background?delay=2")
    busy.sentry.expect_transaction("/background")
    with red(CannotTell) as failure:
        busy.sentry.expect_no_event(type="LookupError")
    assert (
        failure.text
        == """\
Cannot assert that there is no event: it is not proven that all errors of this test have arrived.
  expected  the fence of each request has arrived
  found     hard-cases goes on reporting after its responses (AppSpec.background_threads), and no request proves when that has ended
  do        let the background work end with something of its own, and wait for that first: obs.expect_background_end(transaction=…)"""
    )


def test_the_end_of_the_background_work_settles_it(busy: Probe) -> None:
    busy.get("/background?delay=0.2")
    busy.expect_background_end(transaction="background job")
    (event,) = busy.sentry.events()
    assert event.exception is not None
    assert event.exception.type == "LookupError"
    busy.sentry.expect_no_issue("KeyError")


def test_another_request_calls_the_end_into_question(busy: Probe) -> None:
    busy.get("/background?delay=0")
    busy.expect_background_end(transaction="background job")
    busy.get("/background?delay=0.2")
    with pytest.raises(CannotTell, match="goes on reporting"):
        busy.sentry.events()


def test_an_end_that_does_not_come(busy: Probe) -> None:
    busy.get("/health")
    busy._context.timeout_s = 0.1
    with red() as failure:
        busy.expect_background_end(transaction="background job")
    assert failure.text.startswith("No Sentry transaction matched within SECONDS (POLLS).")


def test_what_a_background_thread_counts_is_waited_for(
    obs_session: Session, obs_bench: Bench
) -> None:
    """Of an app that has nothing else to count for."""
    app = obs_session.start_app(SPEC)
    try:
        with obs_bench.probe(app, wants_metrics=True) as obs:
            obs.get("/background?delay=0.2")
            with pytest.raises(CannotTell, match="goes on reporting"):
                obs.metrics.expect_increase("jobs_total", by=0)
            with pytest.raises(CannotTell, match="goes on reporting"):
                obs.metrics.expect_no_increase("jobs_total")
            obs.expect_background_end(transaction="background job")
            obs.metrics.expect_increase("jobs_total", by=1)
            obs.get("/background?delay=0.2")
        with obs_bench.probe(app, wants_metrics=True) as obs:
            obs.get("/background?delay=0")
            obs.expect_background_end(transaction="background job")
            # It may be that of the test before, which has not waited for its end.
            with pytest.raises(CannotTell, match="counted for an earlier test"):
                obs.metrics.expect_increase("jobs_total", by=1)
            obs.metrics.expect_increase("jobs_total", at_least=1)
    finally:
        app.stop()


def test_threads_that_nobody_has_declared_are_seen_by_what_they_report(quiet: Probe) -> None:
    quiet.get("/background?delay=0.1")
    quiet.sentry.expect_transaction("background job")
    with pytest.raises(
        CannotTell, match=r"the span background job ended 0\.\d+ s after the last request"
    ):
        quiet.sentry.events()


# ---- streamed responses


def test_an_error_in_a_streamed_body_is_not_taken_for_absent(quiet: Probe) -> None:
    assert quiet.get("/stream").text == "first\nlast\n"
    quiet.sentry.expect_transaction("/stream")
    with red(CannotTell) as failure:
        quiet.sentry.expect_no_event(type="KeyError")
    assert (
        failure.text
        == """\
Cannot assert that there is no event: it is not proven that all errors of this test have arrived.
  expected  the fence of each request has arrived
  found     the body of GET /stream (200) was streamed, and its transaction ends before the body does, so what its making reports may still follow
  do        send one more request that is not streamed: what it reports comes last; if spans and transactions of this app end after the body, as those of ASGI apps do, declare AppSpec(ends_after_body=True)"""
    )


def test_a_request_behind_the_streamed_body_settles_it(quiet: Probe) -> None:
    quiet.get("/stream")
    quiet.get("/health")
    (event,) = quiet.sentry.events()
    assert event.exception is not None
    assert event.exception.type == "EOFError"
    quiet.sentry.expect_no_event(type="KeyError")


def test_spans_of_a_streamed_body_are_settled_by_a_request_behind_it(quiet: Probe) -> None:
    quiet.get("/stream")
    with pytest.raises(CannotTell, match="its server span ends before the body does"):
        quiet.traces.spans()
    quiet.get("/health")
    assert len(quiet.traces.spans()) == 2
