"""Docker Compose v2 as a plugin of the command line, without installing it."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path

from tests.compose.local_images import debian
from tests.compose.local_images.steps import BuildError, Steps

SUITE = "trixie"
"""The oldest suite of Debian with Compose v2; its program needs no newer libc than Debian 12's."""
PACKAGE = "docker-compose"
LEAST = (2, 24)
"""What ``stack/docker-compose.yml`` needs."""


def installed_version(steps: Steps) -> str | None:
    """Of ``docker compose``; ``None`` where there is none."""
    try:
        return steps.run(["docker", "compose", "version", "--short"]).strip()
    except BuildError:
        return None


def is_new_enough(version: str) -> bool:
    match = re.match(r"v?(\d+)\.(\d+)", version)
    return match is not None and (int(match[1]), int(match[2])) >= LEAST


def unpack(config: Path, steps: Steps) -> None:
    """Put the plugin below ``config``, a folder for the variable DOCKER_CONFIG."""
    plugin = config / "cli-plugins" / "docker-compose"
    if plugin.exists():
        return
    plugin.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="obsstack-compose-") as name:
        folder = Path(name)
        debian.unpack_from_suite(SUITE, [PACKAGE], folder, steps)
        found = [path for path in folder.rglob("docker-compose") if path.is_file()]
        if not found:
            raise BuildError(
                f"expected a program docker-compose in {SUITE}'s package {PACKAGE}, found none"
            )
        biggest = max(found, key=lambda path: path.stat().st_size)
        shutil.copy(biggest, plugin)
    plugin.chmod(0o755)
