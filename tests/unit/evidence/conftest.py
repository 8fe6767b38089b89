"""pytest runs of the tests of evidence load this plugin alone."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _only_this_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    # Others' plugins would take longer to load than the tests themselves.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_PLUGINS", "pytest_obsstack.plugin")
