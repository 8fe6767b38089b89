"""span, log and metric: where a signal stops on its way through the collector."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import httpx
import pytest

from pytest_obsstack.provision.doctor.finding import Outcome
from pytest_obsstack.wire.otlp import Signal, error_body, success_body
from tests.unit.provision.doctor.world import NOW_S, World, row, rows

COLLECTOR = "POST http://collector.test:4318/v1"
LOKI = "GET http://loki.test:3100/loki/api/v1/query_range"
PROMETHEUS = "GET http://prometheus.test:9090/api/v1"

EXPORTER_DO = (
    "correct endpoint and key of the exporter to {0} in the collector's configuration, and see "
    "that {0} takes what it sends"
)


def loses(world: World, signal: Signal, noun: str, status: int) -> None:
    """The exporter of a signal fails; with ``status`` 200 the sender is not told."""

    def handle(_: httpx.Request) -> httpx.Response:
        world.counts[noun][0] += 1
        world.counts[noun][1] += 1
        body = error_body(status, "no such tenant", "protobuf") if status != 200 else b""
        return httpx.Response(status, content=body)

    world.on(f"{COLLECTOR}/{signal}", handle)


@pytest.mark.parametrize(
    ("status", "found"),
    [
        (503, "the collector answered 503: no such tenant"),
        (403, "the collector answered 403: no such tenant"),
        (200, "the collector took it, but otlp_http/loki lost 1 log record"),
    ],
)
def test_an_exporter_that_fails_is_found_whether_the_collector_tells_or_not(
    status: int, found: str
) -> None:
    world = World()
    loses(world, "logs", "log_records", status)
    assert row(world.subject(), "log") == Outcome(
        "fail", found, EXPORTER_DO.format("Loki"), hop="collector → Loki"
    )


@pytest.mark.parametrize("status", [404, 415, 401])
def test_what_the_collector_itself_refuses_never_reached_it(status: int) -> None:
    world = World()
    world.on(f"{COLLECTOR}/logs", httpx.Response(status, text="no"))
    assert row(world.subject(), "log") == Outcome(
        "fail",
        f"the collector answered {status}: no",
        "check that OTLP over HTTP is received there, and that there is a pipeline for logs",
        hop="here → collector",
    )


def test_a_part_that_the_collector_rejects_is_told() -> None:
    world = World()
    body = success_body("logs", "protobuf", rejected=1, message="too old")
    world.on(f"{COLLECTOR}/logs", httpx.Response(200, content=body))
    assert row(world.subject(), "log") == Outcome(
        "fail",
        "the collector answered 200 but rejected 1: too old",
        EXPORTER_DO.format("Loki"),
        hop="collector → Loki",
    )


def test_a_collector_that_breaks_off_is_told() -> None:
    world = World()
    world.on(f"{COLLECTOR}/logs", httpx.ReadError("reset"))
    assert row(world.subject(), "log") == Outcome(
        "fail",
        "no answer from collector.test:4318: ReadError: reset",
        "check host, port and network",
        hop="here → collector",
    )


def _line_of_another_trace(world: World) -> None:
    take = world._take_logs

    def handle(request: httpx.Request) -> httpx.Response:
        answer = take(request)
        world.lines.clear()
        return answer

    world.on(f"{COLLECTOR}/logs", handle)


def test_a_line_that_does_not_come_is_told_although_the_collector_took_it() -> None:
    world = World()
    _line_of_another_trace(world)
    assert row(world.subject(), "log") == Outcome(
        "fail",
        "the collector took it, but Loki does not show it within 0.05 s",
        "see the log of the collector and of Loki; the collector may send to another Loki than "
        "this one, or late: look for longer with --timeout",
        hop="collector → Loki",
    )


# ---- spans


def test_of_two_stores_the_one_that_has_not_got_the_span_is_named() -> None:
    world = World()

    def rejects(request: httpx.Request) -> httpx.Response:
        world._take_spans(request)
        world.counts["spans"][1] += 1
        body = error_body(503, "sentry said no", "protobuf")
        return httpx.Response(503, content=body)

    world.on(f"{COLLECTOR}/traces", rejects)
    world.on(
        "GET http://sentry.test:9000/api/0/organizations/acme/events/",
        httpx.Response(200, json={"data": []}),
    )
    assert rows(world.subject(), "span") == {
        "span sentry": Outcome(
            "fail",
            "the collector answered 503: sentry said no",
            EXPORTER_DO.format("Sentry"),
            hop="collector → Sentry",
        ),
        "span tempo": Outcome("ok", "arrived in Tempo"),
    }
    assert len(world.sent(f"{COLLECTOR}/traces")) == 1


def test_what_the_exporter_to_one_store_loses_is_not_why_the_other_has_nothing() -> None:
    world = World()
    lost = [0]

    def page(_: httpx.Request) -> httpx.Response:
        name = "otelcol_exporter_send_failed_spans_total"
        text = f'{name}{{exporter="otlp_http/tempo"}} {lost[0]}\n'
        return httpx.Response(200, text=f'{text}{name}{{exporter="otlp_http/sentry"}} 0\n')

    def take(_: httpx.Request) -> httpx.Response:
        lost[0] += 1
        return httpx.Response(200)

    world.on("GET http://collector.test:8888/metrics", page)
    world.on(f"{COLLECTOR}/traces", take)
    found = rows(world.subject(), "span")
    assert found["span tempo"] == Outcome(
        "fail",
        "the collector took it, but otlp_http/tempo lost 1 span",
        EXPORTER_DO.format("Tempo"),
        hop="collector → Tempo",
    )
    assert found["span sentry"] == Outcome(
        "fail",
        "the collector took it, but Sentry does not show it within 0.05 s",
        "see the log of the collector and of Sentry; the collector may send to another Sentry than "
        "this one, or late: look for longer with --timeout",
        hop="collector → Sentry",
    )


def test_without_the_collectors_metrics_the_sender_alone_is_believed() -> None:
    world = World()
    world.on("GET http://collector.test:8888/metrics", httpx.ConnectError("refused"))
    world.on(f"{COLLECTOR}/logs", httpx.Response(200))
    assert row(world.subject(), "log").hop == "collector → Loki"


# ---- metrics


def not_in_prometheus(world: World, targets: Callable[[World], httpx.Response]) -> Outcome:
    world.on(f"{PROMETHEUS}/query", world._show_points)
    world.on(f"{COLLECTOR}/metrics", httpx.Response(200))
    world.on(f"{PROMETHEUS}/targets", targets(world))
    # What an earlier doctor has left there is no proof.
    world.points.append(NOW_S * 1000 - 60_000)
    return row(world.subject(), "metric")


LONGER = (
    "look for longer than a scrape takes with --timeout; else see targets, and Prometheus' log for "
    "samples that are out of bounds"
)


def test_a_point_of_an_earlier_doctor_is_not_taken_for_this_ones() -> None:
    assert not_in_prometheus(World(), lambda world: world.targets()) == Outcome(
        "fail",
        "the collector took it, but Prometheus does not show it within 0.05 s; it scrapes the "
        "collector each 15s",
        LONGER,
        hop="collector → Prometheus",
    )


def test_a_scrape_that_fails_is_why_a_point_is_missing() -> None:
    found = not_in_prometheus(
        World(), lambda world: world.targets(health="down", lastError="connection refused")
    )
    assert found == Outcome(
        "fail",
        "the scrape of http://collector:8889/metrics (otel-collector) fails: connection refused",
        "correct the target in Prometheus' configuration, or start what should answer there",
        hop="collector → Prometheus",
    )


def test_a_metric_that_the_collector_refuses_is_not_looked_up_in_targets() -> None:
    world = World()
    world.on(f"{COLLECTOR}/metrics", httpx.Response(404, text="404 page not found"))
    assert row(world.subject(), "metric") == Outcome(
        "fail",
        "the collector answered 404: 404 page not found",
        "check that OTLP over HTTP is received there, and that there is a pipeline for metrics",
        hop="here → collector",
    )


def test_without_a_store_of_spans_there_is_nowhere_to_look() -> None:
    world = World("bugsink")
    subject = world.subject()
    alone = world.subject(endpoints=replace(subject.endpoints, tempo=None))
    why = "no store is known that shows spans by trace (a Tempo, or a Sentry)"
    assert rows(alone, "span") == {"span": Outcome("skipped", why)}
    assert list(rows(subject, "span")) == ["span tempo"]
