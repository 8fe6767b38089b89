"""What the expectations on spans and lines say when they fail, whole, on a real stack."""
# ruff: noqa: E501 - messages are as long as they are

from __future__ import annotations

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


@pytest.mark.proves("obs.traces.expect_span", "red")
def test_expect_span(failed: Probe) -> None:
    with red() as failure:
        failed.traces.expect_span(
            "GET /error",
            service="simple-app",
            status="ok",
            attributes={"http.response.status_code": 200, "http.route": "/error"},
        )
    assert (
        failure.text
        == """\
No OpenTelemetry span matched within SECONDS (POLLS).
  expected  GET /error, service 'simple-app', status 'ok', attributes {http.response.status_code: 200, http.route: '/error'}
  found     1 span of trace HEX…
  nearest   simple-app: GET /error (server, error)
              status                                expected 'ok'   got 'error'
              attributes.http.response.status_code  expected 200   got 500
  pipeline  app 1 request (500) → collector accepted N spans, sent N to Sentry → Sentry has 1 OTLP span of this trace
  look      http://HOST/api/0/organizations/obsstack/trace/HEX/  ·  keep the stack: --obs-keep-stack"""
    )


@pytest.mark.proves("obs.traces.expect_no_span", "red")
def test_expect_no_span(failed: Probe) -> None:
    with red() as failure:
        failed.traces.expect_no_span(status="error")
    assert (
        failure.text
        == """\
OpenTelemetry has 1 span that must not be there.
  expected  no span status 'error'
  found     simple-app: GET /error (server, error)
  look      http://HOST/api/0/organizations/obsstack/trace/HEX/  ·  keep the stack: --obs-keep-stack"""
    )


@pytest.mark.proves("obs.logs.expect_line", "red")
def test_expect_line(failed: Probe) -> None:
    with red() as failure:
        failed.logs.expect_line("Intentional error for testing", level="WARNING")
    assert (
        failure.text
        == """\
No Loki line matched within SECONDS (POLLS).
  expected  line 'Intentional error for testing', level 'WARNING'
  found     2 lines of trace HEX…
  nearest   ERROR 'Intentional error for testing'
              level  expected 'WARNING'   got 'ERROR'
  pipeline  app 1 request (500) → collector accepted N log records, sent N to Loki → Loki has 2 lines of this trace
  look      http://HOST {service_name=~".+"} | trace_id="HEX"  ·  keep the stack: --obs-keep-stack"""
    )


@pytest.mark.proves("obs.logs.expect_no_line", "red")
def test_expect_no_line(failed: Probe) -> None:
    with red() as failure:
        failed.logs.expect_no_line(level="ERROR")
    assert (
        failure.text
        == """\
Loki has 1 line that must not be there.
  expected  no line level 'ERROR'
  found     ERROR 'Intentional error for testing'
  look      http://HOST {service_name=~".+"} | trace_id="HEX"  ·  keep the stack: --obs-keep-stack"""
    )


@pytest.mark.proves("obs.expect_nowhere", "red")
def test_expect_nowhere(obs: Probe) -> None:
    obs.get("/log?level=warning&message=hunter2+logged+in")
    with red() as failure:
        obs.expect_nowhere("hunter2")
    assert (
        failure.text
        == """\
A text that must be nowhere was found in 3 places.
  expected  nothing of trace HEX… holds 'hunter2'
  found     Sentry transaction HEX (as it is):  "query_string": "level=warning&message=hunter2+logged+in"}, "user": {"ip_address": "12
  also      Sentry span GET /log (as it is): g", "url.query": "level=warning&message=hunter2+logged+in", "url.scheme": "http", "user
  also      log line of simple-app (as it is): hunter2 logged in
  do        remove it before it is sent: before_send and before_send_transaction for Sentry, the logger and the span's attributes for OpenTelemetry
  look      keep the stack: --obs-keep-stack"""
    )
