"""The few questions and orders to the engine; everything through its command line."""

from __future__ import annotations

import io
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from tests.compose.local_images.hashing import SourceFile
from tests.compose.local_images.steps import BuildError, Steps

MADE_BY = "io.pytest-obsstack.local-image"
"""The label of every image that is built here; its value is the image's name."""
_MTIME_S = 946684800
"""Of every file in a context (2000-01-01): neither a checkout's nor the present time matters."""


class Docker:
    """The engine of this machine."""

    def __init__(self, steps: Steps, command: str = "docker") -> None:
        self._steps = steps
        self._command = command

    def check(self) -> None:
        """``BuildError`` where no engine answers."""
        try:
            self._run("version", "--format", "{{.Server.Version}}")
        except BuildError as error:
            raise BuildError(
                f"expected a container engine that answers, found:\n{error}\n"
                "start one (tests/compose/engine.py start --folder F), or set DOCKER_HOST"
            ) from error

    def tags(self) -> dict[str, str]:
        """Tag to image id, of the images made here."""
        listed = self._list("{{.Repository}}:{{.Tag}} {{.ID}}", "dangling=false")
        return dict(line.split() for line in listed)

    def untagged(self) -> list[str]:
        """The ids of those that no tag and no other image needs."""
        return self._list("{{.ID}}", "dangling=true")

    def _list(self, format: str, condition: str) -> list[str]:
        return self._run(
            *("images", "--filter", f"label={MADE_BY}", "--filter", condition),
            *("--format", format),
        ).splitlines()

    def import_tree(self, folder: Path, tag: str, name: str) -> None:
        """A root file system as an image of one layer."""
        with tempfile.NamedTemporaryFile() as archive:
            # tar itself: it keeps owners, links and devices as they are, and it is fast.
            self._steps.run(["tar", "-C", folder, "-cf", archive.name, "."])
            self._run("import", "--change", f"LABEL {MADE_BY}={name}", archive.name, tag)

    def build(
        self,
        tag: str,
        *,
        name: str,
        arguments: Mapping[str, str],
        files: Mapping[str, SourceFile],
        prepared: Path | None,
    ) -> None:
        """Build the ``Dockerfile`` among ``files``; the folder ``prepared`` is ``/prepared`` there.

        By the classic builder: it is in every engine, it takes local images as base without asking
        a registry, and buildx is not among Debian 12's packages. Without a network: what is fetched
        is fetched by this machine's own apt and pip, as its owner has set them up.
        """
        with tempfile.TemporaryFile() as context:
            write_context(context, files, prepared)
            context.seek(0)
            self._run(
                "build",
                *("--tag", tag),
                *("--label", f"{MADE_BY}={name}"),
                *(f"--build-arg={key}={value}" for key, value in arguments.items()),
                *("--network", "none"),
                *("--force-rm", "--quiet", "-"),
                stdin=context,
            )

    def remove(self, tag: str) -> None:
        self._run("rmi", tag)

    def _run(self, *arguments: str, stdin: IO[bytes] | None = None) -> str:
        return self._steps.run(
            [self._command, *arguments], stdin=stdin, environment={"DOCKER_BUILDKIT": "0"}
        )


def write_context(
    stream: IO[bytes], files: Mapping[str, SourceFile], prepared: Path | None
) -> None:
    """A build context as tar: the same bytes for the same content, whenever it was checked out."""
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, file in sorted(files.items()):
            member = tarfile.TarInfo(name)
            member.size, member.mtime = len(file.content), _MTIME_S
            member.mode = 0o755 if file.executable else 0o644
            archive.addfile(member, io.BytesIO(file.content))
        if prepared is not None:
            archive.add(prepared, "prepared", filter=_anonymous)


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mtime = _MTIME_S
    return member
