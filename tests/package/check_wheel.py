"""Prove the wheel as a user gets it: built, installed in an empty environment, run on examples/.

Run by the Python of a development environment (``.venv/bin/python tests/package/check_wheel.py``).
Everything happens in a temporary folder outside of the repository. The wheel is built from the
source distribution, so that one is proven too. Exits 1 with the reason where anything is amiss.
"""

from __future__ import annotations

import configparser
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = "pytest_obsstack"
ENTRY_POINTS = {
    "pytest11": {"obsstack": f"{PACKAGE}.plugin"},
    "console_scripts": {"obsstack": f"{PACKAGE}.cli:main"},
}
STEP_TIMEOUT_S = 600.0
INHERITED_NO_MORE = re.compile(r"PYTHON(PATH|HOME)|VIRTUAL_ENV|PYTEST_.*|OBS_.*")
"""Variables that would lead the empty environment back to this one."""


class WheelError(Exception):
    """What is wrong with the wheel."""


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="obsstack-wheel-") as folder:
        try:
            prove(Path(folder).resolve())
        except WheelError as error:
            print(f"wheel test: {error}", file=sys.stderr)
            return 1
    print("wheel test: passed")
    return 0


def prove(folder: Path) -> None:
    wheel = build(folder)
    say(f"built {wheel.name}")
    with zipfile.ZipFile(wheel) as archive:
        faults = [
            *faults_of_names(archive.namelist(), wanted_names()),
            *faults_of_entry_points(entry_points_text(archive)),
        ]
    if faults:
        raise WheelError("\n".join(["the wheel's content is wrong:", *faults]))
    examples = sorted(path for path in ROOT.glob("examples/*") if path.is_dir())
    if not examples:
        raise WheelError("found no folder in examples/, expected at least one to run")
    python = install(folder, wheel, [path / "requirements.txt" for path in examples])
    say("installed in an empty environment")
    for example in examples:
        run_example(folder, python, example)


def build(folder: Path) -> Path:
    """The wheel, made from the unpacked source distribution."""
    dist = folder / "dist"
    hatchling = [sys.executable, "-m", "hatchling", "build", "--target", "sdist"]
    run([*hatchling, "--directory", str(dist)], ROOT)
    (sdist,) = dist.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder / "source", filter="data")
    (source,) = (folder / "source").iterdir()
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    run([*pip, "--wheel-dir", str(dist), str(source)], folder)
    (wheel,) = dist.glob("*.whl")
    return wheel


def wanted_names() -> set[str]:
    """What the wheel must have: every module, and everything that is deployed."""
    listing = run(["git", "ls-files", "-z", "src", "stack"], ROOT)
    tracked = {name for name in listing.split("\0") if name and (ROOT / name).is_file()}
    renamed = {
        name.removeprefix("src/") if name.startswith("src/") else f"{PACKAGE}/{name}"
        for name in tracked
    }
    return renamed | {f"{PACKAGE}/py.typed", f"{PACKAGE}/stack/app/app.py"}


def faults_of_names(names: Iterable[str], wanted: Iterable[str]) -> Iterator[str]:
    names = set(names)
    yield from (f"missing: {name}" for name in sorted(set(wanted) - names))
    for name in sorted(names):
        parts = Path(name).parts
        if parts[0] != PACKAGE and not parts[0].endswith(".dist-info"):
            yield f"outside of the package: {name}"
        if {"tests", "test", "__pycache__"} & set(parts) or re.match(
            r"(test_.*|conftest)\.py$", parts[-1]
        ):
            yield f"not for users: {name}"


def entry_points_text(archive: zipfile.ZipFile) -> str:
    names = [name for name in archive.namelist() if name.endswith(".dist-info/entry_points.txt")]
    return archive.read(names[0]).decode() if names else ""


def faults_of_entry_points(text: str) -> Iterator[str]:
    parser = configparser.ConfigParser(delimiters=("=",))
    parser.read_string(text)
    for group, wanted in ENTRY_POINTS.items():
        found = dict(parser[group]) if group in parser else {}
        if found != wanted:
            yield f"entry points {group}: expected {wanted}, found {found}"


def constraints_of(lock: str) -> str:
    """The lock's versions without its hashes, which pip cannot ask of a wheel just built."""
    pins = re.findall(r"^([\w.-]+==[^\s;]+(?: *;[^\\\n]+)?)", lock, re.MULTILINE)
    return "".join(f"{pin.strip()}\n" for pin in pins)


def install(folder: Path, wheel: Path, requirements: Iterable[Path]) -> Path:
    """An environment with the wheel, its dependencies and those of the examples; its Python."""
    constraints = folder / "constraints.txt"
    lock = (ROOT / "requirements" / "dev.txt").read_text()
    # An example that requires the project gets this wheel and no other.
    constraints.write_text(f"{constraints_of(lock)}pytest-obsstack @ {wheel.as_uri()}\n")
    run([sys.executable, "-m", "venv", str(folder / "environment")], folder)
    python = folder / "environment" / "bin" / "python"
    wanted = [str(wheel)]
    for path in requirements:
        wanted += ["--requirement", str(path)] if path.exists() else []
    pip = [str(python), "-m", "pip", "--quiet", "--disable-pip-version-check"]
    run([*pip, "install", "--constraint", str(constraints), *wanted], folder)
    run([*pip, "check"], folder)
    imported = run([str(python), "-c", f"import {PACKAGE}; print({PACKAGE}.__file__)"], folder)
    if not Path(imported.strip()).is_relative_to(folder):
        raise WheelError(f"expected {PACKAGE} inside {folder}, found {imported.strip()}")
    run([str(python.parent / "obsstack"), "--help"], folder)
    return python


def run_example(folder: Path, python: Path, example: Path) -> None:
    """Its own tests, in a copy outside of the repository."""
    copy = folder / "examples" / example.name
    ignored = shutil.ignore_patterns("__pycache__", ".*_cache", ".venv")
    shutil.copytree(example, copy, ignore=ignored)
    say(f"examples/{example.name}")
    print(run([str(python), "-m", "pytest", "-p", "no:cacheprovider"], copy), flush=True)


def run(command: list[str], folder: Path) -> str:
    """What the command prints; raises a ``WheelError`` with it where the command fails."""
    kept = {name: v for name, v in os.environ.items() if not INHERITED_NO_MORE.fullmatch(name)}
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=kept,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=STEP_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise WheelError(f"{' '.join(command)}: no end after {STEP_TIMEOUT_S:.0f} s") from error
    if done.returncode != 0:
        raise WheelError(
            f"{' '.join(command)} ended with exit code {done.returncode}\n"
            f"{done.stdout}{done.stderr}"
        )
    return done.stdout


def say(text: str) -> None:
    print(f"wheel test: {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
