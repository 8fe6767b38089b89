"""Each hop of the pipeline, broken: the tests that it concerns turn red and name it.

Every case is a pytest run of its own over the same four tests, one a signal. What breaks the hop is
an override in that run's conftest, as a user would write. Two lanes run side by side, because such
a run mostly waits: cases that break the app, and cases that break the stack, each with a stack that
runs all the time.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree  # noqa: ICN001 - its name says what it is

import pytest

from pytest_obsstack.options import GUIDE_PORTS
from pytest_obsstack.providers.app import free_port
from pytest_obsstack.providers.home import Home
from pytest_obsstack.providers.state import read_state

TIMEOUT_S = 1.5
"""Of an expectation: what is there takes a tenth of that."""

CORE_TESTS = '''
"""What /error must leave in each backend."""


# First, because its baseline is then that of a new app, which needs no wait.
def test_metrics(obs):
    obs.get("/error")
    obs.metrics.expect_increase('http_requests_total{endpoint="/error",status="500"}', by=1)


def test_errors(obs):
    obs.get("/error")
    obs.sentry.expect_issue("ValueError", value="Intentional error for testing")


def test_spans(obs):
    obs.get("/error")
    obs.traces.expect_span("GET /error", service="simple-app", status="error")


def test_logs(obs):
    obs.get("/error")
    obs.logs.expect_line("Intentional error for testing", level="ERROR")
'''

CONFTEST = """
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_obsstack import simple_app
from pytest_obsstack.provision.session import collector_settings


def app(**env):
    # Without the service that it calls: these tests do not.
    return replace(simple_app(), companions={}, env=env)


@pytest.fixture(scope="session")
def obs_app_spec(obs_dsn):
    return app()
"""

DROPPING_APP = """
import sentry_sdk

from app import app

original = sentry_sdk.init


def init(**options):
    original(**{**options, "before_send": lambda event, hint: None})


sentry_sdk.init = init
"""


@dataclass(frozen=True)
class Case:
    """A broken hop and what it must look like."""

    name: str
    breaks: Literal["app", "stack"]
    breaking: str
    """Added to the conftest."""
    red: frozenset[str]
    stopped_at: str = ""
    cause: str = ""
    """Part of the line that says what to do."""


HEALTHY = Case(name="nothing", breaks="stack", breaking="", red=frozenset())
BROKEN = [
    Case(
        name="the app has no DSN",
        breaks="app",
        breaking="""
            @pytest.fixture(scope="session")
            def obs_app_spec():
                return app(SENTRY_DSN="")
        """,
        red=frozenset({"errors"}),
        stopped_at="app → SDK",
        cause="give the app a valid SENTRY_DSN (fixture obs_dsn)",
    ),
    Case(
        name="the app's DSN has a wrong key",
        breaks="app",
        breaking="""
            @pytest.fixture(scope="session")
            def obs_app_spec(obs_dsn):
                return app(SENTRY_DSN="http://" + "0" * 32 + "@" + obs_dsn.partition("@")[2])
        """,
        red=frozenset({"errors"}),
        stopped_at="SDK → Sentry",
        cause="Sentry refuses envelopes with an unknown key (403)",
    ),
    Case(
        name="the app's before_send drops every event",
        breaks="app",
        breaking="""
            @pytest.fixture(scope="session")
            def obs_app_spec():
                healthy = app()
                here = str(Path(__file__).parent)
                command = [
                    "dropping:app" if part == "app:app" else part for part in healthy.command
                ]
                command[-1:-1] = ["--pythonpath", here]
                return replace(healthy, command=command)
        """,
        red=frozenset({"errors"}),
        stopped_at="SDK (filter)",
        cause="look at before_send",
    ),
    Case(
        name="the app exports to nobody",
        breaks="app",
        breaking="""
            @pytest.fixture(scope="session")
            def obs_app_spec():
                return app(OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1")
        """,
        red=frozenset({"spans", "metrics", "logs"}),
        stopped_at="app → collector",
        cause="correct the app's OTEL_EXPORTER_OTLP_ENDPOINT",
    ),
    Case(
        name="the collector is stopped",
        breaks="stack",
        breaking="""
            @pytest.fixture(scope="session", autouse=True)
            def broken(obs_stack):
                obs_stack.stop("collector")
                yield
                obs_stack.start("collector")
        """,
        red=frozenset({"spans", "metrics", "logs"}),
        stopped_at="app → collector",
        cause="The collector did not answer",
    ),
    Case(
        name="the collector exports spans to nobody",
        breaks="stack",
        breaking="""
            @pytest.fixture(scope="session", autouse=True)
            def broken(obs_stack, obs_dsn):
                obs_stack.configure("collector", {"traces_endpoint": "http://127.0.0.1:1/traces"})
                yield
                obs_stack.configure("collector", collector_settings(obs_dsn))
        """,
        red=frozenset({"spans"}),
        stopped_at="collector → Sentry",
        cause="the collector's exporter otlp_http/sentry fails: failed to make an HTTP request",
    ),
    Case(
        name="Prometheus scrapes a wrong target",
        breaks="stack",
        breaking="""
            @pytest.fixture(scope="session", autouse=True)
            def broken(obs_stack, obs_endpoints):
                def scrape(target):
                    job = {"job_name": "otel-collector", "targets": [target], "honor_labels": True}
                    obs_stack.configure("prometheus", {"scrape_configs": [job]})

                scrape("127.0.0.1:1")
                yield
                scrape(obs_endpoints.collector.otlp_url.removeprefix("http://"))
        """,
        red=frozenset({"metrics"}),
        stopped_at="collector → Prometheus",
        cause="the scrape of http://127.0.0.1:1/metrics fails",
    ),
    Case(
        name="Loki refuses what is pushed",
        breaks="stack",
        breaking="""
            @pytest.fixture(scope="session", autouse=True)
            def broken(obs_stack):
                obs_stack.fail("loki", status=429, path="/otlp/v1/logs", body="rate limit exceeded")
                yield
                obs_stack.heal("loki")
        """,
        red=frozenset({"logs"}),
        stopped_at="collector → Loki",
        cause="the collector's exporter otlp_http/loki fails",
    ),
]


@dataclass(frozen=True)
class Outcome:
    """How one inner run ended."""

    status: int
    failures: Mapping[str, str]
    """Message by signal; of green tests there is none."""
    tests: frozenset[str]
    output: str


@pytest.fixture(scope="module")
def outcomes(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[str, Future[Outcome]]]:
    """The outcomes of all cases that were selected, by name, as they come in."""
    params = [
        item.callspec.params["case"]
        for item in request.session.items
        if item.path == request.path and isinstance(item, pytest.Function)
    ]
    selected = [case for case in params if isinstance(case, Case)]
    with contextlib.ExitStack() as ends:
        found = {}
        for lane in sorted({case.breaks for case in selected}):
            home = ends.enter_context(running_stack(tmp_path_factory.mktemp(lane)))
            executor = ends.enter_context(ThreadPoolExecutor(1))
            for case in selected:
                if case.breaks == lane:
                    folder = tmp_path_factory.mktemp("run")
                    found[case.name] = executor.submit(run, home, folder, case.breaking)
        yield found


@pytest.mark.parametrize("case", [HEALTHY], ids=lambda case: case.name)
def test_with_nothing_broken_all_signals_are_green(
    case: Case, outcomes: Mapping[str, Future[Outcome]]
) -> None:
    outcome = outcomes[case.name].result()
    assert (outcome.status, outcome.failures) == (0, {}), outcome.output
    assert outcome.tests == {"errors", "spans", "metrics", "logs"}


@pytest.mark.parametrize("case", BROKEN, ids=lambda case: case.name)
def test_the_broken_hop_is_named_by_the_tests_that_it_turns_red(
    case: Case, outcomes: Mapping[str, Future[Outcome]]
) -> None:
    outcome = outcomes[case.name].result()
    assert outcome.status == pytest.ExitCode.TESTS_FAILED, outcome.output
    assert outcome.tests == {"errors", "spans", "metrics", "logs"}
    assert outcome.failures.keys() == case.red, outcome.output
    for message in outcome.failures.values():
        # pytest puts an E before each line of an assertion's message.
        lines = [" ".join(line.removeprefix("E").split()) for line in message.splitlines()]
        assert f"stopped at {case.stopped_at}" in lines, message
        assert [line for line in lines if line.startswith("do ") and case.cause in line], message


@contextlib.contextmanager
def running_stack(folder: Path) -> Iterator[Path]:
    """The home of a stack without an app, on ports that nobody else asks for."""
    home = folder / ".obsstack"
    ports = [f"--port={name}={free_port()}" for name in GUIDE_PORTS if name != "app"]
    obsstack("up", "--no-app", "--home", home, *ports)
    try:
        yield home
        # The runs have left no app behind: the stack is somebody else's to them.
        state = read_state(Home(home).kept_path)
        assert state is not None
        assert state.app is None
    finally:
        obsstack("down", "--home", home)


def run(home: Path, folder: Path, breaking: str) -> Outcome:
    """The core tests against the stack, with ``breaking`` in their conftest."""
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "conftest.py").write_text(CONFTEST + textwrap.dedent(breaking), "utf-8")
    (folder / "test_core.py").write_text(CORE_TESTS, "utf-8")
    (folder / "dropping.py").write_text(DROPPING_APP, "utf-8")
    command = [
        *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--tb=short"),
        *("-p", "pytest_obsstack.plugin"),
        *("--obs-stack=attach", "--obs-allow-writes", f"--obs-home={home}"),
        *(f"--obs-timeout={TIMEOUT_S}", "--junitxml=report.xml"),
    ]
    done = subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, check=False
    )
    output = done.stdout + done.stderr
    assert (folder / "report.xml").exists(), output
    cases = ElementTree.parse(folder / "report.xml").getroot().findall(".//testcase")  # noqa: S314 - pytest's own
    return Outcome(
        status=done.returncode,
        failures={
            signal_of(case): problem.text or ""
            for case in cases
            for problem in (*case.findall("failure"), *case.findall("error"))
        },
        tests=frozenset(map(signal_of, cases)),
        output=output,
    )


def signal_of(case: ElementTree.Element) -> str:
    return case.attrib["name"].removeprefix("test_")


def obsstack(*arguments: str | Path) -> None:
    command = [str(Path(sys.executable).with_name("obsstack")), *map(str, arguments)]
    subprocess.run(command, env=environment(), check=True, capture_output=True, timeout=60)


def environment() -> dict[str, str]:
    """The surroundings without what the outer run is told."""
    mine = ("PYTEST_", "OBS_", "SENTRY_", "OTEL_")
    rest = {name: value for name, value in os.environ.items() if not name.startswith(mine)}
    # The other plugins that are installed here take a second to load.
    return {**rest, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
