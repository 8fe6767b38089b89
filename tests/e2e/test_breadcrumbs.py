"""Breadcrumbs: the steps of this request, and of no other, in their order."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from pytest_obsstack import Probe
from pytest_obsstack.clients.sentry.client import SentryClient

pytestmark = [pytest.mark.e2e, pytest.mark.obs_requires("breadcrumbs")]

CHECKOUT = [
    {"category": "user_action", "message": "User clicked checkout button", "level": "info"},
    {"category": "payment", "message": "Authorizing payment", "level": "info"},
]
ERROR = [{"category": "request", "message": "Processing error request", "level": "info"}]
MAX_REQUESTS = 300


@pytest.mark.claim("direct-breadcrumbs", "practice-breadcrumb")
def test_checkout_leaves_its_steps_in_order_with_their_times(obs: Probe) -> None:
    obs.get("/checkout?fail=1")
    event = obs.sentry.expect_event(type="PaymentError")
    obs.sentry.expect_breadcrumbs(event, CHECKOUT, exactly=True)

    times = [crumb.timestamp for crumb in event.breadcrumbs]
    assert None not in times
    assert event.date is not None
    assert times == sorted(t for t in times if t is not None)
    assert all(t is not None and t <= event.date for t in times)
    # The app's clock is this machine's, or nearly so; a wrong unit or zone is hours off.
    (exchange,) = obs.exchanges
    began = datetime.fromtimestamp(exchange.started_s, timezone.utc)
    assert times[0] is not None
    assert abs((times[0] - began).total_seconds()) < 60


@pytest.mark.claim("direct-breadcrumbs")
@pytest.mark.obs_requires("settled_errors")
def test_no_breadcrumb_comes_from_another_request(obs: Probe) -> None:
    for _ in range(5):
        obs.get("/error")
        obs.get("/checkout?fail=1")
        obs.get("/log", params={"level": "info", "message": "counting stock"})
    events = obs.sentry.events()
    assert len(events) == 10
    for event in events:
        name = event.exception and event.exception.type
        steps = CHECKOUT if name == "PaymentError" else ERROR
        obs.sentry.expect_breadcrumbs(event, steps, exactly=True)


@pytest.mark.claim("feature-breadcrumb-hello")
def test_exactly_the_hello_breadcrumb_comes_before_a_simulated_error(obs: Probe) -> None:
    # At 10 % none of them fails once in 10**13 runs.
    statuses = (obs.get("/").status_code for _ in range(MAX_REQUESTS))
    assert 500 in statuses
    event = obs.sentry.expect_event(value="Simulated error at / endpoint")
    hello = {"category": "request", "message": "Processing hello request", "level": "info"}
    obs.sentry.expect_breadcrumbs(event, [hello], exactly=True)


@pytest.mark.claim("detail-breadcrumbs")
@pytest.mark.obs_requires("settled_errors")
def test_the_issues_events_show_the_breadcrumbs_in_order(
    obs: Probe, obs_sentry: SentryClient
) -> None:
    steps = [f"step {number}" for number in range(1, 6)]
    obs.get(
        "/log",
        params=[("level", level) for level in ("info",) * 5 + ("error",)]
        + [("message", message) for message in (*steps, "Shelf is empty")],
    )
    issue = obs.sentry.expect_issue(title="Shelf is empty")
    (own,) = obs.sentry.events()
    (event,) = [e for e in obs_sentry.issue_events(issue) if e.event_id == own.event_id]
    logged = [{"category": "app.log", "message": step, "level": "info"} for step in steps]
    obs.sentry.expect_breadcrumbs(event, logged, exactly=True)
