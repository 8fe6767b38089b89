"""The clients of a stack, and errors that say which component the stack has not."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, cast

from pytest_obsstack.errors import ObsstackError

if TYPE_CHECKING:
    from pytest_obsstack.clients.collector import CollectorClient
    from pytest_obsstack.clients.grafana.client import GrafanaClient
    from pytest_obsstack.clients.loki.client import LokiClient
    from pytest_obsstack.clients.prometheus.client import PrometheusClient
    from pytest_obsstack.clients.sentry.client import SentryClient
    from pytest_obsstack.clients.sentry.tracker import Tracker
    from pytest_obsstack.clients.spans import SpanStore
    from pytest_obsstack.clients.tempo.client import TempoClient
    from pytest_obsstack.providers.stack import Stack


class Clients:
    """The clients of one stack, each made at its first use and shared by all tests of the process.

    Each attribute raises ``ObsstackError`` where the stack has no such component.
    """

    def __init__(self, stack: Stack) -> None:
        self._stack = stack

    @cached_property
    def sentry(self) -> Tracker:
        from pytest_obsstack.clients.sentry.open import open_tracker

        endpoint = self._stack.endpoints.sentry
        if endpoint is None:
            raise self._missing("sentry", "an error tracker")
        return open_tracker(endpoint, writable="writes" in self._stack.capabilities)

    @cached_property
    def prometheus(self) -> PrometheusClient:
        from pytest_obsstack.clients.prometheus.client import PrometheusClient

        if self._stack.endpoints.prometheus is None:
            raise self._missing("prometheus", "a Prometheus")
        return PrometheusClient(self._stack.endpoints.prometheus)

    @cached_property
    def loki(self) -> LokiClient:
        from pytest_obsstack.clients.loki.client import LokiClient

        if self._stack.endpoints.loki is None:
            raise self._missing("loki", "a Loki")
        return LokiClient(self._stack.endpoints.loki, writable="writes" in self._stack.capabilities)

    @cached_property
    def tempo(self) -> TempoClient:
        from pytest_obsstack.clients.tempo.client import TempoClient

        if self._stack.endpoints.tempo is None:
            raise self._missing("tempo", "a Tempo")
        return TempoClient(self._stack.endpoints.tempo)

    @cached_property
    def grafana(self) -> GrafanaClient:
        from pytest_obsstack.clients.grafana.client import GrafanaClient

        if self._stack.endpoints.grafana is None:
            raise self._missing("grafana", "a Grafana")
        return GrafanaClient(self._stack.endpoints.grafana)

    @property
    def traces(self) -> SpanStore:
        """The store of OpenTelemetry spans that expectations ask: the error tracker, else Tempo."""
        if not self.span_stores:
            raise ObsstackError(
                "This stack has no store of spans.",
                expected="a Tempo, or an error tracker that shows spans by trace",
                found=self._has(),
                advice='give --obs-use tempo=URL, or mark the test with obs_requires("spans")',
            )
        return self.span_stores[0]

    @property
    def span_stores(self) -> tuple[SpanStore, ...]:
        """Every product of the stack that can be asked for the spans of a trace."""
        from pytest_obsstack.clients.sentry.spans import SentrySpanStore

        stores: list[SpanStore] = []
        if "tracker_spans" in self._stack.capabilities:
            # Nobody but Sentry has that capability.
            stores.append(SentrySpanStore(cast("SentryClient", self.sentry)))
        if self._stack.endpoints.tempo is not None:
            stores.append(self.tempo)
        return tuple(stores)

    @cached_property
    def collector(self) -> CollectorClient | None:
        """``None`` where the collector's own metrics cannot be reached."""
        from pytest_obsstack.clients.collector import CollectorClient

        endpoint = self._stack.endpoints.collector
        if endpoint is None or endpoint.telemetry_url is None:
            return None
        return CollectorClient(endpoint)

    def close(self) -> None:
        """Close the connections of the clients that were used."""
        for name in ("sentry", "prometheus", "loki", "tempo", "grafana", "collector"):
            client = self.__dict__.get(name)
            if client is not None:
                client.close()

    def _missing(self, component: str, what: str) -> ObsstackError:
        return ObsstackError(
            f"This stack has no {component}.",
            expected=f"{what} that can be asked",
            found=self._has(),
            advice=f"give --obs-use {component}=URL, or mark the test with obs_requires",
        )

    def _has(self) -> str:
        products = ", ".join(self._stack.state.products) or "nothing"
        return f"--obs-stack={self._stack.kind} with {products}"
