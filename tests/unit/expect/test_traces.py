"""OpenTelemetry spans: what is found, what is told where nothing is, and absence."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from pytest_obsstack.errors import CannotTell
from pytest_obsstack.expect.span_fields import status_of
from pytest_obsstack.expect.traces import TraceExpectations
from tests.unit.expect.fakes import Bench, bench
from tests.unit.expect.models import OTHER_TRACE, SPAN, otlp_span, root_span

LOOK = (
    "  look      http://127.0.0.1:9000/api/0/organizations/obsstack/trace/"
    "4bf92f3577b34da6a3ce929d0e0e4736/  ·  keep the stack: --obs-keep-stack"
)


def arrived() -> Bench:
    """A request whose server span, with a database span below it, has arrived."""
    given = bench()
    child = {"id": "3" * 16, "kind": "client", "span.status": "unset", "span.duration": 2.5}
    given.sentry.spans = [otlp_span(), otlp_span("SELECT", parent="2" * 16, **child)]
    given.collector.accepted = {"spans": 2}
    given.collector.sent = {"spans": 2}
    return given


def traces(given: Bench) -> TraceExpectations:
    return TraceExpectations(given.context)


@pytest.mark.proves("obs.traces.expect_span", "green")
def test_a_span_is_found_by_name_service_status_and_parent() -> None:
    expectations = traces(arrived())
    server = expectations.expect_span("GET /error", service="simple-app", status="error")
    child = expectations.expect_span(kind="client", parent=server, status="ok", duration_ms=2.5)
    assert (server.parent_span_id, child.name) == (SPAN, "SELECT")


def test_a_parent_may_be_given_by_its_id() -> None:
    assert traces(arrived()).expect_span(parent=SPAN).name == "GET /error"


def test_a_root_span_is_found_by_the_parent_that_it_has_not() -> None:
    given = arrived()
    given.sentry.spans.append(otlp_span("job", parent=None, id="4" * 16))
    assert traces(given).expect_span(parent=None).name == "job"


def test_columns_are_compared_as_attributes() -> None:
    found = traces(arrived()).expect_span("GET /error", attributes={"span.status": "error"})
    assert found.kind == "server"


def test_attributes_that_no_list_shows_are_compared_too() -> None:
    given = arrived()
    given.sentry.attributes["2" * 16] = {"http.response.status_code": 500}
    expectations = traces(given)
    found = expectations.expect_span(attributes={"http.response.status_code": 500})
    assert found.name == "GET /error"
    with pytest.raises(AssertionError) as caught:
        expectations.expect_span(attributes={"http.response.status_code": 200})
    assert "attributes.http.response.status_code  expected 200   got 500\n" in str(caught.value)


def test_a_span_that_was_found_has_all_its_attributes() -> None:
    given = arrived()
    given.sentry.attributes["2" * 16] = {"http.route": "/error"}
    expectations = traces(given)
    assert expectations.expect_span("GET /error").attributes["http.route"] == "/error"
    assert expectations.spans()[0].attributes["http.route"] == "/error"


@pytest.mark.proves("obs.traces.spans", "green")
def test_spans_of_sentrys_own_sdk_are_not_among_them() -> None:
    given = arrived()
    given.sentry.spans.append(root_span())
    expectations = traces(given)
    assert [span.name for span in expectations.spans()] == ["GET /error", "SELECT"]
    with pytest.raises(AssertionError, match="found     2 spans of trace 4bf92f35…"):
        expectations.expect_span("error")


@pytest.mark.parametrize("status", ["ok", "unset", "unknown", "", None])
def test_what_is_no_failure_is_ok(status: str | None) -> None:
    assert status_of(replace(otlp_span(), status=status)) == "ok"


@pytest.mark.parametrize("status", ["error", "internal_error", "not_found"])
def test_every_word_for_a_failure_is_error(status: str) -> None:
    assert status_of(replace(otlp_span(), status=status)) == "error"


@pytest.mark.proves("obs.traces.expect_span", "red")
def test_message_of_a_span_of_another_service() -> None:
    with pytest.raises(AssertionError) as caught:
        traces(arrived()).expect_span("GET /error", service="inventory", kind="server")
    assert str(caught.value) == (
        "No OpenTelemetry span matched within 0.0 s (1 poll).\n"
        "  expected  GET /error, service 'inventory', kind 'server'\n"
        "  found     2 spans of trace 4bf92f35…\n"
        "  nearest   simple-app: GET /error (server, error)\n"
        "              service  expected 'inventory'   got 'simple-app'\n"
        "  pipeline  app 1 request (500) → collector accepted 2 spans, sent 2 to Sentry, failed 0 "
        "→ Sentry has 2 OTLP spans of this trace\n" + LOOK
    )


@pytest.mark.proves("obs.traces.expect_no_span", "red")
def test_message_of_a_span_that_must_not_be() -> None:
    with pytest.raises(AssertionError) as caught:
        traces(arrived()).expect_no_span(re.compile("SELECT|UPDATE"))
    assert str(caught.value) == (
        "OpenTelemetry has 1 span that must not be there.\n"
        "  expected  no span name /SELECT|UPDATE/\n"
        "  found     simple-app: SELECT (client, ok)\n" + LOOK
    )


@pytest.mark.proves("obs.traces.expect_no_span", "green")
def test_no_span_passes_once_the_server_span_has_arrived() -> None:
    traces(arrived()).expect_no_span("DELETE")


@pytest.mark.proves("obs.traces.expect_no_span", "cannot tell")
def test_no_span_cannot_be_told_before_the_server_span_has_arrived() -> None:
    given = arrived()
    del given.sentry.spans[0]
    with pytest.raises(CannotTell) as caught:
        traces(given).expect_no_span("DELETE")
    assert str(caught.value) == (
        "Cannot assert that there is no span: it is not proven that all spans of this test have "
        "arrived.\n"
        "  expected  the fence of each request has arrived\n"
        "  found     the server span of GET /error (500) has not arrived in Sentry after 0.0 s "
        "(1 poll)\n"
        "  do        find out why it has not arrived; absence is never asserted on a guess"
    )


@pytest.mark.proves("obs.traces.expect_span", "other trace")
def test_what_another_trace_has_sent_satisfies_nothing() -> None:
    given = arrived()
    given.context.trace = replace(given.context.trace, trace_id=OTHER_TRACE)
    with pytest.raises(AssertionError, match="found     0 spans of trace aaaaaaaa…"):
        traces(given).expect_span()
