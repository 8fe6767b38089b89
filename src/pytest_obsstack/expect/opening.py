"""Making the probe of one test, and what outlives it in this process."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from pytest_obsstack.errors import BackendUnavailable
from pytest_obsstack.expect.clients import Clients
from pytest_obsstack.expect.context import AppFacts, AppHistory, Context
from pytest_obsstack.expect.hops import discarded_by_loki
from pytest_obsstack.expect.losses import OutcomeCounts, counts
from pytest_obsstack.expect.probe import Probe
from pytest_obsstack.expect.sdk_queue import (
    DRAINED_S,
    overflows,
    queue_overflows,
    taken,
)
from pytest_obsstack.expect.settled import background_unfinished
from pytest_obsstack.wire.trace_context import TraceContext

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from pytest_obsstack.options import Options
    from pytest_obsstack.providers.app import AppProcess
    from pytest_obsstack.providers.stack import Stack

_REQUEST_TIMEOUT_S = 30.0


class ProbeObserver(Protocol):
    """Who looks on while tests use their probes: the mutation self-check."""

    def timeout_s(self, usual_s: float) -> float:
        """How long the expectations of the next probe wait."""

    def watching(self, context: Context) -> AbstractContextManager[None]:
        """Entered before a probe's first request, left when its test has ended."""


class Bench:
    """What the tests of this process share: connections, and what was asked of each app before."""

    def __init__(
        self, stack: Stack, options: Options, observer: ProbeObserver | None = None
    ) -> None:
        import httpx

        self._observer = observer
        self.stack = stack
        self.options = options
        self.clients = Clients(stack)
        self._http = httpx.Client(trust_env=False, timeout=_REQUEST_TIMEOUT_S)
        self._histories: dict[str, AppHistory] = {}

    @contextlib.contextmanager
    def probe(
        self, app: AppProcess, *, wants_metrics: bool = False, exclusive: bool = False
    ) -> Iterator[Probe]:
        """The probe of one test, with a trace id of its own.

        ``wants_metrics``: its first request waits until all earlier counts are stored.
        ``exclusive``: no other test of this run is going on, so that a shared app's counts are its.
        """
        alone = exclusive and self.stack.ours
        history = self._histories.setdefault(app.url, AppHistory())
        if history.loki_discards is None and "logs" in self.stack.capabilities:
            history.loki_discards = discarded_by_loki(self.clients)
        # Only where nothing counts late, see sdk_queue; one request to a server that is near.
        outcomes = self._outcomes() if self.stack.steerable else None
        # An overflow that was reported before, by whatever app or run, says nothing of this test.
        if outcomes is not None:
            history.queue_overflows = overflows(outcomes)
        elif history.queue_overflows is None and "issues" in self.stack.capabilities:
            history.queue_overflows = queue_overflows(self.clients)
        context = Context(
            stack=self.stack,
            clients=self.clients,
            app=app_facts(app),
            trace=TraceContext.new(),
            timeout_s=self._timeout_s(),
            history=history,
            started_s=time.time(),
            overflows_before=history.queue_overflows or 0,
            taken_before=None if outcomes is None else taken(outcomes),
            outcomes_before=outcomes,
            exact_metrics="exact_metrics" in self.stack.capabilities or app.started_here or alone,
            shared_app=alone and "exact_metrics" not in self.stack.capabilities,
        )
        probe = Probe(context, self._http)
        if wants_metrics:
            probe = Probe(context, self._http, before_first=probe.metrics.settle_baseline)
        try:
            with self._watching(context):
                yield probe
        finally:
            self._http.cookies.clear()
            if context.exchanges.all:
                history.last_ended_s = max(history.last_ended_s, context.last_ended_s)
                history.goes_on |= background_unfinished(context, "metrics") is not None
                now_s = time.time()
                history.unsettled = [
                    earlier for earlier in history.unsettled if now_s - earlier[1] <= DRAINED_S
                ]
                if context.worked_off < len(context.exchanges.all):
                    history.unsettled.append((context.trace_id, context.last_ended_s))

    def _timeout_s(self) -> float:
        usual_s = self.options.timeout_s
        return usual_s if self._observer is None else self._observer.timeout_s(usual_s)

    def _watching(self, context: Context) -> AbstractContextManager[None]:
        observer = self._observer
        return contextlib.nullcontext() if observer is None else observer.watching(context)

    def _outcomes(self) -> OutcomeCounts | None:
        """What has become of all items so far; ``None`` where nobody tells."""
        have = self.stack.capabilities
        if "issues" not in have or not self.clients.sentry.traits.counts_outcomes:
            return None
        try:
            return counts(self.clients.sentry.outcomes())
        except BackendUnavailable:
            # A test may well begin while the tracker is stopped, and start it.
            return None

    def close(self) -> None:
        self._http.close()
        self.clients.close()


def app_facts(app: AppProcess) -> AppFacts:
    """What expectations need to know of an app."""
    spec = app.spec
    return AppFacts(
        url=app.url,
        service=spec.service,
        instance=app.instance,
        environment=app.environment,
        started_here=app.started_here,
        signals=spec.signals,
        last_log_line=None if spec.last_log_line is None else re.compile(spec.last_log_line),
        log_delay_s=_log_delay_s(app),
        background_threads=spec.background_threads,
        ends_after_body=spec.ends_after_body,
        sentry_queue_size=spec.sentry_queue_size,
        sentry_log_delay_s=spec.sentry_log_delay_s,
        processes=_processes(app),
        ready_path=spec.ready_path,
        log_lines=app.log_lines,
        # What the app calls them is what its spans tell.
        companions=tuple(
            replace(app_facts(companion), url=companion.inner_url)
            for companion in app.companions.values()
        ),
        ready_s=app.ready_s,
        reaches=app.reaches,
    )


_LOG_MARGIN_S = 0.25
_LONGEST_LOG_DELAY_S = 5.0
"""Of the defaults of all SDKs, for an app that somebody else has told."""


def _log_delay_s(app: AppProcess) -> float:
    """How long after a response the app's log records are exported."""
    if app.spec.log_delay_s is not None:
        return app.spec.log_delay_s
    told = app.environment.get("OTEL_BLRP_SCHEDULE_DELAY", "")
    delay_s = int(told) / 1000 if told.isdecimal() else _LONGEST_LOG_DELAY_S
    return delay_s + _LOG_MARGIN_S


def _processes(app: AppProcess) -> int:
    """How many processes answer the app's requests."""
    if app.spec.processes is not None:
        return app.spec.processes
    told = app.environment.get("WEB_CONCURRENCY", "")
    return max(1, int(told)) if told.isdecimal() else 1
