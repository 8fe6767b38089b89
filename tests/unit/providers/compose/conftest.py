"""An engine of the tests' own behind a program ``docker``, which is all that PATH has."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.providers.compose.fake_engine import FakeEngine, Server
from tests.unit.providers.compose.support import Bench, Programs, stack_images
from tests.unit.providers.support import sleeper


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Programs:
    """PATH without any engine's program."""
    folder = tmp_path / "bin"
    folder.mkdir()
    programs = Programs(folder)
    for name in ("env", "sleep", "touch", "true"):
        programs.link(name)
    monkeypatch.setenv("PATH", str(folder))
    return programs


@pytest.fixture
def server(programs: Programs) -> Iterator[Server]:
    """The engine, reached by no program yet."""
    engine = FakeEngine()
    with Server(engine) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            engine.close()
    assert engine.unknown == []


@pytest.fixture
def engine(server: Server, programs: Programs) -> FakeEngine:
    """An engine with Compose that has every image of the stack."""
    programs.install("docker", server.port)
    server.engine.images |= stack_images()
    return server.engine


@pytest.fixture
def bench(engine: FakeEngine, tmp_path: Path) -> Iterator[Bench]:
    """Opens stacks; the process that owns them ends with the test."""
    owner = sleeper()
    try:
        yield Bench(engine, tmp_path, owner.pid)
    finally:
        owner.kill()
        owner.wait()
