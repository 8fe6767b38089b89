"""An app whose SENTRY_DSN is unset: what still reaches Sentry, and what the app says of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from pytest_obsstack import AppProcess, AppSpec
from pytest_obsstack.clients.sentry.client import SentryClient
from pytest_obsstack.clients.sentry.explore import OTLP_ORIGIN
from pytest_obsstack.clients.spans import Span
from pytest_obsstack.expect.opening import Bench
from pytest_obsstack.provision.session import Session
from tests.e2e.app_copies import app_with

pytestmark = [pytest.mark.e2e, pytest.mark.obs_requires("app_control", "otlp_traces", "spans")]


@dataclass(frozen=True)
class Life:
    """Of an app without a DSN: start, one request that failed, end."""

    app: AppProcess
    trace_id: str
    request_span_id: str
    status: int
    answer: dict[str, Any]
    span: Span
    """The request's server span."""


@pytest.fixture(scope="module")
def life(obs_session: Session, obs_app_spec: AppSpec, obs_bench: Bench) -> Life:
    """It has ended, so it has sent all that it ever will."""
    with app_with(obs_session, obs_app_spec, SENTRY_DSN="") as app, obs_bench.probe(app) as obs:
        response = obs.get("/error")
        span = obs.traces.expect_span("GET /error", kind="server", status="error")
    return Life(
        app=app,
        trace_id=obs.trace_id,
        request_span_id=obs.exchanges[0].span_id,
        status=response.status_code,
        answer=response.json(),
        span=span,
    )


@pytest.mark.claim("config-app")
def test_without_a_dsn_the_app_serves_and_reports_nothing_itself_to_sentry(
    life: Life, obs_sentry: SentryClient
) -> None:
    assert life.status == 500
    # The id of the event that the SDK would have sent.
    assert life.answer["event_id"] is None
    assert obs_sentry.events_of_trace(life.trace_id) == ()
    assert obs_sentry.transactions_of_trace(life.trace_id) == ()


@pytest.mark.claim("arch-collector-to-sentry")
def test_spans_reach_sentry_through_the_collector_alone(
    life: Life, obs_sentry: SentryClient
) -> None:
    assert (life.span.service, life.span.parent_span_id) == ("simple-app", life.request_span_id)
    # Nothing of the trace came from Sentry's own SDK.
    found = obs_sentry.spans_of_trace(life.trace_id)
    assert {span.origin for span in found} == {OTLP_ORIGIN}
    assert life.span.span_id in {span.span_id for span in found}


@pytest.mark.claim("trouble-app-logs")
def test_the_app_says_once_at_its_start_that_sentry_is_disabled_and_why(life: Life) -> None:
    about_sentry = [line for line in life.app.log_lines() if "Sentry" in line]
    assert len(about_sentry) == 1
    assert '"Sentry disabled: SENTRY_DSN is not set"' in about_sentry[0]
