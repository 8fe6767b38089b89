"""What today's apps do that a request's own fence does not cover: told, never guessed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pytest_obsstack.expect.context import AppHistory
from pytest_obsstack.expect.fence import errors_settled, logs_settled, spans_settled
from pytest_obsstack.expect.metric_fence import metrics_settled, newest_sample_s, own_matcher
from pytest_obsstack.expect.settled import Settled, never_tells
from tests.unit.expect.fakes import Bench, app_facts, bench
from tests.unit.expect.models import (
    OTHER_TRACE,
    SENT_S,
    event,
    exchange,
    line,
    otlp_span,
    outcome,
    root_span,
)

INVENTORY = app_facts(service="inventory", instance="inventory-main", url="http://127.0.0.1:5001")


def arrived(given: Bench) -> Bench:
    """The fence of each request is there."""
    sent = [exchange.span_id for exchange in given.context.exchanges.all]
    given.sentry.spans = [*map(root_span, sent), *(otlp_span(parent=span) for span in sent)]
    given.loki.lines = [line() for _ in sent]
    given.prometheus.add("http_requests_total", (SENT_S + 60, 1))
    return given


# ---- streamed responses


def streamed(*later: Any, **facts: Any) -> Bench:
    """A response whose body came in parts, and perhaps more requests after it."""
    return arrived(bench(exchange("/rows", 200, streamed=True), *later, app=app_facts(**facts)))


LATER = exchange("/health", 200, span_id="5" * 16, started_s=SENT_S + 0.02, ended_s=SENT_S + 0.03)
ENDS = "; if spans and transactions of this app end after the body, as those of ASGI apps do, "


@pytest.mark.parametrize(
    ("fence", "last"),
    [
        (errors_settled, "its transaction"),
        (spans_settled, "its server span"),
        (logs_settled, "its last log record"),
    ],
)
def test_a_streamed_body_may_report_after_what_ends_its_request(fence: Any, last: str) -> None:
    assert fence(streamed().context) == Settled(
        f"the body of GET /rows (200) was streamed, and {last} ends before the body does, so what "
        "its making reports may still follow",
        polls=0,
        advice="send one more request that is not streamed: what it reports comes last"
        f"{ENDS}declare AppSpec(ends_after_body=True)",
    )


@pytest.mark.parametrize("fence", [errors_settled, spans_settled, logs_settled])
def test_a_later_request_stands_behind_the_streamed_body(fence: Any) -> None:
    assert fence(streamed(LATER).context).proven


def test_a_later_request_proves_nothing_where_another_process_may_have_answered_it() -> None:
    settled = errors_settled(streamed(LATER, processes=2).context)
    assert not settled.proven
    assert settled.advice == (
        "wait for what the body's making reports last: obs.expect_background_end(transaction=…)"
        f"{ENDS}declare AppSpec(ends_after_body=True)"
    )


def test_a_request_that_overlaps_with_the_streamed_body_is_not_behind_it() -> None:
    overlapping = replace(LATER, started_s=SENT_S + 0.005)
    assert not errors_settled(streamed(overlapping).context).proven


def test_a_later_request_that_is_streamed_itself_is_no_fence() -> None:
    assert not errors_settled(streamed(replace(LATER, streamed=True)).context).proven


def test_a_streamed_body_is_covered_where_the_transaction_ends_after_it() -> None:
    assert errors_settled(streamed(ends_after_body=True).context).proven


def test_metrics_are_fenced_by_a_time_after_the_body() -> None:
    assert never_tells(streamed().context, "metrics") is None


# ---- background threads


def test_background_threads_leave_everything_unproven() -> None:
    given = arrived(bench(app=app_facts(background_threads=True)))
    assert errors_settled(given.context) == Settled(
        "simple-app goes on reporting after its responses (AppSpec.background_threads), and no "
        "request proves when that has ended",
        polls=0,
        advice="let the background work end with something of its own, and wait for that first: "
        "obs.expect_background_end(transaction=…)",
    )
    for fence in (spans_settled, logs_settled):
        assert not fence(given.context).proven
    assert never_tells(given.context, "metrics") is not None


def test_background_threads_of_a_service_that_the_app_calls_count_too() -> None:
    busy = replace(INVENTORY, background_threads=True)
    given = arrived(bench(app=app_facts(companions=(busy,))))
    reason = errors_settled(given.context).reason
    assert reason is not None
    assert reason.startswith("inventory goes on reporting after its responses")


def went_on(after_s: float) -> Bench:
    """A span that ended so long after the request's own, of an app that declares nothing."""
    given = bench()
    ended_s: dict[str, Any] = {"precise.start_ts": SENT_S, "precise.finish_ts": SENT_S + 1}
    later: dict[str, Any] = {"precise.start_ts": SENT_S, "precise.finish_ts": SENT_S + 1 + after_s}
    given.sentry.spans = [
        root_span(**ended_s),
        otlp_span(**ended_s),
        root_span("1" * 16, id="6" * 16, **{"span.description": "job"}, **later),
        otlp_span("job", parent="2" * 16, id="7" * 16, kind="internal", **later),
    ]
    return given


@pytest.mark.parametrize("fence", [errors_settled, spans_settled])
def test_an_app_that_is_seen_to_go_on_is_taken_for_one_that_does(fence: Any) -> None:
    assert fence(went_on(0.3).context) == Settled(
        "the span job ended 0.30 s after the last request had been answered, so the app goes on "
        "reporting after its responses",
        polls=0,
        advice="declare it, AppSpec(background_threads=True), and wait for the end of that work "
        "first: obs.expect_background_end(…)",
    )


@pytest.mark.parametrize("fence", [errors_settled, spans_settled])
def test_what_ends_with_the_request_does_not_go_on(fence: Any) -> None:
    assert fence(went_on(0.01).context).proven


def test_a_service_on_another_clock_does_not_go_on() -> None:
    given = went_on(0.0)
    ahead: dict[str, Any] = {"precise.finish_ts": SENT_S + 9, "service.name": "far away"}
    given.sentry.spans.append(otlp_span("GET /far", parent="7" * 16, id="8" * 16, **ahead))
    assert spans_settled(given.context).proven


@pytest.mark.parametrize("fence", [errors_settled, spans_settled])
def test_what_has_been_seen_to_end_does_not_go_on(fence: Any) -> None:
    given = went_on(0.3)
    given.context.background_ends = {"errors": 1, "spans": 1}
    assert fence(given.context).proven


def test_the_end_of_the_background_work_settles_its_signal_alone() -> None:
    given = arrived(bench(app=app_facts(background_threads=True)))
    given.context.background_ends["errors"] = 1
    assert errors_settled(given.context).proven
    assert not spans_settled(given.context).proven


def test_another_request_calls_the_end_into_question() -> None:
    given = arrived(bench(exchange(), LATER, app=app_facts(background_threads=True)))
    given.context.background_ends["errors"] = 1
    assert not errors_settled(given.context).proven


# ---- the queue of the SDK


def busy(events: int, *, queue_size: int = 100, **more: Any) -> Bench:
    """A request during which the app has reported so many errors that have arrived."""
    given = arrived(bench(app=app_facts(sentry_queue_size=queue_size), **more))
    given.sentry.events = [event(event_id=f"{number:032x}") for number in range(events)]
    return given


def test_fewer_items_than_half_a_queue_cannot_have_filled_it() -> None:
    assert errors_settled(busy(48).context).proven


def test_half_a_queue_of_items_may_have_filled_it() -> None:
    assert errors_settled(busy(49).context) == Settled(
        "50 items or more may have been waiting in the queue of simple-app's Sentry SDK, which "
        "holds 100: an error may have been dropped, and the SDK's report of that comes half a "
        "minute later",
        polls=0,
        advice="raise transport_queue_size in the app's sentry_sdk.init and say so: "
        "AppSpec(sentry_queue_size=…)",
    )


def test_a_larger_queue_that_is_declared_takes_more() -> None:
    assert errors_settled(busy(49, queue_size=1000).context).proven


def test_the_smallest_queue_of_all_services_counts() -> None:
    small = replace(INVENTORY, sentry_queue_size=10)
    given = arrived(bench(app=app_facts(companions=(small,))))
    given.sentry.events = [event()] * 4
    reason = errors_settled(given.context).reason
    assert reason is not None
    assert "the queue of inventory's Sentry SDK, which holds 10" in reason


def test_what_everybody_has_sent_since_is_asked_first_where_it_is_counted_at_once() -> None:
    given = busy(49)
    given.context.taken_before = 100
    given.sentry.outcome_list = [
        outcome("accepted", None, 140),
        outcome("accepted", None, 9000, "span"),
        outcome("client_discard", "before_send", 9000),
    ]
    assert errors_settled(given.context).proven
    # What was refused had been waiting, too.
    given.sentry.outcome_list = [outcome("accepted", None, 140), outcome("filtered", None, 10)]
    assert not errors_settled(given.context).proven


def test_a_sentry_that_counts_late_is_not_asked_for_counts() -> None:
    given = busy(49)
    given.stack.steerable = False
    given.context.taken_before = 0
    assert not errors_settled(given.context).proven


def test_others_who_send_much_do_not_make_a_test_unsure() -> None:
    given = busy(1)
    given.context.taken_before = 0
    given.sentry.outcome_list = [outcome("accepted", None, 5000)]
    assert errors_settled(given.context).proven


@pytest.mark.parametrize(("ended_s", "proven"), [(SENT_S - 19, False), (SENT_S - 21, True)])
def test_what_an_earlier_test_has_left_in_the_queue_counts(ended_s: float, proven: bool) -> None:
    given = busy(1, history=AppHistory(unsettled=[(OTHER_TRACE, ended_s)]))
    answers = given.sentry.events_of_trace

    def events_of_trace(trace_id: str, *, since_s: float | None = None) -> Any:
        if trace_id == OTHER_TRACE:
            return (event(),) * 60
        return answers(trace_id, since_s=since_s)

    given.sentry.events_of_trace = events_of_trace  # type: ignore[method-assign]
    assert errors_settled(given.context).proven is proven


def test_what_has_settled_does_not_count_against_later_tests() -> None:
    history = AppHistory(unsettled=[(OTHER_TRACE, SENT_S - 1)])
    given = busy(1, history=history)
    assert errors_settled(given.context).proven
    assert history.unsettled == []
    assert given.context.worked_off == 1


def test_what_has_settled_of_one_process_says_nothing_of_the_others() -> None:
    history = AppHistory(unsettled=[(OTHER_TRACE, SENT_S - 1)])
    given = busy(1, history=history)
    given.context.app = replace(given.context.app, processes=2)
    assert errors_settled(given.context).proven
    assert history.unsettled == [(OTHER_TRACE, SENT_S - 1)]


def test_what_has_settled_of_the_app_says_nothing_of_the_services_that_it_calls() -> None:
    history = AppHistory(unsettled=[(OTHER_TRACE, SENT_S - 1)])
    given = busy(1, history=history)
    other = app_facts(service="inventory", instance="inventory-main", url="http://127.0.0.1:5001")
    given.context.app = replace(given.context.app, companions=(other,))
    assert errors_settled(given.context).proven
    assert history.unsettled == [(OTHER_TRACE, SENT_S - 1)]
    assert given.context.worked_off == 0


# ---- several processes


def forked(*samples: tuple[str, float]) -> Bench:
    """An app of two processes; samples by process id and time."""
    given = bench(app=app_facts(processes=2))
    for process, time_s in samples:
        given.prometheus.add(
            "http_requests_total", (time_s, 1), instance=f"simple-app-main-{process}"
        )
    return given


def test_each_process_must_have_exported_since() -> None:
    given = forked(("11", SENT_S + 1), ("12", SENT_S - 1))
    assert metrics_settled(given.context, SENT_S).reason == (
        "of 2 processes of simple-app-main, any of which may have answered, 1 has a sample from "
        "after the last response in Prometheus"
    )
    given = forked(("11", SENT_S + 1), ("12", SENT_S + 2))
    assert metrics_settled(given.context, SENT_S).proven
    assert newest_sample_s(given.context) == SENT_S + 1


def test_a_process_that_has_exported_nothing_may_have_answered() -> None:
    given = forked(("11", SENT_S + 1))
    assert not metrics_settled(given.context, SENT_S).proven
    assert newest_sample_s(given.context) is None


def test_the_samples_of_one_process_do_not_count_twice() -> None:
    given = forked(("11", SENT_S + 1))
    given.prometheus.add("a_total", (SENT_S + 1, 1), instance="simple-app-main-11")
    assert not metrics_settled(given.context, SENT_S).proven


def test_the_processes_are_asked_by_a_metric_that_most_of_them_have() -> None:
    given = forked(("11", SENT_S + 1), ("12", SENT_S + 1))
    given.prometheus.add("a_total", (SENT_S + 1, 1), instance="simple-app-main-11")
    assert metrics_settled(given.context, SENT_S).proven


def test_another_apps_processes_are_not_its_own() -> None:
    given = forked(("11", SENT_S + 1))
    given.prometheus.add("http_requests_total", (SENT_S + 1, 1), instance="simple-app-mainly")
    assert not metrics_settled(given.context, SENT_S).proven


def test_the_instance_is_quoted_in_the_matcher() -> None:
    assert own_matcher(app_facts(instance="a.b", processes=2)) == 'instance=~"a\\\\.b(-.+)?"'
    assert own_matcher(app_facts(instance="", processes=2)) == 'job="simple-app"'


# ---- a collector with a sending queue


def queued(size: int) -> Bench:
    given = arrived(bench())
    given.collector.queues = {
        ("otlp_http/sentry", "traces"): size,
        ("otlp_http/loki", "logs"): size,
    }
    return given


def test_what_waits_in_the_collectors_queue_leaves_spans_unproven() -> None:
    settled = spans_settled(queued(2).context)
    assert settled.reason == (
        "the collector's exporter otlp_http/sentry has a sending queue, which does not keep the "
        "order, and it is not empty (otelcol_exporter_queue_size 2)"
    )
    assert settled.advice == (
        "switch it off in tests (sending_queue: enabled: false), as "
        "stack/otel-collector-config.yaml does"
    )
    assert logs_settled(queued(2).context).reason == (
        "the collector's exporter otlp_http/loki has a sending queue, which does not keep the "
        "order, and it is not empty (otelcol_exporter_queue_size 2)"
    )


def test_a_queue_that_has_been_worked_off_keeps_nothing_back() -> None:
    assert spans_settled(queued(0).context).proven
    assert logs_settled(queued(0).context).proven


def test_what_was_refused_or_filtered_before_makes_no_difference() -> None:
    for accepted, sent, proven in ((5, 9, False), (9, 5, True)):
        given = queued(0 if proven else 1)
        for signal in ("spans", "log_records"):
            given.collector.accepted[signal] = accepted
            given.collector.sent[signal] = sent
        assert spans_settled(given.context).proven is proven
        assert logs_settled(given.context).proven is proven


def test_a_queue_is_waited_for() -> None:
    given = queued(2)
    given.context.timeout_s = 5.0

    def work(poll: int) -> None:
        if poll == 4:
            given.collector.queues["otlp_http/sentry", "traces"] = 0

    given.collector.at_poll = work
    assert spans_settled(given.context).proven


def unreachable() -> Bench:
    """A collector whose own metrics only Prometheus has."""
    given = arrived(bench())
    vars(given.context.clients)["collector"] = None
    return given


def test_a_queue_that_prometheus_tells_of_leaves_spans_and_lines_unproven() -> None:
    given = unreachable()
    for exporter in ("otlphttp/b", "otlphttp/a"):
        given.prometheus.add("otelcol_exporter_queue_capacity", (SENT_S, 1000), exporter=exporter)
    for fence in (spans_settled, logs_settled):
        settled = fence(given.context)
        assert settled == Settled(
            "by its metrics the collector has a sending queue (otlphttp/a, otlphttp/b), which does "
            "not keep the order",
            polls=0,
            advice="switch it off in tests (sending_queue: enabled: false), as "
            "stack/otel-collector-config.yaml does",
        )
    assert errors_settled(given.context).proven


def test_a_collector_without_a_queue_by_its_metrics_keeps_the_order() -> None:
    given = unreachable()
    given.prometheus.add("otelcol_exporter_sent_spans_total", (SENT_S, 7), exporter="otlphttp/a")
    assert spans_settled(given.context).proven
    # Asked once, not once a fence.
    assert logs_settled(given.context).proven
    assert given.prometheus.queries == ['{__name__=~"otelcol_exporter_.+"}']


def test_a_collector_that_was_not_scraped_yet_may_have_a_queue_still() -> None:
    given = unreachable()
    assert spans_settled(given.context).proven
    given.prometheus.add("otelcol_exporter_queue_capacity", (SENT_S, 9), exporter="otlphttp/a")
    assert not spans_settled(given.context).proven
    assert not logs_settled(given.context).proven
    assert given.prometheus.queries == ['{__name__=~"otelcol_exporter_.+"}'] * 2


def test_the_queues_of_other_exporters_and_signals_do_not_matter() -> None:
    given = queued(0)
    given.collector.queues["otlp_http/other", "traces"] = 3
    given.collector.queues["otlp_http/sentry", "logs"] = 3
    assert spans_settled(given.context).proven


def test_any_queue_matters_where_the_exporters_have_other_names() -> None:
    given = queued(0)
    given.collector.exporters = {"spans": "otlphttp/ours"}
    given.collector.queues = {("otlphttp/ours", "traces"): 3}
    settled = spans_settled(given.context)
    assert settled.reason is not None
    assert settled.reason.startswith("the collector's exporter otlphttp/ours has a sending queue")
