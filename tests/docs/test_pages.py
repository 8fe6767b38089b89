"""What the pages say is true: names, options, commands, links, fields, generated parts."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import os
import re
import shlex
from pathlib import Path

import pytest
import typer

import pytest_obsstack
from docs.doctor import NAMES as DOCTOR
from docs.failures import EXAMPLES
from docs.generate import (
    MESSAGES_TEST,
    ROOT,
    message_sections,
    outdated,
    pages,
    table_sections,
    unknown_sections,
)
from docs.start_failures import CASES
from pytest_obsstack import Probe, plugin
from pytest_obsstack.cli import app as cli
from pytest_obsstack.endpoints import CollectorEndpoint, Endpoints, SentryEndpoint
from pytest_obsstack.expect.logs import LogExpectations
from pytest_obsstack.expect.metrics import MetricExpectations
from pytest_obsstack.expect.sentry import SentryExpectations
from pytest_obsstack.expect.traces import TraceExpectations
from pytest_obsstack.options.table import TABLE
from pytest_obsstack.providers.app import app_environment
from pytest_obsstack.providers.app_spec import AppSpec
from tests.docs.blocks import Block, all_blocks

EXPECTATIONS = {
    "sentry": SentryExpectations,
    "traces": TraceExpectations,
    "logs": LogExpectations,
    "metrics": MetricExpectations,
}
PYTEST_FLAGS = {"-m", "-n", "--junitxml", "-q"}
MARKERS = {"obs_requires", "obs_exclusive"}
SHELL = {"pip", "export", "cd"}
MARKED = re.compile(r"runs( in containers)?|compiles|example: \w+|" + "|".join(EXAMPLES))
COMPOSE = {"up", "ps", "logs", "exec", "stop", "run", "restart", "down"}
"""What the pages call of Compose."""
FOLDERS = ("", "stack/")
"""Where the pages call programs of the repository from."""


def text_of(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


@pytest.fixture(scope="module")
def tables() -> dict[str, str]:
    return table_sections()


def test_the_generated_tables_are_up_to_date(tables: dict[str, str]) -> None:
    stale = [path.name for path, _ in outdated(tables)]
    assert stale == [], "run: python -m docs.generate"


def test_every_generated_part_has_a_writer(tables: dict[str, str]) -> None:
    known = [*tables, *CASES, *DOCTOR, *message_sections(dict.fromkeys(EXAMPLES, ""))]
    assert unknown_sections(known) == []


def test_an_outdated_part_is_found() -> None:
    stale = dict(outdated({"layers": "nothing"}))
    assert [path.name for path in stale] == ["architecture.md"]
    (text,) = stale.values()
    assert "<!-- layers -->\nnothing\n<!-- /layers -->" in text


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_links_lead_to_files_and_headings(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", page.read_text("utf-8")):
        path, _, anchor = target.partition("#")
        file = page.parent / path if path else page
        # Benchmarks are written where they are measured.
        assert file.exists() or file.name == "benchmarks.md", f"{page.name}: {target}"
        if anchor:
            headings = re.findall(r"^#+ (.+)$", file.read_text("utf-8"), re.MULTILINE)
            assert anchor in {h.lower().replace(" ", "-") for h in headings}, target


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_named_options_fixtures_and_markers_exist(page: Path) -> None:
    text = page.read_text("utf-8")
    flags = {option.flag for option in TABLE}
    assert set(re.findall(r"--obs-[a-z-]*[a-z]", text)) - flags == set()
    known = {*plugin.__all__, *(option.ini for option in TABLE), *MARKERS}
    assert set(re.findall(r"\bobs_[a-z_]*[a-z]", text)) - known == set()
    variables = {option.variable for option in TABLE}
    assert set(re.findall(r"\bOBS_[A-Z_]*[A-Z]", text)) - variables == set()


@pytest.mark.parametrize("block", [b for b in all_blocks() if b.language == "python"], ids=str)
def test_python_is_marked_and_compiles(block: Block) -> None:
    assert MARKED.fullmatch(block.comment), f"say what is done with it: {block.comment!r}"
    for node in ast.walk(ast.parse(block.code)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            public = getattr(pytest_obsstack, node.func.id, None)
            given = {keyword.arg for keyword in node.keywords}
            if public is not None:
                assert given <= set(inspect.signature(public).parameters), node.func.id


@pytest.mark.parametrize(
    "line",
    [
        line[2:]
        for block in all_blocks()
        if block.language == "console"
        for line in block.code.splitlines()
        if line.startswith("$ ")
    ],
)
def test_a_command_of_the_pages_exists(line: str) -> None:
    program, *arguments = shlex.split(line, comments=True)
    if program == "./dev":
        assert re.search(rf"^  {arguments[0]} ", text_of("dev"), re.MULTILINE)
    elif program == "obsstack":
        command = typer.main.get_command(cli).commands[arguments[0]]  # type: ignore[attr-defined]
        known = {flag for parameter in command.params for flag in parameter.opts}
        assert {a for a in arguments if a.startswith("-")} <= known
    elif program == "docker":
        assert arguments[0] == "compose"
        options = dict(zip(arguments[1::2], arguments[2::2], strict=False))
        assert (arguments[3] if "-p" in options else arguments[1]) in COMPOSE
    elif program == "python":
        assert arguments[0] == "-m"
        assert importlib.util.find_spec(arguments[1]) is not None
    elif "/" in program:
        found = [ROOT / folder / program for folder in FOLDERS]
        assert any(os.access(path, os.X_OK) for path in found)
    elif program == "pytest":
        flags = {a.partition("=")[0] for a in arguments if a.startswith("-")}
        assert flags <= {*PYTEST_FLAGS, *(option.flag for option in TABLE)}
    else:
        assert program in SHELL


def test_the_table_of_expectations_has_all_of_them_and_all_their_fields() -> None:
    rows = dict(
        re.findall(
            r"^\| `obs\.([\w.]+)` \| (.+) \|$", text_of("docs/expectations.md"), re.MULTILINE
        )
    )
    found = {
        f"{name}.{method}": getattr(kind, method)
        for name, kind in EXPECTATIONS.items()
        for method in vars(kind)
        if method.startswith("expect_")
    }
    found |= {
        method: getattr(Probe, method) for method in vars(Probe) if method.startswith("expect_")
    }
    assert rows.keys() == found.keys()
    for name, method in found.items():
        signature = inspect.signature(method)
        named = {p.name for p in signature.parameters.values() if p.kind is p.KEYWORD_ONLY}
        shown = set(re.findall(r"`(\w+)`", rows[name]))
        first = set(list(signature.parameters)[1:2])
        assert named <= shown <= named | first, name


def test_the_table_of_variables_has_what_an_app_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.environ", {})
    endpoints = Endpoints(
        sentry=SentryEndpoint("http://127.0.0.1:1", dsn="http://a@127.0.0.1:1/1"),
        collector=CollectorEndpoint("http://127.0.0.1:2"),
    )
    told = app_environment(AppSpec(), endpoints, instance="i", port=1)
    page = text_of("docs/writing-tests.md")
    shown = {
        name
        for row in re.findall(r"^\| (`[A-Z].*?) \|", page, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", row)
    }
    # Of the proxy's variable there are two spellings, and two delays are of no interest.
    quiet = {"no_proxy", "PYTHONUNBUFFERED", "OTEL_METRIC_EXPORT_TIMEOUT"}
    assert shown == told.keys() - quiet


def test_the_judges_are_tests_of_the_project() -> None:
    judges = re.findall(r"\.\./(tests/contract/\w+\.py)", text_of("docs/fidelity.md"))
    assert len(judges) > 9
    assert all((ROOT / judge).exists() for judge in [*judges, MESSAGES_TEST])
    contract = {path.name for path in (ROOT / "tests" / "contract").glob("test_*.py")}
    ours = {name for name in contract if name.endswith("_client.py") and "api" not in name}
    assert {Path(judge).name for judge in judges} == contract - ours
