"""The figures: start of the stack, arrival of an event, the whole suite, the idle plugin."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.measure import Result, repeat
from pytest_obsstack.options import Options
from pytest_obsstack.providers.embedded import start_embedded
from pytest_obsstack.provision.ending import end_run, end_stack
from pytest_obsstack.provision.run import Run
from pytest_obsstack.provision.session import Session

ROOT = Path(__file__).resolve().parents[1]


def stack_start(runs: int) -> Result:
    """From spawning the embedded process to all four products answering."""

    def measure() -> float:
        with tempfile.TemporaryDirectory() as folder:
            state = start_embedded(
                Path(folder), run_id="b", owner_pid=os.getpid(), ports={}, prefer_guide_ports=False
            )
            end_stack(state)
            return state.ready_after_s

    return repeat("embedded stack: spawn → all four ready", "s", 0.7, runs, measure)


def event_arrival(runs: int) -> Result:
    """From the end of the SDK's flush to the event's body in the API's answer."""
    import sentry_sdk

    from pytest_obsstack.clients.sentry.client import SentryClient
    from pytest_obsstack.errors import BackendRefused

    with session() as running:
        endpoint = running.stack.endpoints.sentry
        if endpoint is None:
            raise SystemExit("the stack has no error tracker")
        client = SentryClient(endpoint)
        sentry_sdk.init(dsn=endpoint.dsn, traces_sample_rate=1.0)

        def measure() -> float:
            event_id = sentry_sdk.capture_exception(ValueError("benchmark"))
            sentry_sdk.flush(timeout=5)
            flushed = time.perf_counter()
            while True:
                try:
                    client.event(str(event_id))
                except BackendRefused:
                    continue
                return (time.perf_counter() - flushed) * 1000

        result = repeat("captured event flushed → visible by API", "ms", 30, runs, measure)
        sentry_sdk.get_client().close()
        client.close()
    return result


def usual_environment() -> dict[str, str]:
    """This process's, with bytecode kept: the run that does not count has compiled everything."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPYCACHEPREFIX": str(ROOT / ".bytecode")}


def suite(runs: int, workers: int) -> Result:
    """The whole end-to-end suite, environment present."""
    arguments = ["-m", "e2e", "tests/e2e", "-q", "-p", "no:cacheprovider"]
    if workers > 1:
        arguments += ["-n", str(workers)]

    def measure() -> float:
        started = time.perf_counter()
        command = [sys.executable, "-m", "pytest", *arguments]
        subprocess.run(
            command, cwd=ROOT, env=usual_environment(), check=True, stdout=subprocess.DEVNULL
        )
        return time.perf_counter() - started

    plural = "worker" if workers == 1 else "workers"
    return repeat(f"whole e2e suite, {workers} {plural}", "s", 20, runs, measure)


def idle_plugin(runs: int) -> Result:
    """What the plugin adds to a pytest run that does not use it, others' plugins aside."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "test_nothing.py").write_text("def test_nothing():\n    pass\n")

        def once(*options: str) -> float:
            started = time.perf_counter()
            subprocess.run(
                [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, folder],
                cwd=folder,
                env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
                check=True,
                stdout=subprocess.DEVNULL,
            )
            return (time.perf_counter() - started) * 1000

        def measure() -> float:
            # In turn, so that a change of the machine's load meets both alike.
            without = once()
            return once("-p", "pytest_obsstack.plugin") - without

        return repeat("plugin loaded, not used: added to pytest's start", "ms", 15, runs, measure)


@contextlib.contextmanager
def session() -> Iterator[Session]:
    """A session on a stack of its own, which ends with the block."""
    with tempfile.TemporaryDirectory() as folder:
        run = Run(Path(folder), owner_pid=os.getpid())
        opened = Session(Options(home=Path(folder)), run)
        try:
            yield opened
        finally:
            opened.close()
            end_run(run)
