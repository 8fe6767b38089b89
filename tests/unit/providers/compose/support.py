"""What the tests of stacks of containers share: programs on PATH, options, stacks to be opened."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pytest_obsstack.options import Options
from pytest_obsstack.providers.compose.launch import take_down
from pytest_obsstack.providers.shipped import stack_folder
from pytest_obsstack.providers.state import StackState
from pytest_obsstack.provision.containers import Wanted, open_containers
from pytest_obsstack.provision.names import Settings
from tests.unit.providers.compose import compose_reading, fake_docker
from tests.unit.providers.compose.fake_engine import FakeEngine

RUN_ID = "20261126-080000-abcdef"
PROJECT = f"obsstack-{RUN_ID}"
TRACKER = "http://tracker.example:9000"
TOKEN = "tracker-token-0123"
DSN = "http://0123456789abcdef@tracker.example:9000/1"


@dataclass
class Programs:
    """A folder that is all of PATH."""

    folder: Path

    def install(self, name: str, port: int) -> None:
        """A program that asks the engine at that port."""
        path = self.folder / name
        path.write_text(
            f"#!{sys.executable} -IS\n"
            "import sys\n"
            f"sys.path.insert(0, {str(Path(fake_docker.__file__).parent)!r})\n"
            "import fake_docker\n"
            f"sys.exit(fake_docker.main({port}))\n"
        )
        path.chmod(0o755)

    def script(self, name: str, text: str) -> None:
        path = self.folder / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def link(self, name: str) -> None:
        (self.folder / name).symlink_to(shutil.which(name) or f"/usr/bin/{name}")


@dataclass
class Bench:
    """Opens stacks on the tests' engine, and takes them down again."""

    engine: FakeEngine
    folder: Path
    owner_pid: int
    told: list[str] = field(default_factory=list)

    def wanted(
        self,
        options: Options | None = None,
        *,
        files: Sequence[Path] = (),
        more_services: Sequence[str] = (),
        kept: bool = False,
        run_id: str = RUN_ID,
    ) -> Wanted:
        folder = self.folder / "runs" / run_id / "stack"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return Wanted(
            options=options or compose_options(),
            settings=Settings(),
            folder=folder,
            run_id=run_id,
            owner_pid=self.owner_pid,
            kept=kept,
            files=files,
            more_services=more_services,
            tell=self.told.append,
        )

    @contextmanager
    def stack(self, wanted: Wanted | None = None) -> Iterator[StackState]:
        state = open_containers(wanted or self.wanted())
        assert state.compose is not None
        try:
            yield state
        finally:
            take_down(state.compose.compose, state.process)

    def file(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        return path

    def text(self, error: BaseException | str) -> str:
        """A message without what differs from run to run."""
        return normalised(str(error), self.folder)


def compose_options(
    use: Mapping[str, str] | None = None,
    port: Mapping[str, int] | None = None,
    *,
    start_timeout_s: float = 20.0,
    sentry_dsn: str = DSN,
    sentry_token: str | None = TOKEN,
) -> Options:
    """Containers with the error tracker elsewhere: nothing has to be set up then."""
    return Options(
        stack="compose",
        use={"sentry": TRACKER, **(use or {})},
        port=port or {},
        start_timeout_s=start_timeout_s,
        sentry_token=sentry_token,
        sentry_organization="obsstack",
        sentry_project="simple-app",
        sentry_dsn=sentry_dsn,
    )


def stack_images(tracker: str = "lite") -> set[str]:
    """Every image that the stack's own files name."""
    stack = stack_folder()
    files = [stack / "docker-compose.yml", stack / f"docker-compose.{tracker}.yml"]
    config = compose_reading.read([str(file) for file in files], {}, stack)
    return {service["image"] for service in config["services"].values()}


def normalised(text: str, folder: Path) -> str:
    """The text without what differs from run to run."""
    text = text.replace(str(folder), "FOLDER").replace(str(stack_folder()), "STACK")
    text = re.sub(r"\d{8}-\d{6}-[0-9a-f]{6}", "RUN", text)
    return re.sub(r"127\.0\.0\.1:\d+", "HOST", text)
