"""The app as it is deployed: a gunicorn process with its workers."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.unit.app.backend import free_port, poll

APP_FOLDER = Path(__file__).parents[3] / "stack" / "app"
COMMAND = [sys.executable, "-m", "gunicorn", "-c", str(APP_FOLDER / "gunicorn.conf.py"), "app:app"]

OWN_PREFIXES = ("SENTRY_", "OTEL_", "APP_", "WEB_", "GUNICORN_", "LOG_LEVEL", "PORT", "HOST")


def environ_with(variables: Mapping[str, str]) -> dict[str, str]:
    """The environment without what the app would read, and with ``variables``."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(OWN_PREFIXES)}
    return {**inherited, **variables}


class Served:
    """A running app."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process = process
        self.url = f"http://127.0.0.1:{port}"
        self.client = httpx.Client(base_url=self.url, timeout=10, trust_env=False)
        self.stdout: list[str] = []
        self.stderr: list[str] = []
        self._readers = [
            threading.Thread(target=self._read, args=(process.stdout, self.stdout)),
            threading.Thread(target=self._read, args=(process.stderr, self.stderr)),
        ]
        for reader in self._readers:
            reader.start()

    @staticmethod
    def _read(stream: Any, into: list[str]) -> None:
        into.extend(stream)  # line by line, as they come
        stream.close()

    def get(self, path: str, **kwargs: Any) -> httpx.Response:
        return self.client.get(path, **kwargs)

    def lines(self) -> list[dict[str, Any]]:
        """All JSON lines of both streams so far; fails for a line that is none."""
        return [json.loads(line) for line in [*self.stdout, *self.stderr]]

    def stop(self, number: int = signal.SIGTERM) -> float:
        """Sends the signal and gives the seconds until the exit."""
        started = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(timeout=30)
        elapsed = time.monotonic() - started
        for reader in self._readers:
            reader.join(timeout=5)
        return elapsed

    def is_healthy(self) -> bool:
        assert self.process.poll() is None, "".join(self.stderr)
        with contextlib.suppress(httpx.TransportError):
            return self.get("/health").status_code == 200
        return False


@contextmanager
def served(variables: Mapping[str, str]) -> Iterator[Served]:
    """The app on a free port, from the first healthy answer on; stopped at the end if need be."""
    port = free_port()
    process = subprocess.Popen(
        COMMAND,
        env=environ_with({**variables, "PORT": str(port)}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A session of its own, so that its workers can be reached together with it.
        start_new_session=True,
    )
    app = Served(process, port)
    try:
        poll(app.is_healthy, "healthy")
        yield app
        if process.poll() is None:
            app.stop()
    finally:
        app.client.close()
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
