"""What the expectations on metrics say when they fail, whole, on a real stack."""
# ruff: noqa: E501 - messages are as long as they are

from __future__ import annotations

import re

import pytest

from pytest_obsstack import ObsstackError, Probe
from tests.plugin.red import hurry, red

pytestmark = pytest.mark.obs_requires("app_control", "faults", "metrics", "exact_metrics")

REQUESTS = 'http_requests_total{endpoint="/error"}'


@pytest.mark.proves("obs.metrics.expect_increase", "red")
def test_expect_increase(obs: Probe) -> None:
    obs.get("/error")
    obs.get("/health")
    with red() as failure:
        obs.metrics.expect_increase(REQUESTS, by=2)
    assert (
        failure.text
        == """\
A metric did not increase as expected.
  expected  http_requests_total{endpoint="/error",instance="INSTANCE"} +2
  found     +1
  also      http_requests_total{endpoint="/error",method="GET",otel_scope_name="simple-app",status="500"} +1
  also      http_requests_total{endpoint="/health",method="GET",otel_scope_name="simple-app",status="200"} +1
  pipeline  app 2 requests (500, 200) → collector accepted N metric points, sent N to Prometheus → Prometheus' targets: otel-collector up
  look      http://HOST http_requests_total{endpoint="/error",instance="INSTANCE"}  ·  keep the stack: --obs-keep-stack"""
    )


def test_expect_increase_of_a_series_that_is_not_there(obs: Probe) -> None:
    obs.get("/error")
    with red() as failure:
        obs.metrics.expect_increase('http_requests_total{endpoint="/eror"}', at_least=1)
    assert (
        failure.text
        == """\
A metric did not increase as expected.
  expected  http_requests_total{endpoint="/eror",instance="INSTANCE"} +1 or more
  found     +0
  also      http_requests_total{endpoint="/error",method="GET",otel_scope_name="simple-app",status="500"} +1
  pipeline  app 1 request (500) → collector accepted N metric points, sent N to Prometheus → Prometheus' targets: otel-collector up
  look      http://HOST http_requests_total{endpoint="/eror",instance="INSTANCE"}  ·  keep the stack: --obs-keep-stack"""
    )


@pytest.mark.proves("obs.metrics.expect_no_increase", "red")
def test_expect_no_increase(obs: Probe) -> None:
    obs.get("/error")
    with red() as failure:
        obs.metrics.expect_no_increase(REQUESTS)
    assert (
        failure.text
        == """\
A metric increased that must not.
  expected  http_requests_total{endpoint="/error",instance="INSTANCE"} +0
  found     http_requests_total{endpoint="/error",method="GET",otel_scope_name="simple-app",status="500"} +1
  look      http://HOST http_requests_total{endpoint="/error",instance="INSTANCE"}  ·  keep the stack: --obs-keep-stack"""
    )


@pytest.mark.proves("obs.metrics.expect_metric", "red")
def test_expect_metric(obs: Probe) -> None:
    obs.get("/error")
    hurry(obs)
    with red() as failure:
        obs.metrics.expect_metric('count(up{job="otel-collector"})', 2)
    assert (
        failure.text
        == """\
A metric was not as expected within SECONDS (POLLS).
  expected  count(up{job="otel-collector"}) is 2
  found     1 series: 1
  pipeline  app 1 request (500) → collector accepted N metric points, sent N to Prometheus → Prometheus' targets: otel-collector up
  look      http://HOST count(up{job="otel-collector"})  ·  keep the stack: --obs-keep-stack"""
    )


@pytest.mark.proves("obs.metrics.expect_histogram", "red")
def test_expect_histogram(obs: Probe) -> None:
    obs.get("/slow?seconds=0.02")
    obs.get("/slow?seconds=0.02")
    seconds = 'http_request_duration_seconds{endpoint="/slow"}'
    found = obs.metrics.expect_histogram(
        seconds, count=2, sum=lambda total: total > 0.04, quantile={0.5: 10.0}
    )
    assert found.buckets[-1][1] == 2
    with red() as failure:
        obs.metrics.expect_histogram(seconds, count=3, quantile={0.95: 0.01})
    # How long they took differs from run to run.
    lines = re.sub(r"sum 0\.\d+(; ≤ [\d.]+: \d.*)?", "sum SECONDS", failure.text)
    lines = re.sub(r"= 0\.\d+", "= SECONDS", lines)
    assert (
        lines
        == """\
A histogram is not as expected.
  expected  http_request_duration_seconds_count{endpoint="/slow",instance="INSTANCE"}: count 3, quantile 0.95 ≤ 0.01
  found     2 observations, sum SECONDS
  also      count 2
  also      quantile 0.95 = SECONDS
  pipeline  app 2 requests (200 ×2) → collector accepted N metric points, sent N to Prometheus → Prometheus' targets: otel-collector up
  look      http://HOST http_request_duration_seconds_bucket{endpoint="/slow",instance="INSTANCE"}  ·  keep the stack: --obs-keep-stack"""
    )


@pytest.mark.proves("obs.metrics.expect_exemplar", "red")
@pytest.mark.obs_requires("exemplars", "spans")
def test_expect_exemplar(obs: Probe) -> None:
    obs.get("/slow?seconds=0.02")
    buckets = 'http_request_duration_seconds_bucket{endpoint="/slow"}'
    exemplar = obs.metrics.expect_exemplar(buckets)
    span = obs.traces.expect_span("GET /slow", kind="server")
    assert (exemplar.trace_id, exemplar.labels["span_id"]) == (obs.trace_id, span.span_id)
    hurry(obs)
    with red() as failure:
        obs.metrics.expect_exemplar('http_request_duration_seconds_bucket{endpoint="/eror"}')
    assert (
        failure.text
        == """\
No exemplar matched within SECONDS (POLLS).
  expected  http_request_duration_seconds_bucket{endpoint="/eror",instance="INSTANCE"}, an exemplar of trace HEX… and its span
  found     no exemplar at all
  pipeline  app 1 request (200) → collector accepted N metric points, sent N to Prometheus → Prometheus' targets: otel-collector up
  do        let the app record the measurement inside of the request's sampled span (OpenTelemetry's exemplar filter `trace_based`)
  look      http://HOST http_request_duration_seconds_bucket{endpoint="/eror",instance="INSTANCE"}  ·  keep the stack: --obs-keep-stack"""
    )


def test_an_expression_has_no_increase(obs: Probe) -> None:
    with red(ObsstackError) as failure:
        obs.metrics.expect_increase("sum(http_requests_total)")
    assert (
        failure.text
        == """\
Not a selector: sum(http_requests_total)
  expected  a metric name with label matchers, as in http_requests_total{endpoint="/"}
  found     something else
  do        use expect_metric(promql, …) for expressions"""
    )
