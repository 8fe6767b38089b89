"""Which products a stack was made of, in which versions, and which of them were stand-ins."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from pytest_obsstack.endpoints import (
    Endpoints,
    GrafanaEndpoint,
    LokiEndpoint,
    PrometheusEndpoint,
    SentryEndpoint,
    TempoEndpoint,
)
from pytest_obsstack.errors import ObsstackError
from pytest_obsstack.evidence.names import product_name
from pytest_obsstack.evidence.proofs import Product, Ran
from pytest_obsstack.options import Options
from pytest_obsstack.providers.compose.command import Compose, ComposeFailed, labels_of
from pytest_obsstack.providers.compose.project import LABEL
from pytest_obsstack.providers.state import StackState

_SERVERS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "postgres": (("postgres", "--version"),),
    "redis": (("valkey-server", "--version"), ("redis-server", "--version")),
}
"""Services that no client asks: programs of theirs that tell the version."""
_VERSION = re.compile(r"\d+\.\d+(?:\.\d+)*")


def what_ran(state: StackState | None, options: Options) -> Ran:
    """The stack of a run, asked while it still runs; without one there are no products."""
    if state is None:
        return Ran(options.stack, {}, "tempo")
    from pytest_obsstack.provision.abilities import tracker_capabilities

    products = _components(state)
    if state.compose is not None:
        products |= _services(state.compose.compose)
    spans_from = "sentry" if "tracker_spans" in tracker_capabilities(state) else "tempo"
    return Ran(options.stack, dict(sorted(products.items())), spans_from)


def _components(state: StackState) -> dict[str, Product]:
    tracker = None if state.compose is None else state.compose.tracker
    sentry = state.endpoints.sentry
    found = {}
    for name, product in state.products.items():
        told = product.stands_in_for
        if name == "sentry" and sentry is not None:
            if told is None and sentry.flavour == "embedded":
                # Our own server, whichever image it came in.
                told = "Sentry"
            elif told is None:
                tracker = tracker or sentry.flavour
        stand_in = told is not None
        alias = told or (tracker if name == "sentry" else None)
        described = Product(product_name(name, alias), product.version, stand_in)
        # A stand-in's label tells its version; the tag of an image need not be one.
        labelled = product.stands_in_for is not None
        found[name] = described if labelled else _asked(name, described, state.endpoints)
    return found


def _asked(component: str, product: Product, endpoints: Endpoints) -> Product:
    """With the version that the product itself tells, where it does."""
    ask, endpoint = _QUESTIONS.get(component), getattr(endpoints, component)
    if ask is None or endpoint is None:
        return product
    # One that does not tell is known by its image's tag, or as unknown.
    with contextlib.suppress(ObsstackError):
        version = ask(endpoint)
        if version:
            return replace(product, version=version)
    return product


def _sentry(endpoint: SentryEndpoint) -> str | None:
    from pytest_obsstack.clients.sentry.open import open_tracker

    with contextlib.closing(open_tracker(endpoint, writable=False)) as client:
        return client.version()


def _prometheus(endpoint: PrometheusEndpoint) -> str | None:
    from pytest_obsstack.clients.prometheus.client import PrometheusClient

    with contextlib.closing(PrometheusClient(endpoint)) as client:
        return client.buildinfo().version


def _loki(endpoint: LokiEndpoint) -> str | None:
    from pytest_obsstack.clients.loki.client import LokiClient

    with contextlib.closing(LokiClient(endpoint)) as client:
        return client.version()


def _tempo(endpoint: TempoEndpoint) -> str | None:
    from pytest_obsstack.clients.tempo.client import TempoClient

    with contextlib.closing(TempoClient(endpoint)) as client:
        return client.version()


def _grafana(endpoint: GrafanaEndpoint) -> str | None:
    from pytest_obsstack.clients.grafana.client import GrafanaClient

    with contextlib.closing(GrafanaClient(endpoint)) as client:
        return client.version()


_QUESTIONS: Mapping[str, Callable[[Any], str | None]] = {
    "sentry": _sentry,
    "prometheus": _prometheus,
    "loki": _loki,
    "tempo": _tempo,
    "grafana": _grafana,
}
"""By component; each takes its endpoint. A collector tells its version to nobody."""


def _services(compose: Compose) -> dict[str, Product]:
    """What runs beside the components, by the labels of its container or its own word."""
    try:
        containers = compose.containers()
    except ComposeFailed:
        return {}
    found = {}
    for container in containers:
        service = container["Service"]
        if service not in _SERVERS:
            continue
        labels = labels_of(container)
        told = labels.get(f"{LABEL}.stands-in-for")
        version = labels.get(f"{LABEL}.version") or _told_version(compose, service)
        found[service] = Product(product_name(service, told), version, told is not None)
    return found


def _told_version(compose: Compose, service: str) -> str:
    for command in _SERVERS[service]:
        with contextlib.suppress(ComposeFailed):
            match = _VERSION.search(compose.ask("exec", "-T", service, *command))
            if match is not None:
                return match[0]
    return "unknown"
