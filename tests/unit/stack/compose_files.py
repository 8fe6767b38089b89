"""The compose files as written, and as Docker Compose understands them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from pytest_obsstack.providers.shipped import stack_folder

STACK = stack_folder()

GUIDE_SERVICES = frozenset(
    {
        *("postgres", "redis", "sentry", "sentry-worker", "sentry-cron"),
        *("otel-collector", "prometheus", "loki", "grafana", "app"),
    }
)
SERVICES = GUIDE_SERVICES | {"tempo", "inventory"}

TRACKERS: Mapping[str, tuple[str, ...]] = {
    "glitchtip": ("docker-compose.yml",),
    "lite": ("docker-compose.yml", "docker-compose.lite.yml"),
    "bugsink": ("docker-compose.yml", "docker-compose.bugsink.yml"),
}
"""Tracker → the files that give a stack with it."""
COMPOSE_FILES = tuple(dict.fromkeys(name for files in TRACKERS.values() for name in files))

MINIMUM = (2, 24)


class ComposeLoader(yaml.SafeLoader):
    """YAML with Compose's own tags, which are dropped."""


def _untagged(loader: ComposeLoader, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return None


for tag in ("!override", "!reset"):
    ComposeLoader.add_constructor(tag, _untagged)


@cache
def written(name: str) -> dict[str, Any]:
    """A compose file as it stands in ``stack``, its anchors resolved, its variables not."""
    # A subclass of the safe loader.
    content: dict[str, Any] = yaml.load((STACK / name).read_text("utf-8"), ComposeLoader)  # noqa: S506
    return content


@cache
def why_no_compose() -> str | None:
    """What keeps ``docker compose config`` from being asked; it needs no engine."""
    if shutil.which("docker") is None:
        return "no docker on PATH"
    asked = subprocess.run(
        ["docker", "compose", "version", "--short"], capture_output=True, text=True, check=False
    )
    if asked.returncode != 0:
        return "docker has no plugin compose"
    version = asked.stdout.strip().lstrip("v")
    parts = tuple(int(part) for part in version.split("-")[0].split(".")[:2])
    return f"Docker Compose {version} is older than 2.24" if parts < MINIMUM else None


def understood(
    files: Sequence[str],
    *,
    profiles: Sequence[str] = ("full",),
    variables: Mapping[str, str] | None = None,
    project: str | None = None,
) -> dict[str, Any]:
    """What Compose makes of files of ``stack``; skips the test where there is no Compose."""
    if (reason := why_no_compose()) is not None:
        pytest.skip(f"compose files are read by Docker Compose itself: {reason}")
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/nonexistent")}
    command = ["docker", "compose"]
    for file in files:
        command += ["-f", str(STACK / file)]
    if project is not None:
        command += ["-p", project]
    done = subprocess.run(
        [*command, "config", "--format", "json"],
        env={**environment, "COMPOSE_PROFILES": ",".join(profiles), **(variables or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    # Nothing to warn of: no variable without a value, nothing obsolete.
    assert done.stderr == ""
    config: dict[str, Any] = json.loads(done.stdout)
    return config


def mounted_files(service: Mapping[str, Any]) -> list[Path]:
    """Files and folders of this machine that a written service mounts."""
    here = "${OBSSTACK_FOLDER-.}/"
    sources = [str(mount).split(":")[0] for mount in service.get("volumes", ())]
    return [STACK / source.removeprefix(here) for source in sources if source.startswith(here)]
