"""Events, spans, logs and attachments with the indexes that queries go by."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from pytest_obsstack.embedded.sentry.state.model import (
    Attachment,
    KeptItem,
    LogRecord,
    Span,
    SpanException,
    StoredEvent,
)

EventKey = tuple[int, str]
"""Project id and event id: what makes an event unique."""


@dataclass
class TraceContents:
    """All that carries one trace id, each in the order of arrival."""

    events: list[StoredEvent] = field(default_factory=list)
    """Errors and messages, no transactions."""
    transactions: list[StoredEvent] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    logs: list[LogRecord] = field(default_factory=list)
    exceptions: list[SpanException] = field(default_factory=list)
    """Those recorded on spans that came over OTLP; Sentry's own API shows none of them."""


class Telemetry:
    """What the senders sent, in the order of arrival and by trace and event id."""

    def __init__(self) -> None:
        self.errors: list[StoredEvent] = []
        """Errors and messages."""
        self.transactions: list[StoredEvent] = []
        self.spans: list[Span] = []
        self.logs: list[LogRecord] = []
        self.kept_items: list[KeptItem] = []
        self.events: dict[EventKey, StoredEvent] = {}
        self.deliveries: Counter[EventKey] = Counter()
        """How often an event id has arrived: 1 as a rule, more where a sender sent it again."""
        self.attachments: defaultdict[EventKey, list[Attachment]] = defaultdict(list)
        self._traces: dict[str, TraceContents] = {}
        self._projects_of_event: defaultdict[str, list[int]] = defaultdict(list)
        self._last_sequence = 0
        self._last_attachment_id = 0

    def next_sequence(self) -> int:
        self._last_sequence += 1
        return self._last_sequence

    def next_attachment_id(self) -> int:
        self._last_attachment_id += 1
        return self._last_attachment_id

    def trace(self, trace_id: str) -> TraceContents:
        """Empty for a trace that nothing carries."""
        return self._traces.get(trace_id) or TraceContents()

    def events_with_id(self, event_id: str) -> list[StoredEvent]:
        """Of all projects; event ids are only unique within one."""
        return [self.events[project, event_id] for project in self._projects_of_event[event_id]]

    def add_event(self, event: StoredEvent) -> None:
        key = (event.project_id, event.event_id)
        self.events[key] = event
        self._projects_of_event[event.event_id].append(event.project_id)
        is_transaction = event.type == "transaction"
        (self.transactions if is_transaction else self.errors).append(event)
        if event.trace_id is not None:
            trace = self._trace_of(event.trace_id)
            (trace.transactions if is_transaction else trace.events).append(event)

    def add_span(self, span: Span) -> None:
        self.spans.append(span)
        self._trace_of(span.trace_id).spans.append(span)

    def add_span_exception(self, trace_id: str, exception: SpanException) -> None:
        self._trace_of(trace_id).exceptions.append(exception)

    def add_log(self, log: LogRecord) -> None:
        self.logs.append(log)
        if log.trace_id is not None:
            self._trace_of(log.trace_id).logs.append(log)

    def add_attachment(self, attachment: Attachment) -> None:
        self.attachments[attachment.project_id, attachment.event_id].append(attachment)

    def remove_events(self, doomed: Callable[[StoredEvent], bool]) -> None:
        """Forget events and their attachments; deliveries stay, for they did happen."""
        for key, event in list(self.events.items()):
            if doomed(event):
                del self.events[key]
                self.attachments.pop(key, None)
                self._projects_of_event[event.event_id].remove(event.project_id)
        self.errors = [event for event in self.errors if not doomed(event)]
        self.transactions = [event for event in self.transactions if not doomed(event)]
        for trace in self._traces.values():
            trace.events = [event for event in trace.events if not doomed(event)]
            trace.transactions = [event for event in trace.transactions if not doomed(event)]

    def remove_project(self, project_id: int) -> None:
        self.remove_events(lambda event: event.project_id == project_id)
        self.spans = [span for span in self.spans if span.project_id != project_id]
        self.logs = [log for log in self.logs if log.project_id != project_id]
        self.kept_items = [item for item in self.kept_items if item.project_id != project_id]
        for trace in self._traces.values():
            trace.spans = [span for span in trace.spans if span.project_id != project_id]
            trace.logs = [log for log in trace.logs if log.project_id != project_id]
            trace.exceptions = [e for e in trace.exceptions if e.project_id != project_id]

    def _trace_of(self, trace_id: str) -> TraceContents:
        trace = self._traces.get(trace_id)
        if trace is None:
            trace = self._traces[trace_id] = TraceContents()
        return trace
