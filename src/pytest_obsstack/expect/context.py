"""What all expectations of one test share: its trace, its requests, the clients, the deadlines."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_obsstack.providers.app_spec import SIGNALS
from pytest_obsstack.record.asserted import AssertedFacts
from pytest_obsstack.record.exchanges import Exchange, Exchanges

if TYPE_CHECKING:
    from pytest_obsstack.endpoints import Endpoints
    from pytest_obsstack.expect.clients import Clients
    from pytest_obsstack.expect.losses import OutcomeCounts
    from pytest_obsstack.providers.stack import Stack
    from pytest_obsstack.wire.trace_context import TraceContext


@dataclass(frozen=True)
class AppFacts:
    """What is known of the app under test."""

    url: str
    service: str
    instance: str
    """``service.instance.id``; empty where somebody else started the app."""
    environment: Mapping[str, str]
    """The variables that the app was given; empty where somebody else started it."""
    started_here: bool
    last_log_line: re.Pattern[str] | None
    log_delay_s: float
    log_lines: Callable[[], list[str]] = list
    """Gives the last lines that the app wrote; none where somebody else has its output."""
    companions: tuple[AppFacts, ...] = ()
    ready_s: float | None = None
    """Unix seconds when it answered that it is ready, a request that it may have counted."""
    reaches: Endpoints | None = None
    """The stack as the app reaches it, from a container for instance; ``None``: as tests do."""
    signals: frozenset[str] = SIGNALS
    """What the app reports: of ``errors``, ``spans``, ``logs``, ``metrics``, ``sentry_logs``."""
    background_threads: bool = False
    """Whether it goes on reporting after a response."""
    ends_after_body: bool = False
    """Whether transactions and spans of streamed responses end after the body."""
    sentry_queue_size: int = 5000
    """How many envelopes its Sentry SDK lets wait."""
    sentry_log_delay_s: float = 6.5
    """How long after a response Sentry's SDK sends its structured logs at the latest."""
    processes: int = 1
    """How many processes answer its requests, each an instance of its own."""
    ready_path: str = "/health"
    """What it was asked whether it is ready."""


@dataclass
class AppHistory:
    """What this process has asked of the app over all its tests."""

    last_ended_s: float = 0.0
    """When the last response of any test ended."""
    metric_name: str | None = None
    """A metric that the app is known to export."""
    queue_overflows: int | None = None
    """Items that SDKs of this project have reported as dropped for a full queue, as last seen."""
    goes_on: bool = False
    """Whether a test has ended without seeing the end of its background work, which may go on
    counting."""
    collector_queues: tuple[str, ...] | None = None
    """Exporters of the collector that have a sending queue, as Prometheus tells it."""
    loki_discards: dict[str, int] | None = None
    """Lines that Loki had not stored when it was last asked, by reason."""
    unsettled: list[tuple[str, float]] = field(default_factory=list)
    """Earlier tests whose errors may have been under way when they ended: trace id, and when the
    last response ended (Unix seconds)."""


@dataclass
class Context:
    """One test's share of the stack."""

    stack: Stack
    clients: Clients
    app: AppFacts
    trace: TraceContext
    timeout_s: float
    history: AppHistory
    started_s: float
    """Unix seconds when the test began."""
    exact_metrics: bool = True
    shared_app: bool = False
    """Whether other workers drive the same app, though not during this test."""
    baseline_s: float | None = None
    """Unix seconds from which on the counts of a shared app are this test's."""
    overflows_before: int = 0
    """``history.queue_overflows`` when the test began."""
    taken_before: int | None = None
    """How many items had reached the error tracker when the test began; None: it does not tell."""
    worked_off: int = 0
    """How many requests there were when nothing of them was waiting in a queue any more."""
    outcomes_before: OutcomeCounts | None = None
    """What had become of all items when the test began; None where the tracker does not tell."""
    background_ends: dict[str, int] = field(default_factory=dict)
    """By signal: how many requests there were when the end of the background work was seen."""
    background_seen: dict[str, int] = field(default_factory=dict)
    """How many requests there were when a thing was taken for the end of the work, by that."""
    background_ended_s: float = 0.0
    """When it was last seen (Unix seconds)."""
    found_traces: dict[str, str] = field(default_factory=dict)
    """The OpenTelemetry traces that undecided requests have begun, by the span id sent to them."""
    traces_of_spans: dict[str, str] = field(default_factory=dict)
    """The trace of each OpenTelemetry span that was looked at, by span id."""
    exchanges: Exchanges = field(default_factory=Exchanges)
    asserted: AssertedFacts = field(default_factory=AssertedFacts)

    @property
    def trace_id(self) -> str:
        return self.trace.trace_id

    @property
    def answered(self) -> list[Exchange]:
        """The requests whose telemetry must arrive: answered ones, and those of other clients."""
        return [e for e in self.exchanges.all if e.status is not None or e.handed_out]

    @property
    def last_ended_s(self) -> float:
        """When the last response ended; the test's beginning where there was no request.

        Now, where another client sends requests whose end nobody here has seen.
        """
        if any(exchange.handed_out for exchange in self.exchanges.all):
            return time.time()
        return max(self.exchanges.last_ended_s or self.started_s, self.background_ended_s)

    @property
    def since_ns(self) -> int:
        """From when on Loki is searched: a minute early, for an app whose clock is behind."""
        return int((self.started_s - 60) * 1e9)

    @property
    def reached(self) -> Endpoints:
        """Where the app has to report to, in its own view."""
        return self.app.reaches or self.stack.endpoints

    def services(self) -> tuple[AppFacts, ...]:
        """The app and the services that it calls."""
        return (self.app, *self.app.companions)

    def short_trace(self) -> str:
        """``4bf92f35…`` for messages."""
        return f"{self.trace_id[:8]}…"
