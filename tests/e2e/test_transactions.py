"""Transactions: every request is one, with its child spans and its time."""

from __future__ import annotations

import pytest

from pytest_obsstack import Probe
from tests.e2e.sampling import unlikely_to_be_sampled

pytestmark = [pytest.mark.e2e, pytest.mark.obs_requires("transactions")]


@pytest.mark.claim("perf-every-request")
def test_every_request_without_a_sampling_decision_has_its_transaction(obs: Probe) -> None:
    undecided = obs.undecided
    paths = ["/", "/error", "/health", "/log", "/nowhere"] * 4
    for path in paths:
        undecided.get(path, headers=unlikely_to_be_sampled(obs))

    # Each names the span that its request was sent with.
    for exchange in obs.exchanges:
        obs.sentry.expect_transaction(contexts={"trace": {"parent_span_id": exchange.span_id}})
    transactions = obs.sentry.transactions()
    assert len(transactions) == len(paths)
    assert {t.trace_id for t in transactions} == {obs.trace_id}
    assert {t.op for t in transactions} == {"http.server"}


@pytest.mark.claim("perf-timing")
def test_a_transaction_has_the_time_that_the_request_took(obs: Probe) -> None:
    obs.get("/slow?seconds=0.15")
    obs.get("/health")
    slow, fast = obs.sentry.transactions()
    first, second = obs.exchanges
    for transaction, exchange in ((slow, first), (fast, second)):
        assert transaction.duration_s is not None
        assert 0 < transaction.duration_s <= exchange.ended_s - exchange.started_s
    assert slow.duration_s is not None
    assert slow.duration_s >= 0.15


@pytest.mark.claim("direct-performance")
def test_a_transaction_has_the_child_spans_of_its_request(obs: Probe) -> None:
    obs.get("/slow?seconds=0.05")
    transaction = obs.sentry.expect_transaction("/slow", op="http.server", status="ok")
    (child,) = transaction.spans
    assert (child.op, child.description) == ("function", "wait")
    assert child.parent_span_id == transaction.span_id
    assert child.trace_id == transaction.trace_id == obs.trace_id
    assert transaction.start_s is not None
    assert transaction.end_s is not None
    assert child.start_s is not None
    assert child.end_s is not None
    assert transaction.start_s <= child.start_s < child.end_s <= transaction.end_s
    assert child.end_s - child.start_s >= 0.05


@pytest.mark.claim("direct-performance")
def test_a_failed_request_has_a_transaction_with_that_status(obs: Probe) -> None:
    obs.get("/error")
    transaction = obs.sentry.expect_transaction("/error", status="internal_error")
    assert transaction.tags["http.status_code"] == "500"
    event = obs.sentry.expect_event(type="ValueError")
    assert (event.trace_id, event.span_id) == (obs.trace_id, transaction.span_id)


@pytest.mark.claim("custom-transaction")
@pytest.mark.parametrize(("query", "status"), [("", None), ("?fail=1", "internal_error")])
def test_the_payment_is_a_transaction_of_its_own_in_the_requests_trace(
    obs: Probe, query: str, status: str | None
) -> None:
    obs.get(f"/checkout{query}")
    payment = obs.sentry.expect_transaction("process_payment", op="task", status=status)
    request = obs.sentry.expect_transaction("/checkout", op="http.server")
    assert payment.trace_id == request.trace_id == obs.trace_id
    assert payment.parent_span_id == request.span_id
    assert payment.event_id != request.event_id
    (child,) = payment.spans
    assert (child.op, child.description) == ("function", "authorize")
    assert child.parent_span_id == payment.span_id
    assert len(obs.sentry.transactions()) == 2
