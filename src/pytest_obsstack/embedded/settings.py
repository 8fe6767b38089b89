"""What the host is told at start: one JSON file, written by whoever starts the process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

PRODUCTS = ("sentry", "collector", "prometheus", "loki")
"""The embedded products, in the order in which they open; ``control`` is not one of them."""


@dataclass(frozen=True)
class PortWish:
    """The port that a listener should have; 0 means any free one."""

    port: int = 0
    required: bool = False
    """A required port that is taken ends the start; a wish that is taken yields a free port."""


@dataclass(frozen=True)
class HostSettings:
    """Settings of the whole process; ``products`` holds each product's own, as plain JSON."""

    folder: Path
    """Where journals and the ready file are written; it exists and belongs to the caller."""
    control_token: str = field(repr=False)
    bind: str = "127.0.0.1"
    ports: Mapping[str, PortWish] = field(default_factory=dict)
    products: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def ready_path(self) -> Path:
        """Appears, whole, when every listener answers or the start has failed."""
        return self.folder / "ready.json"

    def journal_path(self, product: str) -> Path:
        return self.folder / f"{product}.jsonl"

    @classmethod
    def load(cls, path: Path) -> HostSettings:
        """Read the file; ``KeyError`` or ``TypeError``: its writer is of another version."""
        data = orjson.loads(path.read_bytes())
        return cls(
            folder=Path(data["folder"]),
            control_token=data["control_token"],
            bind=data.get("bind", "127.0.0.1"),
            ports={name: PortWish(**wish) for name, wish in data.get("ports", {}).items()},
            products=data.get("products", {}),
        )
