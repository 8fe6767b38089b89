from __future__ import annotations

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import format_trace_id

from pytest_obsstack.wire.trace_context import TraceContext
from tests.unit.app.in_process import InProcess


def trace_id_of(span: ReadableSpan) -> str:
    context = span.get_span_context()
    assert context is not None
    return format_trace_id(context.trace_id)


def test_all_signals_of_a_request_carry_its_trace_id(reporting: InProcess) -> None:
    seen = reporting.request("/error")
    trace_ids = (
        [payload["contexts"]["trace"]["trace_id"] for _, payload in seen.items]
        + [trace_id_of(span) for span in seen.spans]
        + [format_trace_id(entry.log_record.trace_id or 0) for entry in seen.logs]
    )
    assert trace_ids == [seen.context.trace_id] * 5


@pytest.mark.parametrize(
    ("path", "name", "status", "route"),
    [
        ("/health", "GET /health", "UNSET", "/health"),
        ("/error", "GET /error", "ERROR", "/error"),
        ("/sentry-test", "GET /sentry-test", "ERROR", "/sentry-test"),
        ("/chain", "GET /chain", "ERROR", "/chain"),  # 503: no inventory is set
        ("/nowhere", "GET /nowhere", "UNSET", None),
    ],
)
def test_the_server_span_has_the_rules_name_and_the_answers_status(
    reporting: InProcess, path: str, name: str, status: str, route: str | None
) -> None:
    seen = reporting.request(path)
    span = seen.server_span
    assert span.attributes is not None
    assert (span.name, span.status.status_code.name) == (name, status)
    assert span.attributes.get("http.route") == route
    assert span.attributes["http.response.status_code"] == seen.response.status_code


@pytest.mark.parametrize(
    ("path", "exception"), [("/error", "ValueError"), ("/sentry-test", "ZeroDivisionError")]
)
def test_an_exception_is_an_event_of_the_server_span(
    reporting: InProcess, path: str, exception: str
) -> None:
    (event,) = reporting.request(path).server_span.events
    assert event.name == "exception"
    assert event.attributes is not None
    assert event.attributes["exception.type"] == exception


@pytest.mark.parametrize(
    ("path", "status"),
    [("/health", "ok"), ("/error", "internal_error"), ("/nowhere", "not_found")],
)
def test_every_request_is_a_transaction(reporting: InProcess, path: str, status: str) -> None:
    seen = reporting.request(path)
    (transaction,) = seen.transactions
    assert transaction["contexts"]["trace"]["op"] == "http.server"
    assert transaction["contexts"]["trace"]["status"] == status
    assert transaction["contexts"]["trace"]["parent_span_id"] == seen.context.span_id
    assert transaction["transaction_info"] == {"source": "route"}


def test_the_event_comes_before_the_transaction_of_its_request(reporting: InProcess) -> None:
    assert [kind for kind, _ in reporting.request("/sentry-test").items] == [
        "event",
        "transaction",
    ]


def test_process_payment_is_a_transaction_within_the_requests_trace(reporting: InProcess) -> None:
    seen = reporting.request("/checkout", method="POST", json={"amount": 5})
    payment, request = seen.transactions
    assert payment["transaction"] == "process_payment"
    assert request["transaction"] == "/checkout"
    trace = payment["contexts"]["trace"]
    assert (trace["op"], trace["trace_id"]) == ("task", seen.context.trace_id)
    assert trace["parent_span_id"] == request["contexts"]["trace"]["span_id"]
    assert [(span["op"], span["description"]) for span in payment["spans"]] == [
        ("function", "authorize")
    ]


def test_a_refused_payment_fails_its_own_transaction_and_span(reporting: InProcess) -> None:
    seen = reporting.request("/checkout?fail=1")
    assert seen.transactions[0]["contexts"]["trace"]["status"] == "internal_error"
    inner, outer = seen.spans
    assert (inner.name, inner.status.status_code.name) == ("process_payment", "ERROR")
    assert inner.parent is not None
    assert inner.parent == outer.get_span_context()
    assert seen.event["transaction"] == "/checkout"


def test_slow_has_a_child_span_as_long_as_it_was_asked(reporting: InProcess) -> None:
    seen = reporting.request("/slow?seconds=0.05")
    wait, server = seen.spans
    assert wait.name == "wait"
    assert None not in (wait.start_time, wait.end_time, server.start_time, server.end_time)
    assert (wait.end_time or 0) - (wait.start_time or 0) >= 50_000_000
    assert (server.start_time or 0) <= (wait.start_time or 0)
    assert (wait.end_time or 0) <= (server.end_time or 0)
    assert [span["description"] for span in seen.transactions[0]["spans"]] == ["wait"]


@pytest.mark.parametrize(
    ("rate", "sampled", "transactions"),
    [(1.0, None, 1), (0.0, None, 0), (0.0, True, 1), (1.0, False, 0)],
)
def test_the_rate_decides_where_the_client_did_not(
    simple_app: InProcess, rate: float, sampled: bool | None, transactions: int
) -> None:
    with simple_app.reporting(traces_sample_rate=rate):
        seen = simple_app.request("/error", context=TraceContext.new(sampled=sampled))
    assert len(seen.transactions) == transactions
    assert seen.event["contexts"]["trace"]["trace_id"] == seen.context.trace_id


def test_n_undecided_requests_give_n_transactions(reporting: InProcess) -> None:
    for _ in range(5):
        seen = reporting.request("/health", context=TraceContext.new(sampled=None))
        assert len(seen.transactions) == 1
