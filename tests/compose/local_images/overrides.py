"""The Compose files that put the local images into the stack, one for each error tracker.

The images have the commands, paths and users of those in ``stack/docker-compose.yml``, so that all
its lines are used as they are: the health checks, the entry script of the tracker, the volumes.
What is added is each image's name, what the stand-in for GlitchTip is told at its start, and that
health is asked for less often.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.compose.local_images.recipes import STAND_INS, Recipes

RESET = "!reset null"
"""What Compose takes for "as if it had not been said"; no JSON, but YAML."""
GLITCHTIP, LITE, BUGSINK = (
    "docker-compose.local.yml",
    "docker-compose.lite.local.yml",
    "docker-compose.bugsink.local.yml",
)
"""Each is given after ``docker-compose.yml`` and, but for the first, its tracker's own override."""

WAITED_FOR = frozenset({"postgres", "redis", "sentry", "inventory"})
"""Services that others wait for at their start: they are asked as often as the stack says."""
SELDOM = {"interval": "3s", "retries": 4}
"""How often the others are asked. Each check costs a core 50 ms, in the engine more than in the
container; each second, and for all of them, that was half a core of the two that a test machine
has. Engines from 25 on could ask often at the start alone."""

_ADMIN = {
    "SENTRY_ADMIN_EMAIL": "${SENTRY_ADMIN_EMAIL-admin@example.com}",
    "SENTRY_ADMIN_PASSWORD": "${SENTRY_ADMIN_PASSWORD-admin}",
    "SENTRY_API_TOKEN": "${SENTRY_API_TOKEN-}",
    "SENTRY_WEBHOOK_HOSTS": "host.docker.internal",
}


def overrides(recipes: Recipes) -> dict[str, dict[str, Any]]:
    """File name → content, of those trackers whose images there are recipes for."""
    tags = {name: recipe.tag for name, recipe in recipes.by_name.items()}

    def service(image: str, **more: Any) -> dict[str, Any]:
        # Never: no registry is asked, and an image that is gone is said to be gone.
        return {"image": tags[image], "pull_policy": "never", **more}

    def common() -> dict[str, Any]:
        names = ("postgres", "redis", "prometheus", *STAND_INS)
        return {
            **{name: service(name) for name in names},
            **{name: service("app", build=RESET) for name in ("app", "inventory")},
        }

    of_glitchtip = {
        "sentry": service("glitchtip", environment=_ADMIN),
        "sentry-worker": service("glitchtip"),
        "sentry-cron": service("glitchtip"),
    }
    lite = {"sentry": service("lite", build=RESET)}
    files = {
        GLITCHTIP: {"services": {**common(), **of_glitchtip}},
        LITE: {"services": {**common(), **lite}},
    }
    if "bugsink" in tags:
        files[BUGSINK] = {"services": {**common(), "sentry": service("bugsink")}}
    for content in files.values():
        for name, told in content["services"].items():
            # The collector's image has no program that could ask, see there.
            if name not in WAITED_FOR and name != "otel-collector":
                told["healthcheck"] = SELDOM
    return files


def as_yaml(content: Mapping[str, Any]) -> str:
    """JSON, which is YAML, but for Compose's own tag."""
    return json.dumps(content, indent=2).replace(json.dumps(RESET), RESET) + "\n"


def write_overrides(folder: Path, recipes: Recipes) -> list[Path]:
    """Write the files; those written."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, content in overrides(recipes).items():
        path = folder / name
        path.write_text(as_yaml(content))
        written.append(path)
    return written
