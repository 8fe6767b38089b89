"""What expectations cost on the embedded stack: presence that is there already, settled absence."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.figures import ROOT, session, usual_environment
from benchmarks.measure import Result, repeat
from benchmarks.waits import REPORT
from pytest_obsstack.expect.opening import Bench
from pytest_obsstack.expect.probe import Probe
from pytest_obsstack.providers.app_spec import simple_app


def expectations(runs: int) -> list[Result]:
    """Presence that is satisfied already, and absence from the response to its proof."""
    with _bench() as probe:

        def present() -> float:
            with probe() as obs:
                obs.get("/error")
                obs.sentry.expect_issue("ValueError")
                return _timed(lambda: obs.sentry.expect_issue("ValueError"))

        def absent(ask: Callable[[Probe], object]) -> Callable[[], float]:
            def measure() -> float:
                with probe() as obs:
                    obs.get("/error")
                    return _timed(lambda: ask(obs))

            return measure

        absence = {
            "errors": lambda obs: obs.sentry.expect_no_issue("KeyError"),
            "spans": lambda obs: obs.traces.expect_no_span("DELETE /error"),
            "lines": lambda obs: obs.logs.expect_no_line("nobody logs this"),
            "metrics": lambda obs: obs.metrics.expect_no_increase(
                'http_requests_total{endpoint="/slow"}'
            ),
        }
        return [
            repeat("presence that is satisfied already", "ms", 15, runs, present),
            *(
                repeat(
                    f"settled absence of {name}, from the response", "ms", 100, runs, absent(ask)
                )
                for name, ask in absence.items()
            ),
        ]


def waiting_share(runs: int) -> Result:
    """How much of the suite's wall time is spent in waits, those for the start included."""

    def measure() -> float:
        with tempfile.TemporaryDirectory() as folder:
            report = Path(folder) / "waits.json"
            started = time.perf_counter()
            subprocess.run(
                [
                    *(sys.executable, "-m", "pytest", "-m", "e2e", "tests/e2e", "-q"),
                    *("-p", "no:cacheprovider", "-p", "benchmarks.waits"),
                ],
                cwd=ROOT,
                env={**usual_environment(), REPORT: str(report)},
                check=True,
                stdout=subprocess.DEVNULL,
            )
            whole_s = time.perf_counter() - started
            return 100 * float(json.loads(report.read_text())["asleep_s"]) / whole_s

    return repeat("whole e2e suite, 1 worker: share spent asleep in waits", "%", 20, runs, measure)


@contextlib.contextmanager
def _bench() -> Iterator[Callable[[], contextlib.AbstractContextManager[Probe]]]:
    with session() as running:
        bench = Bench(running.stack, running.options)
        app = running.app(simple_app())

        @contextlib.contextmanager
        def probe() -> Iterator[Probe]:
            with bench.probe(app, wants_metrics=True) as obs:
                yield obs

        try:
            yield probe
        finally:
            bench.close()


def _timed(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return (time.perf_counter() - started) * 1000
