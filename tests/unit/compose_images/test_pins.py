from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.compose.local_images.pins import (
    Target,
    closure,
    holds,
    parse_lock,
    requirements_text,
)
from tests.compose.local_images.recipes import PYTHON_ROOTS
from tests.compose.local_images.steps import BuildError
from tests.compose.local_images.wheels import PYTHON

ROOT = Path(__file__).parents[3]
LOCK = """\
anyio==4.16.0 \\
    --hash=sha256:59bb \\
    --hash=sha256:9fd1
    # via
    #   httpx
    #   starlette
colorama==0.4.6 ; sys_platform == 'win32' \\
    --hash=sha256:44
    # via pytest
exceptiongroup==1.3.1 ; python_full_version < '3.11' \\
    --hash=sha256:01
    # via anyio
httpx==0.28.1 \\
    --hash=sha256:02
    # via pytest-obsstack (pyproject.toml)
idna==3.20 \\
    --hash=sha256:03
    # via anyio
mypy==2.4.1 \\
    --hash=sha256:04
    # via pytest-obsstack (pyproject.toml:dev)
starlette==1.7.0 ; python_full_version < '3.11' \\
    --hash=sha256:05
    # via pytest-obsstack (pyproject.toml)
starlette==1.10.0 ; python_full_version >= '3.11' \\
    --hash=sha256:06
    # via pytest-obsstack (pyproject.toml)
"""


def test_a_pin_has_its_hashes_and_who_needs_it() -> None:
    anyio = parse_lock(LOCK)[0]
    assert (anyio.name, anyio.version, anyio.marker) == ("anyio", "4.16.0", "")
    assert anyio.hashes == ("sha256:59bb", "sha256:9fd1")
    assert anyio.needed_by == {"httpx", "starlette"}


@pytest.mark.parametrize(
    ("python", "versions"),
    [
        ("3.10", {"anyio": "4.16.0", "exceptiongroup": "1.3.1", "idna": "3.20", "httpx": "0.28.1"}),
        ("3.11", {"anyio": "4.16.0", "idna": "3.20", "httpx": "0.28.1"}),
    ],
)
def test_what_is_needed_is_found_over_several_steps(python: str, versions: dict[str, str]) -> None:
    chosen = closure(parse_lock(LOCK), ["httpx"], Target(python))
    assert {pin.name: pin.version for pin in chosen} == versions


def test_of_a_package_pinned_twice_the_target_s_version_is_taken() -> None:
    versions = {
        python: [p.version for p in closure(parse_lock(LOCK), ["starlette"], Target(python))][-1]
        for python in ("3.10", "3.11")
    }
    assert versions == {"3.10": "1.7.0", "3.11": "1.10.0"}


def test_a_root_without_a_pin_is_named_with_what_to_do() -> None:
    with pytest.raises(BuildError) as error:
        closure(parse_lock(LOCK), ["httpx", "flask"], PYTHON)
    assert str(error.value) == (
        "expected pins of flask in requirements/dev.txt, found none;"
        " run ./dev lock, or change the list in tests/compose/local_images/recipes.py"
    )


@pytest.mark.parametrize(
    ("marker", "true"),
    [
        ("", True),
        ("sys_platform == 'win32'", False),
        ("sys_platform != 'win32'", True),
        ("platform_python_implementation != 'PyPy'", True),
        ("python_full_version >= '3.11' and python_full_version < '3.12'", True),
        ("python_full_version <= '3.9'", False),
        ("python_version > '3.9'", True),
    ],
)
def test_markers_are_asked_about_debian_s_python(marker: str, true: bool) -> None:
    assert holds(marker, PYTHON) is true


def test_a_marker_of_another_kind_is_not_guessed() -> None:
    with pytest.raises(BuildError, match=r"found \"extra == 'x' or os_name == 'nt'\"; teach "):
        holds("extra == 'x' or os_name == 'nt'", PYTHON)


def test_requirements_keep_versions_and_hashes() -> None:
    chosen = closure(parse_lock(LOCK), ["idna"], PYTHON)
    assert requirements_text(chosen) == "idna==3.20 --hash=sha256:03\n"


def test_the_image_of_the_project_s_own_lock_file_holds_what_the_app_pins_and_no_tools() -> None:
    lock = parse_lock((ROOT / "requirements" / "dev.txt").read_text())
    chosen = {pin.name: pin.version for pin in closure(lock, PYTHON_ROOTS, PYTHON)}

    app = (ROOT / "stack" / "app" / "requirements.txt").read_text()
    pinned = dict(re.findall(r"^([\w.-]+)==(\S+)", app, re.MULTILINE))
    assert pinned
    assert {name: chosen.get(name) for name in pinned} == pinned
    assert not {"mypy", "ruff", "hypothesis", "playwright", "pytest"} & set(chosen)
    assert all(pin.hashes for pin in lock)
