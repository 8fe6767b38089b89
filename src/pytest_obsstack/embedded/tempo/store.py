"""The traces that were received, in memory."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_obsstack.embedded.tempo.settings import TempoSettings
from pytest_obsstack.embedded.tempo.spans import TraceView, view, without_duplicates
from pytest_obsstack.wire import otlp

if TYPE_CHECKING:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
    from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans

_NS = 1_000_000_000


@dataclass
class StoredTrace:
    """Parts as they came, each of one resource, with the time of the last (Unix nanoseconds)."""

    parts: list[ResourceSpans] = field(default_factory=list)
    size_bytes: int = 0
    updated_ns: int = 0
    seen: set[tuple[bytes, int]] = field(default_factory=set)
    """Id and kind of each span."""
    viewed: TraceView | None = None


class TraceStore:
    """Trace id → trace. What is beyond the limits is discarded and counted, as Tempo does."""

    def __init__(self, settings: TempoSettings) -> None:
        self._settings = settings
        self._traces: dict[bytes, StoredTrace] = {}
        self.discarded_spans: Counter[str] = Counter()
        self.received_spans = 0

    def __len__(self) -> int:
        return len(self._traces)

    @property
    def span_count(self) -> int:
        return sum(len(trace.seen) for trace in self._traces.values())

    def add(self, request: ExportTraceServiceRequest, received_ns: int) -> None:
        """Take all spans; each has a trace id and a span id."""
        for trace_id, part in _by_trace(request):
            self._add_part(trace_id, part, received_ns)
        self._expire(received_ns)

    def request_of(self, trace_id: bytes) -> ExportTraceServiceRequest | None:
        """The whole trace as one message, as Tempo answers it; None if there is none."""
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
            ExportTraceServiceRequest,
        )

        trace = self._traces.get(trace_id)
        if trace is None:
            return None
        return ExportTraceServiceRequest(resource_spans=trace.parts)

    def views(self) -> list[TraceView]:
        """All traces, those that began last first."""
        found = [self._view(trace_id, trace) for trace_id, trace in self._traces.items()]
        return sorted(found, key=lambda each: each.start_ns, reverse=True)

    @property
    def size_bytes(self) -> int:
        return sum(trace.size_bytes for trace in self._traces.values())

    def _add_part(self, trace_id: bytes, part: ResourceSpans, received_ns: int) -> None:
        spans = [span for scope_spans in part.scope_spans for span in scope_spans.spans]
        self.received_spans += len(spans)
        trace = self._traces.get(trace_id) or StoredTrace()
        size_bytes = part.ByteSize()
        if trace.size_bytes + size_bytes > self._settings.max_bytes_per_trace:
            self.discarded_spans["trace_too_large"] += len(spans)
            return
        self._traces[trace_id] = trace
        trace.updated_ns = received_ns
        fresh = {(span.span_id, int(span.kind)) for span in spans} - trace.seen
        if not fresh:
            return
        if len(fresh) < len(spans):
            _keep_only(part, fresh)
        trace.seen |= fresh
        trace.parts.append(part)
        trace.size_bytes += size_bytes
        trace.viewed = None

    def _view(self, trace_id: bytes, trace: StoredTrace) -> TraceView:
        if trace.viewed is None:
            from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
                ExportTraceServiceRequest,
            )

            spans = otlp.spans(ExportTraceServiceRequest(resource_spans=trace.parts))
            trace.viewed = view(trace_id.hex(), without_duplicates(spans))
        return trace.viewed

    def _expire(self, now_ns: int) -> None:
        oldest_ns = now_ns - int(self._settings.retention_s * _NS)
        # In the order of their first part, so the old ones stand in front.
        for trace_id, trace in list(self._traces.items()):
            too_many = len(self._traces) > self._settings.max_traces
            if trace.updated_ns >= oldest_ns and not too_many:
                break
            del self._traces[trace_id]


def _by_trace(request: ExportTraceServiceRequest) -> list[tuple[bytes, ResourceSpans]]:
    """The request's spans, apart by resource and trace, in its order."""
    from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans

    found: list[tuple[bytes, ResourceSpans]] = []
    for resource_spans in request.resource_spans:
        parts: dict[bytes, ResourceSpans] = {}
        for scope_spans in resource_spans.scope_spans:
            groups: dict[bytes, ScopeSpans] = {}
            for span in scope_spans.spans:
                part = parts.get(span.trace_id)
                if part is None:
                    part = parts[span.trace_id] = ResourceSpans(
                        resource=resource_spans.resource, schema_url=resource_spans.schema_url
                    )
                group = groups.get(span.trace_id)
                if group is None:
                    group = groups[span.trace_id] = part.scope_spans.add(
                        schema_url=scope_spans.schema_url
                    )
                    group.scope.CopyFrom(scope_spans.scope)
                group.spans.append(span)
        found.extend(parts.items())
    return found


def _keep_only(part: ResourceSpans, wanted: set[tuple[bytes, int]]) -> None:
    """Leave the first of each wanted span."""
    left = set(wanted)
    for scope_spans in part.scope_spans:
        kept = []
        for span in scope_spans.spans:
            key = (span.span_id, int(span.kind))
            if key in left:
                left.remove(key)
                kept.append(span)
        del scope_spans.spans[:]
        scope_spans.spans.extend(kept)
