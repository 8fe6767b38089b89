"""What a called service reports belongs to the test, too: nothing is settled without it."""

from __future__ import annotations

from pytest_obsstack.clients.sentry.explore import SpanRow
from pytest_obsstack.expect.fence import logs_settled, spans_settled
from tests.unit.expect.fakes import Bench, app_facts, bench
from tests.unit.expect.models import line, otlp_span

CALL = "c" * 16


def chain(*spans: SpanRow) -> Bench:
    """An app that calls ``inventory``, and what has arrived of one request to it."""
    inventory = app_facts(service="inventory", instance="inventory-main", url="http://127.0.0.1:81")
    given = bench(app=app_facts(companions=(inventory,)))
    given.sentry.spans = [otlp_span("GET /chain", id="a" * 16), *spans]
    return given


def call(attribute: str = "url.full", url: str = "http://127.0.0.1:81/stock") -> SpanRow:
    return otlp_span("GET", id=CALL, parent="a" * 16, kind="client", **{attribute: url})


def answer() -> SpanRow:
    return otlp_span("GET /stock", id="d" * 16, parent=CALL, **{"service.name": "inventory"})


def test_spans_are_not_settled_while_the_called_services_span_is_missing() -> None:
    settled = spans_settled(chain(call()).context)
    assert settled.reason == "the server span of the call GET has not arrived in Sentry"


def test_the_address_is_known_by_its_old_name_too() -> None:
    assert not spans_settled(chain(call("http.url")).context).proven


def test_a_call_to_somebody_else_owes_no_span() -> None:
    assert spans_settled(chain(call(url="http://127.0.0.1:4318/v1/traces")).context).proven


def test_spans_are_settled_with_the_called_services_span() -> None:
    assert spans_settled(chain(call(), answer()).context).proven


def test_logs_are_not_settled_while_it_is_unknown_whether_the_service_was_called() -> None:
    given = chain(call())
    given.loki.lines = [line()]
    assert (
        logs_settled(given.context).reason
        == "the server span of the call GET has not arrived in Sentry"
    )


def test_logs_are_not_settled_without_the_called_services_last_line() -> None:
    given = chain(call(), answer())
    given.loki.lines = [line()]
    assert logs_settled(given.context).reason == (
        "0 of 1 lines /^request finished/ of inventory have arrived in Loki"
    )


def test_logs_are_settled_with_the_last_line_of_each_service() -> None:
    given = chain(call(), answer())
    given.loki.lines = [line(), line(service="inventory")]
    assert logs_settled(given.context).proven
