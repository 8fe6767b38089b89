"""For the project's own tests: pytest's own plugin for testing plugins."""

from __future__ import annotations

pytest_plugins = ["pytester"]
