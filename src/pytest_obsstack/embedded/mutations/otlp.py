"""What is changed in OTLP requests: spans and log records of a trace, metrics of an app instance.

A resource may hold telemetry of many traces: what concerns one alone is moved to a resource of its
own where the resource has to change.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pytest_obsstack.embedded.mutations.metrics import rewrite_metrics
from pytest_obsstack.embedded.mutations.rules import Active, Mutations
from pytest_obsstack.wire import otlp
from pytest_obsstack.wire.otlp import WireError

if TYPE_CHECKING:
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

_OTHER_ENVIRONMENT = "obs-mutated"
_PLANTED = "obs.mutated"
_ENVIRONMENTS = ("deployment.environment", "deployment.environment.name")
_ERROR, _INFO = 17, 9
"""Severity numbers (OpenTelemetry's logs data model)."""
_CHANGING = re.compile(r"[0-9a-z]{20,}|[0-9a-f]{8,}|\d+")

Change = Callable[[Active, Any], str]
"""Changes a span or record in place and says what was changed."""


def rewrite_otlp(
    signal: str, content_type: str | None, body: bytes, mutations: Mutations
) -> bytes | None:
    """What is handed on in the request's place; ``None`` where no mutation concerns it."""
    encoding = otlp.encoding_of(content_type)
    if encoding is None:
        return None
    request: Any
    try:
        if signal == "traces":
            request = otlp.decode_traces(body, encoding)
            changed = _rewrite_traces(request, mutations)
        elif signal == "logs":
            request = otlp.decode_logs(body, encoding)
            changed = _rewrite_logs(request, mutations)
        else:
            request = otlp.decode_metrics(body, encoding)
            changed = rewrite_metrics(request, mutations)
    except WireError:
        # The collector says what is wrong with it.
        return None
    return otlp.encode(request, encoding) if changed else None


def _rewrite_traces(request: ExportTraceServiceRequest, mutations: Mutations) -> bool:
    changed = False
    moved: list[tuple[Any, Any, Any]] = []
    for resource_spans in request.resource_spans:
        for scope_spans in resource_spans.scope_spans:
            kept = []
            for span in scope_spans.spans:
                active = mutations.of(span.trace_id.hex(), "spans")
                if active is None or not active.rule.concerns(span.name):
                    kept.append(span)
                    continue
                mutation = active.rule.mutation
                if mutation == "span dropped":
                    active.note(f"span {span.name}")
                elif mutation == "span delivered twice":
                    active.note(f"span {span.name}")
                    kept += [span, span]
                elif mutation == "span duplicated":
                    active.note(f"span {span.name}")
                    kept += [span, _copy(span, span_id=os.urandom(8))]
                elif mutation == "environment changed":
                    active.note(f"span {span.name}: environment")
                    moved.append((resource_spans, scope_spans, span))
                else:
                    what = (
                        _SPAN_CHANGES[mutation](active, span) if mutation in _SPAN_CHANGES else ""
                    )
                    kept.append(span)
                    if not what:
                        continue
                    active.note(f"span {span.name}: {what}")
                changed = True
            _replace(scope_spans.spans, kept)
    for resource_spans, scope_spans, span in moved:
        _append_with_other_environment(request, resource_spans, scope_spans, span)
    return changed


def _append_with_other_environment(
    request: ExportTraceServiceRequest, resource_spans: Any, scope_spans: Any, span: Any
) -> None:
    own = request.resource_spans.add(schema_url=resource_spans.schema_url)
    own.resource.CopyFrom(resource_spans.resource)
    for attribute in own.resource.attributes:
        if attribute.key in _ENVIRONMENTS:
            attribute.value.string_value = _OTHER_ENVIRONMENT
    scope = own.scope_spans.add(schema_url=scope_spans.schema_url)
    scope.scope.CopyFrom(scope_spans.scope)
    scope.spans.add().CopyFrom(span)


def _rewrite_logs(request: ExportLogsServiceRequest, mutations: Mutations) -> bool:
    changed = False
    for resource_logs in request.resource_logs:
        for scope_logs in resource_logs.scope_logs:
            kept = []
            for record in scope_logs.log_records:
                active = mutations.of(record.trace_id.hex(), "logs")
                text = line_pattern(str(otlp.plain_value(record.body)))
                if active is None or not _is_named(active, text):
                    kept.append(record)
                    continue
                mutation = active.rule.mutation
                if mutation == "line dropped":
                    active.note(f"line {text[:60]}")
                elif mutation == "line delivered twice":
                    active.note(f"line {text[:60]}")
                    kept += [record, record]
                elif mutation == "line duplicated":
                    active.note(f"line {text[:60]}")
                    # Loki keeps one of two entries with the same time and line.
                    later_ns = record.time_unix_nano + 1
                    kept += [record, _copy(record, time_unix_nano=later_ns)]
                else:
                    what = (
                        _LOG_CHANGES[mutation](active, record) if mutation in _LOG_CHANGES else ""
                    )
                    kept.append(record)
                    if not what:
                        continue
                    active.note(f"line {text[:60]}: {what}")
                changed = True
            _replace(scope_logs.log_records, kept)
    return changed


def _is_named(active: Active, text: str) -> bool:
    names = active.rule.names
    return not names or text in {line_pattern(name) for name in names}


def line_pattern(text: str) -> str:
    """A line without what differs from one run of a test to the next: numbers, ids, words."""
    return _CHANGING.sub("#", text)


def _copy(item: Any, **differs: Any) -> Any:
    copy = type(item).FromString(item.SerializeToString())
    for name, value in differs.items():
        setattr(copy, name, value)
    return copy


def _replace(repeated: Any, kept: list[Any]) -> None:
    """Protobuf's repeated fields take copies, and what they held is gone when they are cleared."""
    copies = [_copy(each) for each in kept]
    del repeated[:]
    repeated.extend(copies)


def _trace_id_changed(_: Active, item: Any) -> str:
    before = item.trace_id.hex()
    item.trace_id = os.urandom(16)
    return f"trace id {before}"


def _parent_lost(_: Active, span: Any) -> str:
    if not span.parent_span_id:
        return ""
    before = span.parent_span_id.hex()
    span.parent_span_id = os.urandom(8)
    return f"parent {before}"


def _level_changed(_: Active, record: Any) -> str:
    before = record.severity_text or str(record.severity_number)
    failed = record.severity_number >= _ERROR
    record.severity_number = _INFO if failed else _ERROR
    record.severity_text = "INFO" if failed else "ERROR"
    return f"level {before}"


def _secret_left_in(active: Active, item: Any) -> str:
    item.attributes.add(key=_PLANTED).value.string_value = active.rule.text
    return "attribute"


_SPAN_CHANGES: dict[str, Change] = {
    "trace id changed": _trace_id_changed,
    "parent lost": _parent_lost,
    "secret left in": _secret_left_in,
}
_LOG_CHANGES: dict[str, Change] = {
    "trace id changed": _trace_id_changed,
    "level changed": _level_changed,
    "secret left in": _secret_left_in,
}
