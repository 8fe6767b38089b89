"""What the collector is told: where its exporters send to, and its limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any
from urllib.parse import urlsplit

_TYPES: dict[str, tuple[type, ...]] = {
    "traces_endpoint": (str,),
    "traces_headers": (Mapping,),
    "tempo_endpoint": (str,),
    "logs_endpoint": (str,),
    "logs_headers": (Mapping,),
    "export_timeout_s": (int, float),
    "metric_expiration_s": (int, float),
    "max_request_bytes": (int,),
    "sending_queue_size": (int,),
}
_REDACTED = "[REDACTED]"


@dataclass(frozen=True)
class CollectorSettings:
    """Settings of the pipeline; an empty endpoint means that this exporter has none.

    Raises ``ValueError`` for an endpoint that is not an http or https URL, or a header's value that
    cannot be sent.
    """

    traces_endpoint: str = ""
    """Of ``otlp_http/sentry``: the whole URL, path included."""
    traces_headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Sent with every traces request; ``x-sentry-auth`` holds the DSN's key."""
    tempo_endpoint: str = ""
    """Of ``otlp_http/tempo``: the whole URL, path included. Without it there is no such exporter.
    With it and no ``traces_endpoint`` there is no ``otlp_http/sentry``: that tracker takes none."""
    logs_endpoint: str = ""
    """Of ``otlp_http/loki``: the whole URL, path included."""
    logs_headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    export_timeout_s: float = 5.0
    """For one export, connecting included. The collector's default is 30; tests wait less."""
    metric_expiration_s: float = 300.0
    """A series is exposed for this long after its last point (``metric_expiration``)."""
    max_request_bytes: int = 20 * 1024 * 1024
    """Of a request's body, unpacked (``max_request_body_size``)."""
    sending_queue_size: int = 0
    """How many requests of traces and logs may wait (``sending_queue``); 0: the sender waits."""

    def __post_init__(self) -> None:
        given: dict[str, Mapping[str, Any]] = {
            "traces_headers": self.traces_headers,
            "logs_headers": self.logs_headers,
        }
        for name, headers in given.items():
            for header, value in headers.items():
                if not isinstance(value, str) or not (value.isascii() and value.isprintable()):
                    # The value may be a key: it is not told.
                    raise ValueError(f"{name}: expected printable ASCII text for {header}")
        for name, endpoint in (
            ("traces_endpoint", self.traces_endpoint),
            ("tempo_endpoint", self.tempo_endpoint),
            ("logs_endpoint", self.logs_endpoint),
        ):
            if endpoint and not _is_http_url(endpoint):
                raise ValueError(f"{name}: expected an http or https URL, found {endpoint!r}")

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> CollectorSettings:
        """From plain JSON values; raises ``ValueError`` for an unknown name or a wrong type."""
        for name, value in data.items():
            if name not in _TYPES:
                known = [f.name for f in fields(cls)]
                raise ValueError(f"collector settings: expected one of {known}, found {name!r}")
            matches = isinstance(value, _TYPES[name]) and not isinstance(value, bool)
            if not matches:
                kinds = " or ".join(kind.__name__ for kind in _TYPES[name])
                raise ValueError(f"collector settings: expected {name} as {kinds}, found {value!r}")
        return cls(**data)

    @property
    def traces_exporters(self) -> tuple[str, ...]:
        """The ids of the exporters of the traces pipeline, in its order."""
        tempo = ("otlp_http/tempo",) if self.tempo_endpoint else ()
        sentry = ("otlp_http/sentry",) if self.traces_endpoint or not tempo else ()
        return (*tempo, *sentry)

    def effective_config(self) -> dict[str, Any]:
        """The configuration file that a real collector would need, secrets redacted."""
        return {
            "receivers": {
                "otlp": {"protocols": {"http": {"max_request_body_size": self.max_request_bytes}}}
            },
            "exporters": {
                **{name: self._traces_exporter(name) for name in self.traces_exporters},
                "prometheus": {
                    "send_timestamps": True,
                    "enable_open_metrics": True,
                    "metric_expiration": f"{self.metric_expiration_s:g}s",
                    "resource_to_telemetry_conversion": {"enabled": False},
                    "translation_strategy": "UnderscoreEscapingWithSuffixes",
                },
                "otlp_http/loki": self._otlp_http(
                    "logs_endpoint", self.logs_endpoint, self.logs_headers
                ),
            },
            "extensions": {"health_check": {}},
            "service": {
                "extensions": ["health_check"],
                "pipelines": {
                    "traces": {"receivers": ["otlp"], "exporters": list(self.traces_exporters)},
                    "metrics": {"receivers": ["otlp"], "exporters": ["prometheus"]},
                    "logs": {"receivers": ["otlp"], "exporters": ["otlp_http/loki"]},
                },
            },
        }

    def _traces_exporter(self, name: str) -> dict[str, Any]:
        if name == "otlp_http/tempo":
            return self._otlp_http("traces_endpoint", self.tempo_endpoint, {})
        return self._otlp_http("traces_endpoint", self.traces_endpoint, self.traces_headers)

    def _otlp_http(
        self, endpoint_name: str, endpoint: str, headers: Mapping[str, str]
    ) -> dict[str, Any]:
        return {
            endpoint_name: without_credentials(endpoint),
            "headers": dict.fromkeys(headers, _REDACTED),
            "timeout": f"{self.export_timeout_s:g}s",
            "compression": "none",
            "sending_queue": {"enabled": True, "queue_size": self.sending_queue_size}
            if self.sending_queue_size
            else {"enabled": False},
            "retry_on_failure": {"enabled": False},
        }


def _is_http_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def without_credentials(url: str) -> str:
    """The URL without the user and password that it may hold."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
