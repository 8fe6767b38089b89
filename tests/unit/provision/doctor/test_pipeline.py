"""health, pipeline, targets, grafana, labels: what the servers say of themselves."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx
import pytest

from pytest_obsstack.provision.doctor.finding import Outcome
from tests.unit.provision.doctor.world import World, row, rows

EXPORTER_DO = (
    "correct the exporter's endpoint and key in the collector's configuration; the collector's log "
    "has the backend's words"
)


def logs_pipeline(world: World, *only: str) -> Outcome:
    return rows(world.subject(), *(only or ("pipeline",)))["pipeline log_records"]


# ---- the collector


def test_what_is_lost_while_doctor_runs_is_a_failure() -> None:
    world = World()
    world.counts["log_records"] = [5, 0]

    def lose(_: httpx.Request) -> httpx.Response:
        world.counts["log_records"] = [6, 1]
        return httpx.Response(503)

    world.on("POST http://collector.test:4318/v1/logs", lose)
    assert logs_pipeline(world, "log", "pipeline") == Outcome(
        "fail",
        "accepted 6 log records, refused 0; otlp_http/loki sent 5, lost 1; while doctor ran, "
        "otlp_http/loki lost 1 log record",
        EXPORTER_DO,
    )


def test_what_was_lost_earlier_is_a_warning() -> None:
    world = World()
    world.counts["log_records"] = [5, 2]
    expected = Outcome(
        "warn",
        "accepted {} log records, refused 0; otlp_http/loki sent {}, lost 2, since its start",
        "see the collector's log of that time",
    )
    found = logs_pipeline(world)
    assert expected.found.format(5, 3) == found.found
    assert (found.status, found.do) == (expected.status, expected.do)
    # A canary that comes through does not mend what was lost.
    assert logs_pipeline(world, "log", "pipeline").found == expected.found.format(6, 4)


def test_an_exporter_that_has_never_sent_anything_is_a_failure() -> None:
    world = World()
    world.counts["log_records"] = [5, 5]
    assert logs_pipeline(world) == Outcome(
        "fail",
        "accepted 5 log records, refused 0; otlp_http/loki sent 0, lost 5; otlp_http/loki has "
        "never sent anything",
        EXPORTER_DO,
    )


def test_a_receiver_that_refuses_while_doctor_runs_is_a_failure() -> None:
    world = World()
    refused = [0]

    def page(_: httpx.Request) -> httpx.Response:
        text = f'otelcol_receiver_refused_log_records_total{{receiver="otlp"}} {refused[0]}\n'
        return httpx.Response(200, text=text)

    def refuse(_: httpx.Request) -> httpx.Response:
        refused[0] += 1
        return httpx.Response(503)

    world.on("GET http://collector.test:8888/metrics", page)
    world.on("POST http://collector.test:4318/v1/logs", refuse)
    assert logs_pipeline(world, "log", "pipeline") == Outcome(
        "fail",
        "accepted 0 log records, refused 1; while doctor ran, the receiver refused 1",
        "see the collector's log: a limit of memory, or a pipeline that fails",
    )


def test_metrics_of_the_collector_that_cannot_be_read_are_told() -> None:
    world = World()
    world.on("GET http://collector.test:8888/metrics", httpx.ConnectError("refused"))
    expected = Outcome(
        "fail",
        "The collector did not answer GET /metrics. ConnectError: refused",
        "check that The collector is running and can be reached at http://collector.test:8888",
    )
    assert logs_pipeline(world) == row(world.subject(), "health") == expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (httpx.Response(200), Outcome("ok", "the collector says that it is healthy")),
        (
            httpx.Response(503, text="Server not available"),
            Outcome(
                "fail",
                "http://collector.test:13133/ is answered 503: Server not available",
                "see the collector's log",
            ),
        ),
        (
            httpx.ConnectError("[Errno 111] Connection refused"),
            Outcome(
                "fail",
                "nothing listens at collector.test:13133 (connection refused)",
                "start it, or correct host and port",
            ),
        ),
    ],
)
def test_the_health_check_of_the_collector_is_asked(
    answer: httpx.Response | Exception, expected: Outcome
) -> None:
    world = World()
    url = "http://collector.test:13133/"
    world.on(f"GET {url}", answer)
    assert row(world.subject(health_url=url), "health") == expected


def attached(world: World) -> dict[str, Outcome]:
    """The rows of a collector of which nothing but OTLP is known."""
    endpoints = world.subject().endpoints
    assert endpoints.collector is not None
    collector = replace(endpoints.collector, telemetry_url=None)
    subject = world.subject(endpoints=replace(endpoints, collector=collector))
    return rows(subject, "health", "pipeline")


def test_of_an_attached_collector_the_usual_ports_are_tried() -> None:
    world = World()
    answer = {"status": "Server available", "upSince": "2027-01-15T07:00:00Z", "uptime": "1h0m0s"}
    world.on("GET http://collector.test:13133/", httpx.Response(200, json=answer))
    found = attached(world)
    assert found["health"] == Outcome("ok", "the collector says that it is healthy")
    assert found["pipeline spans"] == Outcome(
        "ok", "accepted 0 spans, refused 0; otlp_http/tempo sent 0, lost 0"
    )


@pytest.mark.parametrize(
    "answer", [httpx.ConnectError("refused"), httpx.Response(200, text="<html>a notebook</html>")]
)
def test_what_is_not_at_its_usual_port_is_not_known(answer: httpx.Response | Exception) -> None:
    world = World()
    world.on("GET http://collector.test:(8888/metrics|13133/)", answer)
    found = attached(world)
    why = (
        "the collector's own metrics are not at http://collector.test:8888/metrics, and not known "
        "elsewhere"
    )
    labels = ("health", "pipeline spans", "pipeline metric_points", "pipeline log_records")
    assert found == dict.fromkeys(labels, Outcome("skipped", why))
    # Asked once, however many rows it concerns.
    assert len(world.sent("GET http://collector.test:8888/metrics")) == 1


# ---- Prometheus


def targets(world: World, *found: dict[str, Any]) -> Outcome:
    parts = [world.targets(**each).json()["data"]["activeTargets"][0] for each in found]
    body = {"status": "success", "data": {"activeTargets": parts}}
    world.on("GET http://prometheus.test:9090/api/v1/targets", httpx.Response(200, json=body))
    return row(world.subject(), "targets")


NODE = {"labels": {"job": "node", "instance": "a:9100"}, "scrapeUrl": "http://a:9100/metrics"}
TARGET_DO = "correct the target in Prometheus' configuration, or start what should answer there"


def test_a_scrape_of_the_collector_that_fails_is_a_failure() -> None:
    assert targets(World(), NODE, {"health": "down", "lastError": "EOF"}) == Outcome(
        "fail",
        "the scrape of http://collector:8889/metrics (otel-collector) fails: EOF",
        TARGET_DO,
    )


def test_a_scrape_of_something_else_that_fails_is_a_warning() -> None:
    assert targets(World(), {**NODE, "health": "down", "lastError": "EOF"}, {}) == Outcome(
        "warn", "the scrape of http://a:9100/metrics (node) fails: EOF", TARGET_DO
    )


def test_a_collector_that_is_not_scraped_is_told() -> None:
    assert targets(World(), NODE) == Outcome(
        "warn",
        "no target looks like the collector; the targets: node (a:9100)",
        "add a scrape job for the collector's exporter prometheus, unless it pushes its metrics",
    )
    assert targets(World()).found == "no target looks like the collector; the targets: none"


def test_the_collectors_metrics_of_itself_are_not_those_of_apps() -> None:
    own = {
        "labels": {"job": "otel-collector-telemetry", "instance": "c:8888"},
        "scrapeUrl": "http://c:8888/metrics",
    }
    assert targets(World(), own).status == "warn"


def test_a_collector_is_known_by_its_address() -> None:
    here = {
        "labels": {"job": "apps", "instance": "x"},
        "scrapeUrl": "http://collector.test:4318/metrics",
    }
    assert targets(World(), NODE, here) == Outcome("ok", "all 2 up: node, apps")


def test_a_target_that_has_not_been_scraped_yet_is_told() -> None:
    assert targets(World(), {"health": "unknown"}) == Outcome(
        "warn", "otel-collector has not been scraped yet", "wait for a scrape, and look again"
    )


# ---- Loki

QUERY = "GET http://loki.test:3100/loki/api/v1/query_range"
LABELS = "GET http://loki.test:3100/loki/api/v1/labels"


@pytest.mark.parametrize(
    ("labels", "metadata", "expected"),
    [
        (
            {"service_name": "shop"},
            {"trace_id": "1"},
            Outcome("ok", "service_name is a label (shop), trace_id is structured metadata"),
        ),
        (
            {"job": "x", "app": "y"},
            {"trace_id": "1"},
            Outcome(
                "fail",
                "the line has no label service_name, but app, job",
                "let Loki keep service.name as a label: "
                "default_resource_attributes_as_index_labels",
            ),
        ),
        (
            {"service_name": "shop", "trace_id": "1"},
            {},
            Outcome(
                "warn",
                "the trace id is a label of the stream",
                "send it as structured metadata, by OTLP: as a label each trace makes a stream",
            ),
        ),
        (
            {"service_name": "shop"},
            {},
            Outcome(
                "fail",
                "the line's structured metadata has no trace_id",
                "allow structured metadata in Loki (limits_config.allow_structured_metadata, "
                "schema v13)",
            ),
        ),
    ],
)
@pytest.mark.parametrize("may_write", [True, False])
def test_labels_of_a_line_are_judged(
    labels: dict[str, str], metadata: dict[str, str], expected: Outcome, *, may_write: bool
) -> None:
    """On the canary's own line; where none may be sent, on the newest that there is."""
    world = World()
    stream = {"stream": labels, "values": [["1", "x", {"structuredMetadata": metadata}]]}
    world.on(QUERY, world.streams(stream))
    assert row(world.subject(may_write=may_write), "labels") == expected
    (asked, *_) = world.sent(QUERY)
    assert ("trace_id%21%3D" in str(asked.url)) is not may_write


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (
            ["job"],
            Outcome(
                "warn",
                "no stream of the last hour has the label service_name",
                "send logs by OTLP, whose service.name becomes that label, or have Loki discover "
                "service names (limits_config.discover_service_name)",
            ),
        ),
        (
            ["job", "service_name"],
            Outcome(
                "warn",
                "no line of the last hour has a trace id",
                "send logs by OTLP with the active span: expectations on lines go by trace id",
            ),
        ),
    ],
)
def test_without_a_line_that_can_be_judged_that_is_told(
    names: list[str], expected: Outcome
) -> None:
    world = World()
    world.on(QUERY, world.streams())
    world.on(LABELS, httpx.Response(200, json={"status": "success", "data": names}))
    assert row(world.subject(may_write=False), "labels") == expected


def test_a_canary_that_did_not_arrive_has_no_labels() -> None:
    world = World()
    world.on(QUERY, world.streams())
    assert row(world.subject(), "labels") == Outcome(
        "skipped", "the canary's line is not there: see log (collector → Loki)"
    )


# ---- Grafana


def test_data_sources_that_do_not_work_are_named() -> None:
    world = World()
    world.on(
        "GET http://grafana.test:3000/api/datasources/uid/loki/health",
        httpx.Response(400, json={"status": "ERROR", "message": "connection refused"}),
    )
    assert row(world.subject(), "grafana") == Outcome(
        "fail",
        "1 of 3 do not work: Loki (http://x): connection refused",
        "correct the URL of the data source as Grafana's own process reaches it",
    )


def test_a_grafana_without_data_sources_is_told() -> None:
    world = World()
    world.on("GET http://grafana.test:3000/api/datasources", httpx.Response(200, json=[]))
    assert row(world.subject(), "grafana") == Outcome(
        "warn", "Grafana has no data sources", "provision Prometheus, Loki and Tempo in it"
    )


def test_a_grafana_that_refuses_the_user_is_told() -> None:
    world = World()
    world.on(
        "GET http://grafana.test:3000/api/datasources",
        httpx.Response(401, json={"message": "Invalid username or password"}),
    )
    assert row(world.subject(), "grafana") == Outcome(
        "fail",
        "Grafana refused GET /api/datasources: 401 Unauthorized. Invalid username or password",
        "give Grafana's user and password",
    )
