"""Where the files are that are shipped with the package."""

from __future__ import annotations

from pathlib import Path


def stack_folder() -> Path:
    """The folder ``stack``: package data when installed, the repository's own in a checkout."""
    package = Path(__file__).resolve().parents[1]
    shipped = package / "stack"
    return shipped if shipped.is_dir() else package.parents[1] / "stack"
