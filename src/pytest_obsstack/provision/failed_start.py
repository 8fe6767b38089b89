"""A start that failed is told to every test and worker of the run, and not tried again.

A second attempt would take as long as the first and end the same way: with containers, minutes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pytest_obsstack.errors import ObsstackError, StackUnavailable
from pytest_obsstack.providers.state import write_private

_FILE = "stack-failed.json"
_PARTS = ("summary", "expected", "found", "advice")


def remember(folder: Path, error: ObsstackError) -> None:
    """Write the error down in the run's folder."""
    parts: dict[str, Any] = {name: getattr(error, name) for name in _PARTS}
    write_private(folder / _FILE, json.dumps({**parts, "log_lines": error.log_lines}))


def recall(folder: Path) -> StackUnavailable | None:
    """The error with which the stack of this run did not start; ``None`` where none is known."""
    try:
        parts = json.loads((folder / _FILE).read_text("utf-8"))
    except FileNotFoundError:
        return None
    return StackUnavailable(parts.pop("summary"), **parts)
