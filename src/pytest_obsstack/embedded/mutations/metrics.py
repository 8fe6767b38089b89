"""Metrics that stand still, or lose a label, for one app instance: they have no trace id.

What is frozen are the values of the first request after the mutation was begun; a series that is
born later stays away. Times go on, so that a fence sees an app that exports. Renamed series are
ended with OTLP's own flag once the mutation is over, so nothing of them is left for other tests.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pytest_obsstack.embedded.mutations.rules import Active, Mutations
from pytest_obsstack.wire.otlp import attributes

if TYPE_CHECKING:
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
        ExportMetricsServiceRequest,
    )

_INSTANCE = "service.instance.id"
_RENAMED = "obs_mutated_"
# DataPointFlags.FLAG_NO_RECORDED_VALUE_MASK: the series has ended.
_NO_RECORDED_VALUE = 1
_NOT_MEASURED = ("time_unix_nano", "start_time_unix_nano", "exemplars", "attributes", "flags")


def rewrite_metrics(request: ExportMetricsServiceRequest, mutations: Mutations) -> bool:
    """Change the request in place; whether anything was changed."""
    changed = False
    for resource_metrics in request.resource_metrics:
        instance = str(attributes(resource_metrics.resource.attributes).get(_INSTANCE, ""))
        for active in mutations.of_metrics(instance):
            if active.rule.mutation == "metric frozen":
                changed |= _freeze(resource_metrics, active)
            elif active.rule.mutation == "label renamed":
                changed |= _rename(resource_metrics, active)
        for active in [each for each in mutations.ended if each.rule.instance == instance]:
            mutations.ended.remove(active)
            changed |= _end_renamed(resource_metrics, active)
    return changed


def _freeze(resource_metrics: Any, active: Active) -> bool:
    first = not active.ready
    active.ready = True
    for scope, metric, points in _points(resource_metrics):
        kept = []
        for point in points:
            key = (scope, metric.name, _identity(point))
            if first:
                active.frozen[key] = type(point).FromString(point.SerializeToString())
            frozen = active.frozen.get(key)
            if frozen is None:
                active.note(f"metric {metric.name}")
                continue
            copy = type(point).FromString(frozen.SerializeToString())
            copy.time_unix_nano = point.time_unix_nano
            if not first and _measured(copy) != _measured(point):
                active.note(f"metric {metric.name}")
            kept.append(copy)
        del points[:]
        points.extend(kept)
    return not first


def _rename(resource_metrics: Any, active: Active) -> bool:
    changed = False
    active.ready = True
    for scope, metric, points in _points(resource_metrics):
        for point in points:
            for attribute in point.attributes:
                label = re.sub(r"[^a-zA-Z0-9_]", "_", attribute.key)
                if active.rule.concerns(label):
                    attribute.key = _RENAMED + attribute.key
                    changed = True
                    key = (scope, metric.name, _identity(point))
                    if key not in active.frozen:
                        active.note(f"label {label} of {metric.name}")
                    active.frozen[key] = type(point).FromString(point.SerializeToString())
    return changed


def _end_renamed(resource_metrics: Any, active: Active) -> bool:
    changed = False
    for scope, metric, points in _points(resource_metrics):
        now_ns = max((point.time_unix_nano for point in points), default=0)
        for (of_scope, name, _), point in active.frozen.items():
            if (of_scope, name) == (scope, metric.name):
                ended = type(point).FromString(point.SerializeToString())
                ended.flags |= _NO_RECORDED_VALUE
                ended.time_unix_nano = now_ns
                points.append(ended)
                changed = True
    return changed


def _points(resource_metrics: Any) -> Iterator[tuple[str, Any, Any]]:
    """Scope's name, metric, and its points, whatever its kind."""
    for scope_metrics in resource_metrics.scope_metrics:
        for metric in scope_metrics.metrics:
            kind = metric.WhichOneof("data")
            if kind is not None:
                yield scope_metrics.scope.name, metric, getattr(metric, kind).data_points


def _identity(point: Any) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((key, repr(value)) for key, value in attributes(point.attributes).items()))


def _measured(point: Any) -> bytes:
    """What the point measured, of any kind: all but its name and its times."""
    copy = type(point).FromString(point.SerializeToString())
    for name in _NOT_MEASURED:
        if name in copy.DESCRIPTOR.fields_by_name:
            copy.ClearField(name)
    measured: bytes = copy.SerializeToString(deterministic=True)
    return measured
