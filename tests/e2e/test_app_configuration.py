"""The app's Sentry settings: from the environment alone, with the guide's values by default."""

from __future__ import annotations

import pytest

from pytest_obsstack import AppProcess, AppSpec, Probe
from pytest_obsstack.clients.sentry.client import SentryClient
from pytest_obsstack.expect.opening import Bench
from pytest_obsstack.provision.session import Session
from tests.e2e.app_copies import app_with
from tests.e2e.sampling import unlikely_to_be_sampled

pytestmark = [pytest.mark.e2e, pytest.mark.claim("config-app")]


def test_the_event_lists_the_flask_and_logging_integrations(
    obs: Probe, obs_sentry: SentryClient
) -> None:
    obs.get("/error")
    event = obs.sentry.expect_event(type="ValueError", environment="production")
    sdk = obs_sentry.event_json(event.event_id)["sdk"]
    assert sdk["name"] == "sentry.python.flask"
    assert {"flask", "logging"} <= set(sdk["integrations"])


@pytest.mark.obs_requires("app_control")
def test_without_a_dsn_the_app_serves_and_reports_nothing_to_sentry(
    obs_session: Session, obs_app_spec: AppSpec, obs_bench: Bench, obs_sentry: SentryClient
) -> None:
    with app_with(obs_session, obs_app_spec, SENTRY_DSN="") as app, obs_bench.probe(app) as obs:
        answer = obs.get("/error")
        assert answer.status_code == 500
        # The id of the event that the SDK would have sent.
        assert answer.json()["event_id"] is None
        obs.traces.expect_span("GET /error", status="error")
    # The app has ended, so it has sent all that it ever will.
    assert obs_sentry.events_of_trace(obs.trace_id) == ()
    assert obs_sentry.transactions_of_trace(obs.trace_id) == ()


@pytest.mark.obs_requires("app_control")
def test_environment_and_sampling_rate_come_from_the_environment(
    obs_bench: Bench, unlike_default_app: AppProcess, obs_sentry: SentryClient
) -> None:
    with obs_bench.probe(unlike_default_app) as obs:
        for _ in range(3):
            obs.undecided.get("/error")
        obs.sentry.expect_event(type="ValueError", environment="staging")
    with obs_bench.probe(unlike_default_app) as later:
        later.get("/health")
        # On the same queue as, and behind, whatever the undecided requests have sent.
        (transaction,) = later.sentry.transactions()
        assert transaction.environment == "staging"
    assert len(obs_sentry.events_of_trace(obs.trace_id)) == 3
    assert obs_sentry.transactions_of_trace(obs.trace_id) == ()


def test_by_default_every_request_is_sampled(obs: Probe) -> None:
    for _ in range(3):
        obs.undecided.get("/health", headers=unlikely_to_be_sampled(obs))
    assert len(obs.sentry.transactions()) == 3
