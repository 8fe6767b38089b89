"""Rates of sampling, and decisions of callers, with all messages whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from pytest_obsstack.clients.sentry.explore import SpanRow
from pytest_obsstack.errors import CannotTell, ObsstackError
from pytest_obsstack.expect.binomial import clopper_pearson
from pytest_obsstack.expect.sampling import (
    Driver,
    expect_decision_kept,
    expect_every_request_traced,
    expect_sampling_rate,
)
from pytest_obsstack.wire.trace_context import parse_sentry_trace
from tests.unit.expect.fakes import Bench, app_facts, bench
from tests.unit.expect.models import OTHER_TRACE, exchange, otlp_span, root_span

INVENTORY = app_facts(service="inventory", instance="inventory-main", url="http://127.0.0.1:5001")
LOOK = "  look      keep the stack: --obs-keep-stack"


@dataclass
class App:
    """An app that samples every so-many-th request, and keeps its callers' decisions or not."""

    given: Bench
    transactions_of: int = 1
    spans_of: int = 1
    tells_requests: bool = True
    keeps_decisions: bool = True
    asked: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)

    @property
    def driver(self) -> Driver:
        return Driver(self.given.context, self.undecided, self.decided)

    def undecided(self, path: str, headers: Mapping[str, str]) -> None:
        self.asked.append((path, headers))
        number = len(self.asked)
        trace = parse_sentry_trace(headers["sentry-trace"])
        assert trace is not None
        sampled = trace.sampled is None or not self.keeps_decisions
        rows: list[SpanRow] = []
        if sampled and number % self.transactions_of == 0:
            rows.append(root_span(trace.span_id, **{"span.description": path}))
        if trace.sampled is not None and sampled:
            rows.append(otlp_span(f"GET {path}", parent=trace.span_id))
        self.given.sentry.other_traces[trace.trace_id] = rows
        if "X-Request-Id" in headers and number % self.spans_of == 0 and self.tells_requests:
            self.given.sentry.by_request[headers["X-Request-Id"]] = OTHER_TRACE

    def decided(self, path: str, headers: Mapping[str, str]) -> None:
        number = f"{len(self.given.context.exchanges.all):016x}"
        self.given.context.exchanges.all.append(exchange(path, 200, span_id=number))
        self.given.sentry.spans += [root_span(number), otlp_span(parent=number)]
        if self.tells_requests and "X-Request-Id" in headers:
            self.given.sentry.by_request[headers["X-Request-Id"]] = self.given.context.trace_id


def app(*, no_fence: bool = False, **how: Any) -> App:
    facts = how.pop("facts", None) or app_facts()
    made = App(bench(no_request=True, app=facts), **how)
    if no_fence:
        made.given.sentry.at_poll = lambda _: made.given.sentry.spans.clear()
    return made


# ---- every request


@pytest.mark.proves("obs.expect_every_request_traced", "green")
def test_every_request_is_traced() -> None:
    made = app()
    expect_every_request_traced(made.driver, 5, path=None)
    assert [path for path, _ in made.asked] == ["/health"] * 5
    traces = {headers["sentry-trace"][:32] for _, headers in made.asked}
    assert len(traces) == 5
    for _, headers in made.asked:
        # Undecided, and with a number that no rate below one takes.
        assert headers["sentry-trace"].count("-") == 1
        assert "traceparent" not in headers
        assert headers["baggage"].endswith("sentry-sample_rand=0.999999")


@pytest.mark.proves("obs.expect_every_request_traced", "red")
def test_a_request_without_transaction() -> None:
    made = app(transactions_of=2)
    with pytest.raises(AssertionError) as caught:
        expect_every_request_traced(made.driver, 5, path="/")
    assert str(caught.value) == (
        "Not every request is traced.\n"
        "  expected  a transaction and a server span of each of 5 requests to /\n"
        "  found     2 of 5 have a transaction, 5 of 5 have a server span\n"
        "  pipeline  app 1 request (200) → SDK has the DSN http://0123…@127.0.0.1:9000/1 → Sentry "
        "accepted 0 events, 1 transaction of this trace → SDK reported no discards\n"
        "  do        traces_sample_rate=1.0 in sentry_sdk.init, and no traces_sampler below that\n"
        f"{LOOK}"
    )


def test_a_request_without_server_span() -> None:
    made = app(spans_of=2)
    with pytest.raises(AssertionError) as caught:
        expect_every_request_traced(made.driver, 3, path=None)
    assert "  found     3 of 3 have a transaction, 1 of 3 have a server span\n" in str(caught.value)
    assert "  do        OTEL_TRACES_SAMPLER=parentbased_always_on\n" in str(caught.value)


@pytest.mark.proves("obs.expect_every_request_traced", "other trace")
def test_the_transactions_of_other_traces_do_not_count() -> None:
    made = app(transactions_of=1000)
    made.given.sentry.other_traces[OTHER_TRACE] = [root_span()] * 9
    with pytest.raises(AssertionError, match="0 of 3 have a transaction"):
        expect_every_request_traced(made.driver, 3, path=None)


@pytest.mark.proves("obs.expect_every_request_traced", "cannot tell")
def test_what_has_not_settled_is_not_counted() -> None:
    made = app(no_fence=True)
    with pytest.raises(CannotTell) as caught:
        expect_every_request_traced(made.driver, 3, path=None)
    assert str(caught.value) == (
        "Cannot tell what the app samples: it is not proven that all transactions of this test "
        "have arrived.\n"
        "  expected  the fence of each request has arrived\n"
        "  found     the transaction of GET /health (200) has not arrived after 0.0 s (1 poll)\n"
        "            stopped at SDK → Sentry: Sentry accepted 0 events, 0 transactions of this "
        "trace\n"
        "  do        the SDK sent nothing: traces_sample_rate may be unset or 0, before_send and "
        "before_send_transaction may drop all, the network or Sentry's answers may be in the way; "
        "see the app's log"
    )


def test_an_app_that_reports_neither_errors_nor_spans() -> None:
    facts = app_facts(signals=frozenset({"logs"}))
    with pytest.raises(CannotTell) as caught:
        expect_every_request_traced(app(facts=facts).driver, 3, path=None)
    assert str(caught.value) == (
        "Cannot tell whether every request is traced.\n"
        "  expected  an app that reports errors or spans, and a backend that shows them by trace\n"
        "  found     an app that reports logs, --obs-stack=embedded\n"
        '  do        mark the test with obs_requires("transactions") or obs_requires("spans")'
    )


def test_a_request_that_is_sampled_follows_before_a_queue_can_be_full() -> None:
    made = app(facts=app_facts(sentry_queue_size=8))
    made.given.context.taken_before = 0
    expect_every_request_traced(made.driver, 5, path=None)
    # After each second one, and after the last.
    assert len(made.given.context.exchanges.all) == 3


def test_several_processes_prove_nothing_for_each_other() -> None:
    made = app(facts=app_facts(companions=(replace(INVENTORY, processes=4),)))
    with pytest.raises(CannotTell) as caught:
        expect_every_request_traced(made.driver, 3, path=None)
    assert str(caught.value) == (
        "Cannot tell what the app samples.\n"
        "  expected  services of one process each, whose reports come in order\n"
        "  found     inventory with 4 processes\n"
        "  do        run the app with one process for this test (WEB_CONCURRENCY=1)"
    )


# ---- a rate


def rate_of(made: App, rate: float, **how: Any) -> float:
    options = {"requests": 40, "confidence": 0.999, "path": None, "of": "transactions", **how}
    return expect_sampling_rate(made.driver, rate, **options)


@pytest.mark.proves("obs.expect_sampling_rate", "green")
def test_a_rate_within_the_interval() -> None:
    made = app(transactions_of=4, spans_of=2)
    assert rate_of(made, 0.3) == 0.25
    assert all("baggage" not in headers for _, headers in made.asked)


def test_the_rate_of_spans() -> None:
    assert rate_of(app(transactions_of=4, spans_of=2), 0.5, of="spans") == 0.5


@pytest.mark.proves("obs.expect_sampling_rate", "other trace")
@pytest.mark.parametrize("of", ["transactions", "spans"])
def test_what_other_traces_have_is_in_no_rate(of: str) -> None:
    made = app(transactions_of=1000, spans_of=1000)
    made.given.sentry.other_traces[OTHER_TRACE] = [root_span(), otlp_span()] * 40
    made.given.sentry.by_request |= {f"{OTHER_TRACE}-{n:016x}": OTHER_TRACE for n in range(40)}
    assert rate_of(made, 0.0, of=of) == 0.0


@pytest.mark.proves("obs.expect_sampling_rate", "red")
def test_a_rate_beyond_the_interval() -> None:
    with pytest.raises(AssertionError) as caught:
        rate_of(app(transactions_of=4), 0.6)
    assert str(caught.value) == (
        "The app does not sample at the expected rate.\n"
        "  expected  a transaction of a share of 0.6 of the requests to /health\n"
        "  found     10 of 40: with a confidence of 0.999 the rate is between 0.0735 and 0.5185\n"
        "  pipeline  app 1 request (200) → SDK has the DSN http://0123…@127.0.0.1:9000/1 → Sentry "
        "accepted 0 events, 1 transaction of this trace → SDK reported no discards\n"
        "  do        traces_sample_rate or traces_sampler in sentry_sdk.init\n"
        f"{LOOK}"
    )


def test_a_rate_of_one_takes_no_exception() -> None:
    assert rate_of(app(), 1.0) == 1.0
    made = app()

    def forgets_the_eighth(path: str, headers: Mapping[str, str]) -> None:
        if len(made.asked) == 7:
            made.asked.append((path, headers))
        else:
            made.undecided(path, headers)

    made.given.context.timeout_s = 0.0
    driver = replace(made.driver, send=forgets_the_eighth)
    with pytest.raises(
        AssertionError, match=r"39 of 40: .* the rate is between 0\.7763 and just below 1\n"
    ):
        expect_sampling_rate(
            driver, 1.0, requests=40, confidence=0.999, path=None, of="transactions"
        )


@pytest.mark.proves("obs.expect_sampling_rate", "cannot tell")
def test_spans_that_do_not_tell_their_request() -> None:
    with pytest.raises(CannotTell) as caught:
        rate_of(app(tells_requests=False), 0.0, of="spans")
    assert str(caught.value) == (
        "Cannot tell whose spans are there.\n"
        "  expected  the attribute http.request.header.x_request_id on the span of each request\n"
        "  found     none on the span of a request that its caller has sampled\n"
        "  do        let the app's instrumentation put X-Request-Id on the spans of its requests "
        "(OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST=X-Request-Id)"
    )


@pytest.mark.parametrize("wrong", [{"rate": 25}, {"confidence": 1.0}, {"requests": 0}])
def test_what_is_no_rate(wrong: dict[str, Any]) -> None:
    with pytest.raises(ObsstackError, match="Not a sampling rate that can be observed"):
        rate_of(app(), **{"rate": 0.5, **wrong})


# ---- decisions of callers


@pytest.mark.proves("obs.expect_decision_kept", "green")
def test_a_decision_that_is_kept() -> None:
    made = app()
    expect_decision_kept(made.driver, "/")
    ((_, headers),) = made.asked
    assert headers["traceparent"].endswith("-00")
    assert headers["sentry-trace"].endswith("-0")


@pytest.mark.proves("obs.expect_decision_kept", "other trace")
def test_what_other_traces_have_is_no_decision_that_was_not_kept() -> None:
    made = app()
    made.given.sentry.other_traces[OTHER_TRACE] = [root_span(), otlp_span()]
    expect_decision_kept(made.driver, "/")


@pytest.mark.proves("obs.expect_decision_kept", "red")
def test_a_decision_that_is_not_kept() -> None:
    with pytest.raises(AssertionError) as caught:
        expect_decision_kept(app(keeps_decisions=False).driver, "/")
    assert str(caught.value) == (
        "A caller's sampling decision was not kept.\n"
        "  expected  nothing of a request to / that its caller has not sampled\n"
        "  found     transaction /\n"
        "  also      span simple-app: GET /\n"
        "  do        use a parentbased sampler, and let traces_sampler return parent_sampled where "
        "there is one\n"
        f"{LOOK}"
    )


@pytest.mark.proves("obs.expect_decision_kept", "red")
def test_a_decision_that_does_not_reach_a_service() -> None:
    made = app(facts=app_facts(companions=(INVENTORY,)))
    with pytest.raises(AssertionError) as caught:
        expect_decision_kept(made.driver, "/chain")
    assert str(caught.value) == (
        "A sampling decision was lost on the way.\n"
        "  expected  spans of simple-app, inventory for a request to /chain that its caller has "
        "sampled\n"
        "  found     none of inventory\n"
        "  do        pass traceparent and baggage on to the service, and use a parentbased sampler "
        "there; or ask for a path that calls it\n"
        f"{LOOK}"
    )


def test_a_decision_of_which_nothing_can_be_seen_is_not_said_to_be_kept() -> None:
    made = app(facts=app_facts(signals=frozenset({"logs"})), keeps_decisions=False)
    with pytest.raises(CannotTell) as caught:
        expect_decision_kept(made.driver, "/")
    assert str(caught.value) == (
        "Cannot tell whether the caller's decision is kept.\n"
        "  expected  an app that reports errors or spans, and a backend that shows them by trace\n"
        "  found     an app that reports logs, --obs-stack=embedded\n"
        '  do        mark the test with obs_requires("transactions") or obs_requires("spans")'
    )
    assert made.asked == []


@pytest.mark.proves("obs.expect_decision_kept", "cannot tell")
def test_a_decision_cannot_be_told_before_all_has_arrived() -> None:
    with pytest.raises(CannotTell, match="tell whether the caller's decision is kept"):
        expect_decision_kept(app(no_fence=True).driver, "/")


# ---- what they write down for the self-check


def test_what_is_expected_of_sampling_is_written_down() -> None:
    made = app()
    expect_every_request_traced(made.driver, 3, path=None)
    rate_of(made, 1.0)
    expect_decision_kept(made.driver, "/")
    assert [(fact.kind, fact.found) for fact in made.given.context.asserted] == [
        ("sampling", ("expect_every_request_traced",)),
        ("sampling", ("expect_sampling_rate",)),
        ("sampling", ("expect_decision_kept",)),
    ]


# ---- the interval


@pytest.mark.parametrize(
    ("successes", "trials", "confidence", "low", "high"),
    [
        # Textbook values.
        (0, 10, 0.95, 0.0, 0.3085),
        (1, 10, 0.95, 0.0025, 0.4450),
        (5, 10, 0.95, 0.1871, 0.8129),
        (10, 10, 0.95, 0.6915, 1.0),
        (81, 263, 0.95, 0.2527, 0.3676),
    ],
)
def test_clopper_pearson(
    successes: int, trials: int, confidence: float, low: float, high: float
) -> None:
    assert clopper_pearson(successes, trials, confidence) == pytest.approx((low, high), abs=1e-4)


def test_many_trials_do_not_overflow() -> None:
    low, high = clopper_pearson(2500, 10_000, 0.999)
    assert 0.235 < low < 0.25 < high < 0.265
