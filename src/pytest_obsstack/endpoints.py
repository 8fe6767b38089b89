"""Where each product answers and with which credentials: what a provider yields and a client takes.

Frozen values that survive a trip through JSON (the state file that xdist workers share). They hold
secrets: ``repr`` leaves those out, and the state file is written with mode 0600.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

TrackerFlavour = Literal["embedded", "sentry", "glitchtip", "bugsink"]


def needs_certificates(url: str) -> bool:
    """Whether a client of ``url`` has to load certificates, which takes some 20 ms.

    For clients that follow no redirect: one of a plain ``http://`` address never speaks TLS.
    """
    return not url.startswith("http://")


@dataclass(frozen=True)
class SentryEndpoint:
    """An error tracker that speaks Sentry's ``/api/0``."""

    url: str
    """Base URL without ``/api/0`` and without a trailing slash."""
    token: str | None = field(default=None, repr=False)
    """Bearer token of the query API."""
    organization: str | None = None
    """Slug."""
    project: str | None = None
    """Slug."""
    dsn: str | None = field(default=None, repr=False)
    """The project's public DSN, as the app can reach it."""
    flavour: TrackerFlavour = "embedded"
    admin_email: str | None = None
    admin_password: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class CollectorEndpoint:
    """An OpenTelemetry Collector."""

    otlp_url: str
    """OTLP over HTTP, without ``/v1/traces``."""
    telemetry_url: str | None = None
    """Whole URL of the collector's own metrics; ``None`` where they cannot be reached."""


@dataclass(frozen=True)
class PrometheusEndpoint:
    """A server of Prometheus' HTTP API."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class LokiEndpoint:
    """A server of Loki's HTTP API."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class TempoEndpoint:
    """A server of Tempo's HTTP API."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class GrafanaEndpoint:
    """A Grafana and how to log in to it."""

    url: str
    user: str = "admin"
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Endpoints:
    """All products of a stack; one that the stack has not is ``None``."""

    sentry: SentryEndpoint | None = None
    collector: CollectorEndpoint | None = None
    prometheus: PrometheusEndpoint | None = None
    loki: LokiEndpoint | None = None
    tempo: TempoEndpoint | None = None
    grafana: GrafanaEndpoint | None = None

    def to_json(self) -> dict[str, Any]:
        """A JSON-able dict with every secret in it."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Endpoints:
        def part(kind: Any, name: str) -> Any:
            value = data.get(name)
            return None if value is None else kind(**value)

        return cls(
            sentry=part(SentryEndpoint, "sentry"),
            collector=part(CollectorEndpoint, "collector"),
            prometheus=part(PrometheusEndpoint, "prometheus"),
            loki=part(LokiEndpoint, "loki"),
            tempo=part(TempoEndpoint, "tempo"),
            grafana=part(GrafanaEndpoint, "grafana"),
        )
