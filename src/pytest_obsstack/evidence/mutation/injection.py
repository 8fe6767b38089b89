"""The observer of all probes: what a test looked at, and the fault of the rerun going on."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pytest_obsstack.evidence.mutation.plan import Mutant
from pytest_obsstack.waiting import until

if TYPE_CHECKING:
    from pytest_obsstack.expect.context import Context

_FROZEN_WITHIN_S = 2.0


class Rerun:
    """One run of a test whose reports go nowhere; ``mutant`` is ``None`` without a fault."""

    def __init__(self, mutant: Mutant | None, timeout_s: float) -> None:
        self.mutant = mutant
        self.timeout_s = timeout_s
        self.contexts: list[Context] = []
        """Of the probes that the test used."""
        self.changed: list[str] = []
        """What the fault has changed; without one, the events that came."""
        self.error: BaseException | None = None
        """What the test failed with first."""
        self.abandoned = False
        """Whether somebody ended the whole run meanwhile."""
        self.seconds = 0.0

    def failed(self, error: BaseException) -> None:
        if self.error is None:
            self.error = error


class Injector:
    """A ``ProbeObserver``: begins the fault of a rerun with each probe, and ends it with that."""

    def __init__(self) -> None:
        self.rerun: Rerun | None = None
        self.first: list[Context] = []
        """Of the run of the test whose outcome counts."""

    @contextlib.contextmanager
    def rerunning(self, mutant: Mutant | None, timeout_s: float) -> Iterator[Rerun]:
        """All probes meanwhile are of this rerun."""
        rerun = self.rerun = Rerun(mutant, timeout_s)
        started = time.monotonic()
        try:
            yield rerun
        except BaseException:
            # Ctrl-C: by the time the test's fixtures end, the connections are closed.
            rerun.abandoned = True
            raise
        finally:
            self.rerun = None
            rerun.seconds = time.monotonic() - started

    def timeout_s(self, usual_s: float) -> float:
        """Short during reruns: what has not come by then was dropped by the fault."""
        return usual_s if self.rerun is None else min(usual_s, self.rerun.timeout_s)

    @contextlib.contextmanager
    def watching(self, context: Context) -> Iterator[None]:
        rerun = self.rerun
        if rerun is None:
            self.first.append(context)
            yield
            return
        rerun.contexts.append(context)
        if not context.stack.steerable:
            yield
            return
        context.stack.mutate(_rule(rerun.mutant, context))
        of_metrics = rerun.mutant is not None and "metrics" in rerun.mutant.signals
        try:
            if of_metrics:
                _wait_until_frozen(context)
            yield
        finally:
            if not rerun.abandoned:
                rerun.changed += context.stack.end_mutation(context.trace_id)
            if of_metrics:
                # The next test counts from a sample that was taken after the fault.
                context.history.last_ended_s = time.time()


def _rule(mutant: Mutant | None, context: Context) -> dict[str, object]:
    trace = {"trace_id": context.trace_id}
    if mutant is None:
        # Changes nothing, and tells of which kinds the test's events are.
        return {**trace, "mutation": "look", "signals": ["errors"]}
    return {
        **trace,
        "mutation": mutant.fault.name,
        "signals": list(mutant.signals),
        "names": list(mutant.names),
        "text": mutant.text,
        "instance": context.app.instance,
    }


def _wait_until_frozen(context: Context) -> None:
    """Until the app has exported once; one that has no metrics is not waited for any longer."""

    def poll() -> bool | None:
        active = context.stack.mutation(context.trace_id)
        return True if active is not None and active["ready"] else None

    until(poll, timeout_s=_FROZEN_WITHIN_S)
