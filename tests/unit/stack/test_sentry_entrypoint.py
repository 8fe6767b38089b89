"""The parts that one GlitchTip image plays, with programs of our own in GlitchTip's place."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest

from tests.unit.stack.compose_files import STACK

SCRIPT = STACK / "sentry-entrypoint.sh"

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="the script runs in Linux containers alone"
)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A working directory as the image's, whose programs write down how they were called."""
    called = tmp_path / "called"
    (tmp_path / "bin").mkdir()
    for name in ("bin/run-migrate.sh", "bin/start.sh", "manage.py"):
        program = tmp_path / name
        program.write_text(
            "#!/bin/bash\n"
            f'echo "{name} $* role=${{SERVER_ROLE:-}} worker=${{IS_WORKER:-}}" >> {called}\n'
            f'[[ {name} != "${{FAILING:-}}" ]]\n',
            "utf-8",
        )
        program.chmod(0o755)
    return tmp_path


def run(image: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/bash", str(SCRIPT), *arguments],
        cwd=image,
        env={"PATH": os.environ["PATH"], **variables},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def calls(image: Path) -> list[str]:
    called = image / "called"
    return called.read_text("utf-8").splitlines() if called.exists() else []


@pytest.mark.parametrize("arguments", [[], ["web"]])
def test_web_migrates_and_then_serves(image: Path, arguments: list[str]) -> None:
    assert run(image, *arguments).returncode == 0
    assert calls(image) == [
        "bin/run-migrate.sh  role= worker=",
        "bin/start.sh  role=web worker=",
    ]


def test_web_does_not_serve_a_database_that_could_not_be_migrated(image: Path) -> None:
    assert run(image, "web", FAILING="bin/run-migrate.sh").returncode == 1
    assert calls(image) == ["bin/run-migrate.sh  role= worker="]


def test_upgrade_migrates_alone_and_twice_is_no_harm(image: Path) -> None:
    assert [run(image, "upgrade").returncode for _ in range(2)] == [0, 0]
    assert calls(image) == ["bin/run-migrate.sh  role= worker="] * 2


def test_only_the_worker_takes_events(image: Path) -> None:
    """The queues are ``default`` and, for events, ``ingest``: two takers would mix their order."""
    run(image, "worker")
    run(image, "cron")
    beat = "--health-check-file /tmp/obsstack-heartbeat"
    assert calls(image) == [
        f"manage.py runworker {beat} role= worker=true",
        f"manage.py runworker {beat} --scheduler --queue default role= worker=true",
    ]


def test_any_program_of_the_image_can_be_run(image: Path) -> None:
    assert run(image, "./manage.py", "shell").returncode == 0
    assert calls(image) == ["manage.py shell role= worker="]


def test_an_unknown_part_is_refused(image: Path) -> None:
    done = run(image, "upgrad")
    assert done.returncode == 64
    assert done.stderr == (
        "sentry-entrypoint.sh: expected web, worker, cron, upgrade or a program, found 'upgrad'\n"
    )


@pytest.mark.parametrize("part", ["web", "worker", "cron", "upgrade"])
def test_another_image_is_told_apart(tmp_path: Path, part: str) -> None:
    (tmp_path / "bugsink_conf.py").touch()
    done = run(tmp_path, part)
    assert done.returncode == 1
    assert done.stderr == (
        "sentry-entrypoint.sh: expected GlitchTip (bin/run-migrate.sh, bin/start.sh, manage.py)"
        f" in {tmp_path}, found: bugsink_conf.py \n"
        "Another tracker's image needs its own file: docker-compose.lite.yml or "
        "docker-compose.bugsink.yml.\n"
    )


@contextmanager
def answering(answer: bytes, seen: list[bytes]) -> Iterator[int]:
    """A server that gives one connection this answer."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                received = b""
                while not received.endswith(b"\r\n\r\n"):
                    received += connection.recv(4096)
                seen.append(received)
                connection.sendall(answer)

        thread = Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            thread.join()


@pytest.mark.parametrize(
    ("answer", "code", "output"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", 0, "GET /_health/: HTTP/1.1 200 OK\n"),
        (b"HTTP/1.1 503 Busy\r\n\r\n", 1, "GET /_health/: HTTP/1.1 503 Busy\n"),
        (b"", 1, "no answer from port {port} within 4 s\n"),
    ],
)
def test_a_server_is_well_if_it_answers_200(
    image: Path, answer: bytes, code: int, output: str
) -> None:
    seen: list[bytes] = []
    with answering(answer, seen) as port:
        done = run(image, "healthy-web", "/_health/", GRANIAN_PORT=str(port))
    assert (done.returncode, done.stdout) == (code, output.format(port=port))
    assert seen[0].startswith(b"GET /_health/ HTTP/1.0\r\nHost: localhost\r\n")


def test_a_server_that_does_not_listen_is_not_well(image: Path) -> None:
    with socket.socket() as reserved:
        # Bound and not listening: nobody answers, and nobody else gets the port meanwhile.
        reserved.bind(("127.0.0.1", 0))
        port = str(reserved.getsockname()[1])
        done = run(image, "healthy-web", "/_health/", GRANIAN_PORT=port)
    assert done.returncode == 1
    assert "Connection refused" in done.stderr


@pytest.fixture
def with_heartbeat(image: Path) -> tuple[Path, Path]:
    """The script with a heartbeat file of this test's own, and that file."""
    heartbeat = image / "heartbeat"
    script = image / "entrypoint.sh"
    original = SCRIPT.read_text("utf-8")
    changed = original.replace("heartbeat=/tmp/obsstack-heartbeat", f"heartbeat={heartbeat}")
    assert changed != original
    script.write_text(changed, "utf-8")
    return script, heartbeat


@pytest.mark.parametrize(
    ("age_s", "code", "output"),
    [
        (None, 1, "has not started to work yet\n"),
        (10, 0, "last sign of life 1"),
        (300, 1, "last sign of life 30"),
    ],
)
def test_a_worker_is_well_if_it_beat_lately(
    with_heartbeat: tuple[Path, Path], age_s: int | None, code: int, output: str
) -> None:
    script, heartbeat = with_heartbeat
    if age_s is not None:
        heartbeat.touch()
        then = time.time() - age_s
        os.utime(heartbeat, (then, then))
    done = subprocess.run(
        ["/bin/bash", str(script), "healthy-worker"], capture_output=True, text=True, check=False
    )
    assert done.returncode == code
    assert done.stdout.startswith(output)


def test_a_worker_that_starts_again_forgets_its_last_life(
    image: Path, with_heartbeat: tuple[Path, Path]
) -> None:
    script, heartbeat = with_heartbeat
    heartbeat.touch()
    subprocess.run(["/bin/bash", str(script), "worker"], cwd=image, check=True)
    assert not heartbeat.exists()
