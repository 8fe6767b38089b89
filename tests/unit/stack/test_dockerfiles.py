"""The two images that are built from this folder."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import pytest_obsstack
from tests.unit.stack.compose_files import STACK

DOCKERFILES = ("app/Dockerfile", "lite/Dockerfile")


def text(name: str) -> str:
    return (STACK / name).read_text("utf-8")


def test_both_are_made_of_one_python_by_exact_tag() -> None:
    bases = {
        re.findall(r"^ARG BASE_IMAGE=(\S+)$", text(name), re.MULTILINE)[0] for name in DOCKERFILES
    }
    (base,) = bases
    assert re.fullmatch(r"python:3\.12\.\d+-slim-\w+", base)
    for name in DOCKERFILES:
        assert re.findall(r"^FROM (\S+)", text(name), re.MULTILINE) == ["${BASE_IMAGE}"], name


@pytest.mark.parametrize("name", DOCKERFILES)
def test_neither_runs_as_root(name: str) -> None:
    lines = text(name).splitlines()
    user = max(i for i, line in enumerate(lines) if line.startswith("USER "))
    start = next(i for i, line in enumerate(lines) if line.startswith(("CMD ", "ENTRYPOINT ")))
    assert lines[user] == "USER 10001:10001"
    assert user < start


@pytest.mark.parametrize("name", DOCKERFILES)
def test_neither_leaves_a_nameless_volume(name: str) -> None:
    assert "VOLUME" not in text(name)


def test_the_app_is_run_as_everywhere() -> None:
    dockerfile = text("app/Dockerfile")
    assert 'CMD ["python", "-m", "gunicorn", "-c", "gunicorn.conf.py", "app:app"]' in dockerfile
    assert "ENV HOST=0.0.0.0 PORT=5000" in dockerfile
    assert "pip install --root-user-action=ignore -r requirements.txt" in dockerfile


def test_the_app_s_image_holds_all_of_its_modules() -> None:
    """What .dockerignore keeps out is missing at the first import."""
    kept = [line[1:] for line in text("app/.dockerignore").splitlines() if line.startswith("!")]
    assert kept == ["*.py", "telemetry/*.py", "requirements.txt"]
    copied = re.findall(r"^COPY (\S+) ", text("app/Dockerfile"), re.MULTILINE)
    assert copied == ["requirements.txt", "*.py", "telemetry/"]
    folder = STACK / "app"
    modules = {path for path in folder.rglob("*.py") if "__pycache__" not in path.parts}
    assert modules == {path for pattern in kept[:2] for path in folder.glob(pattern)}


def test_the_app_s_health_is_asked_by_bash_alone() -> None:
    (command,) = re.findall(r"^    CMD (\[.*\])$", text("app/Dockerfile"), re.MULTILINE)
    assert command.startswith('["/bin/bash", "-c", "exec 3<>/dev/tcp/')
    assert "--interval=1s" in text("app/Dockerfile")


def test_lite_is_made_of_a_wheel_where_there_is_one(tmp_path: Path) -> None:
    """The shell of its RUN line, with a pip that tells what it is asked to install last."""
    (script,) = re.findall(
        r"^RUN (set -e; \\\n(?:.*\\\n)*.*)$", text("lite/Dockerfile"), re.MULTILINE
    )
    (tmp_path / "context").mkdir()
    for name in ("pip", "useradd", "install"):
        program = tmp_path / name
        program.write_text(f'#!/bin/sh\n[ {name} != pip ] || echo "$*"\n', "utf-8")
        program.chmod(0o755)
    in_the_image = re.findall(r"COPY requirements.txt \*\.whl (\S+)/", text("lite/Dockerfile"))[0]
    script = script.replace(in_the_image, str(tmp_path / "context"))

    def installed() -> str:
        done = subprocess.run(
            ["/bin/sh", "-c", script],
            env={"PATH": f"{tmp_path}:/usr/bin:/bin", "REQUIREMENT": "pytest-obsstack==1.0"},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.split()[-1]

    assert installed() == "pytest-obsstack==1.0"
    (tmp_path / "context").mkdir()
    wheel = tmp_path / "context" / "pytest_obsstack-2.0-py3-none-any.whl"
    wheel.touch()
    assert installed() == str(wheel)


def imported(folder: Path) -> set[str]:
    """The top-level modules that the sources import, not counting Python's own and the package."""
    found: set[str] = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                found.add(node.module.partition(".")[0])
    return found - sys.stdlib_module_names - {"pytest_obsstack"}


def test_lite_has_just_what_the_embedded_servers_import() -> None:
    package = Path(pytest_obsstack.__file__).parent
    needed = imported(package / "embedded") | imported(package / "wire")
    # protobuf comes with opentelemetry-proto; YAML is read where it is no JSON, and here it is.
    needed = (needed - {"google", "yaml"} - {"opentelemetry"}) | {"opentelemetry-proto"}
    names = [line.partition("==")[0] for line in requirements("lite")]
    assert names == sorted(needed)


@pytest.mark.parametrize("image", ["lite", "app"])
def test_what_an_image_installs_is_what_the_tests_run_with(image: str) -> None:
    lock = STACK.parent / "requirements" / "dev.txt"
    if not lock.exists():
        pytest.skip("the package is installed: there is no lock file")
    locked = set(re.findall(r"^([\w.-]+==[\w.]+)", lock.read_text("utf-8"), re.MULTILINE))
    assert requirements(image)
    assert [line for line in requirements(image) if line not in locked] == []


def requirements(image: str) -> list[str]:
    lines = text(f"{image}/requirements.txt").splitlines()
    return [line for line in lines if not line.startswith("#")]
