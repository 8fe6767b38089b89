"""A real Prometheus as a process of its own, where a binary of it is at hand.

The binary is that of ``OBSSTACK_PROMETHEUS_BIN``, else ``prometheus`` on ``PATH``. Up to version
3.11 the first scrape comes five seconds after the start; remote write gives samples at once.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

_READY_S = 20.0
_POLL_S = 0.02
_STOP_S = 10.0
_FLAGS = (
    "--web.enable-remote-write-receiver",
    "--enable-feature=exemplar-storage",
    "--log.level=warn",
)


@dataclass(frozen=True)
class RealPrometheus:
    url: str
    version: tuple[int, ...]


def prometheus_binary() -> str | None:
    """The path of a real Prometheus, ``None`` where there is none."""
    given = os.environ.get("OBSSTACK_PROMETHEUS_BIN")
    return given or shutil.which("prometheus")


@contextmanager
def running_prometheus(
    folder: Path,
    scrape_configs: Sequence[Mapping[str, Any]] = (),
    *,
    scrape_interval: str = "100ms",
    settings: Mapping[str, Any] | None = None,
    flags: Sequence[str] = (),
) -> Iterator[RealPrometheus]:
    """A Prometheus that is ready; ``scrape_configs`` as in its own configuration file.

    ``settings`` are other sections of that file; those of ``global`` are added to its own.
    ``folder`` takes its configuration, its storage and its log. Raises ``RuntimeError`` with the
    log where it does not become ready.
    """
    binary = prometheus_binary()
    if binary is None:
        raise RuntimeError("no Prometheus: set OBSSTACK_PROMETHEUS_BIN to the path of one")
    # JSON is YAML.
    more = dict(settings or {})
    own = {"scrape_interval": scrape_interval, "scrape_timeout": scrape_interval}
    everywhere = {**own, **more.pop("global", {})}
    config = {"global": everywhere, "scrape_configs": list(scrape_configs), **more}
    (folder / "prometheus.yml").write_text(json.dumps(config))
    port = _free_port()
    command = [
        binary,
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        *_FLAGS,
        *flags,
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=folder)
        try:
            url = f"http://127.0.0.1:{port}"
            version = _wait_until_ready(process, url, folder / "log")
            yield RealPrometheus(url, version)
        finally:
            _stop(process)


def _wait_until_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> tuple[int, ...]:
    deadline = time.monotonic() + _READY_S
    with httpx.Client(trust_env=False, base_url=url) as client:
        while time.monotonic() < deadline and process.poll() is None:
            try:
                if client.get("/-/ready").status_code == 200:
                    info = client.get("/api/v1/status/buildinfo").json()
                    return tuple(map(int, re.findall(r"\d+", info["data"]["version"])[:3]))
            except httpx.TransportError:
                pass
            time.sleep(_POLL_S)
    raise RuntimeError(f"Prometheus did not become ready at {url}:\n{log.read_text()[-3000:]}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
