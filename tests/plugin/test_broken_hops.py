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
from xml.etree import ElementTree  # noqa: ICN001 - its name says what it is

import pytest

from pytest_obsstack.options.kinds import STARTED
from pytest_obsstack.providers.home import Home
from pytest_obsstack.providers.ports import free_port
from pytest_obsstack.providers.state import read_state
from tests.plugin.hop_cases import BROKEN, CONFTEST, CORE_TESTS, DROPPING_APP, HEALTHY, Case

TIMEOUT_S = 1.5
"""Of an expectation: what is there takes a tenth of that."""


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
    ports = [f"--port={name}={free_port()}" for name in STARTED["embedded"] if name != "app"]
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
