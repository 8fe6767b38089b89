"""The engine's processes: started in a folder of its own, and ended so that none is left.

Everything that an engine can be told to keep in one place is kept in the folder: its data, its
socket, the state of its containers. Its default bridge (``docker0``) is what containers reach this
machine by, under the name ``host.docker.internal``.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.compose.local_images.steps import TAIL_LINES, BuildError, Steps

START_S = 60.0
STOP_S = 30.0
_POLL_S = 0.05
_SOCKET_PATH_BYTES = 107
"""The longest path of a socket on Linux; containerd's is the longest one here."""


class Daemon:
    """The engine of ``folder``."""

    def __init__(self, folder: Path, steps: Steps) -> None:
        self.folder = folder
        self._steps = steps
        self.host = f"unix://{folder / 'docker.sock'}"
        self._containerd_socket = folder / "exec" / "containerd" / "containerd.sock.ttrpc"

    def spawn(self) -> int:
        """The process id of a new engine, which may not answer yet."""
        path = shutil.which("dockerd") or shutil.which("dockerd", path="/usr/sbin:/sbin")
        if path is None:
            raise BuildError(
                "expected dockerd, found none; do: apt-get install --no-install-recommends"
                " docker.io iptables"
            )
        if os.geteuid() != 0:
            raise BuildError("expected root, which an engine needs, found another user; use sudo")
        longest = len(os.fsencode(self._containerd_socket))
        if longest > _SOCKET_PATH_BYTES:
            raise BuildError(
                f"expected a folder whose sockets have paths of {_SOCKET_PATH_BYTES} bytes, found"
                f" {longest} with {self.folder}; use a shorter one"
            )
        command = [
            path,
            f"--host={self.host}",
            f"--data-root={self.folder / 'data'}",
            f"--exec-root={self.folder / 'exec'}",
            f"--pidfile={self.folder / 'pid'}",
        ]
        (self.folder / "pid").unlink(missing_ok=True)
        with (self.folder / "engine.log").open("ab") as log:
            # A session of its own: a signal to the caller's group does not end it before its
            # containers are gone.
            return subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            ).pid

    def wait_until_it_answers(self, pid: int) -> None:
        deadline = time.monotonic() + START_S
        while True:
            problem = self.problem()
            if problem is None:
                return
            if not is_running(pid):
                raise BuildError(f"the engine ended at its start:\n{self._log_tail()}")
            if time.monotonic() > deadline:
                raise BuildError(
                    f"expected an engine that answers within {START_S:g} s, found:\n{problem}\n"
                    f"{self._log_tail()}"
                )
            time.sleep(_POLL_S)

    def problem(self) -> str | None:
        """Why the engine does not answer, or ``None``."""
        try:
            self.docker("version", "--format", "{{.Server.Version}}")
        except BuildError as error:
            return str(error)
        return None

    def docker(self, *arguments: str) -> str:
        return self._steps.run(["docker", "--host", self.host, *arguments])

    def empty(self) -> None:
        """Remove all containers and networks: with them go processes, mounts, bridges and rules."""
        containers = self.docker("ps", "--all", "--quiet").split()
        if containers:
            self.docker("rm", "--force", *containers)
        networks = self.docker("network", "ls", "--quiet", "--filter", "type=custom").split()
        if networks:
            self.docker("network", "rm", *networks)

    def end(self, pid: int) -> None:
        """End the engine, and what it has left, by force where it takes too long."""
        if is_running(pid):
            os.kill(pid, signal.SIGTERM)
        _wait(lambda: not is_running(pid), STOP_S)
        self.end_processes()

    def end_processes(self) -> None:
        """By force where they take too long."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            for other in self.processes():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(other, number)
            if _wait(lambda: not list(self.processes()), 5.0):
                # Else the next engine waits for a containerd of that number.
                (self.folder / "exec" / "containerd" / "containerd.pid").unlink(missing_ok=True)
                return
        left = " ".join(map(str, self.processes()))
        raise BuildError(f"expected no process of the engine in {self.folder}, found {left}")

    def processes(self) -> Iterator[int]:
        """Of the engine, its containerd and their helpers, which name the folder; of containers."""
        mark = os.fsencode(self.folder) + b"/"
        containers = [os.fsencode(path.name) for path in self.folder.glob("data/containers/*")]
        for path in Path("/proc").glob("[0-9]*"):
            pid = int(path.name)
            with contextlib.suppress(OSError):
                words = (path / "cmdline").read_bytes().split(b"\0")
                groups = (path / "cgroup").read_bytes()
                program = words[0].rpartition(b"/")[2]
                engine = program.startswith((b"dockerd", b"containerd", b"runc"))
                of_engine = engine and any(mark in word for word in words[1:])
                of_container = any(container in groups for container in containers)
                if (of_engine or of_container) and is_running(pid):
                    yield pid

    def unmount(self) -> None:
        """Whatever is mounted below the folder, the deepest first."""
        below = f"{self.folder}/"
        points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
        for point in sorted((p for p in points if p.startswith(below)), key=len, reverse=True):
            self._steps.run(["umount", "--lazy", point])

    def _log_tail(self) -> str:
        lines = (self.folder / "engine.log").read_text(errors="replace").splitlines()
        return "\n".join(lines[-TAIL_LINES:])


def is_running(pid: int) -> bool:
    """Whether the process exists and is more than an entry that nobody has collected yet."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _wait(condition: Callable[[], bool], timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_S)
    return True
