"""The Compose files that put local images into the stack."""

from __future__ import annotations

from pathlib import Path

from tests.compose.local_images.recipes import Recipes


def write_overrides(folder: Path, recipes: Recipes) -> list[Path]:
    return []
