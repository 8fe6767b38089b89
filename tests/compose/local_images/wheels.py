"""Python packages for an image, fetched by this machine's pip and index, whatever its Python is."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.compose.local_images import pins
from tests.compose.local_images.steps import BuildError, Steps

ROOT = Path(__file__).resolve().parents[3]
PYTHON = pins.Target("3.11")
"""Debian 12's."""


def install_wheels(
    requirements: str, folder: Path, architecture: str, steps: Steps, *, hashed: bool
) -> None:
    """Install for the image's Python with this machine's pip, as its owner has set it up.

    Wheels alone, so nothing is compiled and the two Pythons need not be of one version.
    """
    listed = folder / "requirements.txt"
    listed.write_text(requirements)
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(architecture, architecture)
    # glibc 2.36 is Debian 12's; pip takes the tags in the order given.
    platforms = [f"manylinux_2_{minor}_{machine}" for minor in range(36, 4, -1)]
    platforms.append(f"manylinux2014_{machine}")
    digits = PYTHON.python.replace(".", "")
    steps.run(
        [
            *pip_command(steps),
            "install",
            "--quiet",
            "--no-deps",
            "--no-compile",
            "--only-binary=:all:",
            "--implementation=cp",
            f"--python-version={PYTHON.python}",
            *(f"--abi={abi}" for abi in (f"cp{digits}", "abi3", "none")),
            *(f"--platform={platform}" for platform in platforms),
            *(["--require-hashes"] if hashed else []),
            "--root-user-action=ignore",
            f"--target={folder / 'site'}",
            f"--requirement={listed}",
        ]
    )


def pip_command(steps: Steps) -> list[str]:
    """The first pip at hand: this Python's, the development environment's, the one on PATH."""
    candidates = (sys.executable, str(ROOT / ".venv" / "bin" / "python"), "python3")
    for python in candidates:
        command = [python, "-m", "pip"]
        try:
            steps.run([*command, "--version"])
        except BuildError:
            continue
        return command
    raise BuildError(
        f"expected pip in one of {', '.join(candidates)}, found none;"
        " do: apt-get install python3-pip, or ./dev check, which makes .venv"
    )
