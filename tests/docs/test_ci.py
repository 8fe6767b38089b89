"""The workflows: read as their servers read them, their commands are looked for one by one."""

from __future__ import annotations

import importlib.util
import re
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from docs.generate import ROOT
from pytest_obsstack.options import build_options
from pytest_obsstack.options.kinds import CHOICES
from pytest_obsstack.options.table import TABLE

OWN = ROOT / ".github" / "workflows" / "telemetry.yml"
COPY = ROOT / "docs" / "ci" / "telemetry.yml"
GITLAB = ROOT / "docs" / "ci" / "gitlab-ci.yml"
GITHUB = (OWN, COPY)

PINNED = re.compile(r"uses: [\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
EXPRESSION = re.compile(r"\$\{\{.*?\}\}")
PYTEST_FLAGS = {"-m", "-n", "--junitxml"}
TOOLS = {"docker", "mkdir", "cp", "echo", "if", "then", "else", "fi", "xargs", "grep", "sort"}
"""What a runner has of its own."""
SECRETS = {"state.json", "*.env", "docker-compose.*"}
"""Files of a run's folder that hold tokens or passwords."""


def parsed(path: Path) -> dict[Any, Any]:
    found: dict[Any, Any] = yaml.safe_load(path.read_text("utf-8"))
    return found


def jobs_of(path: Path) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = parsed(path)["jobs"]
    return found


def steps_of(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, job in jobs_of(path).items():
        for step in job["steps"]:
            yield name, step


def scripts() -> Iterator[tuple[Path, str]]:
    """Every script of every file, with the values of its matrix in their places."""
    for path in GITHUB:
        for job in jobs_of(path).values():
            for step in job["steps"]:
                if "run" in step:
                    for row in matrix_rows(job.get("strategy", {}).get("matrix", {})):
                        yield path, filled(step["run"], row)
    for name, job in parsed(GITLAB).items():
        if name.startswith("."):
            continue
        base = parsed(GITLAB)[job["extends"]]
        rows = job.get("parallel", {}).get("matrix", [{"TRACKER": [""]}])
        for tracker in rows[0]["TRACKER"]:
            options = job["variables"]["OPTIONS"].replace("$TRACKER", tracker)
            for line in (*base["before_script"], *base["script"]):
                yield GITLAB, line.replace("$OPTIONS", options)


def matrix_rows(matrix: Mapping[str, Any]) -> list[dict[str, str]]:
    if "include" in matrix:
        return list(matrix["include"])
    rows: list[dict[str, str]] = [{}]
    for name, values in matrix.items():
        rows = [{**row, name: value} for row in rows for value in values]
    return rows


def filled(script: str, row: Mapping[str, str]) -> str:
    for name, value in row.items():
        script = script.replace(f"${{{{ matrix.{name} }}}}", value)
    return script


def commands() -> list[tuple[Path, list[str]]]:
    found = []
    for path, script in scripts():
        whole = script.replace("\\\n", " ").replace("|\n", "| ")
        for line in whole.splitlines():
            for part in re.split(r"\s\|\s|;", re.sub(r">> \"\$\w+\"", "", line)):
                words = shlex.split(part)
                if words:
                    found.append((path, words))
    return list({(path, *words): (path, words) for path, words in found}.values())


@pytest.mark.parametrize("path", GITHUB, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_action_is_pinned_by_its_commit_and_tells_the_tag(path: Path) -> None:
    lines = [line for line in path.read_text("utf-8").splitlines() if "uses:" in line]
    assert len(lines) >= 3
    assert [line for line in lines if not PINNED.search(line)] == []


def test_one_action_has_one_commit_everywhere() -> None:
    text = "".join(path.read_text("utf-8") for path in GITHUB)
    found = set(re.findall(r"uses: ([\w/-]+)@([0-9a-f]{40} # \S+)", text))
    assert len(found) == len({action for action, _ in found})


@pytest.mark.parametrize("path", GITHUB, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_workflow_may_only_read_and_does_not_run_for_ever(path: Path) -> None:
    content = parsed(path)
    assert content["permissions"] == {"contents": "read"}
    assert content["concurrency"]["cancel-in-progress"] is True
    for name, job in jobs_of(path).items():
        assert 0 < job["timeout-minutes"] <= 30, name
        assert job["runs-on"] == "ubuntu-24.04", name
        assert "permissions" not in job
    for name, step in steps_of(path):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False, name


def test_the_containers_run_with_trackers_that_there_are() -> None:
    trackers = jobs_of(OWN)["compose"]["strategy"]["matrix"]["tracker"]
    assert trackers == ["glitchtip", "lite"]
    assert set(trackers) <= set(CHOICES["compose"]["sentry"])


@pytest.mark.parametrize(("path", "script"), list(scripts()), ids=lambda _: "")
def test_a_script_is_one_that_the_shell_can_read(path: Path, script: str) -> None:
    script = EXPRESSION.sub("x", script)
    done = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{path.name}: {done.stderr}"


@pytest.mark.parametrize(
    ("path", "words"), commands(), ids=lambda x: " ".join(x)[:60] if isinstance(x, list) else ""
)
def test_a_command_and_what_it_names_exist(path: Path, words: list[str]) -> None:
    program, *rest = words
    if program == "./dev":
        assert rest[0] == "e2e"
        check_options(rest[1:])
    elif program.endswith(("python", "python3")):
        assert rest[0] == "-m"
        module = rest[1]
        assert importlib.util.find_spec(module) is not None, module
        if module == "pytest":
            check_options(rest[2:])
    else:
        assert program in TOOLS, words
    for word in words:
        if word.startswith("stack/"):
            assert (ROOT / word).exists(), word


def check_options(words: list[str]) -> None:
    """Pytest's own flags, and ours with values that are legal together."""
    table = {option.flag: option for option in TABLE}
    values: dict[str, Any] = {option.name: option.default for option in TABLE}
    for flag, text in flags_of(words):
        if flag in PYTEST_FLAGS:
            continue
        option = table[flag]
        parsed = option.parse(text)
        values[option.name] = (*values[option.name], parsed) if option.kind == "list" else parsed
    build_options(values, ROOT, ())


def flags_of(words: list[str]) -> Iterator[tuple[str, str]]:
    remaining = iter(words)
    for word in remaining:
        assert word.startswith("-"), word
        flag, equals, text = word.partition("=")
        yield flag, text if equals else next(remaining)


def test_the_compose_files_of_the_job_are_there() -> None:
    named = re.findall(r"stack/[\w.-]+\.yml", jobs_of(OWN)["compose"]["env"]["COMPOSE_FILE"])
    assert set(named) == {"stack/docker-compose.yml", "stack/docker-compose.lite.yml"}
    assert all((ROOT / name).is_file() for name in named)


@pytest.mark.parametrize("path", GITHUB, ids=lambda path: str(path.relative_to(ROOT)))
def test_logs_of_failed_runs_are_kept_without_what_is_secret(path: Path) -> None:
    kept = 0
    for name, step in steps_of(path):
        paths = str(step.get("with", {}).get("path", "")).split()
        if ".obsstack/runs" not in paths:
            continue
        kept += 1
        assert step["if"] == "${{ failure() }}"
        assert step["with"]["include-hidden-files"] is True
        left_out = {p.rpartition("/")[2] for p in paths if p.startswith("!")}
        # The embedded stack has no compose files.
        assert left_out >= SECRETS - ({"docker-compose.*"} if name == "embedded" else set())
    assert kept == (2 if path == OWN else 1)


def test_gitlab_keeps_the_same_and_reads_the_report() -> None:
    job = parsed(GITLAB)[".telemetry"]
    assert job["artifacts"]["reports"]["junit"] == "report.xml"
    assert "--junitxml=report.xml" in job["script"][0]
    assert {name.rpartition("/")[2] for name in job["artifacts"]["exclude"]} == SECRETS
    (row,) = parsed(GITLAB)["telemetry-containers"]["parallel"]["matrix"]
    assert set(row["TRACKER"]) <= set(CHOICES["compose"]["sentry"])


def test_every_claim_is_asked_of_the_runs_together() -> None:
    job = jobs_of(OWN)["claims"]
    assert set(job["needs"]) == jobs_of(OWN).keys() - {"claims"}
    assert "--every-claim" in job["steps"][-1]["run"]
