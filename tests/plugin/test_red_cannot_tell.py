"""What expectations say where a request is missing, or what must come last of it.

Broken stations on the way are in ``test_broken_hops.py``.
"""
# ruff: noqa: E501 - messages are as long as they are

from __future__ import annotations

import pytest

from pytest_obsstack import CannotTell, Probe
from tests.plugin.red import hurry, red

pytestmark = pytest.mark.obs_requires("app_control", "faults")


def test_presence_without_a_request(obs: Probe) -> None:
    hurry(obs)
    with red() as failure:
        obs.logs.expect_line("anything")
    assert (
        failure.text
        == """\
No Loki line matched within SECONDS (POLLS).
  expected  line 'anything'
  found     0 lines of trace HEX…
  pipeline  app got no request of this test
  stopped   at test → app
  do        send a request with obs.get(…) or hand obs.headers to your client first
  look      http://HOST {service_name=~".+"} | trace_id="HEX"  ·  keep the stack: --obs-keep-stack"""
    )


@pytest.mark.proves("obs.logs.expect_no_line", "cannot tell")
def test_absence_without_a_request(obs: Probe) -> None:
    with red(CannotTell) as failure:
        obs.logs.expect_no_line(level="ERROR")
    assert (
        failure.text
        == """\
Cannot assert that there is no line: it is not proven that all logs of this test have arrived.
  expected  the fence of each request has arrived
  found     no request of this test is known, so there is nothing to wait for
            stopped at test → app: app got no request of this test
  do        send a request with obs.get(…) or hand obs.headers to your client first"""
    )


@pytest.fixture
def unsampled(obs: Probe) -> Probe:
    """After a request whose client says that it is not sampled: no transaction, no span."""
    trace_id, span_id = obs.trace_id, "00f067aa0ba902b7"
    obs.get(
        "/health",
        headers={
            "sentry-trace": f"{trace_id}-{span_id}-0",
            "traceparent": f"00-{trace_id}-{span_id}-00",
        },
    )
    obs.logs.expect_line("request finished")
    hurry(obs)
    return obs


@pytest.mark.proves("obs.sentry.expect_no_issue", "cannot tell")
def test_absence_of_errors_without_the_transaction(unsampled: Probe) -> None:
    with red(CannotTell) as failure:
        unsampled.sentry.expect_no_issue("ValueError")
    assert (
        failure.text
        == """\
Cannot assert that there is no issue: it is not proven that all errors of this test have arrived.
  expected  the fence of each request has arrived
  found     the transaction of GET /health (200) has not arrived after SECONDS (POLLS)
            stopped at SDK → Sentry: Sentry accepted 0 events, 0 transactions of this trace
  do        the SDK sent nothing: traces_sample_rate may be unset or 0, before_send and before_send_transaction may drop all, the network or Sentry's answers may be in the way; see the app's log"""
    )


@pytest.mark.proves("obs.sentry.events", "cannot tell")
def test_number_of_events_without_the_transaction(unsampled: Probe) -> None:
    with red(CannotTell) as failure:
        unsampled.sentry.events()
    assert (
        failure.text
        == """\
Cannot count the events: it is not proven that all errors of this test have arrived.
  expected  the fence of each request has arrived
  found     the transaction of GET /health (200) has not arrived after SECONDS (POLLS)
            stopped at SDK → Sentry: Sentry accepted 0 events, 0 transactions of this trace
  do        the SDK sent nothing: traces_sample_rate may be unset or 0, before_send and before_send_transaction may drop all, the network or Sentry's answers may be in the way; see the app's log"""
    )


@pytest.mark.proves("obs.traces.expect_no_span", "cannot tell")
def test_absence_of_spans_without_the_server_span(unsampled: Probe) -> None:
    with red(CannotTell) as failure:
        unsampled.traces.expect_no_span("DELETE")
    assert (
        failure.text
        == """\
Cannot assert that there is no span: it is not proven that all spans of this test have arrived.
  expected  the fence of each request has arrived
  found     the server span of GET /health (200) has not arrived in Sentry after SECONDS (POLLS)
            stopped at Sentry: Sentry has 0 OTLP spans of this trace
  do        the app's spans have another trace id, or its OpenTelemetry sampler dropped them: use a parentbased sampler"""
    )


@pytest.mark.proves("obs.expect_nowhere", "cannot tell")
def test_a_text_that_is_nowhere_without_the_transaction(unsampled: Probe) -> None:
    with red(CannotTell) as failure:
        unsampled.expect_nowhere("hunter2")
    assert (
        failure.text
        == """\
Cannot assert that a text is nowhere: it is not proven that all errors of this test have arrived.
  expected  the fence of each request has arrived
  found     the transaction of GET /health (200) has not arrived after SECONDS (POLLS)
            stopped at SDK → Sentry: Sentry accepted 0 events, 0 transactions of this trace
  do        the SDK sent nothing: traces_sample_rate may be unset or 0, before_send and before_send_transaction may drop all, the network or Sentry's answers may be in the way; see the app's log"""
    )
