"""Log records in Sentry: from ERROR on an event, below it a breadcrumb."""

from __future__ import annotations

import pytest

from pytest_obsstack import Probe

pytestmark = pytest.mark.e2e


def log(obs: Probe, *records: tuple[str, str]) -> None:
    """Let the app log these (level, message) in one request."""
    levels = [("level", level) for level, _ in records]
    answer = obs.get("/log", params=[*levels, *(("message", text) for _, text in records)])
    assert answer.json() == {"logged": len(records)}


@pytest.mark.claim("direct-error-logs")
@pytest.mark.obs_requires("settled_errors")
def test_error_and_critical_records_become_one_event_each(obs: Probe) -> None:
    log(obs, ("error", "Disk is full"), ("critical", "Disk is gone"))

    events = obs.sentry.events()
    assert [(event.message, event.level) for event in events] == [
        ("Disk is full", "error"),
        ("Disk is gone", "fatal"),
    ]
    assert {event.tags["logger"] for event in events} == {"app.log"}
    assert not any(event.exceptions for event in events)
    assert events[0].issue_id != events[1].issue_id


@pytest.mark.claim("direct-error-logs")
@pytest.mark.obs_requires("settled_errors")
def test_records_below_error_become_no_event(obs: Probe) -> None:
    log(obs, ("debug", "Disk was read"), ("info", "Disk is fine"), ("warning", "Disk is slow"))
    obs.sentry.expect_no_event()


@pytest.mark.claim("direct-error-logs")
@pytest.mark.obs_requires("settled_errors", "logs")
def test_info_and_warning_become_breadcrumbs_of_the_event_after_them(obs: Probe) -> None:
    log(
        obs,
        ("debug", "Disk was read"),
        ("info", "Disk is fine"),
        ("warning", "Disk is slow"),
        ("error", "Disk is full"),
        ("info", "Disk was swapped"),
    )
    (event,) = obs.sentry.events()
    assert event.message == "Disk is full"
    assert [(crumb.category, crumb.level, crumb.message) for crumb in event.breadcrumbs] == [
        ("app.log", "info", "Disk is fine"),
        ("app.log", "warning", "Disk is slow"),
    ]
    obs.logs.expect_lines(
        [
            {"line": "Disk is fine", "level": "INFO"},
            {"line": "Disk is slow", "level": "WARNING"},
            {"line": "Disk is full", "level": "ERROR"},
            {"line": "Disk was swapped", "level": "INFO"},
        ]
    )


@pytest.mark.claim("direct-error-logs")
@pytest.mark.obs_requires("settled_errors")
def test_an_exception_that_is_captured_and_logged_is_one_event(obs: Probe) -> None:
    obs.get("/error")
    (event,) = obs.sentry.events()
    assert event.exception is not None
    assert event.exception.type == "ValueError"
    obs.logs.expect_line("Intentional error for testing", level="ERROR")
