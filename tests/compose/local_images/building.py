"""Builds what is missing: each image in a thread, which waits for its parent only when it must."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path

from tests.compose.local_images.docker import Docker
from tests.compose.local_images.recipes import Recipe
from tests.compose.local_images.steps import BuildError, Steps


@contextmanager
def alone(steps: Steps) -> Iterator[None]:
    """While this lasts no other process of this user builds or prunes: it waits for its turn.

    Else two would build the same, and one would remove what the other is just building on.
    """
    path = Path(tempfile.gettempdir()) / f"obsstack-local-images-{os.getuid()}.lock"
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with steps.step("waited for another build"):
                fcntl.flock(file, fcntl.LOCK_EX)
        yield


class ParentFailed(Exception):
    """Told with the parent; not told again."""


def build_missing(wanted: Sequence[Recipe], docker: Docker, steps: Steps) -> list[Recipe]:
    """Build those of ``wanted`` (parents first) that the engine lacks; the ones built.

    Downloads for an image and the build of its parent go on at the same time. After a failure the
    others are finished, so that the next try finds them; then ``BuildError`` tells all failures.
    """
    there = docker.tags()
    missing = [recipe for recipe in wanted if recipe.tag not in there]
    jobs: dict[str, Future[None]] = {}
    if not missing:
        return []
    with ThreadPoolExecutor(max_workers=len(missing)) as pool:
        for recipe in missing:
            parent = None if recipe.parent is None else jobs.get(recipe.parent.tag)
            jobs[recipe.tag] = pool.submit(_build, recipe, parent, docker, steps)
    names = {jobs[recipe.tag]: recipe.name for recipe in missing}
    failures = []
    for job in as_completed(names):
        error = job.exception()
        if isinstance(error, BuildError):
            failures.append(f"{names[job]}: {error}")
        elif error is not None and not isinstance(error, ParentFailed):
            raise error
    if failures:
        raise BuildError("\n".join(sorted(failures)))
    return missing


def _build(recipe: Recipe, parent: Future[None] | None, docker: Docker, steps: Steps) -> None:
    with _prepared(recipe, steps) as folder:
        if parent is not None and parent.exception() is not None:
            raise ParentFailed
        with steps.step(f"{recipe.name}: image {recipe.tag}"):
            if recipe.parent is None:
                assert folder is not None
                docker.import_tree(folder, recipe.tag, recipe.name)
                return
            docker.build(
                recipe.tag,
                name=recipe.name,
                arguments={"BASE_IMAGE": recipe.parent.tag, **recipe.arguments},
                files=recipe.files,
                prepared=folder,
            )


@contextmanager
def _prepared(recipe: Recipe, steps: Steps) -> Iterator[Path | None]:
    """The folder with what the recipe prepares on this machine, gone afterwards."""
    if recipe.prepare is None:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix=f"obsstack-{recipe.name}-") as name:
        folder = Path(name)
        # As a root file system's; a temporary folder is its owner's alone.
        folder.chmod(0o755)
        with steps.step(f"{recipe.name}: files"):
            recipe.prepare(folder, steps)
        yield folder


def prune(recipes: Sequence[Recipe], docker: Docker, steps: Steps) -> list[str]:
    """Remove the images made here that none of ``recipes`` stands for; the tags removed.

    Likewise what failed builds have left, which has no tag.
    """
    current = {recipe.tag for recipe in recipes}
    removed = []
    for tag in [*docker.tags(), *docker.untagged()]:
        if tag in current:
            continue
        try:
            docker.remove(tag)
        except BuildError as error:
            steps.say(f"  {tag} stays: {str(error).splitlines()[-1].strip()}")
        else:
            steps.say(f"  {tag} removed")
            removed.append(tag)
    return removed
