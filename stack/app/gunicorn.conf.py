"""How simple-app is run, from any directory.

    python -m gunicorn -c stack/app/gunicorn.conf.py app:app

Listens on 127.0.0.1:$PORT (5000; HOST=0.0.0.0 in a container), with $WEB_CONCURRENCY workers (1) of
eight threads. A variable that cannot be meant ends the start with one line and exit code 2.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

HERE = str(Path(__file__).resolve().parent)
sys.path.insert(0, HERE)

from gunicorn.glogging import Logger  # type: ignore[import-untyped] # noqa: E402 - path first

from telemetry.lifecycle import Telemetry  # noqa: E402
from telemetry.logs import JsonFormatter, configure_logging  # noqa: E402
from telemetry.settings import Settings, SettingsError  # noqa: E402

try:
    _settings = Settings.from_environ(os.environ)
except SettingsError as error:
    print(f"simple-app cannot start: {error}", file=sys.stderr)  # noqa: T201 - no log yet
    sys.exit(2)

configure_logging(_settings.service_name, _settings.log_level)


class _JsonLogger(Logger):  # type: ignore[misc] # gunicorn has no types
    """Gunicorn's own messages in the form of all others; they stay on stderr."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        for handler in self.error_log.handlers:
            handler.setFormatter(JsonFormatter(_settings.service_name))


chdir = HERE
bind = f"{_settings.host}:{_settings.port}"
workers = _settings.workers
worker_class = "gthread"
threads = 8
# A kept connection holds up the stop for two seconds, and one that is closed just when its client
# sends the next request fails that request.
keepalive = 0
# Imported once, before the fork; the SDKs and their threads start after it.
preload_app = True
logger_class = _JsonLogger
accesslog = None  # the app writes its own record of each request, with the trace id
# A request may take MAX_SLOW_S, and what it reported must still be sent.
graceful_timeout = 15
# No server-side socket for gunicorn's control program.
control_socket_disable = True

_telemetry: list[Telemetry] = []


def post_fork(_server: Any, _worker: Any) -> None:
    _telemetry.append(Telemetry.start(_settings))


def worker_exit(_server: Any, _worker: Any) -> None:
    while _telemetry:
        _telemetry.pop().stop()
