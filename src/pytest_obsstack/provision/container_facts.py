"""What runs in a project: endpoints, products with their versions, how its tracker speaks."""

from __future__ import annotations

from collections.abc import Mapping

from pytest_obsstack.endpoints import (
    CollectorEndpoint,
    Endpoints,
    GrafanaEndpoint,
    LokiEndpoint,
    PrometheusEndpoint,
    TempoEndpoint,
    TrackerFlavour,
)
from pytest_obsstack.options import Options
from pytest_obsstack.options.kinds import is_url
from pytest_obsstack.providers.attach import named_endpoints
from pytest_obsstack.providers.compose.command import Compose, labels_of
from pytest_obsstack.providers.compose.project import LABEL, PARTS, Project
from pytest_obsstack.providers.state import ProductState

Images = Mapping[str, Mapping[str, str]]
"""By service: the labels of its container, and its image as ``image``."""


def flavour_of(project: Project, images: Images) -> TrackerFlavour:
    """How the tracker has to be spoken to: as its image says, where ours stands in for it."""
    labelled = images.get("sentry", {}).get(f"{LABEL}.flavour")
    if labelled == "embedded" or project.tracker == "lite":
        return "embedded"
    if project.tracker == "bugsink":
        return "bugsink"
    return "glitchtip"


def endpoints_of(project: Project, options: Options) -> Endpoints:
    """Where everything is, the tracker of this project apart."""
    others = named_endpoints(options)
    have = set(project.components)
    return Endpoints(
        sentry=others.sentry,
        collector=CollectorEndpoint(
            project.url("collector"),
            project.url("collector", variable="COLLECTOR_METRICS_PORT") + "/metrics",
        )
        if "collector" in have
        else others.collector,
        prometheus=PrometheusEndpoint(project.url("prometheus"))
        if "prometheus" in have
        else others.prometheus,
        loki=LokiEndpoint(project.url("loki")) if "loki" in have else others.loki,
        tempo=TempoEndpoint(project.url("tempo")) if "tempo" in have else others.tempo,
        grafana=GrafanaEndpoint(project.url("grafana"), "admin", project.grafana_password)
        if "grafana" in have
        else others.grafana,
    )


def images_of(compose: Compose) -> dict[str, dict[str, str]]:
    """By service: the labels of its container, and its image as ``image``."""
    return {
        container["Service"]: {**labels_of(container), "image": container.get("Image", "")}
        for container in compose.containers()
    }


def products_of(project: Project, images: Images, options: Options) -> dict[str, ProductState]:
    """By component what runs, of a project that is up as a whole, and what is at a URL."""
    products = {}
    for name in project.components:
        facts = images.get(PARTS[name].service, {})
        tag = facts.get("image", "").rpartition(":")[2].partition("@")[0]
        products[name] = ProductState(
            url=project.url(name),
            version=facts.get(f"{LABEL}.version") or tag or "unknown",
            stands_in_for=facts.get(f"{LABEL}.stands-in-for"),
            wish_met=project.wishes_met.get(name, True),
        )
    for name, url in options.use.items():
        if is_url(url) and name != "app":
            products[name] = ProductState(url, version="unknown")
    return products
