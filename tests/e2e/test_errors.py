"""Exceptions: with which frames they arrive, under which title, and in which group."""

from __future__ import annotations

import pytest

from pytest_obsstack import Probe
from pytest_obsstack.clients.sentry.client import SentryClient
from pytest_obsstack.clients.sentry.exception import Frame
from pytest_obsstack.providers.shipped import stack_folder
from tests.e2e.words import own_word

pytestmark = pytest.mark.e2e

SOURCE = (stack_folder() / "app" / "app.py").read_text("utf-8").splitlines()
SIMULATED = "Simulated error at / endpoint"
MAX_REQUESTS = 300
"""Of which none fails once in 10**13 runs, at 10 %."""


@pytest.mark.claim("direct-exceptions")
def test_handled_exception_has_every_frame_from_where_it_was_caught(obs: Probe) -> None:
    obs.get("/checkout?fail=1")

    event = obs.sentry.expect_event(type="PaymentError", value="Payment was refused", handled=True)
    assert event.exception is not None
    frames = event.exception.frames
    assert [frame.function for frame in frames] == ["checkout", "process_payment"]
    assert all(frame.in_app for frame in frames)
    _check_source(frames[0], "process_payment(amount, currency, fail=flag(order,")
    _check_source(frames[1], 'raise PaymentError("Payment was refused")')


@pytest.mark.claim("direct-exceptions")
def test_unhandled_exception_has_the_frames_of_the_framework_too_not_in_app(obs: Probe) -> None:
    obs.get("/sentry-test")

    event = obs.sentry.expect_event(type="ZeroDivisionError", handled=False)
    assert event.exception is not None
    *callers, own = event.exception.frames
    assert own.in_app
    _check_source(own, "numerator / denominator")
    assert callers
    assert not any(frame.in_app for frame in callers)
    assert {(frame.module or "").partition(".")[0] for frame in callers} <= {"flask", "werkzeug"}
    # Flask's dispatch is what calls a view.
    assert callers[-1].function == "dispatch_request"


def _check_source(frame: Frame, statement: str) -> None:
    """The frame is at the line of app.py with ``statement``, with the source around it."""
    (index,) = [number for number, line in enumerate(SOURCE) if statement in line]
    assert frame.filename == "app.py"
    assert frame.module == "app"
    assert (frame.abs_path or "").endswith("app/app.py")
    assert frame.lineno == index + 1
    assert frame.context_line == SOURCE[index]
    assert list(frame.pre_context) == SOURCE[index - 5 : index]
    assert list(frame.post_context) == SOURCE[index + 1 : index + 6]


@pytest.mark.claim("view-simulated")
@pytest.mark.obs_requires("settled_errors")
def test_simulated_errors_have_their_title_and_one_group_with_the_right_count(
    obs: Probe, obs_sentry: SentryClient
) -> None:
    # A value of their own tells this test's errors from all others within the group.
    tier = own_word(obs)
    failed = 0
    for _ in range(MAX_REQUESTS):
        failed += obs.get("/", headers={"X-Customer-Tier": tier}).status_code == 500
        if failed == 3:
            break
    assert failed == 3, f"{failed} of {MAX_REQUESTS} requests failed"

    issue = obs.sentry.expect_issue(title=f"Exception: {SIMULATED}", count=lambda n: n >= failed)
    obs.sentry.expect_events(issue, count=failed)
    obs.sentry.expect_events(count=failed)
    counts = {value.value: value.count for value in obs_sentry.tag_values(issue, "customer_tier")}
    assert counts[tier] == failed
    # The group is everybody's: events of other runs, or of a self-check, may have no such tag.
    assert sum(counts.values()) <= obs_sentry.issue(issue.id).count


@pytest.mark.claim("view-simulated")
@pytest.mark.obs_requires("settled_errors")
def test_an_issue_counts_exactly_its_events(obs: Probe, obs_sentry: SentryClient) -> None:
    message = {"level": "error", "message": f"Disk {own_word(obs)} is full"}
    issues = []
    for expected in (1, 2, 3):
        obs.get("/log", params=message)
        issues.append(obs.sentry.expect_issue(title=message["message"], count=expected))
    assert len({issue.id for issue in issues}) == 1
    assert len(obs_sentry.issue_events(issues[0])) == 3


@pytest.mark.claim("view-value-error")
def test_value_error_has_its_title(obs: Probe, obs_sentry: SentryClient) -> None:
    obs.get("/error")
    issue = obs.sentry.expect_issue("ValueError")
    assert issue.title == "ValueError: Intentional error for testing"
    listed = obs_sentry.issues(f"trace:{obs.trace_id}")
    assert [found.title for found in listed] == [issue.title]


@pytest.mark.claim("view-zero-division")
def test_zero_division_has_its_type_and_the_endpoint_as_culprit(
    obs: Probe, obs_sentry: SentryClient
) -> None:
    obs.get("/sentry-test")
    issue = obs.sentry.expect_issue("ZeroDivisionError")
    assert issue.title == "ZeroDivisionError: division by zero"
    assert issue.culprit == "/sentry-test"
    listed = obs_sentry.issues(f"trace:{obs.trace_id}")
    assert [(found.type, found.culprit) for found in listed] == [
        ("ZeroDivisionError", "/sentry-test")
    ]


@pytest.mark.claim("view-simulated", "view-value-error", "view-zero-division")
@pytest.mark.obs_requires("settled_errors")
def test_different_errors_of_one_trace_are_different_issues(obs: Probe) -> None:
    obs.get("/error")
    obs.get("/sentry-test")
    obs.get("/error")
    events = obs.sentry.events()
    assert [event.exception and event.exception.type for event in events] == [
        "ValueError",
        "ZeroDivisionError",
        "ValueError",
    ]
    first, second, third = events
    obs.sentry.expect_same_issue(first, third)
    obs.sentry.expect_different_issues(first, second)
