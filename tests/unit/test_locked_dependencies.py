"""The lock file holds what pyproject.toml asks for; after a change there: ``./dev lock``."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
PIN = re.compile(r"^(?P<name>[\w.-]+)==(?P<version>\S+)", re.MULTILINE)


def requirements(pyproject: Mapping[str, Any]) -> Iterator[Requirement]:
    """All that a developer needs: dependencies, extras and the group dev."""
    project = pyproject["project"]
    for group in (
        project["dependencies"],
        *project["optional-dependencies"].values(),
        pyproject["dependency-groups"]["dev"],
    ):
        yield from map(Requirement, group)


def pins(lock: str) -> dict[str, list[str]]:
    """The versions of each package; there are several where Python versions need different ones."""
    found: dict[str, list[str]] = {}
    for pin in PIN.finditer(lock):
        found.setdefault(canonicalize_name(pin["name"]), []).append(pin["version"])
    return found


def unmet(wanted: Iterable[Requirement], lock: str) -> list[str]:
    locked = pins(lock)
    faults = []
    for requirement in wanted:
        versions = locked.get(canonicalize_name(requirement.name), [])
        if not versions or not all(map(requirement.specifier.contains, versions)):
            faults.append(f"{requirement}: locked {', '.join(versions) or 'nowhere'}")
    return faults


def test_the_lock_meets_every_requirement_of_the_project() -> None:
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    lock = (ROOT / "requirements" / "dev.txt").read_text()
    assert unmet(requirements(pyproject), lock) == []


@pytest.mark.parametrize(
    ("wanted", "fault"),
    [
        ("httpx>=0.27", None),
        ("httpx>=0.29", "httpx>=0.29: locked 0.28.1"),
        ("Types_Requests", None),
        ("flask", "flask: locked nowhere"),
        ("typer>=0.29.2", "typer>=0.29.2: locked 0.29.1, 0.29.2"),
    ],
)
def test_a_requirement_that_the_lock_does_not_meet_is_named(wanted: str, fault: str | None) -> None:
    lock = (
        "httpx==0.28.1 \\\n    --hash=sha256:00\n    # via flask\n"
        "types-requests==2.33.0 \\\n    --hash=sha256:00\n"
        "typer==0.29.1 ; python_full_version < '3.11' \\\n"
        "typer==0.29.2 ; python_full_version >= '3.11' \\\n"
    )
    assert unmet([Requirement(wanted)], lock) == ([] if fault is None else [fault])
