"""What the expectations on metrics say when they fail, whole, on a real stack."""
# ruff: noqa: E501 - messages are as long as they are

from __future__ import annotations

import pytest

from pytest_obsstack import ObsstackError, Probe
from tests.plugin.red import hurry, red

pytestmark = pytest.mark.obs_requires("app_control", "faults", "metrics", "exact_metrics")

REQUESTS = 'http_requests_total{endpoint="/error"}'


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
