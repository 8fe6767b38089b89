"""What expectations on order, count, shape, repetition and budget say when they fail, whole.

On a real stack, each with a green case before the red one.
"""
# ruff: noqa: E501 - messages are as long as they are

from __future__ import annotations

import json
import uuid

import httpx
import pytest

from pytest_obsstack import CannotTell, Probe, Stack, span
from pytest_obsstack.wire.dsn import Dsn
from pytest_obsstack.wire.envelope import Envelope, Item, serialize_envelope
from tests.plugin.red import hurry, red, settle

pytestmark = pytest.mark.obs_requires("app_control", "faults", "exact_metrics")

CHECKOUT = [
    {"category": "user_action", "message": "User clicked checkout button", "level": "info"},
    {"category": "payment", "message": "Authorizing payment", "level": "info"},
]
CHAIN = span(
    "GET /chain",
    service="simple-app",
    kind="server",
    children=[span("GET", kind="client", children=[span("GET /stock", service="inventory")])],
)


def log(obs: Probe, *records: tuple[str, str]) -> None:
    """Let the app log these (level, message) in one request."""
    levels = [("level", level) for level, _ in records]
    obs.get("/log", params=[*levels, *(("message", text) for _, text in records)])


@pytest.mark.proves("obs.sentry.expect_breadcrumbs", "red")
def test_expect_breadcrumbs(obs: Probe) -> None:
    obs.get("/checkout?fail=1")
    event = obs.sentry.expect_event(type="PaymentError", breadcrumbs=CHECKOUT)
    obs.sentry.expect_breadcrumbs(event, CHECKOUT, exactly=True)
    with red() as failure:
        obs.sentry.expect_breadcrumbs(event, CHECKOUT[::-1])
    assert (
        failure.text
        == """\
The breadcrumbs of an event are not as expected in their order.
  expected  'payment' 'Authorizing payment' 'info' → 'user_action' 'User clicked checkout button' 'info'
  found     2 breadcrumbs
  nearest   PaymentError "Payment was refused"
              breadcrumbs  2 expected in this order, 2 found
                             expected                                            found
                                                                                 1 'user_action' 'User clicked checkout button' 'i…
                           = 1 'payment' 'Authorizing payment' 'info'            2 'payment' 'Authorizing payment' 'info'
                           - 2 'user_action' 'User clicked checkout button' 'i…
                               it is there as number 1: the order is another
  look      http://HOST/organizations/obsstack/issues/ID/  ·  keep the stack: --obs-keep-stack"""
    )


@pytest.mark.proves("obs.sentry.expect_events", "red")
def test_expect_events(obs: Probe) -> None:
    obs.get("/error")
    obs.get("/error")
    issue = obs.sentry.expect_issue("ValueError")
    obs.sentry.expect_events(issue, count=2)
    with red() as failure:
        obs.sentry.expect_events(issue, count=1)
    assert (
        failure.text
        == """\
Sentry has another number of events of this test.
  expected  1 event in issue SIMPLE-APP-ID
  found     2 of the 2 events of this test in issue SIMPLE-APP-ID
  also      2 × ValueError "Intentional error for testing"
  look      http://HOST/organizations/obsstack/issues/ID/  ·  keep the stack: --obs-keep-stack"""
    )


@pytest.mark.proves("obs.sentry.expect_different_issues", "red")
def test_expect_different_issues(obs: Probe) -> None:
    obs.get("/error")
    obs.get("/error")
    first, second = obs.sentry.events()
    obs.sentry.expect_same_issue(first, second)
    with red() as failure:
        obs.sentry.expect_different_issues(first, second)
    assert (
        failure.text
        == """\
Events that must not be grouped are in one issue.
  expected  2 events in as many issues
  found     1 issue
  also      issue ID: event HEX, ValueError "Intentional error for testing", grouped by HEX
  also      issue ID: event HEX, ValueError "Intentional error for testing", grouped by HEX
  do        errors are grouped by their fingerprint, else by their stack trace, else by type and value: give each a fingerprint of its own
  look      http://HOST/organizations/obsstack/issues/ID/  ·  keep the stack: --obs-keep-stack"""
    )


@pytest.mark.proves("obs.traces.expect_trace", "red")
def test_expect_trace(obs: Probe) -> None:
    obs.get("/chain")
    entry, call, answer = obs.traces.expect_trace(CHAIN, exactly=True)
    assert (call.parent_span_id, answer.parent_span_id) == (entry.span_id, call.span_id)
    settle(obs)
    with red() as failure:
        obs.traces.expect_trace(
            span("GET /chain", children=[span("GET", children=[span("GET /stok", max_ms=5000)])])
        )
    assert (
        failure.text
        == """\
No spans of the expected shape arrived within SECONDS (POLLS).
  expected  GET /chain
            └─ GET
               └─ GET /stok (at most 5000 ms)   ← differs
  found     3 spans of trace HEX…
            GET /chain (simple-app, server, ok)
            └─ GET (simple-app, client, ok)
               └─ GET /stock (inventory, server, ok)   ← differs
  nearest   inventory: GET /stock (server, ok)
              name  expected 'GET /stok'   got 'GET /stock'
  pipeline  app 1 request (200) → collector accepted N spans, sent N to Sentry → Sentry has 3 OTLP spans of this trace
  look      http://HOST/api/0/organizations/obsstack/trace/HEX/  ·  keep the stack: --obs-keep-stack"""
    )


@pytest.mark.proves("obs.traces.expect_trace", "red")
def test_expect_trace_exactly(obs: Probe) -> None:
    obs.get("/chain")
    with red() as failure:
        obs.traces.expect_trace(span("GET /chain", children=[span("GET")]), exactly=True)
    assert (
        failure.text
        == """\
The spans have not exactly the expected shape.
  expected  GET /chain
            └─ GET
  found     3 spans of trace HEX…
            GET /chain (simple-app, server, ok)
            └─ GET (simple-app, client, ok)
               └─ GET /stock (inventory, server, ok)   ← not expected
  look      http://HOST/api/0/organizations/obsstack/trace/HEX/  ·  keep the stack: --obs-keep-stack"""
    )


@pytest.mark.proves("obs.traces.expect_trace", "cannot tell")
def test_expect_trace_exactly_without_the_server_span(obs: Probe) -> None:
    obs.get(
        "/health",
        headers={"traceparent": f"00-{obs.trace_id}-00f067aa0ba902b7-00"},
    )
    obs.logs.expect_line("request finished")
    hurry(obs)
    with red(CannotTell) as failure:
        obs.traces.expect_trace(span("GET /health"), exactly=True)
    assert (
        failure.text
        == """\
Cannot assert that there are no other spans: it is not proven that all spans of this test have arrived.
  expected  the fence of each request has arrived
  found     the server span of GET /health (200) has not arrived in Sentry after SECONDS (POLLS)
            stopped at Sentry: Sentry has 0 OTLP spans of this trace
  do        the app's spans have another trace id, or its OpenTelemetry sampler dropped them: use a parentbased sampler"""
    )


@pytest.mark.proves("obs.logs.expect_lines", "red")
def test_expect_lines(obs: Probe) -> None:
    log(obs, ("info", "order received"), ("warning", "stock is low"))
    obs.logs.expect_lines(
        ["received", {"line": "low", "level": "WARNING"}, "request finished"], exactly=True
    )
    settle(obs)
    with red() as failure:
        obs.logs.expect_lines(["low", "received"])
    assert (
        failure.text
        == """\
The lines in Loki are not as expected in their order within SECONDS (POLLS).
  expected  'low' → 'received'
  found     3 lines of trace HEX… to look at
  nearest   the lines by their times
              lines  2 expected in this order, 3 found
                       expected      found
                                     1 'order received'
                     = 1 'low'       2 'stock is low'
                     ≠ 2 'received'  3 'request finished'
                         it is there as number 1: the order is another
  pipeline  app 1 request (200) → collector accepted N log records, sent N to Loki → Loki has 3 lines of this trace
  look      http://HOST {service_name=~".+"} | trace_id="HEX"  ·  keep the stack: --obs-keep-stack"""
    )


@pytest.mark.proves("obs.expect_exactly_once", "red")
def test_expect_exactly_once_with_an_event_that_came_twice(obs: Probe, obs_dsn: str) -> None:
    obs.get("/health")
    obs.expect_exactly_once()
    send_twice(obs, obs_dsn)
    with red() as failure:
        obs.expect_exactly_once("events")
    assert (
        failure.text
        == """\
Something of this test was delivered more than once.
  expected  each of the events of trace HEX… once
  found     error "sent once more" (HEX) has come 2 times in Sentry
  do        look for an SDK that is started twice, two exporters or pipelines for one signal, and retries after a lost answer
  look      keep the stack: --obs-keep-stack"""
    )


def test_expect_exactly_once_with_a_line_that_came_twice(obs: Probe, obs_stack: Stack) -> None:
    log(obs, ("info", "order received"))
    (line,) = obs.logs.expect_lines(["order received"])
    assert obs_stack.endpoints.loki is not None
    httpx.post(
        f"{obs_stack.endpoints.loki.url}/loki/api/v1/push",
        json={
            "streams": [
                {
                    "stream": dict(line.labels),
                    "values": [[str(line.timestamp_ns), line.line, dict(line.structured_metadata)]],
                }
            ]
        },
    ).raise_for_status()
    with red() as failure:
        obs.expect_exactly_once("lines")
    assert (
        failure.text
        == """\
Something of this test was delivered more than once.
  expected  each of the lines of trace HEX… once
  found     line 'order received' of simple-app has come 2 times in Loki
  do        look for an SDK that is started twice, two exporters or pipelines for one signal, and retries after a lost answer
  look      keep the stack: --obs-keep-stack"""
    )


def test_expect_exactly_once_with_an_error_of_two_ways(obs: Probe) -> None:
    obs.get("/error")
    obs.expect_exactly_once(allow=("sentry+otel",))
    with red() as failure:
        obs.expect_exactly_once()
    assert (
        failure.text
        == """\
Something of this test was delivered more than once.
  expected  each of the events, spans, lines, errors of trace HEX… once
  found     ValueError "Intentional error for testing" was reported by Sentry (event HEX) and by OpenTelemetry (an event of span SPAN)
  also      ValueError "Intentional error for testing" was reported by Sentry (event HEX) and by OpenTelemetry (a log record of simple-app)
  do        report an error by one of the two, or allow both ways: expect_exactly_once(allow=("sentry+otel",))
  look      keep the stack: --obs-keep-stack"""
    )


@pytest.mark.proves("obs.soft", "red")
def test_soft(obs: Probe) -> None:
    obs.get("/error")
    settle(obs)
    with red() as failure, obs.soft():
        obs.sentry.expect_event(type="ValueError", tags={"endpoint": "/eror"})
        obs.traces.expect_span("GET /error", status="error")
        obs.logs.expect_line("Intentional error for testing", level="WARNING")
    assert (
        failure.text
        == """\
2 of 3 expectations of the block were not met.

1) test_red_shapes.py:LINE  obs.sentry.expect_event(type="ValueError", tags={"endpoint": "/eror"})
   No Sentry event matched within SECONDS (POLLS).
     expected  ValueError, tags {endpoint: '/eror'}
     found     1 event of trace HEX…
     nearest   ValueError "Intentional error for testing"
                 tags.endpoint  expected '/eror'   got '/error'
     pipeline  app 1 request (500) → SDK has the DSN DSN → Sentry accepted 1 event, 1 transaction of this trace → OUTCOMES
     look      http://HOST/organizations/obsstack/issues/ID/  ·  keep the stack: --obs-keep-stack

2) test_red_shapes.py:LINE  obs.logs.expect_line("Intentional error for testing", level="WARNING")
   No Loki line matched within SECONDS (POLLS).
     expected  line 'Intentional error for testing', level 'WARNING'
     found     2 lines of trace HEX…
     nearest   ERROR 'Intentional error for testing'
                 level  expected 'WARNING'   got 'ERROR'
     pipeline  app 1 request (500) → collector accepted N log records, sent N to Loki → Loki has 2 lines of this trace
     look      http://HOST {service_name=~".+"} | trace_id="HEX"  ·  keep the stack: --obs-keep-stack"""
    )


def test_soft_is_shown_at_its_block(obs: Probe) -> None:
    obs.get("/error")
    settle(obs)
    with red() as failure:  # noqa: SIM117 - the block's own line is looked at
        with obs.soft():
            obs.traces.expect_span("GET /error", status="ok")
    assert ">           with obs.soft():\nE           AssertionError: 1 of 1 " in failure.shown
    assert "soft.py" not in failure.shown


@pytest.mark.proves("obs.soft", "cannot tell")
def test_soft_that_cannot_tell_shows_what_it_has_collected(obs: Probe) -> None:
    obs.get("/health", headers={"traceparent": f"00-{obs.trace_id}-00f067aa0ba902b7-00"})
    obs.logs.expect_line("request finished")
    hurry(obs)
    with red(CannotTell) as failure, obs.soft():
        obs.logs.expect_line("order received")
        obs.traces.expect_no_span("DELETE")
        obs.logs.expect_line("never asked")
    lines = [line[1:].strip() for line in failure.shown.splitlines() if line.startswith("E  ")]
    collected = lines.index("Before that: 1 of 2 expectations of the block was not met.")
    assert "Cannot assert that there is no span: it is not proven" in lines[0]
    assert lines[collected + 1 : collected + 5] == [
        "",
        '1) test_red_shapes.py:LINE  obs.logs.expect_line("order received")',
        "No Loki line matched within SECONDS (POLLS).",
        "expected  line 'order received'",
    ]
    assert not any("never asked" in line for line in lines)


@pytest.mark.proves("obs.traces.expect_span_count", "red")
def test_expect_span_count(obs: Probe) -> None:
    obs.get("/chain")
    assert obs.traces.expect_span_count(max=3) == 3
    with red() as failure:
        obs.traces.expect_span_count(max=2)
    assert (
        failure.text
        == """\
The test has caused more spans than it may.
  expected  at most 2 spans of trace HEX…
  found     3 spans
  also      1 × GET /chain of simple-app (server)
  also      1 × GET of simple-app (client)
  also      1 × GET /stock of inventory (server)
  look      http://HOST/api/0/organizations/obsstack/trace/HEX/  ·  keep the stack: --obs-keep-stack"""
    )


@pytest.mark.proves("obs.logs.expect_volume", "red")
def test_expect_volume(obs: Probe) -> None:
    log(obs, *(("info", f"order {number} received") for number in range(3)))
    obs.logs.expect_volume(max_lines=4, max_bytes=400)
    with red() as failure:
        obs.logs.expect_volume(max_lines=3)
    assert (
        failure.text
        == """\
The test has logged more than it may.
  expected  at most 3 lines logged in trace HEX…
  found     4 lines, 64 bytes
  also      3 × simple-app 'order # received'
  also      1 × simple-app 'request finished'
  look      http://HOST {service_name=~".+"} | trace_id="HEX"  ·  keep the stack: --obs-keep-stack"""
    )


@pytest.mark.proves("obs.metrics.expect_cardinality", "red")
def test_expect_cardinality(obs: Probe) -> None:
    obs.get("/health")
    obs.get("/error")
    found = obs.metrics.expect_cardinality("http_requests_total", max=50, max_new=2)
    assert found.total >= 2
    with red() as failure:
        obs.metrics.expect_cardinality('http_requests_total{endpoint=~"/error|/health"}', max=1)
    assert (
        failure.text
        == """\
The app exports more series than it may.
  expected  http_requests_total{endpoint=~"/error|/health",instance="INSTANCE"}: at most 1 series
  found     2 series
  also      label endpoint: 2 values, '/health', '/error'
  also      label status: 2 values, '200', '500'
  do        a label is for what has few values: put ids, paths with parameters and texts into spans or log lines instead
  look      http://HOST http_requests_total{endpoint=~"/error|/health",instance="INSTANCE"}  ·  keep the stack: --obs-keep-stack"""
    )


def send_twice(obs: Probe, dsn: str) -> None:
    """One event of this test, in two envelopes, as by an SDK that has retried."""
    event = {
        "event_id": uuid.uuid4().hex,
        "message": "sent once more",
        "contexts": {"trace": {"trace_id": obs.trace_id, "span_id": "1" * 16}},
    }
    envelope = Envelope(
        {"event_id": event["event_id"]}, (Item.of("event", json.dumps(event).encode()),)
    )
    parsed = Dsn.parse(dsn)
    for _ in range(2):
        httpx.post(
            parsed.envelope_url,
            content=serialize_envelope(envelope),
            headers={"X-Sentry-Auth": parsed.auth_header},
        ).raise_for_status()


def test_long_values_are_cut_around_their_difference(obs: Probe) -> None:
    text = "a message with much in it, " * 10
    log(obs, ("error", text + "17"))
    settle(obs)
    with red() as failure:
        obs.sentry.expect_event(message=text + "71")
    assert (
        failure.text
        == """\
No Sentry event matched within SECONDS (POLLS).
  expected  message 'a message with much in it, a message with much in it, a message with much in it, a message with much in it, a message with much in it, a message with much in it, a message with much in it, a message … (274 characters)
  found     1 event of trace HEX…
  nearest   error "a message with much in it, a message with much in it, a message with much in it, a message with much in it, a message with much in it, a message with much in it, a message with much in it, a message with much in it, a message with much in it, a message with much in it, 17"
              message  expected …' much in it, a message with much in it, 71'
                       got      …' much in it, a message with much in it, 17'
  pipeline  app 1 request (200) → SDK has the DSN DSN → Sentry accepted 1 event, 1 transaction of this trace → OUTCOMES
  look      http://HOST/organizations/obsstack/issues/ID/  ·  keep the stack: --obs-keep-stack"""
    )
