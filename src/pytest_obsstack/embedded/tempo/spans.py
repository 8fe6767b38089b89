"""Spans and traces as a search sees them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pytest_obsstack.embedded.tempo.traceql.evaluate import Field
from pytest_obsstack.embedded.tempo.traceql.syntax import Attribute
from pytest_obsstack.embedded.tempo.traceql.values import Duration, Keyword, Value
from pytest_obsstack.wire.otlp import OtlpSpan

SERVICE_NAME = "service.name"
ROOT_NOT_RECEIVED = "<root span not yet received>"
"""What Tempo tells as the root's service while there is no span without a parent."""


@dataclass(frozen=True)
class ServiceStats:
    """Spans of a service in a trace, and those with status error."""

    spans: int
    errors: int


@dataclass(frozen=True)
class TraceView:
    """A trace with what a search tells of it. Times are Unix nanoseconds."""

    trace_id: str
    spans: tuple[SpanView, ...]
    start_ns: int
    end_ns: int
    root_service: str
    """Empty where no root has come yet."""
    root_name: str
    children: Counter[str | None] = field(repr=False)

    @property
    def duration_ns(self) -> int:
        return max(0, self.end_ns - self.start_ns)

    def overlaps(self, start_s: int, end_s: int) -> bool:
        """Whether any of it is between the two; (0, 0) is any time."""
        if not start_s and not end_s:
            return True
        return self.start_ns <= end_s * 10**9 and self.end_ns >= start_s * 10**9

    def services(self) -> dict[str, ServiceStats]:
        spans: Counter[str] = Counter()
        errors: Counter[str] = Counter()
        for span in self.spans:
            service = str(span.otlp.resource.get(SERVICE_NAME, ""))
            spans[service] += 1
            errors[service] += span.otlp.status_code == "error"
        return {name: ServiceStats(spans[name], errors[name]) for name in spans}


class SpanView:
    """One span, beside the trace that it is of."""

    def __init__(self, otlp: OtlpSpan) -> None:
        self.otlp = otlp
        self.trace: TraceView

    @property
    def duration_ns(self) -> int:
        return max(0, self.otlp.end_ns - self.otlp.start_ns)

    def value_of(self, asked: Field) -> Value:
        """See ``traceql.evaluate.SearchedSpan``."""
        if isinstance(asked, Attribute):
            return self._attribute(asked.scope, asked.name)
        return self._intrinsic(asked.name)

    def _attribute(self, scope: str, name: str) -> Value:
        if scope == "event":
            return tuple(
                _value(event.attributes[name])
                for event in self.otlp.events
                if name in event.attributes
            )
        places = {
            "span": (self.otlp.attributes,),
            "resource": (self.otlp.resource,),
            "instrumentation": (self.otlp.scope.attributes,),
            # Of an attribute without scope the span's comes first.
            "": (self.otlp.attributes, self.otlp.resource),
        }[scope]
        return next((_value(place[name]) for place in places if name in place), None)

    def _intrinsic(self, name: str) -> Value:  # noqa: C901, PLR0912 - one name a line
        otlp, trace = self.otlp, self.trace
        if name == "name":
            return otlp.name
        if name == "duration":
            return Duration(self.duration_ns)
        if name == "status":
            return Keyword("status", otlp.status_code)
        if name == "statusMessage":
            return otlp.status_message
        if name == "kind":
            return Keyword("kind", otlp.kind)
        if name == "rootName":
            return trace.root_name
        if name == "rootServiceName":
            return trace.root_service
        if name == "traceDuration":
            return Duration(trace.duration_ns)
        if name == "trace:id":
            return otlp.trace_id
        if name == "span:id":
            return otlp.span_id
        if name == "span:parentID":
            return otlp.parent_span_id
        if name == "span:childCount":
            return trace.children[otlp.span_id]
        if name == "event:name":
            return tuple(event.name for event in otlp.events)
        if name == "instrumentation:name":
            return otlp.scope.name
        if name == "instrumentation:version":
            return otlp.scope.version
        raise KeyError(name)


def view(trace_id: str, spans: Sequence[OtlpSpan]) -> TraceView:
    """The trace that these spans are of; there is at least one."""
    views = tuple(SpanView(span) for span in spans)
    roots = [span for span in spans if span.parent_span_id is None]
    root = min(roots, key=lambda span: span.start_ns, default=None)
    made = TraceView(
        trace_id=trace_id,
        spans=views,
        start_ns=min(span.start_ns for span in spans),
        end_ns=max(span.end_ns for span in spans),
        root_service="" if root is None else str(root.resource.get(SERVICE_NAME, "")),
        root_name="" if root is None else root.name,
        children=Counter(span.parent_span_id for span in spans),
    )
    for each in views:
        each.trace = made
    return made


def without_duplicates(spans: Iterable[OtlpSpan]) -> list[OtlpSpan]:
    """Each span once: a sender that was not answered sends again. Tempo goes by id and kind."""
    seen: dict[tuple[str | None, str], OtlpSpan] = {}
    for span in spans:
        seen.setdefault((span.span_id, span.kind), span)
    return list(seen.values())


def _value(plain: Any) -> Value:
    """An attribute's value; maps, bytes and mixed lists are not compared by Tempo."""
    if isinstance(plain, list):
        return tuple(plain) if len({type(each) for each in plain}) == 1 else None
    return plain if isinstance(plain, (str, bool, int, float)) else None
