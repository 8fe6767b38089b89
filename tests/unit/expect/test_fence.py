"""Fences of errors and spans: proven by what came last on the same way, or not, with the reason."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_obsstack.errors import BackendUnavailable
from pytest_obsstack.expect.context import AppHistory
from pytest_obsstack.expect.fence import errors_settled, logs_settled, spans_settled
from tests.unit.expect.fakes import Bench, app_facts, bench
from tests.unit.expect.models import OTHER_TRACE, exchange, line, otlp_span, outcome, root_span

INVENTORY = app_facts(service="inventory", instance="inventory-main", url="http://127.0.0.1:5001")


def chained(**more: object) -> Bench:
    """A request during which the app calls another service, of which nothing has arrived yet."""
    return bench(exchange("/chain", 200), app=app_facts(companions=(INVENTORY,)), **more)  # type: ignore[arg-type]


# ---- the request's own transaction and server span


def test_errors_have_settled_with_the_requests_transaction() -> None:
    given = bench()
    given.sentry.spans = [root_span()]
    assert errors_settled(given.context).proven


def test_spans_have_settled_with_the_requests_server_span() -> None:
    given = bench()
    given.sentry.spans = [otlp_span()]
    assert spans_settled(given.context).proven


def test_a_transaction_that_arrives_later_is_waited_for() -> None:
    given = bench(timeout_s=5.0)

    def arrive(poll: int) -> None:
        if poll == 3:
            given.sentry.spans = [root_span()]

    given.sentry.at_poll = arrive
    settled = errors_settled(given.context)
    assert (settled.proven, settled.polls) == (True, 3)


def test_the_span_of_another_sdk_is_no_fence_of_errors() -> None:
    given = bench()
    given.sentry.spans = [otlp_span()]
    assert errors_settled(given.context).reason == (
        "the transaction of GET /error (500) has not arrived"
    )


def test_a_transaction_is_no_fence_of_spans() -> None:
    given = bench()
    given.sentry.spans = [root_span(), otlp_span(kind="client")]
    assert spans_settled(given.context).reason == (
        "the server span of GET /error (500) has not arrived in Sentry"
    )


def test_the_transaction_of_another_request_is_no_fence() -> None:
    given = bench()
    given.sentry.spans = [root_span("b" * 16), root_span(None)]
    assert not errors_settled(given.context).proven


def test_a_transaction_of_another_trace_is_no_fence() -> None:
    given = bench()
    given.sentry.spans = [root_span()]
    given.context.trace = replace(given.context.trace, trace_id=OTHER_TRACE)
    assert not errors_settled(given.context).proven


def test_a_child_span_that_names_the_request_is_no_transaction() -> None:
    given = bench()
    given.sentry.spans = [root_span(is_transaction=False)]
    assert not errors_settled(given.context).proven


def test_every_request_needs_its_own_fence() -> None:
    given = bench(exchange("/one", 200), exchange("/two", 404, method="POST", span_id="2" * 16))
    given.sentry.spans = [root_span(), otlp_span()]
    assert errors_settled(given.context).reason == (
        "the transaction of POST /two (404) has not arrived"
    )
    given.sentry.spans += [root_span("2" * 16), otlp_span(parent="2" * 16)]
    assert errors_settled(given.context).proven
    assert spans_settled(given.context).proven


# ---- what no fence can prove


FENCES = [errors_settled, spans_settled, logs_settled]


@pytest.mark.parametrize("settled", FENCES)
def test_nothing_has_settled_while_a_request_has_no_response(settled: type) -> None:
    given = bench(exchange(), exchange("/slow", None))
    given.sentry.spans = [root_span(), otlp_span()]
    given.loki.lines = [line()]
    assert settled(given.context).reason == (
        "GET /slow got no response, so the app may still be at work on it"
    )


@pytest.mark.parametrize("settled", FENCES)
def test_nothing_has_settled_where_no_request_is_known(settled: type) -> None:
    given = bench(no_request=True)
    assert settled(given.context).reason == (
        "no request of this test is known, so there is nothing to wait for"
    )


@pytest.mark.parametrize("settled", [errors_settled, spans_settled])
def test_a_backend_that_does_not_answer_is_an_error_of_its_own(settled: type) -> None:
    given = bench()
    given.sentry.error = BackendUnavailable("Sentry did not answer.")
    with pytest.raises(BackendUnavailable):
        settled(given.context)


def test_a_reported_queue_overflow_leaves_errors_unproven() -> None:
    given = bench()
    given.sentry.spans = [root_span()]
    given.sentry.outcome_list = [
        outcome("client_discard", "queue_overflow", 3),
        outcome("client_discard", "sample_queue_overflow", 1),
        outcome("client_discard", "before_send", 7),
        outcome("rate_limited", "queue_overflow", 9),
    ]
    assert errors_settled(given.context).reason == (
        "the SDK reported that it dropped 4 items because its queue was full"
    )


def test_an_overflow_that_was_reported_before_counts_no_more() -> None:
    given = bench(history=AppHistory(queue_overflows=3))
    given.context.overflows_before = 3
    given.sentry.spans = [root_span()]
    given.sentry.outcome_list = [outcome("client_discard", "queue_overflow", 3)]
    assert errors_settled(given.context).proven
    given.sentry.outcome_list = [outcome("client_discard", "queue_overflow", 5)]
    reason = errors_settled(given.context).reason
    assert reason is not None
    assert "dropped 2 items" in reason
    # Asking again gives the same answer: what is lost stays lost.
    assert errors_settled(given.context).reason == reason


def test_what_the_sdk_filters_by_itself_is_no_loss() -> None:
    given = bench()
    given.sentry.spans = [root_span()]
    given.sentry.outcome_list = [outcome("client_discard", "event_processor", 3)]
    assert errors_settled(given.context).proven


# ---- services that the app calls


def test_errors_have_settled_only_with_the_transaction_of_the_service_that_was_called() -> None:
    given = chained()
    call = root_span(
        "1" * 16,
        id="c" * 16,
        is_transaction=False,
        **{"span.op": "http.client", "span.description": "GET http://127.0.0.1:5001/stock"},
    )
    given.sentry.spans = [root_span(), call]
    assert errors_settled(given.context).reason == (
        "the transaction of the call GET http://127.0.0.1:5001/stock has not arrived"
    )
    given.sentry.spans.append(root_span("c" * 16, id="d" * 16))
    assert errors_settled(given.context).proven


def test_spans_have_settled_only_with_the_server_span_of_the_service_that_was_called() -> None:
    given = chained()
    call = otlp_span("GET 127.0.0.1:5001", parent="2" * 16, id="c" * 16, kind="client")
    given.sentry.spans = [otlp_span(), call]
    assert spans_settled(given.context).reason == (
        "the server span of the call GET 127.0.0.1:5001 has not arrived in Sentry"
    )
    given.sentry.spans.append(otlp_span("GET /stock", parent="c" * 16, id="d" * 16))
    assert spans_settled(given.context).proven


def test_a_call_to_somebody_else_needs_no_fence() -> None:
    given = chained()
    call = otlp_span("GET 127.0.0.1:6000", parent="2" * 16, id="c" * 16, kind="client")
    given.sentry.spans = [otlp_span(), call]
    assert spans_settled(given.context).proven
