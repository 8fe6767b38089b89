"""What the sample app samples by itself, and whose decision it keeps, on a real stack."""
# ruff: noqa: E501 - messages are as long as they are

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace

import pytest

from pytest_obsstack import CannotTell, Probe
from tests.plugin.red import hurry, red

pytestmark = pytest.mark.obs_requires("app_control", "faults", "transactions", "tracker_spans")


def test_spans_and_lines_of_an_undecided_request_are_found_by_its_id(obs: Probe) -> None:
    obs.undecided.get("/log?message=who+decides")
    span = obs.traces.expect_span("GET /log", attributes={"url.path": "/log"})
    assert span.parent_span_id is None
    obs.logs.expect_line("who decides")
    assert [entry.line for entry in obs.logs.lines()] == ["who decides", "request finished"]
    assert [s.name for s in obs.traces.spans()] == ["GET /log"]
    with pytest.raises(AssertionError, match="found in"):
        obs.expect_nowhere("who decides")


def test_the_undecided_request_of_another_test_is_not_found(obs: Probe) -> None:
    obs.undecided.get("/health", headers={"X-Request-Id": f"{'a' * 32}-00f067aa0ba902b7"})
    hurry(obs, 0.3)
    with pytest.raises(AssertionError, match="found     0 spans of trace"):
        obs.traces.expect_span("GET /health")
    with pytest.raises(CannotTell, match=r"the server span of GET /health \(200\) has not arrived"):
        obs.traces.expect_no_span("GET /error")


def test_every_request_is_traced(obs: Probe) -> None:
    obs.expect_every_request_traced(10)


def test_the_callers_decision_is_kept_by_every_service(obs: Probe) -> None:
    obs.expect_decision_kept("/chain")


WithApp = Callable[..., AbstractContextManager[Probe]]


def test_an_app_that_samples_a_quarter(obs_with_app: WithApp) -> None:
    with obs_with_app({"SENTRY_TRACES_SAMPLE_RATE": "0.25"}) as obs:
        # So sure that it does not fail by chance.
        rate = obs.expect_sampling_rate(0.25, requests=80, confidence=1 - 1e-9)
        assert 0.05 < rate < 0.5
        # OpenTelemetry decides by itself.
        obs.expect_sampling_rate(1.0, requests=10, of="spans")
        hurry(obs, 2)
        with red() as failure:
            obs.expect_sampling_rate(0.9, requests=40)
        lines = failure.text.splitlines()
        assert lines[:2] == [
            "The app does not sample at the expected rate.",
            "  expected  a transaction of a share of 0.9 of the requests to /health",
        ]
        assert lines[2].startswith("  found     ")
        assert " of 40: with a confidence of 0.999 the rate is between 0." in lines[2]
        assert lines[-2:] == [
            "  do        traces_sample_rate or traces_sampler in sentry_sdk.init",
            "  look      keep the stack: --obs-keep-stack",
        ]
        with red() as failure:
            obs.expect_every_request_traced(5)
        assert failure.text.startswith(
            """\
Not every request is traced.
  expected  a transaction and a server span of each of 5 requests to /health
  found     0 of 5 have a transaction, 5 of 5 have a server span
"""
        )
        assert (
            "  do        traces_sample_rate=1.0 in sentry_sdk.init, and no traces_sampler below that\n"
            in failure.text
        )


@pytest.mark.proves("obs.expect_sampling_rate", "cannot tell")
def test_an_app_whose_spans_do_not_tell_the_request(obs_with_app: WithApp) -> None:
    unnamed = {
        "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST": "",
        "OTEL_TRACES_SAMPLER": "always_off",
    }
    with obs_with_app(unnamed) as obs:
        obs._context.timeout_s = 0.3
        with pytest.raises(CannotTell, match="the server span of GET /health"):
            obs.expect_sampling_rate(0.0, requests=1, of="spans")
    with obs_with_app({**unnamed, "OTEL_TRACES_SAMPLER": ""}) as obs:
        with red(CannotTell) as failure:
            obs.expect_sampling_rate(0.0, requests=2, of="spans")
        assert (
            failure.text
            == """\
Cannot tell whose spans are there.
  expected  the attribute http.request.header.x_request_id on the span of each request
  found     none on the span of a request that its caller has sampled
  do        let the app's instrumentation put X-Request-Id on the spans of its requests (OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST=X-Request-Id)"""
        )


@pytest.mark.proves("obs.expect_decision_kept", "red")
def test_an_app_that_samples_whatever_its_caller_says(obs_with_app: WithApp) -> None:
    with obs_with_app({"OTEL_TRACES_SAMPLER": "always_on"}) as obs:
        with red() as failure:
            obs.expect_decision_kept("/chain")
        assert (
            failure.text
            == """\
A caller's sampling decision was not kept.
  expected  nothing of a request to /chain that its caller has not sampled
  found     span simple-app: GET /chain
  also      span simple-app: GET
  also      span inventory: GET /stock
  do        use a parentbased sampler, and let traces_sampler return parent_sampled where there is one
  look      keep the stack: --obs-keep-stack"""
        )


@pytest.mark.proves("obs.expect_decision_kept", "red")
def test_a_path_that_calls_no_other_service(obs: Probe) -> None:
    with red() as failure:
        obs.expect_decision_kept("/health")
    assert (
        failure.text
        == """\
A sampling decision was lost on the way.
  expected  spans of simple-app, inventory for a request to /health that its caller has sampled
  found     none of inventory
  do        pass traceparent and baggage on to the service, and use a parentbased sampler there; or ask for a path that calls it
  look      keep the stack: --obs-keep-stack"""
    )


@pytest.mark.proves("obs.expect_every_request_traced", "cannot tell")
def test_several_processes_are_not_told(obs: Probe) -> None:
    obs._context.app = replace(obs._context.app, processes=2)
    with red(CannotTell) as failure:
        obs.expect_every_request_traced(2)
    assert (
        failure.text
        == """\
Cannot tell what the app samples.
  expected  services of one process each, whose reports come in order
  found     simple-app with 2 processes
  do        run the app with one process for this test (WEB_CONCURRENCY=1)"""
    )
