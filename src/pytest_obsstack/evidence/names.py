"""What products are called in what a run tells."""

from __future__ import annotations

from collections.abc import Mapping

NAMES: Mapping[str, str] = {
    "sentry": "Sentry",
    "collector": "OpenTelemetry Collector",
    "prometheus": "Prometheus",
    "loki": "Grafana Loki",
    "tempo": "Grafana Tempo",
    "grafana": "Grafana",
    "postgres": "PostgreSQL",
    "redis": "Redis",
}
"""Products by component, or by service."""
_OTHERS: Mapping[str, str] = {
    "glitchtip": "GlitchTip",
    "bugsink": "Bugsink",
    "otel-collector": "OpenTelemetry Collector",
    "lite": "Sentry",
}
"""What labels of images and ``--obs-use`` call a product by another word."""


def product_name(component: str, told: str | None) -> str:
    """The product's own name; ``told`` is another word for it, of a label or an option."""
    word = (told or component).lower()
    return _OTHERS.get(word) or NAMES.get(word) or told or component
