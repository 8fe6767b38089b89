"""OTLP logs as Loki stores them: resource attributes become labels or structured metadata.

Sources: Loki's documentation "Ingesting logs to Loki using OpenTelemetry Collector" (format
considerations, default label list) and the recorded answers of a real server.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pytest_obsstack.embedded.loki.enrich import SERVICE_NAME, metadata_name, service_name_of
from pytest_obsstack.wire.loki_push import LokiEntry, LokiStream
from pytest_obsstack.wire.otlp import OtlpLogRecord, text_of

LABEL_ATTRIBUTES = frozenset(
    {
        "service.name",
        "service.namespace",
        "service.instance.id",
        "deployment.environment",
        "deployment.environment.name",
        "cloud.region",
        "cloud.availability_zone",
        "container.name",
        "k8s.cluster.name",
        "k8s.namespace.name",
        "k8s.pod.name",
        "k8s.container.name",
        "k8s.replicaset.name",
        "k8s.deployment.name",
        "k8s.statefulset.name",
        "k8s.daemonset.name",
        "k8s.cronjob.name",
        "k8s.job.name",
    }
)
"""Resource attributes that become labels (``default_resource_attributes_as_index_labels``)."""


def streams_of(records: Iterable[OtlpLogRecord], now_ns: int) -> list[LokiStream]:
    """The records by stream, in order; a record without any time is as of ``now_ns``."""
    entries_by_labels: dict[tuple[tuple[str, str], ...], list[LokiEntry]] = {}
    for record in records:
        key = tuple(sorted(_labels(record.resource).items()))
        entries_by_labels.setdefault(key, []).append(_entry(record, now_ns))
    return [LokiStream(dict(key), entries) for key, entries in entries_by_labels.items()]


def _labels(resource: Mapping[str, Any]) -> dict[str, str]:
    labels = {
        name: value
        for attribute in resource
        if attribute in LABEL_ATTRIBUTES
        for name, value in _flatten(attribute, resource[attribute])
    }
    if SERVICE_NAME not in labels:
        labels[SERVICE_NAME] = service_name_of(labels)
    return labels


def _entry(record: OtlpLogRecord, now_ns: int) -> LokiEntry:
    metadata: dict[str, str] = {}
    for attribute, value in record.resource.items():
        if attribute not in LABEL_ATTRIBUTES:
            metadata.update(_flatten(attribute, value))
    metadata.update(_scope_metadata(record))
    for attribute, value in record.attributes.items():
        metadata.update(_flatten(attribute, value))
    metadata.update(_record_metadata(record))
    timestamp_ns = record.time_ns or record.observed_ns or now_ns
    return LokiEntry(timestamp_ns, text_of(record.body), metadata)


def _scope_metadata(record: OtlpLogRecord) -> dict[str, str]:
    scope = record.scope
    metadata = {"scope_name": scope.name, "scope_version": scope.version}
    for attribute, value in scope.attributes.items():
        metadata.update(_flatten(attribute, value))
    return {name: value for name, value in metadata.items() if value}


def _record_metadata(record: OtlpLogRecord) -> dict[str, str]:
    """The fields of the record itself; absent ones are left out."""
    fields = {
        # An observed time that has to serve as the entry's time is not repeated.
        "observed_timestamp": str(record.observed_ns) if record.time_ns else "",
        "severity_number": str(record.severity_number),
        "severity_text": record.severity_text,
        "trace_id": record.trace_id or "",
        "span_id": record.span_id or "",
        "flags": str(record.flags),
        "event_name": record.event_name,
    }
    return {name: value for name, value in fields.items() if value not in ("", "0")}


def _flatten(name: str, value: Any) -> Iterable[tuple[str, str]]:
    """A map becomes one field for each leaf, its keys joined by underscores."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flatten(f"{name}_{key}", inner)
    elif name:
        yield metadata_name(name), text_of(value)
