from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from tests.compose.local_images import wheels
from tests.compose.local_images.pins import closure, parse_lock
from tests.compose.local_images.recipes import PYTHON_ROOTS
from tests.compose.local_images.steps import BuildError, Steps

ROOT = Path(__file__).parents[3]
IN_IMAGES = ("src/pytest_obsstack/embedded", "src/pytest_obsstack/wire", "stack/app")
PACKAGES = {"google": "protobuf", "opentelemetry": "opentelemetry-proto", "yaml": "pyyaml"}
"""Name of an import → the package's, where they differ."""


def imported(folder: Path) -> set[str]:
    """First names of all that is imported anywhere below ``folder``."""
    found = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {name.name.partition(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
    return found


@pytest.mark.parametrize("folder", IN_IMAGES)
def test_all_that_runs_in_an_image_finds_its_packages_there(folder: str) -> None:
    lock = parse_lock((ROOT / "requirements" / "dev.txt").read_text())
    there = {pin.name for pin in closure(lock, PYTHON_ROOTS, wheels.PYTHON)}
    own = {path.stem for path in (ROOT / "stack" / "app").iterdir()} | {"pytest_obsstack"}
    names = imported(ROOT / folder) - own - set(sys.stdlib_module_names)
    assert names
    assert {PACKAGES.get(name, name.replace("_", "-")) for name in names} <= there


def pip(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_the_first_python_that_has_pip_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without = pip(tmp_path / "system-python", "echo No module named pip >&2; exit 1")
    monkeypatch.setattr(sys, "executable", without)
    monkeypatch.setattr(wheels, "ROOT", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    pip(tmp_path / "python3", "echo pip 23")
    assert wheels.pip_command(Steps()) == ["python3", "-m", "pip"]

    environment = tmp_path / ".venv" / "bin"
    environment.mkdir(parents=True)
    pip(environment / "python", "echo pip 24")
    assert wheels.pip_command(Steps()) == [str(environment / "python"), "-m", "pip"]


def test_without_any_pip_it_says_how_to_have_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    monkeypatch.setattr(wheels, "ROOT", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BuildError) as error:
        wheels.pip_command(Steps())
    assert str(error.value) == (
        f"expected pip in one of /nowhere/python, {tmp_path}/.venv/bin/python, python3, found none;"
        " do: apt-get install python3-pip, or ./dev check, which makes .venv"
    )


@pytest.mark.parametrize(("hashed", "option"), [(True, 1), (False, 0)])
def test_wheels_are_for_the_image_s_python_whatever_runs_pip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hashed: bool, option: int
) -> None:
    calls = tmp_path / "calls"
    monkeypatch.setattr(sys, "executable", pip(tmp_path / "python", f'echo "$@" >>{calls}'))
    wheels.install_wheels("idna==3.20\n", tmp_path, "arm64", Steps(), hashed=hashed)
    words = calls.read_text().splitlines()[-1].split()
    assert (tmp_path / "requirements.txt").read_text() == "idna==3.20\n"
    assert words[:3] == ["-m", "pip", "install"]
    assert {"--no-deps", "--only-binary=:all:", "--python-version=3.11", "--abi=cp311"} <= set(
        words
    )
    platforms = [word for word in words if word.startswith("--platform=")]
    assert platforms[0] == "--platform=manylinux_2_36_aarch64"
    assert platforms[-1] == "--platform=manylinux2014_aarch64"
    assert words.count("--require-hashes") == option
