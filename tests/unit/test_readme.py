"""What the README shows as code is what ``examples/other-repo`` runs, against the wheel, in CI."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "other-repo"
FILES = {"conftest": "conftest.py", "test": "test_telemetry.py"}
"""The file of the example that each marked block is."""
MARKED = re.compile(r"<!-- example: (\w+) -->\n```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def marked_blocks(text: str) -> dict[str, str]:
    """The code below each ``<!-- example: name -->``."""
    return dict(MARKED.findall(text))


def test_the_readme_has_every_block_of_the_first_test() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    assert marked_blocks(text).keys() == FILES.keys()
    assert text.count("<!-- example:") == len(FILES), "a marked block is not a block of Python"


@pytest.mark.parametrize(("name", "file"), FILES.items())
def test_a_block_of_the_readme_is_the_examples_file(name: str, file: str) -> None:
    block = marked_blocks((ROOT / "README.md").read_text("utf-8"))[name]
    assert block == (EXAMPLE / file).read_text("utf-8")
    assert block.startswith(f"# {file}\n")


def test_a_block_is_taken_whole_and_without_its_fence() -> None:
    text = "<!-- example: a -->\n```python\nx = '```'\n\ny = 1\n```\nafter\n```python\nz = 1\n```\n"
    assert marked_blocks(text) == {"a": "x = '```'\n\ny = 1\n"}
