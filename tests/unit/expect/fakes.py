"""A context whose stack and clients are values in memory, for what decides on them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, cast

# Loaded once, so that no wait of a test takes as long as that.
import tenacity  # noqa: F401

from pytest_obsstack.clients.collector import CollectorReading, Counts, Signal
from pytest_obsstack.clients.loki.models import LogEntry
from pytest_obsstack.clients.prometheus.models import Exemplar, Target
from pytest_obsstack.clients.sentry.event import Event
from pytest_obsstack.clients.sentry.explore import LogRow, SpanRow
from pytest_obsstack.clients.sentry.issue import Issue, Outcome
from pytest_obsstack.clients.sentry.traits import SENTRY, TrackerTraits
from pytest_obsstack.clients.sentry.transaction import TransactionEvent
from pytest_obsstack.clients.series import QueryResult, Sample, Series
from pytest_obsstack.clients.spans import Span
from pytest_obsstack.clients.tempo.models import TempoSpan
from pytest_obsstack.endpoints import (
    CollectorEndpoint,
    Endpoints,
    LokiEndpoint,
    PrometheusEndpoint,
    SentryEndpoint,
    TempoEndpoint,
)
from pytest_obsstack.errors import BackendRefused, ObsstackError
from pytest_obsstack.expect.clients import Clients
from pytest_obsstack.expect.context import AppFacts, AppHistory, Context
from pytest_obsstack.providers.capabilities import EMBEDDED
from pytest_obsstack.record.exchanges import Exchange, Exchanges
from pytest_obsstack.wire.trace_context import TraceContext
from tests.unit.expect.models import (
    OTHER_TRACE,
    SENT_S,
    SPAN,
    TRACE,
    exchange,
    line,
    otlp_span,
    root_span,
    target,
)

DSN = "http://0123456789abcdef@127.0.0.1:9000/1"
INSTANCE = "simple-app-main"
NOW_S = SENT_S + 60
"""The time at which the fake Prometheus is asked."""
_LOOKBACK_S = 300.0


@dataclass
class Backend:
    """What all fakes share: how often they were asked, what they raise, what happens at a poll."""

    error: ObsstackError | None = None
    polls: int = 0
    at_poll: Callable[[int], None] = lambda _: None

    def asked(self) -> None:
        self.polls += 1
        self.at_poll(self.polls)
        if self.error is not None:
            raise self.error


def counted_or_404(counted: dict[str, Any] | None) -> dict[str, Any]:
    """The answer of a path that only servers have which count."""
    if counted is None:
        raise BackendRefused("There is no such path.", status=404)
    return counted


@dataclass
class FakeSentry(Backend):
    """Holds one trace, ``TRACE``; of any other it knows nothing."""

    events: list[Event] = field(default_factory=list)
    issues: list[Issue] = field(default_factory=list)
    spans: list[SpanRow] = field(default_factory=list)
    transactions: list[TransactionEvent] = field(default_factory=list)
    outcome_list: list[Outcome] = field(default_factory=list)
    bodies: dict[str, Any] = field(default_factory=dict)
    attached: dict[tuple[str, str], bytes] = field(default_factory=dict)
    attributes: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Those of a span or a log that no list shows, by its id."""
    logs: list[LogRow] = field(default_factory=list)
    by_request: dict[str, str] = field(default_factory=dict)
    """The trace of the span that carries a request id, by that."""
    other_traces: dict[str, list[SpanRow]] = field(default_factory=dict)
    projects: set[str | None] = field(default_factory=set)
    """Those whose events were asked for."""
    url: str = "http://127.0.0.1:9000"
    organization: str = "obsstack"
    traits: TrackerTraits = SENTRY
    since_s: float | None = None
    deliveries: dict[str, Any] | None = field(default_factory=dict)
    """What it has counted of the trace; a product that does not count has none."""

    def get(self, path: str) -> Any:
        return counted_or_404(self.deliveries if path == f"obsstack/traces/{TRACE}/" else {})

    def issues_url(self, issue_id: str | None = None) -> str:
        page = f"{self.url}/organizations/{self.organization}/issues/"
        return page if issue_id is None else f"{page}{issue_id}/"

    def events_of_trace(self, trace_id: str, *, since_s: float | None = None) -> tuple[Event, ...]:
        self.asked()
        self.since_s = since_s
        return tuple(self.events) if trace_id == TRACE else ()

    def spans_of_trace(self, trace_id: str) -> tuple[SpanRow, ...]:
        self.asked()
        return tuple(self.spans if trace_id == TRACE else self.other_traces.get(trace_id, ()))

    def spans_by(self, attribute: str, query: str) -> tuple[Mapping[str, Any], ...]:
        prefix = query.removeprefix(f"{attribute}:*").removesuffix("*")
        return tuple(
            {attribute: json.dumps([text]), "trace": trace_id}
            for text, trace_id in self.by_request.items()
            if text.startswith(prefix)
        )

    def span_attributes(self, trace_id: str, row: SpanRow) -> Mapping[str, Any]:
        assert trace_id == TRACE or trace_id in self.other_traces
        return self.attributes.get(row.span_id, {})

    def transactions_of_trace(self, trace_id: str) -> tuple[TransactionEvent, ...]:
        self.asked()
        return tuple(self.transactions) if trace_id == TRACE else ()

    def event(self, event_id: str) -> Event:
        return next(event for event in self.events if event.event_id == event_id)

    def issue(self, issue_id: str) -> Issue:
        return next(issue for issue in self.issues if issue.id == issue_id)

    def outcomes(self) -> tuple[Outcome, ...]:
        return tuple(self.outcome_list)

    def logs_of_trace(self, trace_id: str) -> tuple[LogRow, ...]:
        return tuple(self.logs) if trace_id == TRACE else ()

    def log_attributes(self, trace_id: str, row: LogRow) -> Mapping[str, Any]:
        assert trace_id == TRACE
        return self.attributes.get(row.log_id or "", {})

    def event_json(self, event_id: str, *, project: str | None = None) -> Any:
        self.projects.add(project)
        return self.bodies.get(event_id, {})

    def attachments(self, event_id: str, *, project: str | None = None) -> tuple[Any, ...]:
        self.projects.add(project)
        names = [name for owner, name in self.attached if owner == event_id]
        return tuple(SimpleNamespace(id=name, name=name) for name in names)

    def attachment_content(
        self, event_id: str, attachment_id: str, *, project: str | None = None
    ) -> bytes:
        self.projects.add(project)
        return self.attached[event_id, attachment_id]


@dataclass
class FakeLoki(Backend):
    discarding: dict[str, int] | None = field(default_factory=dict)
    """Lines that were not stored, by reason; ``None``: it does not tell."""
    lines: list[LogEntry] = field(default_factory=list)
    other_traces: dict[str, list[LogEntry]] = field(default_factory=dict)
    url: str = "http://127.0.0.1:3100"
    since_ns: int = 0
    dropped: list[dict[str, Any]] | None = field(default_factory=list)
    """What it had already when it came once more; a Loki proper does not tell."""

    def get(self, path: str) -> Any:
        if path != f"obsstack/traces/{TRACE}":
            return {}
        return counted_or_404(None if self.dropped is None else {"dropped": self.dropped})

    def discarded(self) -> dict[str, int]:
        if self.discarding is None:
            raise BackendRefused("Loki refused.", status=404)
        return self.discarding

    def lines_of_trace(self, trace_id: str, *, since_ns: int) -> tuple[LogEntry, ...]:
        self.asked()
        self.since_ns = since_ns
        return tuple(self.lines if trace_id == TRACE else self.other_traces.get(trace_id, ()))


@dataclass
class FakeTempo(Backend):
    """Holds one trace, ``TRACE``; a stack has it only after ``Bench.add_tempo``."""

    spans: list[TempoSpan] = field(default_factory=list)
    by_request: dict[str, str] = field(default_factory=dict)
    store_name: str = "Tempo"

    def otlp_spans(self, trace_id: str) -> tuple[TempoSpan, ...]:
        self.asked()
        return tuple(self.spans) if trace_id == TRACE else ()

    def found_by(self, attribute: str, prefix: str, *, since_s: float) -> Sequence[tuple[str, str]]:
        assert (attribute, since_s > 0) == ("http.request.header.x_request_id", True)
        return [pair for pair in self.by_request.items() if pair[0].startswith(prefix)]

    def whole(self, trace_id: str, span: Span) -> Span:
        assert trace_id == TRACE
        return span

    def span_texts(self, trace_id: str) -> Iterator[tuple[str, str]]:
        for span in self.otlp_spans(trace_id):
            yield f"Tempo span {span.name}", json.dumps(span.raw)

    def trace_url(self, trace_id: str) -> str:
        return f"http://127.0.0.1:3200/api/v2/traces/{trace_id}"


@dataclass
class FakePrometheus(Backend):
    """Answers plain selectors, their ranges, and the newest sample's time, from ``samples``."""

    samples: list[Series] = field(default_factory=list)
    target_list: list[Target] = field(default_factory=lambda: [target()])
    url: str = "http://127.0.0.1:9090"
    queries: list[str] = field(default_factory=list)
    exemplar_list: list[Exemplar] = field(default_factory=list)

    def exemplars(self, promql: str, *, start_s: float, end_s: float) -> tuple[Exemplar, ...]:
        self.asked()
        self.queries.append(promql)
        return tuple(e for e in self.exemplar_list if start_s <= e.timestamp_s <= end_s)

    def add(self, name: str, *samples: tuple[float, float], **labels: str) -> None:
        """A series of ``(timestamp_s, value)`` of the app instance."""
        whole = {"__name__": name, "instance": INSTANCE, "job": "simple-app", **labels}
        self.samples.append(Series(whole, tuple(Sample(*sample) for sample in samples)))

    def query(self, promql: str, *, time_s: float | None = None) -> QueryResult:
        self.asked()
        self.queries.append(promql)
        at_s = NOW_S if time_s is None else time_s
        if match := re.fullmatch(r"max\(timestamp\((.*)\)\)", promql):
            series = self._selected(match[1], at_s, _LOOKBACK_S)
            newest = max((s.last.timestamp_s for s in series), default=None)
            found = [] if newest is None else [Series({}, (Sample(at_s, newest),))]
        elif match := re.fullmatch(r"max by \(instance\) \(timestamp\((.*)\)\)", promql):
            times: dict[str, float] = {}
            for each in self._selected(match[1], at_s, _LOOKBACK_S):
                instance = each.labels["instance"]
                times[instance] = max(times.get(instance, 0.0), each.last.timestamp_s)
            found = [
                Series({"instance": instance}, (Sample(at_s, time_s),))
                for instance, time_s in times.items()
            ]
        elif match := re.fullmatch(r"(.*)\[(\d+)s\]", promql):
            found = self._selected(match[1], at_s, float(match[2]))
        else:
            found = [
                Series(series.labels, (series.last,))
                for series in self._selected(promql, at_s, _LOOKBACK_S)
            ]
        return QueryResult("vector", tuple(found))

    def series(self, selector: str) -> tuple[Mapping[str, str], ...]:
        return tuple(s.labels for s in self._selected(selector, NOW_S, _LOOKBACK_S))

    def targets(self) -> tuple[Target, ...]:
        self.asked()
        return tuple(self.target_list)

    def _selected(self, selector: str, at_s: float, window_s: float) -> list[Series]:
        match = re.fullmatch(r"(\w*)(?:\{(.*)\})?", selector)
        assert match is not None, selector
        wanted = re.findall(r'(\w+)(=~|!~|!=|=)"((?:[^"\\]|\\.)*)"', match[2] or "")
        if match[1]:
            wanted.append(("__name__", "=", match[1]))
        found = []
        for series in self.samples:
            if all(_matches(series.labels.get(key, ""), how, text) for key, how, text in wanted):
                inside = [s for s in series.samples if at_s - window_s < s.timestamp_s <= at_s]
                if inside:
                    found.append(Series(series.labels, tuple(inside)))
        return found


def _matches(value: str, how: str, wanted: str) -> bool:
    same = re.fullmatch(wanted, value) is not None if "~" in how else value == wanted
    return same != how.startswith("!")


@dataclass
class FakeCollector(Backend):
    """Counts of one receiver and of the exporter to each backend."""

    accepted: dict[Signal, int] = field(default_factory=dict)
    sent: dict[Signal, int] = field(default_factory=dict)
    failed: dict[Signal, int] = field(default_factory=dict)
    exporters: dict[Signal, str] = field(
        default_factory=lambda: {
            "spans": "otlp_http/sentry",
            "log_records": "otlp_http/loki",
            "metric_points": "prometheus",
        }
    )
    queues: dict[tuple[str, str], int] = field(default_factory=dict)

    def reading(self) -> CollectorReading:
        self.asked()
        return CollectorReading(
            {("otlp", signal): Counts(accepted=count) for signal, count in self.accepted.items()},
            {
                (exporter, signal): Counts(
                    sent=self.sent.get(signal, 0), send_failed=self.failed.get(signal, 0)
                )
                for signal, exporter in self.exporters.items()
            },
            self.queues,
        )


@dataclass
class FakeStack:
    """A steerable stack, unless ``steerable`` says otherwise."""

    endpoints: Endpoints
    state: Any = field(default_factory=lambda: SimpleNamespace(products={"sentry": None}))
    capabilities: frozenset[str] = EMBEDDED
    kind: str = "embedded"
    steerable: bool = True
    exporter_errors: dict[str, str] = field(default_factory=dict)
    exporter_errors_s: float = SENT_S
    exporters_fail_still: bool = False
    scrapes: list[str | None] = field(default_factory=list)
    scraped: Callable[[], None] = lambda: None

    def scrape(self, job: str | None = None) -> Sequence[Mapping[str, Any]]:
        self.scrapes.append(job)
        self.scraped()
        return []

    def status(self) -> dict[str, Any]:
        exporters = {
            name: {
                "last_error": {"text": text, "time_ns": int(self.exporter_errors_s * 1e9)},
                "failing": self.exporters_fail_still,
            }
            for name, text in self.exporter_errors.items()
        }
        return {"collector": {"exporters": exporters}}


@dataclass
class Bench:
    """The fakes behind one ``context``."""

    context: Context
    stack: FakeStack
    sentry: FakeSentry
    loki: FakeLoki
    prometheus: FakePrometheus
    collector: FakeCollector
    tempo: FakeTempo

    def add_tempo(self, *, tracker_spans: bool) -> None:
        """Let the stack have a Tempo, beside a tracker that shows spans or one that does not."""
        self.stack.endpoints = replace(
            self.stack.endpoints, tempo=TempoEndpoint("http://127.0.0.1:3200")
        )
        if not tracker_spans:
            self.stack.capabilities -= {"tracker_spans"}

    def make_foreign(self, *, settled: bool) -> None:
        """Let everything that is there be of another trace than the test's own.

        ``settled``: of the test's own the fences have arrived, and nothing else.
        """
        self.context.trace = replace(self.context.trace, trace_id=OTHER_TRACE)
        if settled:
            self.sentry.other_traces[OTHER_TRACE] = [root_span(), otlp_span()]
            self.loki.other_traces[OTHER_TRACE] = [line()]


def app_facts(
    *,
    service: str = "simple-app",
    instance: str = INSTANCE,
    url: str = "http://127.0.0.1:5000",
    environment: Mapping[str, str] | None = None,
    last_log_line: str | None = "^request finished",
    log: Sequence[str] = (),
    log_delay_s: float = 0.0,
    companions: tuple[AppFacts, ...] = (),
    **more: Any,
) -> AppFacts:
    told = {"SENTRY_DSN": DSN, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}
    return AppFacts(
        url=url,
        service=service,
        instance=instance,
        environment=told if environment is None else environment,
        started_here=True,
        last_log_line=None if last_log_line is None else re.compile(last_log_line),
        log_delay_s=log_delay_s,
        log_lines=lambda: list(log),
        companions=companions,
        **more,
    )


def endpoints() -> Endpoints:
    return Endpoints(
        sentry=SentryEndpoint("http://127.0.0.1:9000", organization="obsstack", dsn=DSN),
        collector=CollectorEndpoint("http://127.0.0.1:4318"),
        prometheus=PrometheusEndpoint("http://127.0.0.1:9090"),
        loki=LokiEndpoint("http://127.0.0.1:3100"),
    )


def bench(
    *exchanges: Exchange,
    app: AppFacts | None = None,
    timeout_s: float = 0.0,
    no_request: bool = False,
    exact_metrics: bool = True,
    history: AppHistory | None = None,
) -> Bench:
    """A context of one failed request, or of ``exchanges``, on a healthy but empty stack.

    With the time-out of 0 s every wait is one poll, so that messages are the same each time.
    """
    stack = FakeStack(endpoints())
    sentry, loki, prometheus, collector, tempo = (
        FakeSentry(),
        FakeLoki(),
        FakePrometheus(),
        FakeCollector(),
        FakeTempo(),
    )
    clients = Clients(cast("Any", stack))
    # Where the real ones would be cached, so that which of them is asked is decided as ever.
    vars(clients).update(
        sentry=sentry, loki=loki, prometheus=prometheus, collector=collector, tempo=tempo
    )
    made = list(exchanges or ([] if no_request else [exchange()]))
    context = Context(
        stack=cast("Any", stack),
        clients=clients,
        app=app or app_facts(),
        trace=TraceContext(TRACE, SPAN, sampled=True),
        timeout_s=timeout_s,
        history=history or AppHistory(),
        started_s=SENT_S - 1,
        exact_metrics=exact_metrics,
        exchanges=Exchanges(made),
    )
    return Bench(context, stack, sentry, loki, prometheus, collector, tempo)
