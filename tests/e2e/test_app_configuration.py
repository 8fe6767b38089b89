"""The app's Sentry settings: from the environment alone, with the guide's values by default.

What an app without a DSN does is in ``test_without_dsn.py``.
"""

from __future__ import annotations

import pytest

from pytest_obsstack import AppProcess, Probe
from pytest_obsstack.clients.sentry.client import SentryClient
from pytest_obsstack.expect.opening import Bench
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
@pytest.mark.obs_requires("settled_errors")
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


@pytest.mark.obs_requires("settled_errors")
def test_by_default_every_request_is_sampled(obs: Probe) -> None:
    for _ in range(3):
        obs.undecided.get("/health", headers=unlikely_to_be_sampled(obs))
    assert len(obs.sentry.transactions()) == 3
