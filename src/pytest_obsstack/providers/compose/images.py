"""Images are there before anything starts: built or pulled by name, with progress told."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_obsstack.errors import StackUnavailable
from pytest_obsstack.providers.compose.command import Compose, ComposeFailed, reason
from pytest_obsstack.providers.compose.project import IMAGE_NAMES
from pytest_obsstack.providers.state import write_private


def ensure_images(
    compose: Compose,
    services: Sequence[str],
    app_services: Sequence[str],
    tell: Callable[[str], None],
) -> None:
    """Build or pull what is missing; raises ``StackUnavailable`` that names service and image.

    The app's services, and what they depend on, are built in any case where they can be: their code
    may have changed.
    """
    configured = configuration(compose)["services"]
    unknown = [name for name in (*services, *app_services) if name not in configured]
    if unknown:
        raise StackUnavailable(
            f"The compose files have no service {', '.join(unknown)}.",
            expected=f"a service of that name in one of {', '.join(compose.files)}",
            found=", ".join(sorted(configured)),
            advice="name another one: compose_service of the fixture obs_app_spec",
        )
    stack = _with_dependencies(configured, services)
    every = [*stack, *(_with_dependencies(configured, app_services, but=stack))]
    own_names = {
        name: _image_name(name, configured[name])
        for name in every
        if "build" in configured[name] and "image" not in configured[name]
    }
    if own_names:
        names = {name: {"image": image} for name, image in own_names.items()}
        write_private(Path(compose.folder) / IMAGE_NAMES, json.dumps({"services": names}))
    wanted = {name: own_names.get(name) or configured[name]["image"] for name in every}
    missing = _missing(compose, list(wanted.values()))
    done: set[str] = set()
    for service, image in wanted.items():
        can_be_built = "build" in configured[service]
        anew = can_be_built and service not in stack
        if (anew or image in missing) and image not in done:
            before = _id(compose, image) if service in own_names else None
            _get(compose, "build" if can_be_built else "pull", service, image, tell)
            if before not in (None, _id(compose, image)):
                # Nobody has given it a name, and nobody can find it. One in use stays.
                compose.engine("rmi", str(before))
            done.add(image)


def _image_name(service: str, configured: Mapping[str, Any]) -> str:
    """A name that is the same in every run.

    Compose's own holds the project's name, so every run would leave an image behind.
    """
    build = json.dumps(configured["build"], sort_keys=True)
    return f"pytest-obsstack/{service}:{hashlib.sha256(build.encode()).hexdigest()[:16]}"


def _with_dependencies(
    configured: Mapping[str, Any], services: Sequence[str], *, but: Sequence[str] = ()
) -> list[str]:
    """The services and all that Compose starts before them, without those of ``but``."""
    found: list[str] = []
    pending = list(services)
    while pending:
        name = pending.pop(0)
        if name in configured and name not in (*found, *but):
            found.append(name)
            pending += configured[name].get("depends_on", {})
    return found


def configuration(compose: Compose) -> Mapping[str, Any]:
    """The files as Compose reads them, merged; raises ``StackUnavailable`` where it refuses."""
    try:
        result: Mapping[str, Any] = json.loads(compose.ask("config", "--format", "json"))
    except ComposeFailed as failed:
        raise StackUnavailable(
            "The compose files cannot be used.",
            expected=f"Compose accepts {', '.join(compose.files)}",
            found=failed.output.strip() or "Compose refused them without a word",
            advice="correct the files that --obs-compose-file or obs_compose_files name",
        ) from None
    return result


def _id(compose: Compose, image: str) -> str | None:
    status, output = compose.engine("image", "inspect", "--format", "{{.Id}}", image)
    return output.strip() if status == 0 else None


def _missing(compose: Compose, images: Sequence[str]) -> set[str]:
    distinct = list(dict.fromkeys(images))
    status, _ = compose.engine("image", "inspect", "--format", "{{.Id}}", *distinct)
    if status == 0:
        return set()
    return {image for image in distinct if compose.engine("image", "inspect", image)[0] != 0}


def _get(compose: Compose, how: str, service: str, image: str, tell: Callable[[str], None]) -> None:
    tell(f"{how}: {image}")
    options = ["--progress", "plain"] if how == "build" else []
    try:
        compose.run(how, *options, service, tell=tell)
    except ComposeFailed as failed:
        if how == "build":
            raise StackUnavailable(
                f"The image of the service {service} cannot be built.",
                expected=f"`{' '.join(compose.words)} build {service}` succeeds",
                found=reason(failed.output),
                advice="mend the Dockerfile; the last lines of the build follow",
                log_lines=failed.last_lines,
            ) from None
        raise StackUnavailable(
            f"The image of the service {service} cannot be pulled.",
            expected=f"{image} can be pulled, or is there already",
            found=reason(failed.output),
            advice="check the name and the way to the registry (proxy, login, rate limit), load "
            f"the image by hand ({compose.client} load), or name another one in a compose file "
            "of your own (--obs-compose-file)",
            log_lines=failed.last_lines,
        ) from None
