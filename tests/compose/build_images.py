#!/usr/bin/env python3
"""Builds the stack's images on this machine, for where no image registry can be reached.

Debian's packages where Debian has the product, the project's own sources for the app and the
embedded servers, and those servers in the place of products that Debian lacks (labelled so). Needs
a container engine, apt, debootstrap (as root) and pip; the system's python3 runs it.

Writes Compose files that put these images into ``stack/docker-compose.yml``; they are given last:

    docker compose -f stack/docker-compose.yml -f OUTPUT/docker-compose.local.yml up -d
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.compose.local_images import debian  # noqa: E402 - path first
from tests.compose.local_images.building import alone, build_missing, prune  # noqa: E402
from tests.compose.local_images.docker import Docker  # noqa: E402
from tests.compose.local_images.overrides import write_overrides  # noqa: E402
from tests.compose.local_images.recipes import DEFAULT, ON_DEMAND, all_recipes  # noqa: E402
from tests.compose.local_images.steps import BuildError, Steps  # noqa: E402


def parser() -> argparse.ArgumentParser:
    assert __doc__ is not None
    result = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    result.add_argument(
        "--output",
        type=Path,
        default=ROOT / ".obsstack-images",
        help="folder of the Compose files (default: .obsstack-images at the repository's top)",
    )
    result.add_argument(
        "--with",
        dest="extra",
        action="append",
        default=[],
        choices=ON_DEMAND,
        help="build this image too",
    )
    result.add_argument(
        "--only",
        action="append",
        default=[],
        choices=(*DEFAULT, *ON_DEMAND),
        help="build this image and what it builds on, and no other",
    )
    result.add_argument(
        "--prune-old",
        action="store_true",
        help="remove images that an earlier state of the sources left, by this program's label",
    )
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    steps = Steps()
    began = time.monotonic()
    try:
        docker = Docker(steps)
        docker.check()
        recipes = all_recipes(debian.architecture(steps))
        chosen = [*(options.only or DEFAULT), *options.extra]
        wanted = recipes.with_parents(chosen)
        with alone(steps):
            built = build_missing(wanted, docker, steps)
            written = write_overrides(options.output, recipes)
            if options.prune_old:
                prune(list(recipes.by_name.values()), docker, steps)
    except BuildError as error:
        steps.say(f"{Path(__file__).name}: {error}")
        return 1
    steps.say(
        f"  {time.monotonic() - began:6.1f} s  in all: {len(built)} of {len(wanted)} images built,"
        f" {', '.join(path.name for path in written)} in {options.output}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
