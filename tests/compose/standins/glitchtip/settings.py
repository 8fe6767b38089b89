"""What the services are told: by GlitchTip's own environment variables, and a few beside them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

DEFAULT_WEB_URL = "http://sentry:9000"
DEFAULT_SCHEDULE_S = 2.0
DEFAULT_PORT = 9000


class SettingsError(Exception):
    """A variable that is missing or cannot be meant."""


@dataclass(frozen=True)
class Settings:
    """The same for all services of one deployment."""

    database_url: str = field(repr=False)
    redis_url: str = field(repr=False)
    secret_key: str = field(repr=False)
    web_url: str = DEFAULT_WEB_URL
    """Where the worker reaches ``web``."""
    schedule_s: float = DEFAULT_SCHEDULE_S
    """Seconds between two runs of the scheduler's job."""
    port: int = DEFAULT_PORT
    """Of ``web``."""

    @property
    def worker_token(self) -> str:
        """What the worker shows to ``web``: both know the secret key, nobody else does."""
        return hashlib.sha256(f"worker:{self.secret_key}".encode()).hexdigest()

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Settings:
        def needed(name: str, meaning: str) -> str:
            value = environ.get(name, "")
            if not value:
                raise SettingsError(f"expected {name} ({meaning}), found none")
            return value

        every = environ.get("STANDIN_SCHEDULE_S") or str(DEFAULT_SCHEDULE_S)
        try:
            schedule_s = float(every)
        except ValueError:
            schedule_s = 0.0
        if not schedule_s > 0:
            raise SettingsError(f"STANDIN_SCHEDULE_S: expected seconds above 0, found {every!r}")
        port = environ.get("GRANIAN_PORT") or str(DEFAULT_PORT)
        if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
            raise SettingsError(f"GRANIAN_PORT: expected a port, found {port!r}")
        return cls(
            database_url=needed("DATABASE_URL", "postgres://USER:PASSWORD@HOST:PORT/NAME"),
            redis_url=needed("VALKEY_URL", "redis://HOST:PORT/NUMBER"),
            secret_key=needed("SECRET_KEY", "any text that is the same for all services"),
            web_url=(environ.get("STANDIN_WEB_URL") or DEFAULT_WEB_URL).rstrip("/"),
            schedule_s=schedule_s,
            port=int(port),
        )
