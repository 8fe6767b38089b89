"""What ``docs/compose.md`` tells to type is typed, where there is an engine and images for it.

``OBSSTACK_COMPOSE_FILES`` names compose files, separated as paths on ``PATH`` are, that are laid
over the stack's own: those of local images, or ``/dev/null`` for the upstream images alone.
"""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from docs.generate import ROOT
from pytest_obsstack.providers.compose.project import LABEL, PARTS
from pytest_obsstack.providers.shipped import stack_folder
from tests.docs.blocks import all_blocks, blocks

PAGE = ROOT / "docs" / "compose.md"
VARIABLE = "OBSSTACK_COMPOSE_FILES"
TIMEOUT_S = 300
PORTS = re.compile(r"http://localhost:(\d+)")


def session(name: str) -> list[str]:
    """The commands of all blocks of that session, in the page's order."""
    return [
        line.removeprefix("$ ")
        for block in all_blocks()
        if block.page == PAGE and block.comment == f"session: {name}"
        for line in block.code.splitlines()
    ]


@pytest.fixture
def files() -> list[str]:
    named = os.environ.get(VARIABLE)
    if named is None:
        pytest.skip(f"{VARIABLE} is not set: no engine and no images to keep a stack with")
    return [path for path in named.split(os.pathsep) if path and path != os.devnull]


@pytest.fixture
def typed(tmp_path: Path, files: list[str]) -> Iterator[dict[str, str]]:
    """What each command of the session printed; whatever happens, nothing is left."""
    (tmp_path / "pyproject.toml").touch()
    more = [f"--compose-file={Path(path).resolve()}" for path in files]

    def run(line: str) -> subprocess.CompletedProcess[str]:
        program, *arguments = shlex.split(line)
        extra = more if arguments[0] == "up" else []
        return subprocess.run(
            [str(Path(sys.executable).with_name(program)), *arguments, *extra],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )

    printed: dict[str, str] = {}
    try:
        for line in session("keep"):
            done = run(line)
            assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
            printed[line] = done.stdout
            if line == "obsstack status":
                printed["--json"] = run(f"{line} --json").stdout
                printed["answers"] = json.dumps(answering(json.loads(printed["--json"])))
        yield printed
    finally:
        run("obsstack down")


def answering(described: dict[str, dict[str, dict[str, str]]]) -> dict[str, int]:
    """The status with which each page answers that a person would open."""
    urls = {name: product["url"] for name, product in described["products"].items()}
    urls["app"] = str(described["app"]["url"]) + "/health"
    pages = {name: urls[name] for name in ("sentry", "app", "grafana")}
    return {
        name: httpx.get(url, trust_env=False, follow_redirects=True, timeout=30).status_code
        for name, url in pages.items()
    }


def test_a_stack_is_kept_looked_into_and_removed_as_the_page_says(
    typed: dict[str, str],
) -> None:
    assert json.loads(typed["answers"]) == {"sentry": 200, "app": 200, "grafana": 200}
    described = json.loads(typed["--json"])
    assert described["kind"] == "compose"
    for product in described["products"].values():
        assert product["url"] in typed["obsstack status"]
    assert "log in at" in typed["obsstack status"]
    assert typed["obsstack logs sentry"].strip()
    assert typed["obsstack down"].startswith("stopped; ")
    assert labelled(f"com.docker.compose.project={described['containers']['project']}") == []


def test_what_others_have_left_is_removed_as_the_page_says(files: list[str]) -> None:
    if labelled(f"{LABEL}.run"):
        pytest.skip("there are stacks on this machine, and they are not this test's to remove")
    (line,) = session("others")
    program, *arguments = shlex.split(line)
    done = subprocess.run(
        [str(Path(sys.executable).with_name(program)), *arguments],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "nothing was left\n"), done.stderr


def labelled(label: str) -> list[str]:
    """Containers with that label, ended ones too."""
    command = ["docker", "ps", "--all", "--quiet", "--filter", f"label={label}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def test_the_session_has_all_that_the_page_walks_through() -> None:
    lines = session("keep")
    assert lines[0] == "obsstack up --stack compose"
    assert lines[-1] == "obsstack down"
    assert all(line.startswith("obsstack ") for line in lines)


def test_the_compose_file_of_ones_own_app_has_the_services_that_its_spec_names() -> None:
    (file,) = (b.code for b in all_blocks() if b.comment == "compose file")
    services = yaml.safe_load(file)["services"]
    code = next(b.code for b in blocks("compiles") if "obs_compose_files" in b.code)
    named = {
        keyword.value.value
        for call in ast.walk(ast.parse(code))
        if isinstance(call, ast.Call)
        for keyword in call.keywords
        if keyword.arg == "compose_service" and isinstance(keyword.value, ast.Constant)
    }
    assert named <= services.keys()
    assert named == {"shop", "stock"}
    own = yaml.safe_load((stack_folder() / "docker-compose.yml").read_text("utf-8"))["services"]
    assert services.keys() & own.keys() == set()


def test_ports_and_addresses_are_those_of_the_stack() -> None:
    text = PAGE.read_text("utf-8")
    own = yaml.safe_load((stack_folder() / "docker-compose.yml").read_text("utf-8"))["services"]
    published = {
        re.sub(r"\$\{\w+-(\d+)\}", r"\1", port).split(":")[1]
        for service in own.values()
        for port in service.get("ports", [])
    }
    assert set(PORTS.findall(text)) == {"9000", "5000", "3000", "9090"} <= published
    for name in ("sentry", "collector"):
        assert PARTS[name].address in text


def test_profiles_and_variables_are_those_of_the_compose_files() -> None:
    text = PAGE.read_text("utf-8")
    file = (stack_folder() / "docker-compose.yml").read_text("utf-8")
    own = yaml.safe_load(file)["services"]
    profiles = {name for service in own.values() for name in service.get("profiles", [])}
    (listed,) = re.findall(r"the profiles are (.*?)\.", text)
    assert set(re.findall(r"`(\w+)`", listed)) == profiles
    named = set(re.findall(r"`((?:OBSSTACK|SENTRY|COMPOSE|POSTGRES|LOKI)_[A-Z_]+)", text))
    scripts = (stack_folder() / "sentry-init.sh").read_text("utf-8")
    env = (stack_folder() / ".env").read_text("utf-8")
    # The last two are the app's and Compose's own.
    others = {"SENTRY_DSN", "COMPOSE_FILE"}
    assert {name for name in named - others if name not in file + scripts + env} == set()
