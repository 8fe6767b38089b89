from __future__ import annotations

import logging
import math
from typing import Any

import pytest

from pytest_obsstack.embedded.collector.accumulator import Accumulator
from pytest_obsstack.embedded.collector.page import Format, MetricsPage, _go_float, negotiate
from tests.unit.embedded.collector.support import (
    SPAN,
    TIME_NS,
    TRACE,
    buckets,
    counter,
    gauge,
    histogram,
    metrics_body,
    number,
    read_points,
)

BARE = {"name": "m"}
LABELS = 'otel_scope_name="m",otel_scope_schema_url="",otel_scope_version=""'
STAMP = TIME_NS // 1_000_000


def page_of(*bodies: bytes) -> tuple[Accumulator, MetricsPage]:
    accumulator = Accumulator()
    for body in bodies:
        accumulator.apply(read_points(body).observations, 0)
    return accumulator, MetricsPage(accumulator)


def lines(*metrics: dict[str, Any], page_format: Format = "text") -> list[str]:
    _, page = page_of(metrics_body(*metrics, resource={}, scope=BARE))
    return page.render(page_format).decode().splitlines()


def test_empty_page() -> None:
    _, page = page_of()
    assert page.render("text") == b""
    assert page.render("openmetrics") == b"# EOF\n"


def test_counter_in_both_formats() -> None:
    exemplar = {"asDouble": 1, "timeUnixNano": str(TIME_NS), "traceId": TRACE, "spanId": SPAN}
    metric = counter("requests", number(3, exemplars=[exemplar]), description='a "b"\n\\')
    assert lines(metric) == [
        '# HELP requests_total a "b"\\n\\\\',
        "# TYPE requests_total counter",
        f"requests_total{{{LABELS}}} 3 {STAMP}",
    ]
    assert lines(metric, page_format="openmetrics") == [
        '# HELP requests a \\"b\\"\\n\\\\',
        "# TYPE requests counter",
        (
            f"requests_total{{{LABELS}}} 3.0 1700000001.500"
            f' # {{trace_id="{TRACE}",span_id="{SPAN}"}} 1.0 1700000001.500'
        ),
        "# EOF",
    ]


def test_up_down_counter_is_a_gauge() -> None:
    metric = {
        "name": "active",
        "sum": {"aggregationTemporality": 2, "dataPoints": [number(-1.5)]},
    }
    assert lines(metric)[1:] == ["# TYPE active gauge", f"active{{{LABELS}}} -1.5 {STAMP}"]


def test_histogram_buckets_are_cumulative_and_end_with_all() -> None:
    metric = histogram("d", buckets([0.5, 5, 1e6], [1, 0, 2, 4], 12.5), unit="s")
    assert lines(metric) == [
        "# HELP d_seconds ",
        "# TYPE d_seconds histogram",
        f'd_seconds_bucket{{{LABELS},le="0.5"}} 1 {STAMP}',
        f'd_seconds_bucket{{{LABELS},le="5"}} 1 {STAMP}',
        f'd_seconds_bucket{{{LABELS},le="1e+06"}} 3 {STAMP}',
        f'd_seconds_bucket{{{LABELS},le="+Inf"}} 7 {STAMP}',
        f"d_seconds_sum{{{LABELS}}} 12.5 {STAMP}",
        f"d_seconds_count{{{LABELS}}} 7 {STAMP}",
    ]


def test_histogram_exemplars_stand_at_their_buckets_the_last_one_wins() -> None:
    def exemplar(value: float, trace_id: str) -> dict[str, object]:
        return {"asDouble": value, "timeUnixNano": str(TIME_NS), "traceId": trace_id}

    point = buckets(
        [1, 5],
        [2, 0, 1],
        12,
        exemplars=[exemplar(0.5, "1" * 32), exemplar(1, "2" * 32), exemplar(9, "3" * 32)],
    )
    found = [
        line.partition("le=")[2]
        for line in lines(histogram("d", point), page_format="openmetrics")
        if "_bucket" in line
    ]
    stamp = "1700000001.500"
    assert found == [
        f'"1.0"}} 2 {stamp} # {{trace_id="{"2" * 32}"}} 1.0 {stamp}',
        f'"5.0"}} 2 {stamp}',
        f'"+Inf"}} 3 {stamp} # {{trace_id="{"3" * 32}"}} 9.0 {stamp}',
    ]


def test_histogram_without_buckets_has_the_one_of_all() -> None:
    assert lines(histogram("d", {**buckets([], [], 3), "count": 2}))[2] == (
        f'd_bucket{{{LABELS},le="+Inf"}} 2 {STAMP}'
    )


def test_summary_has_its_quantiles() -> None:
    point = {
        "count": 2,
        "sum": 3.5,
        "quantileValues": [{"quantile": 0.5, "value": 1.5}, {"quantile": 1, "value": 2}],
        "timeUnixNano": str(TIME_NS),
    }
    assert lines({"name": "s", "summary": {"dataPoints": [point]}})[1:] == [
        "# TYPE s summary",
        f's{{{LABELS},quantile="0.5"}} 1.5 {STAMP}',
        f's{{{LABELS},quantile="1"}} 2 {STAMP}',
        f"s_sum{{{LABELS}}} 3.5 {STAMP}",
        f"s_count{{{LABELS}}} 2 {STAMP}",
    ]


def test_label_values_are_escaped() -> None:
    line = lines(gauge("g", number(1, {"path": 'C:\\a"b\nc'})))[2]
    assert line.endswith('path="C:\\\\a\\"b\\nc"} 1 ' + str(STAMP))


def test_families_and_series_are_sorted() -> None:
    found = lines(gauge("z", number(1)), gauge("a", number(1, {"x": "2"}), number(1, {"x": "1"})))
    assert [line.partition("} ")[0][-5:] for line in found if line.startswith("a{")] == [
        'x="1"',
        'x="2"',
    ]
    assert [line for line in found if line.startswith("# TYPE")] == [
        "# TYPE a gauge",
        "# TYPE z gauge",
    ]


def test_each_resource_with_job_and_instance_has_one_target_info() -> None:
    def body(instance: str, version: str) -> bytes:
        resource = {
            "service.name": "app",
            "service.instance.id": instance,
            "service.version": version,
        }
        return metrics_body(gauge("up", number(1)), gauge("load", number(2)), resource=resource)

    _, page = page_of(
        body("a", "1"),
        body("b", "2"),
        metrics_body(gauge("none", number(1)), resource={"service.name": "app"}),
    )
    text = page.render("text").decode()
    assert text[text.index("# HELP target_info") :].splitlines()[:4] == [
        "# HELP target_info Target metadata",
        "# TYPE target_info gauge",
        'target_info{instance="a",job="app",service_version="1"} 1',
        'target_info{instance="b",job="app",service_version="2"} 1',
    ]


def test_type_conflict_keeps_the_first_type_and_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    _, page = page_of(
        metrics_body(gauge("n.total", number(1)), resource={}, scope=BARE),
        metrics_body(counter("n", number(2)), resource={}, scope={"name": "other"}),
    )
    with caplog.at_level(logging.ERROR):
        text = page.render("text").decode()
    assert "# TYPE n_total gauge" in text
    assert "other" not in text
    complaint = (
        "instrument type conflict, using existing type definition. "
        "instrument: n_total, existing: gauge, dropped: counter"
    )
    assert page.complaints() == (complaint,)
    assert caplog.messages == [f"failed to convert metric: {complaint}"]


def test_two_metrics_that_become_the_same_series_are_exposed_once() -> None:
    _, page = page_of(
        metrics_body(
            gauge("a.b", number(1)),
            {"name": "a_b", "sum": {"aggregationTemporality": 2, "dataPoints": [number(2)]}},
            resource={},
            scope=BARE,
        )
    )
    samples = [
        line for line in page.render("text").decode().splitlines() if line.startswith("a_b{")
    ]
    assert samples == [f"a_b{{{LABELS}}} 1 {STAMP}"]
    assert page.complaints() == (
        f"collected metric a_b {LABELS} was collected before with the same name and label values",
    )


def test_page_follows_new_points_ended_series_and_stays_else() -> None:
    accumulator, page = page_of(metrics_body(gauge("g", number(1)), resource={}, scope=BARE))
    first = page.render("text")
    assert page.render("text") is first
    later = metrics_body(gauge("g", number(2)), resource={}, scope=BARE)
    accumulator.apply(read_points(later).observations, 0)
    assert f"}} 2 {STAMP}".encode() in page.render("text")
    ended = metrics_body(gauge("g", number(0, flags=1)), resource={}, scope=BARE)
    accumulator.apply(read_points(ended).observations, 0)
    assert page.render("text") == b""


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", "text"),
        ("*/*", "text"),
        ("application/openmetrics-text", "openmetrics"),
        ("application/openmetrics-text; version=1.0.0; charset=utf-8", "openmetrics"),
        (
            (
                "application/openmetrics-text;version=1.0.0;q=0.5,"
                "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
            ),
            "openmetrics",
        ),
        ("text/plain;version=0.0.4;q=0.5,application/openmetrics-text;q=0.3", "text"),
        ("application/vnd.google.protobuf;q=0.9,text/plain;version=1.0.0;q=0.4", "text"),
        ("application/openmetrics-text;q=many", "text"),
    ],
)
def test_format_follows_the_accept_header(accept: str, expected: str) -> None:
    assert negotiate(accept) == expected


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (5.0, "5"),
        (-2.5, "-2.5"),
        (999999.0, "999999"),
        (1e6, "1e+06"),
        (1234567.5, "1.2345675e+06"),
        (1e100, "1e+100"),
        (0.0001, "0.0001"),
        (0.00001234, "1.234e-05"),
        (math.inf, "+Inf"),
        (-math.inf, "-Inf"),
        (math.nan, "NaN"),
    ],
)
def test_numbers_are_written_as_go_does(value: float, text: str) -> None:
    assert _go_float(value) == text
