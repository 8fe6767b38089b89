"""Metric points of an OTLP request: which series each belongs to, and its value.

An app sends all of its metrics several times a second, so what does not change, the identity of a
series, is worked out once and found again by its raw parts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_obsstack.embedded.collector.names import MetricKind, label_name, metric_name
from pytest_obsstack.wire.otlp import WireError, attributes, hex_id, plain_value, text_of

if TYPE_CHECKING:
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
        ExportMetricsServiceRequest,
    )
    from opentelemetry.proto.common.v1.common_pb2 import KeyValue
    from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric, ScopeMetrics

_DELTA, _CUMULATIVE = 1, 2
# DataPointFlags.FLAG_NO_RECORDED_VALUE_MASK: the series has ended.
_NO_RECORDED_VALUE = 1
_KINDS: dict[tuple[str | None, bool], MetricKind] = {
    ("gauge", False): "gauge",
    ("sum", True): "counter",
    ("sum", False): "updown",
    ("histogram", False): "histogram",
    ("summary", False): "summary",
}
_EMBEDDED_ADVICE = "use --obs-stack=compose, or --obs-use collector=URL"


@dataclass(frozen=True)
class Exemplar:
    """A value that was measured within a trace; times are Unix nanoseconds."""

    value: float
    time_ns: int
    trace_id: str | None
    span_id: str | None


# Comparing two points tells whether the series moved: when a point was taken is left out.


@dataclass(frozen=True)
class NumberPoint:
    """The value of a gauge or sum."""

    time_ns: int = field(compare=False)
    start_ns: int
    value: float
    exemplars: tuple[Exemplar, ...] = field(default=(), compare=False)


@dataclass(frozen=True)
class HistogramPoint:
    """``counts`` has one more than ``bounds``; counts are not summed up over the buckets."""

    time_ns: int = field(compare=False)
    start_ns: int
    count: int
    sum: float
    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    exemplars: tuple[Exemplar, ...] = field(default=(), compare=False)


@dataclass(frozen=True)
class SummaryPoint:
    """``quantiles`` are pairs of quantile and value."""

    time_ns: int = field(compare=False)
    start_ns: int
    count: int
    sum: float
    quantiles: tuple[tuple[float, float], ...]


Point = NumberPoint | HistogramPoint | SummaryPoint


@dataclass(frozen=True)
class ResourceIdentity:
    """What a resource gives to its series; ``job`` and ``instance`` may be None."""

    job: str | None
    instance: str | None
    info_labels: tuple[tuple[str, str], ...]
    """The labels of its ``target_info``, job and instance included, sorted."""


@dataclass(frozen=True)
class Series:
    """A series of the exporter: the same name, kind and labels are the same series."""

    name: str
    kind: MetricKind
    labels: tuple[tuple[str, str], ...]
    """Sorted by name, ``job`` and ``instance`` included."""
    help: str = field(compare=False)
    resource: ResourceIdentity = field(compare=False)


@dataclass(frozen=True)
class Observation:
    """A point of a series; without a point the series has ended."""

    series: Series
    point: Point | None
    delta: bool = False


@dataclass(frozen=True)
class Refusal:
    """Points that cannot be exposed, and why; ``metric`` is the OTLP name."""

    metric: str
    points: int
    reason: str


@dataclass(frozen=True)
class Batch:
    """What one request holds; ``points`` counts the refused ones too."""

    observations: tuple[Observation, ...]
    refusals: tuple[Refusal, ...]
    points: int

    @property
    def refused_points(self) -> int:
        return sum(refusal.points for refusal in self.refusals)


class PointReader:
    """Reads requests; remembers the identity of the series that it has seen."""

    def __init__(self) -> None:
        self._resources: dict[bytes, ResourceIdentity] = {}
        self._series: dict[tuple[Any, ...], Series | str] = {}

    def read(self, request: ExportMetricsServiceRequest) -> Batch:
        """All points in the order of the request; raises ``WireError`` for malformed exemplars."""
        observations: list[Observation] = []
        refusals: list[Refusal] = []
        total = 0
        for resource_metrics in request.resource_metrics:
            resource_bytes = resource_metrics.resource.SerializeToString(deterministic=True)
            resource = self._resource(resource_bytes, resource_metrics.resource.attributes)
            for scope_metrics in resource_metrics.scope_metrics:
                scope = scope_metrics.scope
                scope_key = (
                    resource_bytes,
                    scope.SerializeToString(deterministic=True),
                    scope_metrics.schema_url,
                )
                context = _Context(scope_key, resource, scope_metrics)
                for metric in scope_metrics.metrics:
                    total += self._read_metric(metric, context, observations, refusals)
        return Batch(tuple(observations), tuple(refusals), total)

    def forget(self) -> None:
        """Drop what was remembered, so that series that are gone do not add up."""
        self._resources.clear()
        self._series.clear()

    def _read_metric(
        self,
        metric: Metric,
        context: _Context,
        observations: list[Observation],
        refusals: list[Refusal],
    ) -> int:
        data_kind = metric.WhichOneof("data")
        data: Any = getattr(metric, data_kind) if data_kind else None
        data_points = data.data_points if data is not None else ()
        temporality = getattr(data, "aggregation_temporality", _CUMULATIVE)
        reason = _refusal_reason(data_kind, data, temporality)
        if reason is not None:
            refusals.append(Refusal(metric.name, len(data_points), reason))
            return len(data_points)
        kind = _KINDS[data_kind, getattr(data, "is_monotonic", False)]
        metric_key = (context.key, metric.name, metric.unit, kind)
        unnamed: dict[str, int] = {}
        for point in data_points:
            pairs = tuple(
                [
                    (pair.key, pair.value.string_value or text_of(plain_value(pair.value)))
                    for pair in point.attributes
                ]
            )
            series = self._series.get((metric_key, pairs))
            if series is None:
                series = _series(metric, kind, pairs, context)
                self._series[metric_key, pairs] = series
            if isinstance(series, str):
                unnamed[series] = unnamed.get(series, 0) + 1
            elif point.flags & _NO_RECORDED_VALUE:
                observations.append(Observation(series, None))
            else:
                observations.append(Observation(series, _point(kind, point), temporality == _DELTA))
        refusals.extend(Refusal(metric.name, count, reason) for reason, count in unnamed.items())
        return len(data_points)

    def _resource(self, key: bytes, pairs: Iterable[KeyValue]) -> ResourceIdentity:
        known = self._resources.get(key)
        if known is None:
            known = self._resources[key] = _resource_identity(attributes(pairs))
        return known


class _Context:
    """The resource and scope that a metric came under."""

    def __init__(
        self,
        key: tuple[bytes, bytes, str],
        resource: ResourceIdentity,
        scope_metrics: ScopeMetrics,
    ) -> None:
        self.key = key
        self.resource = resource
        self._scope_metrics = scope_metrics

    def scope_labels(self) -> list[tuple[str, str]]:
        """``otel_scope_*``; empty ones are written too, Prometheus takes them as absent."""
        scope = self._scope_metrics.scope
        return [
            *(
                (label_name(f"otel_scope_{key}"), text_of(value))
                for key, value in attributes(scope.attributes).items()
            ),
            ("otel_scope_name", scope.name),
            ("otel_scope_version", scope.version),
            ("otel_scope_schema_url", self._scope_metrics.schema_url),
        ]


def _refusal_reason(data_kind: str | None, data: Any, temporality: int) -> str | None:
    if data_kind is None:
        return "a metric without data"
    if data_kind == "exponential_histogram":
        return (
            "not supported by the embedded OpenTelemetry Collector: exponential histograms; "
            f"{_EMBEDDED_ADVICE}"
        )
    if temporality not in (_DELTA, _CUMULATIVE):
        return "the prometheus exporter drops metrics of unspecified temporality"
    if data_kind == "sum" and temporality == _DELTA and not data.is_monotonic:
        return "the prometheus exporter drops non-monotonic sums of delta temporality"
    return None


def _resource_identity(resource: dict[str, Any]) -> ResourceIdentity:
    """``service.name`` with its namespace is the job, ``service.instance.id`` the instance."""
    job = instance = None
    if "service.name" in resource:
        job = text_of(resource["service.name"])
        if "service.namespace" in resource:
            job = f"{text_of(resource['service.namespace'])}/{job}"
    if "service.instance.id" in resource:
        instance = text_of(resource["service.instance.id"])
    labels: dict[str, str] = {}
    for key, value in resource.items():
        if key in ("service.name", "service.namespace", "service.instance.id"):
            continue
        name, text = label_name(key), text_of(value)
        # Two attributes that become one label share it: "MUST be concatenated together".
        labels[name] = f"{labels[name]};{text}" if name in labels else text
    labels.pop("", None)
    if job is not None:
        labels["job"] = job
    if instance is not None:
        labels["instance"] = instance
    return ResourceIdentity(job, instance, tuple(sorted(labels.items())))


def _series(
    metric: Metric, kind: MetricKind, pairs: tuple[tuple[str, str], ...], context: _Context
) -> Series | str:
    """The series, or the reason why the exporter cannot make one."""
    name = metric_name(metric.name, metric.unit, kind)
    if not name:
        return f"normalization for metric {metric.name!r} resulted in empty name"
    labels = [(label_name(key), value) for key, value in pairs]
    labels += context.scope_labels()
    if context.resource.job is not None:
        labels.append(("job", context.resource.job))
    if context.resource.instance is not None:
        labels.append(("instance", context.resource.instance))
    names = [label for label, _ in labels]
    for label in names:
        if not label or label.startswith("__"):
            return f"{label!r} is not a valid label name for metric {name!r}"
    reserved = {"histogram": "le", "summary": "quantile"}.get(kind)
    if reserved in names:
        return f"{reserved!r} is not a valid label name for metric {name!r}"
    if len(set(names)) != len(names):
        double = next(label for label in names if names.count(label) > 1)
        return f"duplicate label names in metric {name!r}: {double!r}"
    return Series(name, kind, tuple(sorted(labels)), metric.description, context.resource)


def _point(kind: MetricKind, point: Any) -> Point:
    if kind == "histogram":
        bounds, counts = len(point.explicit_bounds), len(point.bucket_counts)
        if counts != bounds + 1 and counts:
            raise WireError(
                f"histogram: expected {bounds + 1} bucket_counts for {bounds} explicit_bounds, "
                f"found {counts}"
            )
        return HistogramPoint(
            point.time_unix_nano,
            point.start_time_unix_nano,
            point.count,
            point.sum,
            tuple(point.explicit_bounds),
            tuple(point.bucket_counts),
            _exemplars(point.exemplars),
        )
    if kind == "summary":
        return SummaryPoint(
            point.time_unix_nano,
            point.start_time_unix_nano,
            point.count,
            point.sum,
            tuple((pair.quantile, pair.value) for pair in point.quantile_values),
        )
    return NumberPoint(
        point.time_unix_nano,
        point.start_time_unix_nano,
        _number(point),
        # Prometheus takes exemplars of counters and histograms only.
        _exemplars(point.exemplars) if kind == "counter" else (),
    )


def _exemplars(exemplars: Any) -> tuple[Exemplar, ...]:
    return tuple(
        [
            Exemplar(
                _number(exemplar),
                exemplar.time_unix_nano,
                hex_id(exemplar.trace_id, 16),
                hex_id(exemplar.span_id, 8),
            )
            for exemplar in exemplars
        ]
    )


def _number(point: Any) -> float:
    # Of the two members of the oneof the one that is not set reads as zero.
    return float(point.as_double or point.as_int)
