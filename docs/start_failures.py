"""What a stack of containers says that does not start: cases that are run, and their messages.

They are run against the engine of the provider's own tests, which is none, so that they can be
shown, and checked, on every machine.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from pytest_obsstack.errors import ObsstackError
from pytest_obsstack.provision.kept_containers import ended_by_hand
from tests.unit.providers.compose.fake_engine import Behaviour, FakeEngine, Server
from tests.unit.providers.compose.support import Bench, Programs, compose_options, stack_images
from tests.unit.providers.support import sleeper

PREFIX = "start-"
"""Of the names of these sections."""


@dataclass(frozen=True)
class Trial:
    """One case: what is wrong on the machine, and what somebody then asks for."""

    bench: Bench
    programs: Programs

    @property
    def engine(self) -> FakeEngine:
        return self.bench.engine

    def start(self, **wanted: object) -> None:
        with self.bench.stack(self.bench.wanted(**wanted)):  # type: ignore[arg-type]
            pass


def no_compose(trial: Trial) -> None:
    (trial.programs.folder / "docker").unlink()
    trial.start()


def no_engine(trial: Trial) -> None:
    trial.engine.answering = False
    trial.start()


def no_image(trial: Trial) -> None:
    image = next(name for name in trial.engine.images if "/loki:" in name)
    trial.engine.images.remove(image)
    trial.engine.pull_errors[image] = (
        "Error response from daemon: Get https://registry-1.docker.io/v2/: dial tcp: lookup "
        "registry-1.docker.io: no such host"
    )
    trial.start()


def no_build(trial: Trial) -> None:
    trial.engine.build_errors["shop"] = (
        'ERROR: process "/bin/sh -c npm ci" did not complete successfully: exit code: 1'
    )
    file = trial.bench.file("docker-compose.yml", "services:\n  shop:\n    build: .\n")
    trial.start(files=[file], more_services=["shop"])


def never_healthy(trial: Trial) -> None:
    trial.engine.behaviours["tempo"] = Behaviour(
        health="unhealthy",
        health_output="status 503: waiting for the ring",
        answers=503,
        log=("level=info msg=starting", "level=warn msg=waiting for the ring"),
    )
    trial.start(options=compose_options(start_timeout_s=4))


def ends_at_once(trial: Trial) -> None:
    trial.engine.behaviours["loki"] = Behaviour(exits=1, log=("parsing config", "no such field"))
    trial.start()


def port_taken(trial: Trial) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        trial.start(options=compose_options(port={"grafana": port}))


def no_service(trial: Trial) -> None:
    trial.start(more_services=["shop"])


def no_file(trial: Trial) -> None:
    trial.start(files=[trial.bench.folder / "docker-compose.shop.yml"])


def not_whole(trial: Trial) -> None:
    """What a kept stack says of which somebody has removed a container."""
    with trial.bench.stack(trial.bench.wanted(kept=True)) as state:
        name = next(n for n, each in trial.engine.containers.items() if each.service == "loki")
        trial.engine.remove(name)
        broken = ended_by_hand(state)
        if broken is not None:
            raise broken


CASES: Mapping[str, Callable[[Trial], None]] = {
    "start-no-compose": no_compose,
    "start-no-engine": no_engine,
    "start-no-image": no_image,
    "start-no-build": no_build,
    "start-never-healthy": never_healthy,
    "start-ends-at-once": ends_at_once,
    "start-port-taken": port_taken,
    "start-no-service": no_service,
    "start-no-file": no_file,
    "start-not-whole": not_whole,
}
"""By the name of the section that shows it."""


def section(name: str) -> str:
    """The message of a case, as it stands in a page."""
    return f"```text\n{message(name)}\n```"


def message(name: str) -> str:
    """Run the case; its message, without what differs from run to run."""
    with _trial() as trial:
        try:
            CASES[name](trial)
        except ObsstackError as error:
            return normalised(str(error), trial.bench.folder)
    raise ValueError(f"the case {name} does not fail")


def normalised(text: str, folder: Path) -> str:
    """Folders, ports and runs as they might be in anybody's run."""
    from pytest_obsstack.providers.shipped import stack_folder

    text = text.replace(f"{folder}/runs", ".obsstack/runs").replace(f"{folder}/", "")
    text = text.replace(str(stack_folder()), "stack")
    text = re.sub(r"\d{8}-\d{6}-[0-9a-f]{6}", "20260102-030405-a1b2c3", text)
    text = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:41000", text)
    text = re.sub(r"\bport \d+ on 127", "port 41000 on 127", text)
    return re.sub(r"--obs-port (\w+)=\d+", r"--obs-port \1=41000", text)


@contextlib.contextmanager
def _trial() -> Iterator[Trial]:
    """An engine behind a program ``docker``, which is all that PATH has."""
    with contextlib.ExitStack() as stack:
        # Short: the path of a log is part of some messages.
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        binaries = folder / "bin"
        binaries.mkdir()
        programs = Programs(binaries)
        for name in ("env", "sleep"):
            programs.link(name)
        engine = FakeEngine()
        server = stack.enter_context(Server(engine))
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        stack.callback(engine.close)
        stack.callback(server.shutdown)
        programs.install("docker", server.port)
        engine.images |= stack_images()
        owner = stack.enter_context(sleeper())
        stack.callback(owner.kill)
        stack.enter_context(patch.dict(os.environ, {"PATH": str(binaries)}))
        yield Trial(Bench(engine, folder, owner.pid), programs)
