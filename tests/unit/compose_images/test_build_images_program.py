from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.compose.build_images import main
from tests.compose.local_images.recipes import ROOT

PROGRAM = ROOT / "tests" / "compose" / "build_images.py"


def test_an_image_that_there_is_not_is_an_error_of_the_command(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--with", "sentry"])
    assert ended.value.code == 2
    assert "argument --with: invalid choice: 'sentry' (choose from " in capsys.readouterr().err


def test_without_an_engine_nothing_is_built_and_nothing_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["--output", str(tmp_path / "output")]) == 1
    error = capsys.readouterr().err
    assert error.startswith("build_images.py: expected a container engine that answers, found:\n")
    assert "cannot run docker: No such file or directory" in error
    assert not (tmp_path / "output").exists()


def test_it_runs_with_the_standard_library_alone() -> None:
    """The system's Python has none of the project's packages."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(PROGRAM), "--help"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert "--prune-old" in done.stdout
