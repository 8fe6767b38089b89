"""What the environment tells the app, parsed once; a value that cannot be meant stops the start.

An empty variable counts as one that is not set, as the OpenTelemetry specification has it.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import urlsplit

VERSION = "1.0.0"

LOG_LEVELS = {
    "DEBUG": logging.DEBUG,
    "INFO": logging.INFO,
    "WARNING": logging.WARNING,
    "ERROR": logging.ERROR,
    "CRITICAL": logging.CRITICAL,
}

# Read by the OpenTelemetry SDK itself, which replaces a malformed one by its default in silence.
DELAYS_MS = ("OTEL_BSP_SCHEDULE_DELAY", "OTEL_BLRP_SCHEDULE_DELAY", "OTEL_METRIC_EXPORT_INTERVAL")

T = TypeVar("T")


class SettingsError(ValueError):
    """Variables that cannot be meant: each with what was expected and what was found."""


@dataclass(frozen=True)
class Settings:
    """The configuration of one process."""

    service_name: str = "simple-app"
    sentry_dsn: str | None = field(default=None, repr=False)
    sentry_environment: str = "production"
    sentry_release: str = f"simple-app@{VERSION}"
    traces_sample_rate: float = 1.0
    """0 to 1, of the requests that come without a sampling decision of their own."""
    otlp_endpoint: str | None = None
    """Base URL of the collector; ``None``: nothing is exported."""
    resource_attributes: Mapping[str, str] = field(default_factory=dict)
    log_level: int = logging.INFO
    error_rate: float = 0.1
    """0 to 1: the share of the requests to ``/`` that fail."""
    random_seed: str | None = None
    inventory_url: str | None = None
    """Base URL of the second service, without a trailing slash."""
    filter_sensitive_data: bool = True
    host: str = "127.0.0.1"
    port: int = 5000
    workers: int = 1

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Settings:
        """The settings of this environment, or a SettingsError that names every bad variable."""
        problems: list[str] = []

        def read(name: str, parse: Callable[[str], T], expected: str, default: T) -> T:
            text = environ.get(name, "").strip()
            if not text:
                return default
            try:
                return parse(text)
            except (ValueError, KeyError):
                problems.append(f"{name}: expected {expected}, found {text!r}")
                return default

        service_name = environ.get("OTEL_SERVICE_NAME", "").strip() or "simple-app"
        share = "a number from 0 to 1"
        for name in DELAYS_MS:
            read(name, _positive, "a whole number of milliseconds above 0", 1)
        read("OTEL_EXPORTER_OTLP_PROTOCOL", _protocol, "'http/protobuf', the one installed", "")
        settings = cls(
            service_name=service_name,
            # A wrong DSN does not stop the app: it serves, and says at start that it cannot report.
            sentry_dsn=environ.get("SENTRY_DSN", "").strip() or None,
            sentry_environment=environ.get("SENTRY_ENVIRONMENT", "").strip() or "production",
            sentry_release=environ.get("SENTRY_RELEASE", "").strip() or f"{service_name}@{VERSION}",
            traces_sample_rate=read("SENTRY_TRACES_SAMPLE_RATE", _share, share, 1.0),
            otlp_endpoint=read("OTEL_EXPORTER_OTLP_ENDPOINT", _url, "an http(s) URL", None),
            resource_attributes=read("OTEL_RESOURCE_ATTRIBUTES", _pairs, "key=value,key=value", {}),
            log_level=read(
                "LOG_LEVEL", lambda text: LOG_LEVELS[text.upper()], " or ".join(LOG_LEVELS), 20
            ),
            error_rate=read("APP_ERROR_RATE", _share, share, 0.1),
            random_seed=environ.get("APP_RANDOM_SEED", "").strip() or None,
            inventory_url=read("APP_INVENTORY_URL", _url, "an http(s) URL", None),
            filter_sensitive_data=read("APP_FILTER_SENSITIVE_DATA", _switch, "on or off", True),
            host=environ.get("HOST", "").strip() or "127.0.0.1",
            port=read("PORT", _port, "a port from 1 to 65535", 5000),
            workers=read("WEB_CONCURRENCY", _positive, "a whole number above 0", 1),
        )
        if problems:
            raise SettingsError("; ".join(problems))
        return settings


def _share(text: str) -> float:
    value = float(text)
    if not (math.isfinite(value) and 0 <= value <= 1):
        raise ValueError(text)
    return value


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ValueError(text)
    return value


def _port(text: str) -> int:
    value = _positive(text)
    if value > 65535:
        raise ValueError(text)
    return value


def _switch(text: str) -> bool:
    return {"on": True, "off": False}[text.lower()]


def _protocol(text: str) -> str:
    if text.lower() != "http/protobuf":
        raise ValueError(text)
    return text


def _url(text: str) -> str | None:
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(text)
    return text.rstrip("/")


def _pairs(text: str) -> Mapping[str, str]:
    pairs: dict[str, str] = {}
    for pair in filter(str.strip, text.split(",")):
        key, equals, value = pair.partition("=")
        if not equals or not key.strip():
            raise ValueError(text)
        pairs[key.strip()] = value.strip()
    return pairs
