"""An app whose SENTRY_DSN is unset: what still reaches Sentry, and what the app says of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pytest_obsstack import AppProcess, AppSpec, Probe
from pytest_obsstack.clients.sentry.client import SentryClient
from pytest_obsstack.expect.opening import Bench
from pytest_obsstack.provision.session import Session
from tests.e2e.app_copies import app_with

pytestmark = [pytest.mark.e2e, pytest.mark.obs_requires("app_control", "otlp_traces", "spans")]


@pytest.fixture(scope="module")
def app_without_dsn(obs_session: Session, obs_app_spec: AppSpec) -> Iterator[AppProcess]:
    with app_with(obs_session, obs_app_spec, SENTRY_DSN="") as app:
        yield app


@pytest.fixture
def unreporting(obs_bench: Bench, app_without_dsn: AppProcess) -> Iterator[Probe]:
    with obs_bench.probe(app_without_dsn) as probe:
        yield probe


@pytest.mark.claim("arch-collector-to-sentry")
def test_spans_reach_sentry_through_the_collector_alone(
    unreporting: Probe, obs_sentry: SentryClient
) -> None:
    obs = unreporting
    assert obs.get("/error").status_code == 500

    span = obs.traces.expect_span("GET /error", service="simple-app", kind="server", status="error")
    assert span.parent_span_id == obs.exchanges[0].span_id
    assert [found.name for found in obs.traces.spans()] == ["GET /error"]
    # Whatever else is in the trace could only come from the SDK, which has no DSN.
    assert {found.origin for found in obs_sentry.spans_of_trace(obs.trace_id)} == {span.origin}


@pytest.mark.claim("trouble-app-logs")
def test_the_app_says_once_at_its_start_that_sentry_is_disabled_and_why(
    app_without_dsn: AppProcess,
) -> None:
    about_sentry = [line for line in app_without_dsn.log_lines() if "Sentry" in line]
    assert len(about_sentry) == 1
    assert '"Sentry disabled: SENTRY_DSN is not set"' in about_sentry[0]
