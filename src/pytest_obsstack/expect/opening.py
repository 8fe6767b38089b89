"""Making the probe of one test, and what outlives it in this process."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_obsstack.expect.clients import Clients
from pytest_obsstack.expect.context import AppFacts, AppHistory, Context
from pytest_obsstack.expect.fence import queue_overflows
from pytest_obsstack.expect.probe import Probe
from pytest_obsstack.wire.trace_context import TraceContext

if TYPE_CHECKING:
    from pytest_obsstack.options import Options
    from pytest_obsstack.providers.app import AppProcess
    from pytest_obsstack.providers.stack import Stack

_REQUEST_TIMEOUT_S = 30.0


class Bench:
    """What the tests of this process share: connections, and what was asked of each app before."""

    def __init__(self, stack: Stack, options: Options) -> None:
        import httpx

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
        if history.queue_overflows is None and "issues" in self.stack.capabilities:
            # An overflow of an earlier run, on a kept or attached stack, says nothing about this.
            history.queue_overflows = queue_overflows(self.clients)
        context = Context(
            stack=self.stack,
            clients=self.clients,
            app=app_facts(app),
            trace=TraceContext.new(),
            timeout_s=self.options.timeout_s,
            history=history,
            started_s=time.time(),
            overflows_before=history.queue_overflows or 0,
            exact_metrics="exact_metrics" in self.stack.capabilities or app.started_here or alone,
            shared_app=alone and "exact_metrics" not in self.stack.capabilities,
        )
        probe = Probe(context, self._http)
        if wants_metrics:
            probe = Probe(context, self._http, before_first=probe.metrics.settle_baseline)
        try:
            yield probe
        finally:
            self._http.cookies.clear()
            if context.exchanges.all:
                history.last_ended_s = max(history.last_ended_s, context.last_ended_s)

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
        log_delay_s=spec.log_delay_s,
        log_lines=app.log_lines,
        # What the app calls them is what its spans tell.
        companions=tuple(
            replace(app_facts(companion), url=companion.inner_url)
            for companion in app.companions.values()
        ),
        ready_s=app.ready_s,
        reaches=app.reaches,
    )
