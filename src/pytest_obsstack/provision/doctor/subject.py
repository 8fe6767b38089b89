"""What is examined, with its clients and what has been learned of it so far."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import urlsplit

import httpx

from pytest_obsstack.clients.collector import CollectorClient
from pytest_obsstack.clients.grafana.client import GrafanaClient
from pytest_obsstack.clients.http import HttpOptions
from pytest_obsstack.clients.loki.client import LokiClient
from pytest_obsstack.clients.prometheus.client import PrometheusClient
from pytest_obsstack.clients.sentry.open import open_tracker
from pytest_obsstack.clients.sentry.tracker import Tracker
from pytest_obsstack.clients.sentry.traits import traits_of
from pytest_obsstack.clients.tempo.client import TempoClient
from pytest_obsstack.endpoints import Endpoints
from pytest_obsstack.errors import ObsstackError
from pytest_obsstack.provision.doctor.finding import Skip
from pytest_obsstack.provision.doctor.probe import Probe, Resolve, Server, probe, resolve
from pytest_obsstack.provision.doctor.redaction import redacted, secrets_of
from pytest_obsstack.wire.dsn import Dsn, InvalidDsn

if TYPE_CHECKING:
    from pytest_obsstack.clients.spans import SpanStore

T = TypeVar("T")

_TELEMETRY_PORT = 8888
"""Where a collector exposes its own metrics by default."""
_GUESS_TIMEOUT_S = 2.0


@dataclass(frozen=True)
class Setup:
    """What was chosen to be examined."""

    title: str
    endpoints: Endpoints
    dsn: str | None = field(default=None, repr=False)
    """As it was given: perhaps no DSN at all."""
    other_dsn: str | None = field(default=None, repr=False)
    """SENTRY_DSN of the environment, where it is not the one that is examined."""
    may_write: bool = True
    """Whether canaries may be sent."""
    here: bool = False
    """Whether this machine runs the servers, so that there is one clock."""
    health_url: str | None = None
    """Of the collector's extension ``health_check``, where it is known."""


class Subject:
    """A setup with its clients.

    ``transport`` replaces the network in tests, ``resolve`` the look-up of names, ``now_s`` the
    clock. ``timeout_s`` is how long a canary is looked for.
    """

    def __init__(
        self,
        setup: Setup,
        *,
        timeout_s: float = 10.0,
        environ: Mapping[str, str] | None = None,
        transport: httpx.BaseTransport | None = None,
        resolve: Resolve = resolve,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self.setup = setup
        self.endpoints = setup.endpoints
        self.timeout_s = timeout_s
        self.environ = os.environ if environ is None else environ
        self.transport = transport
        self.resolve = resolve
        self.now_s = now_s
        self.limits: list[str] = []
        """``X-Sentry-Rate-Limits`` of each answer to an envelope; empty where it had none."""
        self._known: dict[str, Any] = {}

    def once(self, key: str, make: Callable[[], T]) -> T:
        """What ``make`` gave the first time: checks share what they have learned."""
        if key not in self._known:
            self._known[key] = make()
        return cast("T", self._known[key])

    def has(self, key: str) -> bool:
        """Whether that has been learned already."""
        return key in self._known

    # What is there

    @cached_property
    def dsn(self) -> Dsn:
        """The DSN; ``Skip`` where none is known or it cannot be read."""
        if not self.setup.dsn:
            raise Skip("no DSN is known (--dsn, SENTRY_DSN, OBS_SENTRY_DSN)")
        try:
            return Dsn.parse(self.setup.dsn)
        except InvalidDsn:
            raise Skip("the DSN cannot be read: see dsn") from None

    @property
    def tracker_name(self) -> str:
        """The tracker's product, where it is known."""
        endpoint = self.endpoints.sentry
        return "the tracker" if endpoint is None else traits_of(endpoint).product

    @cached_property
    def servers(self) -> Mapping[str, Server]:
        """All servers by component, the DSN's as ``dsn``."""
        found: list[Server] = []
        try:
            dsn = self.dsn
        except Skip:
            pass
        else:
            name = self.tracker_name
            found.append(Server("dsn", name, dsn.base_url, dsn.envelope_url, "OPTIONS"))
        endpoints = self.endpoints
        if endpoints.sentry is not None:
            path = "/health/ready" if endpoints.sentry.flavour == "bugsink" else "/_health/"
            found.append(_server("sentry", self.tracker_name, endpoints.sentry.url, path))
        if endpoints.collector is not None:
            url = endpoints.collector.otlp_url
            found.append(_server("collector", "the collector", url, "/v1/traces"))
        for component, product, path in (
            ("prometheus", "Prometheus", "/-/ready"),
            ("loki", "Loki", "/ready"),
            ("tempo", "Tempo", "/ready"),
            ("grafana", "Grafana", "/api/health"),
        ):
            endpoint = getattr(endpoints, component)
            if endpoint is not None:
                headers = getattr(endpoint, "headers", {})
                found.append(_server(component, product, endpoint.url, path, headers))
        return {server.component: server for server in found}

    def probe(self, component: str) -> Probe:
        """The answer of a server to one harmless request, asked once."""
        return self.once(
            f"probe {component}",
            lambda: probe(
                self.servers[component],
                resolve=self.resolve,
                transport=self.transport,
                now_s=self.now_s,
            ),
        )

    def need(self, *components: str) -> None:
        """``Skip`` where one of them is not part of the stack, or does not answer."""
        for component in components:
            if component not in self.servers:
                raise Skip(f"no {component} is known")
            answer = self.probe(component)
            if answer.status is None or answer.status >= 500 or 300 <= answer.status < 400:
                name = self.servers[component].product
                raise Skip(f"{name} does not answer as it should: see reach {component}")

    def need_writes(self) -> None:
        """``Skip`` where nothing may be sent."""
        if not self.setup.may_write:
            raise Skip("nothing is sent to servers of somebody else without --allow-writes")

    # Clients

    @cached_property
    def tracker(self) -> Tracker:
        """``Skip`` where no API is known."""
        if self.endpoints.sentry is None:
            raise Skip("no API of an error tracker is known (--use sentry=URL)")
        return open_tracker(self.endpoints.sentry, writable=False, **self._options)

    @cached_property
    def prometheus(self) -> PrometheusClient:
        endpoint = self._there("prometheus", self.endpoints.prometheus)
        return PrometheusClient(endpoint, **self._options)

    @cached_property
    def loki(self) -> LokiClient:
        endpoint = self._there("loki", self.endpoints.loki)
        return LokiClient(endpoint, writable=False, **self._options)

    @cached_property
    def tempo(self) -> TempoClient:
        endpoint = self._there("tempo", self.endpoints.tempo)
        return TempoClient(endpoint, **self._options)

    @cached_property
    def grafana(self) -> GrafanaClient:
        endpoint = self._there("grafana", self.endpoints.grafana)
        return GrafanaClient(endpoint, **self._options)

    @cached_property
    def collector(self) -> CollectorClient:
        """Its own metrics; ``Skip`` where nobody has said where they are, nor are they there."""
        endpoint = self.endpoints.collector
        if endpoint is None:
            raise Skip("no collector is known")
        if endpoint.telemetry_url is not None:
            return CollectorClient(endpoint, transport=self.transport)
        usual = self.collector_at(_TELEMETRY_PORT, "/metrics")
        found = replace(endpoint, telemetry_url=usual)
        client = CollectorClient(found, timeout_s=_GUESS_TIMEOUT_S, transport=self.transport)
        if self.once("telemetry", lambda: _answers(client)):
            return client
        client.close()
        raise Skip(f"the collector's own metrics are not at {usual}, and not known elsewhere")

    def collector_at(self, port: int, path: str) -> str:
        """An address of the collector's host; ``Skip`` where there is no collector."""
        if self.endpoints.collector is None:
            raise Skip("no collector is known")
        host = urlsplit(self.endpoints.collector.otlp_url).hostname or ""
        return f"http://{f'[{host}]' if ':' in host else host}:{port}{path}"

    @property
    def span_stores(self) -> tuple[str, ...]:
        """The components that can be asked for OpenTelemetry spans by trace."""
        endpoint = self.endpoints.sentry
        shows = endpoint is not None and "tracker_spans" in self.tracker.traits.capabilities
        tempo = self.endpoints.tempo is not None
        return (*(("sentry",) if shows else ()), *(("tempo",) if tempo else ()))

    def span_store(self, component: str) -> SpanStore:
        from pytest_obsstack.clients.sentry.client import SentryClient
        from pytest_obsstack.clients.sentry.spans import SentrySpanStore

        if component == "tempo":
            return self.tempo
        self.need("sentry")
        return SentrySpanStore(cast("SentryClient", self.tracker))

    def _there(self, component: str, endpoint: T | None) -> T:
        """The endpoint of a component that answers; else ``Skip``."""
        self.need(component)
        if endpoint is None:
            raise Skip(f"no {component} is known")
        return endpoint

    @property
    def _options(self) -> HttpOptions:
        # A diagnosis says that it was limited; it does not wait a minute for that to end.
        return {"transport": self.transport, "max_rate_limit_wait_s": self.timeout_s}

    def close(self) -> None:
        """Close the connections of the clients that were used."""
        for name in ("tracker", "prometheus", "loki", "tempo", "grafana", "collector"):
            client = self.__dict__.get(name)
            if client is not None:
                client.close()

    # Secrets

    def redact(self, text: str) -> str:
        """The text without any key, token or password that is known."""
        return redacted(text, self._secrets)

    @cached_property
    def _secrets(self) -> tuple[str, ...]:
        return secrets_of(self.endpoints, (self.setup.dsn, self.setup.other_dsn), self.environ)


def _answers(client: CollectorClient) -> bool:
    try:
        client.reading()
    except ObsstackError:
        return False
    return True


def _server(
    component: str,
    product: str,
    url: str,
    path: str,
    headers: Mapping[str, str] | None = None,
) -> Server:
    base = url.rstrip("/")
    return Server(component, product, base, base + path, headers=headers or {})
