from __future__ import annotations

import pytest

from pytest_obsstack.embedded.collector.points import (
    Exemplar,
    HistogramPoint,
    NumberPoint,
    PointReader,
    Refusal,
    SummaryPoint,
)
from pytest_obsstack.wire.otlp import WireError
from tests.unit.embedded.collector.support import (
    SPAN,
    START_NS,
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


def test_counter_point_has_its_series_and_value() -> None:
    batch = read_points(
        metrics_body(
            counter(
                "http.requests",
                number(3, {"endpoint": "/error", "code": {"intValue": "500"}}),
                description="Requests",
            ),
            scope={"name": "meter", "version": "1.2"},
        )
    )
    (observation,) = batch.observations
    assert observation.series.name == "http_requests_total"
    assert observation.series.help == "Requests"
    assert dict(observation.series.labels) == {
        "code": "500",
        "endpoint": "/error",
        "instance": "i1",
        "job": "simple-app",
        "otel_scope_name": "meter",
        "otel_scope_version": "1.2",
        "otel_scope_schema_url": "",
    }
    assert observation.point == NumberPoint(TIME_NS, START_NS, 3.0)
    assert (batch.points, batch.refused_points) == (1, 0)


def test_job_is_namespace_and_name_and_the_rest_of_the_resource_is_info() -> None:
    resource = {
        "service.name": "app",
        "service.namespace": "shop",
        "service.instance.id": "i1",
        "host.name": "h",
        "host_name": "g",
        "process.pid": {"intValue": "7"},
    }
    (observation,) = read_points(
        metrics_body(gauge("up", number(1)), resource=resource)
    ).observations
    assert observation.series.resource.job == "shop/app"
    assert observation.series.resource.info_labels == (
        ("host_name", "h;g"),
        ("instance", "i1"),
        ("job", "shop/app"),
        ("process_pid", "7"),
    )


def test_resource_without_service_gives_neither_job_nor_instance() -> None:
    (observation,) = read_points(metrics_body(gauge("up", number(1)), resource={})).observations
    assert not {"job", "instance"} & dict(observation.series.labels).keys()


def test_scope_attributes_are_labels() -> None:
    scope = {"name": "meter", "attributes": [{"key": "my.key", "value": {"boolValue": True}}]}
    (observation,) = read_points(metrics_body(gauge("up", number(1)), scope=scope)).observations
    assert dict(observation.series.labels)["otel_scope_my_key"] == "true"


def test_histogram_point_keeps_buckets_and_exemplars() -> None:
    exemplar = {"asDouble": 0.3, "timeUnixNano": "5", "traceId": TRACE, "spanId": SPAN}
    body = metrics_body(
        histogram("duration", buckets([0.1, 1], [1, 2, 3], 9.5, exemplars=[exemplar]), unit="s")
    )
    (observation,) = read_points(body).observations
    point = observation.point
    assert point == HistogramPoint(TIME_NS, START_NS, 6, 9.5, (0.1, 1.0), (1, 2, 3))
    assert isinstance(point, HistogramPoint)
    assert point.exemplars == (Exemplar(0.3, 5, TRACE, SPAN),)


def test_summary_point_keeps_quantiles() -> None:
    point = {
        "count": 2,
        "sum": 3.0,
        "quantileValues": [{"quantile": 0.5, "value": 1.5}],
        "timeUnixNano": str(TIME_NS),
    }
    (observation,) = read_points(
        metrics_body({"name": "latency", "summary": {"dataPoints": [point]}})
    ).observations
    assert observation.point == SummaryPoint(TIME_NS, 0, 2, 3.0, ((0.5, 1.5),))


def test_point_without_recorded_value_ends_its_series() -> None:
    (observation,) = read_points(metrics_body(gauge("up", number(0, flags=1)))).observations
    assert observation.point is None


def test_points_compare_by_value_not_by_time() -> None:
    assert NumberPoint(1, 0, 5.0) == NumberPoint(2, 0, 5.0)
    assert NumberPoint(1, 0, 5.0) != NumberPoint(1, 0, 6.0)
    assert NumberPoint(1, 0, 5.0) != NumberPoint(1, 1, 5.0)


def test_same_series_whatever_the_order_of_attributes() -> None:
    reader = PointReader()
    body = metrics_body(
        gauge("up", number(1, {"a": "1", "b": "2"}), number(2, {"b": "2", "a": "1"}))
    )
    first, second = read_points(body, reader).observations
    assert first.series == second.series
    reader.forget()
    assert read_points(body, reader).observations[0].series == first.series


@pytest.mark.parametrize(
    ("metric", "reason"),
    [
        (
            {
                "name": "sizes",
                "exponentialHistogram": {
                    "aggregationTemporality": 2,
                    "dataPoints": [{"count": 1}, {"count": 2}],
                },
            },
            (
                "not supported by the embedded OpenTelemetry Collector: exponential histograms; "
                "use --obs-stack=compose, or --obs-use collector=URL"
            ),
        ),
        (
            {"name": "sizes", "sum": {"aggregationTemporality": 1, "dataPoints": [{}, {}]}},
            "the prometheus exporter drops non-monotonic sums of delta temporality",
        ),
        (
            {"name": "sizes", "histogram": {"dataPoints": [{}, {}]}},
            "the prometheus exporter drops metrics of unspecified temporality",
        ),
        (
            gauge("sizes", number(1, {"a.b": "1", "a_b": "2"}), number(1, {"a.b": "3", "a-b": ""})),
            "duplicate label names in metric 'sizes': 'a_b'",
        ),
        (
            gauge("sizes", number(1, {"job": "x"}), number(2, {"job": "y"})),
            "duplicate label names in metric 'sizes': 'job'",
        ),
        (
            gauge("sizes", number(1, {"": "x"}), number(1, {"": "y"})),
            "'' is not a valid label name for metric 'sizes'",
        ),
        (
            gauge("sizes", number(1, {"__name__": "x"}), number(1, {"__name__": "y"})),
            "'__name__' is not a valid label name for metric 'sizes'",
        ),
        (
            histogram(
                "sizes",
                {"attributes": [{"key": "le", "value": {"stringValue": "1"}}]},
                {"attributes": [{"key": "le", "value": {"stringValue": "2"}}]},
            ),
            "'le' is not a valid label name for metric 'sizes'",
        ),
    ],
)
def test_what_cannot_be_exposed_is_refused_by_name(metric: dict[str, object], reason: str) -> None:
    batch = read_points(metrics_body(metric, counter("fine", number(1))))
    assert batch.refusals == (Refusal("sizes", 2, reason),)
    assert [observation.series.name for observation in batch.observations] == ["fine_total"]
    assert (batch.points, batch.refused_points) == (3, 2)


def test_metric_whose_name_has_no_allowed_character_is_refused() -> None:
    batch = read_points(metrics_body(gauge("@#", number(1))))
    assert batch.refusals == (
        Refusal("@#", 1, "normalization for metric '@#' resulted in empty name"),
    )


def test_metric_without_data_has_no_points() -> None:
    batch = read_points(metrics_body({"name": "empty"}))
    assert batch.refusals == (Refusal("empty", 0, "a metric without data"),)


@pytest.mark.parametrize(
    ("point", "message"),
    [
        (buckets([1, 2], [1, 2], 3), "expected 3 bucket_counts for 2 explicit_bounds, found 2"),
        (buckets([], [1], 3, exemplars=[{"traceId": "abcd"}]), "expected 16 bytes, found 2"),
    ],
)
def test_malformed_points_are_wire_errors(point: dict[str, object], message: str) -> None:
    with pytest.raises(WireError, match=message):
        read_points(metrics_body(histogram("sizes", point)))
