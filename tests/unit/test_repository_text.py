"""The project's text holds on every machine and leaves nothing to be done later."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

FORBIDDEN = {
    "a path of one machine": re.compile(r"(?<![\w.$}~])/(?:root|work)/"),
    "the host of a package registry": re.compile(
        r"\b(?:pypi\.(?:org|python\.org)|pythonhosted\.org|npmjs\.(?:com|org)|debian\.org)\b"
    ),
    "a choice of package registry": re.compile(r"--(?:extra-)?index-url|--find-links\s+\S*://"),
    "a mark of unfinished work": re.compile(r"\b(?:TODO|FIXME|XXX)\b"),
}
"""What no text of the project contains but this file, which has to say it."""


def project_files() -> list[Path]:
    """All files that are tracked or about to be."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    paths = [ROOT / name for name in listing.split("\0") if name]
    return [path for path in paths if path.is_file() and path != Path(__file__)]


def complaints(name: str, text: str) -> Iterator[str]:
    for number, line in enumerate(text.splitlines(), start=1):
        for what, pattern in FORBIDDEN.items():
            if found := pattern.search(line):
                yield f"{name}:{number} has {what}: {found[0]}"


def read_text(path: Path) -> str:
    """The file's text; empty for pictures and other binary files."""
    content = path.read_bytes()
    return "" if b"\0" in content else content.decode("utf-8")


def test_no_text_of_the_project_is_bound_to_a_machine_or_unfinished() -> None:
    files = project_files()
    assert ROOT / "pyproject.toml" in files
    found = [
        complaint
        for path in files
        for complaint in complaints(str(path.relative_to(ROOT)), read_text(path))
    ]
    assert found == []


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("see /root/notes.txt", "a path of one machine: /root/"),
        ("'/work/main'", "a path of one machine: /work/"),
        ("url = 'https://pypi.org/simple'", "the host of a package registry: pypi.org"),
        (
            "https://files.pythonhosted.org/x.whl",
            "the host of a package registry: pythonhosted.org",
        ),
        ("--extra-index-url=x", "a choice of package registry: --extra-index-url"),
        ("# TODO: later", "a mark of unfinished work: TODO"),
    ],
)
def test_a_forbidden_text_is_named_with_its_line(line: str, what: str) -> None:
    assert list(complaints("notes.md", f"fine\n{line}\n")) == [f"notes.md:2 has {what}"]


@pytest.mark.parametrize(
    "line", ["$HOME/work/", "/workers/", "http://host/work", "mastodon", "./work/x"]
)
def test_a_harmless_text_is_let_through(line: str) -> None:
    assert list(complaints("notes.md", line)) == []
