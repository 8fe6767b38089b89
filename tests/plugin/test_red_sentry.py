"""What the expectations on errors and transactions say when they fail, whole, on a real stack."""
# ruff: noqa: E501 - messages are as long as they are

from __future__ import annotations

import re

import pytest

from pytest_obsstack import Probe
from tests.plugin.red import red, settle

pytestmark = pytest.mark.obs_requires("app_control", "faults")


@pytest.fixture
def failed(obs: Probe) -> Probe:
    """After one request to ``/error``, of which everything has arrived."""
    obs.get("/error")
    settle(obs)
    return obs


@pytest.mark.proves("obs.sentry.expect_issue", "red")
def test_expect_issue(failed: Probe) -> None:
    with red() as failure:
        failed.sentry.expect_issue(
            "ValueError", value="Intentional eror for testing", level="error"
        )
    assert (
        failure.text
        == """\
No Sentry issue matched within SECONDS (POLLS).
  expected  ValueError, value 'Intentional eror for testing', level 'error'
  found     1 issue of trace HEX…
  nearest   SIMPLE-APP-ID ValueError "Intentional error for testing"
              value  expected 'Intentional eror for testing'   got 'Intentional error for testing'
  pipeline  app 1 request (500) → SDK has the DSN DSN → Sentry accepted 1 event, 1 transaction of this trace → OUTCOMES
  look      http://HOST/organizations/obsstack/issues/ID/  ·  keep the stack: --obs-keep-stack"""
    )


@pytest.mark.proves("obs.sentry.expect_event", "red")
def test_expect_event(failed: Probe) -> None:
    with red() as failure:
        failed.sentry.expect_event(
            type="ValueError",
            tags={"endpoint": "/eror", "feature": ...},
            user={"id": "7"},
            level=re.compile("^err"),
            release=None,
        )
    assert (
        failure.text
        == """\
No Sentry event matched within SECONDS (POLLS).
  expected  ValueError, level /^err/, tags {endpoint: '/eror', feature: (anything)}, user {id: '7'}, release (absent)
  found     1 event of trace HEX…
  nearest   ValueError "Intentional error for testing"
              tags.endpoint  expected '/eror'   got '/error'
              tags.feature   expected (anything)   got (absent)
              user.id        expected '7'   got (absent)
              release        expected (absent)   got 'simple-app@1.0.0'
  pipeline  app 1 request (500) → SDK has the DSN DSN → Sentry accepted 1 event, 1 transaction of this trace → OUTCOMES
  look      http://HOST/organizations/obsstack/issues/ID/  ·  keep the stack: --obs-keep-stack"""
    )


def test_expect_event_where_there_is_none(obs: Probe) -> None:
    obs.get("/health")
    settle(obs)
    with red() as failure:
        obs.sentry.expect_event()
    assert (
        failure.text
        == """\
No Sentry event matched within SECONDS (POLLS).
  expected  any event
  found     0 events of trace HEX…
  pipeline  app 1 request (200) → SDK has the DSN DSN → Sentry accepted 0 events, 1 transaction of this trace → OUTCOMES
  look      http://HOST/organizations/obsstack/issues/  ·  keep the stack: --obs-keep-stack"""
    )


@pytest.mark.proves("obs.sentry.expect_transaction", "red")
def test_expect_transaction(failed: Probe) -> None:
    with red() as failure:
        failed.sentry.expect_transaction("GET /error", op="http.server", status="ok")
    assert (
        failure.text
        == """\
No Sentry transaction matched within SECONDS (POLLS).
  expected  GET /error, op 'http.server', status 'ok'
  found     1 transaction of trace HEX…
  nearest   /error (http.server, internal_error)
              name    expected 'GET /error'   got '/error'
              status  expected 'ok'   got 'internal_error'
  pipeline  app 1 request (500) → SDK has the DSN DSN → Sentry accepted 1 event, 1 transaction of this trace → OUTCOMES
  look      http://HOST/organizations/obsstack/issues/ID/  ·  keep the stack: --obs-keep-stack"""
    )


@pytest.mark.proves("obs.sentry.expect_no_issue", "red")
def test_expect_no_issue(failed: Probe) -> None:
    with red() as failure:
        failed.sentry.expect_no_issue("ValueError")
    assert (
        failure.text
        == """\
Sentry has 1 issue that must not be there.
  expected  no issue ValueError
  found     SIMPLE-APP-ID ValueError "Intentional error for testing"
  look      http://HOST/organizations/obsstack/issues/ID/  ·  keep the stack: --obs-keep-stack"""
    )


@pytest.mark.proves("obs.sentry.expect_no_event", "red")
def test_expect_no_event(obs: Probe) -> None:
    obs.get("/error")
    obs.get("/log?level=critical&message=Disk+is+gone")
    with red() as failure:
        obs.sentry.expect_no_event()
    assert (
        failure.text
        == """\
Sentry has 2 events that must not be there.
  expected  no event
  found     ValueError "Intentional error for testing"
  also      fatal "Disk is gone"
  look      http://HOST/organizations/obsstack/issues/ID/  ·  http://HOST/organizations/obsstack/issues/ID/  ·  keep the stack: --obs-keep-stack"""
    )


def test_what_pytest_shows_is_the_line_of_the_test_and_the_message(failed: Probe) -> None:
    with red() as failure:
        failed.sentry.expect_no_event(tags={"endpoint": "/error"})
    assert ">           failed.sentry.expect_no_event(tags=" in failure.shown
    assert "E           AssertionError: Sentry has 1 event that must not be there." in failure.shown
    assert "src/pytest_obsstack" not in failure.shown
