"""Releases: which version an error came from, and in which it was seen first and last."""

from __future__ import annotations

import pytest

from pytest_obsstack import AppProcess, Probe
from pytest_obsstack.clients.sentry.client import SentryClient
from pytest_obsstack.expect.opening import Bench
from tests.e2e.words import own_word

pytestmark = [pytest.mark.e2e, pytest.mark.obs_requires("releases")]

RELEASE = "simple-app@1.0.0"


@pytest.mark.claim("release")
@pytest.mark.obs_requires("settled_errors", "transactions")
def test_events_and_transactions_have_the_release_and_it_exists(
    obs: Probe, obs_sentry: SentryClient
) -> None:
    obs.get("/error")
    obs.get("/health")
    obs.sentry.expect_event(type="ValueError", release=RELEASE)
    assert [event.release for event in obs.sentry.events()] == [RELEASE]
    transactions = obs.sentry.transactions()
    assert [(found.name, found.release) for found in transactions] == [
        ("/error", RELEASE),
        ("/health", RELEASE),
    ]

    release = obs_sentry.release(RELEASE)
    assert release is not None
    assert "simple-app" in release.projects
    assert obs_sentry.release("simple-app@0.0.0-never") is None
    assert RELEASE in {found.version for found in obs_sentry.releases()}


@pytest.mark.claim("release")
@pytest.mark.obs_requires("app_control")
def test_an_issue_knows_the_first_and_the_last_release_that_had_it(
    obs: Probe, obs_sentry: SentryClient, obs_bench: Bench, unlike_default_app: AppProcess
) -> None:
    newer = unlike_default_app.spec.release
    assert newer is not None
    message = {"level": "error", "message": f"Cart {own_word(obs)} is stuck"}
    obs.get("/log", params=message)
    issue = obs.sentry.expect_issue(title=message["message"])
    assert (issue.first_release, issue.last_release) == (RELEASE, RELEASE)

    with obs_bench.probe(unlike_default_app) as other:
        other.get("/log", params=message)
        again = other.sentry.expect_issue(title=message["message"], count=2)
        other.sentry.expect_event(again, release=newer)
    assert again.id == issue.id
    assert (again.first_release, again.last_release) == (RELEASE, newer)
    assert obs_sentry.release(newer) is not None
