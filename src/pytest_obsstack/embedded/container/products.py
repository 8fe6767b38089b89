"""What each product is in a container: its ports, and its settings by environment variables."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_obsstack.embedded.container.variables import SETTINGS, BadVariable, Variables

Loaded = tuple[Any, Any]
"""The product's class and its settings."""


@dataclass(frozen=True)
class ContainerProduct:
    """``doors``: usual port → the attribute of the server that answers there.

    They open in this order, the one that the health check asks last. ``load`` imports the product:
    a container pays for its own alone. It raises ``BadVariable``.
    """

    doors: Mapping[int, str]
    load: Callable[[Variables], Loaded]


def _sentry(variables: Variables) -> Loaded:
    from pytest_obsstack.embedded.sentry.server import SentryServer
    from pytest_obsstack.embedded.sentry.settings import SentrySettings

    told = {
        "public_url": variables.url("SENTRY_PUBLIC_URL", "http://localhost:9000"),
        "admin_email": variables.text("SENTRY_ADMIN_EMAIL", "admin@example.com"),
        "admin_password": variables.text("SENTRY_ADMIN_PASSWORD"),
        "api_token": variables.text("SENTRY_API_TOKEN"),
        "webhook_hosts": variables.text("SENTRY_WEBHOOK_HOSTS"),
    }
    return SentryServer, _settings(SentrySettings, told, variables)


def _collector(variables: Variables) -> Loaded:
    from pytest_obsstack.embedded.collector.server import CollectorServer
    from pytest_obsstack.embedded.collector.settings import CollectorSettings

    public_key = variables.public_key("SENTRY_PUBLIC_KEY")
    told = {
        "traces_endpoint": variables.url("SENTRY_OTLP_TRACES_ENDPOINT"),
        "traces_headers": (
            {"x-sentry-auth": f"sentry sentry_key={public_key}"} if public_key else {}
        ),
        "tempo_endpoint": variables.url("TEMPO_OTLP_TRACES_ENDPOINT"),
        "logs_endpoint": variables.url("LOKI_OTLP_LOGS_ENDPOINT"),
    }
    return CollectorServer, _settings(CollectorSettings, told, variables)


def _prometheus(variables: Variables) -> Loaded:
    from pytest_obsstack.embedded.prometheus.server import PrometheusServer
    from pytest_obsstack.embedded.prometheus.settings import PrometheusSettings

    told = {
        "scrape_configs": [
            {
                "job_name": "otel-collector",
                "targets": ["otel-collector:8889"],
                "honor_labels": True,
            },
            {"job_name": "otel-collector-telemetry", "targets": ["otel-collector:8888"]},
        ]
    }
    return PrometheusServer, _settings(PrometheusSettings, told, variables)


def _loki(variables: Variables) -> Loaded:
    from pytest_obsstack.embedded.loki.server import LokiServer
    from pytest_obsstack.embedded.loki.settings import LokiSettings

    return LokiServer, _settings(LokiSettings, {}, variables)


def _tempo(variables: Variables) -> Loaded:
    from pytest_obsstack.embedded.tempo.server import TempoServer
    from pytest_obsstack.embedded.tempo.settings import TempoSettings

    return TempoServer, _settings(TempoSettings, {}, variables)


def _grafana(variables: Variables) -> Loaded:
    from pytest_obsstack.embedded.grafana.provisioning import ProvisioningError
    from pytest_obsstack.embedded.grafana.provisioning import load as load_provisioning
    from pytest_obsstack.embedded.grafana.server import GrafanaServer
    from pytest_obsstack.embedded.grafana.settings import GrafanaSettings

    # Grafana's own variables serve as well: they are what a compose file gives its image.
    user = variables.text("GF_SECURITY_ADMIN_USER", "admin")
    password = variables.text("GF_SECURITY_ADMIN_PASSWORD", "admin")
    told = {
        "provisioning": variables.text("GRAFANA_PROVISIONING", "/etc/grafana/provisioning"),
        "admin_user": variables.text("GRAFANA_ADMIN_USER", user),
        "admin_password": variables.text("GRAFANA_ADMIN_PASSWORD", password),
    }
    settings = _settings(GrafanaSettings, told, variables)
    try:
        load_provisioning(Path(settings.provisioning), os.environ)
    except ProvisioningError as error:
        raise BadVariable(f"GRAFANA_PROVISIONING: {error}") from error
    return GrafanaServer, settings


def _settings(kind: Any, told: Mapping[str, Any], variables: Variables) -> Any:
    try:
        return kind.from_json({**told, **variables.settings()})
    except (KeyError, TypeError, ValueError) as error:
        # What the other variables say has been checked, or is any text.
        raise BadVariable(f"{SETTINGS}: {error}") from error


PRODUCTS: Mapping[str, ContainerProduct] = {
    "sentry": ContainerProduct({9000: "app"}, _sentry),
    "collector": ContainerProduct(
        {4318: "receiver", 8888: "own_metrics", 8889: "exporter_page", 13133: "health"},
        _collector,
    ),
    "prometheus": ContainerProduct({9090: "app"}, _prometheus),
    "loki": ContainerProduct({3100: "app"}, _loki),
    "tempo": ContainerProduct({4318: "receiver", 3200: "app"}, _tempo),
    "grafana": ContainerProduct({3000: "app"}, _grafana),
}
