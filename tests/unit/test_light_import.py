"""Loading the plugin costs next to nothing in a run that does not use it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = (
    "docker",
    "filelock",
    "google.protobuf",
    "httpx",
    "jinja2",
    "opentelemetry",
    "pandas",
    "prometheus_api_client",
    "promql_parser",
    "requests",
    "rich",
    "sentry_sdk",
    "starlette",
    "tenacity",
    "typer",
    "uvicorn",
)
"""Modules that only a run with a stack may load."""

REPORT_HEAVY = f"""
import json, sys
print(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))
"""


def heavy_modules_loaded_by(code: str) -> list[str]:
    """The heavy ones among all modules that are loaded after ``code`` in a fresh Python."""
    loaded: list[str] = json.loads(run_python("-c", code + REPORT_HEAVY).splitlines()[-1])
    return loaded


def run_python(*arguments: str, cwd: Path | None = None) -> str:
    """What a fresh Python prints, without the plugins that pytest would load by itself."""
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    for inherited in ("PYTEST_ADDOPTS", "PYTEST_PLUGINS"):
        environment.pop(inherited, None)
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_importing_the_plugin_loads_nothing_heavy() -> None:
    assert heavy_modules_loaded_by("import pytest_obsstack.plugin") == []


def test_a_pytest_run_that_asks_for_no_stack_loads_nothing_heavy(tmp_path: Path) -> None:
    (tmp_path / "test_unrelated.py").write_text("def test_sum():\n    assert 1 + 1 == 2\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "conftest.py").write_text(
        f"def pytest_unconfigure(config):{REPORT_HEAVY}".replace("\n", "\n    ")
    )
    output = run_python("-m", "pytest", "-p", "pytest_obsstack.plugin", cwd=tmp_path)
    assert "1 passed" in output
    assert json.loads(output.splitlines()[-1]) == []


@pytest.mark.parametrize("name", ["httpx", "google.protobuf", "rich"])
def test_a_heavy_module_would_be_seen(name: str) -> None:
    assert name in heavy_modules_loaded_by(f"import {name}")
