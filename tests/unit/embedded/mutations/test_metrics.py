"""Metrics that stand still or lose a label: of one app instance, and nothing is left afterwards."""

from __future__ import annotations

from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)

from pytest_obsstack.embedded.mutations.metrics import rewrite_metrics
from pytest_obsstack.embedded.mutations.rules import Mutation, Mutations

TRACE = "a" * 32


def export(
    time_ns: int, counts: dict[str, int], instance: str = "shop-1"
) -> ExportMetricsServiceRequest:
    """A counter and a histogram by path, as an app exports them."""
    request = ExportMetricsServiceRequest()
    resource_metrics = request.resource_metrics.add()
    resource_metrics.resource.attributes.add(
        key="service.instance.id"
    ).value.string_value = instance
    scope = resource_metrics.scope_metrics.add()
    counter = scope.metrics.add(name="requests")
    counter.sum.is_monotonic = True
    seconds = scope.metrics.add(name="seconds")
    for path, count in counts.items():
        for points in (counter.sum.data_points, seconds.histogram.data_points):
            point: Any = points.add(time_unix_nano=time_ns, start_time_unix_nano=1)
            point.attributes.add(key="http.path").value.string_value = path
            if points is counter.sum.data_points:
                point.as_int = count
            else:
                point.count = count
                point.bucket_counts.extend([count, 0])
    return request


def values(request: ExportMetricsServiceRequest) -> list[tuple[str, dict[str, str], int, int]]:
    """Metric, attributes, time and count of each point."""
    found = []
    for metric in request.resource_metrics[0].scope_metrics[0].metrics:
        kind = metric.WhichOneof("data")
        assert kind is not None
        for point in getattr(metric, kind).data_points:
            attributes = {each.key: each.value.string_value for each in point.attributes}
            count = point.as_int if kind == "sum" else point.count
            found.append((metric.name, attributes, point.time_unix_nano, count))
    return found


def begun(name: str, *names: str) -> Mutations:
    made = Mutations()
    made.begin(Mutation(name, TRACE, frozenset({"metrics"}), names, instance="shop-1"))
    return made


def changed(given: Mutations) -> list[str]:
    active = given.get(TRACE)
    assert active is not None
    return active.changed


def test_values_stay_as_the_first_request_had_them_and_times_go_on() -> None:
    given = begun("metric frozen")
    first = export(10, {"/": 3})
    assert rewrite_metrics(first, given) is False
    assert changed(given) == []
    second = export(20, {"/": 4})
    assert rewrite_metrics(second, given) is True
    path = {"http.path": "/"}
    assert values(second) == [("requests", path, 20, 3), ("seconds", path, 20, 3)]
    assert changed(given) == ["metric requests", "metric seconds"]


def test_an_export_that_moves_nothing_is_no_change() -> None:
    given = begun("metric frozen")
    rewrite_metrics(export(10, {"/": 3}), given)
    rewrite_metrics(export(20, {"/": 3}), given)
    assert changed(given) == []


def test_a_series_that_is_born_later_stays_away() -> None:
    given = begun("metric frozen")
    rewrite_metrics(export(10, {"/": 3}), given)
    later = export(20, {"/": 3, "/pay": 1})
    rewrite_metrics(later, given)
    assert [attributes["http.path"] for _, attributes, _, _ in values(later)] == ["/", "/"]
    assert changed(given) == ["metric requests", "metric seconds"]


def test_whether_the_values_are_known_is_told() -> None:
    given = begun("metric frozen")
    active = given.get(TRACE)
    assert active is not None
    assert active.describe()["ready"] is False
    rewrite_metrics(export(10, {}, instance="shop-2"), given)
    assert active.describe()["ready"] is False
    rewrite_metrics(export(10, {}), given)
    assert active.describe()["ready"] is True


def test_another_instance_goes_on() -> None:
    given = begun("metric frozen")
    rewrite_metrics(export(10, {"/": 3}), given)
    other = export(20, {"/": 4}, instance="shop-2")
    assert rewrite_metrics(other, given) is False
    assert other == export(20, {"/": 4}, instance="shop-2")


def test_after_its_end_metrics_are_as_the_app_sends_them() -> None:
    given = begun("metric frozen")
    rewrite_metrics(export(10, {"/": 3}), given)
    given.end(TRACE)
    assert not given
    later = export(30, {"/": 5})
    assert rewrite_metrics(later, given) is False
    assert later == export(30, {"/": 5})


def test_a_label_is_renamed_by_the_name_that_prometheus_gives_it() -> None:
    given = begun("label renamed", "http_path")
    request = export(10, {"/": 3})
    assert rewrite_metrics(request, given) is True
    renamed = {"obs_mutated_http.path": "/"}
    assert values(request) == [("requests", renamed, 10, 3), ("seconds", renamed, 10, 3)]
    assert changed(given) == ["label http_path of requests", "label http_path of seconds"]


def test_another_label_stays() -> None:
    given = begun("label renamed", "method")
    request = export(10, {"/": 3})
    assert rewrite_metrics(request, given) is False
    assert request == export(10, {"/": 3})


def test_renamed_series_are_ended_with_the_first_request_after_the_fault() -> None:
    given = begun("label renamed", "http_path")
    rewrite_metrics(export(10, {"/": 3}), given)
    given.end(TRACE)
    assert given, "what is to be ended is still to come"
    other = export(15, {"/": 3}, instance="shop-2")
    assert rewrite_metrics(other, given) is False
    request = export(20, {"/": 4})
    assert rewrite_metrics(request, given) is True
    points = request.resource_metrics[0].scope_metrics[0].metrics[0].sum.data_points
    assert [(point.attributes[0].key, point.time_unix_nano, point.flags) for point in points] == [
        ("http.path", 20, 0),
        ("obs_mutated_http.path", 20, 1),
    ]
    assert not given
    assert rewrite_metrics(export(30, {"/": 4}), given) is False
