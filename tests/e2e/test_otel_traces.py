"""From the OpenTelemetry Collector: distributed traces, spans with timing, service-level errors."""

from __future__ import annotations

import pytest

from pytest_obsstack import AppSpec, Probe, span
from pytest_obsstack.clients.spans import Span
from pytest_obsstack.expect.span_fields import status_of

pytestmark = [pytest.mark.e2e, pytest.mark.obs_requires("spans")]

CLOCK_TOLERANCE_S = 0.05
"""Between this machine's clock and the app's, and for what a server does after its response."""


@pytest.mark.claim("otel-distributed-traces")
def test_a_request_through_two_services_is_one_trace_with_parents_and_children(obs: Probe) -> None:
    assert obs.get("/chain").json() == {"stock": 42, "degraded": False}

    answer = span("GET /stock", service="inventory", kind="server", status="ok")
    call = span("GET", service="simple-app", kind="client", status="ok", children=[answer])
    entry = span("GET /chain", service="simple-app", kind="server", status="ok", children=[call])
    found, *_ = obs.traces.expect_trace(entry, exactly=True)
    # Its caller is this test's own request, so the trace begins before the app.
    assert found.parent_span_id == obs.exchanges[0].span_id


@pytest.mark.claim("otel-span-timing")
def test_spans_begin_end_and_nest_as_the_client_saw_it(obs: Probe) -> None:
    asked_s = 0.2
    assert obs.get("/slow", params={"seconds": asked_s}).json() == {"slept_s": asked_s}
    obs.get("/chain")
    slow_exchange, chain_exchange = obs.exchanges

    slow = obs.traces.expect_span("GET /slow", kind="server")
    wait = obs.traces.expect_span("wait", parent=slow)
    assert_within(slow, slow_exchange.started_s, slow_exchange.ended_s)
    assert_nested(wait, slow)
    assert asked_s <= seconds(wait) <= seconds(slow)

    chain = obs.traces.expect_span("GET /chain", kind="server")
    call = obs.traces.expect_span("GET", kind="client", parent=chain)
    answer = obs.traces.expect_span("GET /stock", kind="server", parent=call)
    assert_within(chain, chain_exchange.started_s, chain_exchange.ended_s)
    assert_nested(call, chain)
    # The other service's end is its own affair: it may go on for a moment after its response.
    assert times(call)[0] <= times(answer)[0] <= times(call)[1]
    # One request after the other, and no span that covers both.
    assert times(slow)[1] <= chain_exchange.started_s + CLOCK_TOLERANCE_S


@pytest.mark.claim("otel-service-errors")
def test_the_failing_service_has_the_error_and_the_healthy_one_has_not(obs: Probe) -> None:
    assert obs.get("/chain", params={"fail": 1}).json() == {"stock": None, "degraded": True}

    failed = obs.traces.expect_span(
        "GET /stock", service="inventory", kind="server", status="error"
    )
    obs.traces.expect_span("GET /chain", service="simple-app", kind="server", status="ok")
    # The caller knows that its call failed, and has survived it.
    obs.traces.expect_span("GET", service="simple-app", kind="client", status="error")
    obs.traces.expect_no_span(service="simple-app", kind="server", status="error")
    assert failed.service == "inventory"


@pytest.mark.claim("otel-service-errors")
def test_without_a_failure_no_service_has_an_error(obs: Probe) -> None:
    obs.get("/chain")
    spans = obs.traces.spans()
    assert {span.service for span in spans} == {"simple-app", "inventory"}
    assert {status_of(span) for span in spans} == {"ok"}


@pytest.mark.claim("config-collector")
def test_spans_carry_the_environment(obs: Probe, obs_app_spec: AppSpec) -> None:
    obs.get("/chain")
    assert {(span.service, span.environment) for span in obs.traces.spans()} == {
        ("simple-app", obs_app_spec.environment),
        ("inventory", obs_app_spec.companions["APP_INVENTORY_URL"].environment),
    }


def assert_within(span: Span, start_s: float, end_s: float) -> None:
    """The span lies within the client's exchange, but for the tolerance."""
    span_start_s, span_end_s = times(span)
    assert start_s - CLOCK_TOLERANCE_S <= span_start_s
    assert span_end_s <= end_s + CLOCK_TOLERANCE_S
    assert seconds(span) <= end_s - start_s + CLOCK_TOLERANCE_S


def assert_nested(inner: Span, outer: Span) -> None:
    """Both of one process, so of one clock."""
    assert times(outer)[0] <= times(inner)[0]
    assert times(inner)[1] <= times(outer)[1]


def times(span: Span) -> tuple[float, float]:
    assert span.start_s is not None
    assert span.end_s is not None
    return span.start_s, span.end_s


def seconds(span: Span) -> float:
    start_s, end_s = times(span)
    assert span.duration_ms == pytest.approx((end_s - start_s) * 1000, abs=0.01)
    return end_s - start_s
