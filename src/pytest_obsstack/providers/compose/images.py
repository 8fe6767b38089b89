"""Images are there before anything starts: built or pulled by name, with progress told."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pytest_obsstack.errors import StackUnavailable
from pytest_obsstack.providers.compose.command import Compose, ComposeFailed


def ensure_images(compose: Compose, services: Sequence[str], tell: Callable[[str], None]) -> None:
    """Build or pull what is missing; raises ``StackUnavailable`` that names service and image."""
    configured = configuration(compose)["services"]
    unknown = [name for name in services if name not in configured]
    if unknown:
        raise StackUnavailable(
            f"The compose files have no service {', '.join(unknown)}.",
            expected=f"a service of that name in one of {', '.join(compose.files)}",
            found=", ".join(sorted(configured)),
            advice="name another one: compose_service of the fixture obs_app_spec",
        )
    wanted = {name: configured[name].get("image") for name in services}
    missing = _missing(compose, [image for image in wanted.values() if image])
    done: set[str] = set()
    for service, image in wanted.items():
        if image is not None and (image not in missing or image in done):
            continue
        if "build" in configured[service]:
            _get(compose, "build", service, image, tell)
        else:
            _get(compose, "pull", service, image, tell)
        done.add(image or "")


def configuration(compose: Compose) -> Mapping[str, Any]:
    """The files as Compose reads them, merged; raises ``StackUnavailable`` where it refuses."""
    try:
        result: Mapping[str, Any] = json.loads(compose.ask("config", "--format", "json"))
    except ComposeFailed:
        # Asked again for what it has to say, which the answer that is parsed leaves out.
        try:
            said = compose.run("config", "--quiet")
        except ComposeFailed as failed:
            said = failed.output
        raise StackUnavailable(
            "The compose files cannot be used.",
            expected=f"Compose accepts {', '.join(compose.files)}",
            found=said.strip() or "Compose refused them without a word",
            advice="correct the files that --obs-compose-file or obs_compose_files name",
        ) from None
    return result


def _missing(compose: Compose, images: Sequence[str]) -> set[str]:
    distinct = list(dict.fromkeys(images))
    status, _ = compose.engine("image", "inspect", "--format", "{{.Id}}", *distinct)
    if status == 0:
        return set()
    return {image for image in distinct if compose.engine("image", "inspect", image)[0] != 0}


def _get(
    compose: Compose, how: str, service: str, image: str | None, tell: Callable[[str], None]
) -> None:
    name = image or f"the image of {service}"
    tell(f"{how}: {name}")
    options = ["--progress", "plain"] if how == "build" else []
    try:
        compose.stream(how, *options, service, tell=tell)
    except ComposeFailed as failed:
        if how == "build":
            raise StackUnavailable(
                f"The image of the service {service} cannot be built.",
                expected=f"`{' '.join(compose.words)} build {service}` succeeds",
                found=_last_line(failed),
                advice="mend the Dockerfile; the last lines of the build follow",
                log_lines=failed.last_lines,
            ) from None
        raise StackUnavailable(
            f"The image of the service {service} cannot be pulled.",
            expected=f"{name} can be pulled, or is there already",
            found=_last_line(failed),
            advice="check the name and the way to the registry (proxy, login, rate limit), load "
            f"the image by hand ({compose.client} load), or name another one in a compose file "
            "of your own (--obs-compose-file)",
            log_lines=failed.last_lines,
        ) from None


def _last_line(failed: ComposeFailed) -> str:
    lines = failed.last_lines
    return lines[-1] if lines else "no output"
