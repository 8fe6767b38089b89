"""The client of Prometheus' HTTP API: https://prometheus.io/docs/prometheus/latest/querying/api/."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pytest_obsstack.clients import fields
from pytest_obsstack.clients.http import ApiClient, HttpOptions
from pytest_obsstack.clients.prometheus.models import (
    BuildInfo,
    Exemplar,
    Target,
    parse_exemplars,
    parse_target,
)
from pytest_obsstack.clients.prometheus.rules import ActiveAlert, Rule, parse_alert, parse_rules
from pytest_obsstack.clients.series import QueryResult, parse_result, successful
from pytest_obsstack.endpoints import PrometheusEndpoint

if TYPE_CHECKING:
    from prometheus_api_client import PrometheusConnect
    from typing_extensions import Unpack

_ADVICE = {
    400: "correct the PromQL or the parameters",
    422: "the query can be parsed but not evaluated: change it",
}


class PrometheusClient:
    """A server of Prometheus' HTTP API. Times are in seconds since the epoch.

    A query that Prometheus refuses raises ``BackendRefused`` with its ``errorType: error``. Only
    reads: Prometheus has nothing that a client of this API changes.
    """

    def __init__(self, endpoint: PrometheusEndpoint, **options: Unpack[HttpOptions]) -> None:
        self.endpoint = endpoint
        self._api = ApiClient(
            "Prometheus",
            endpoint.url,
            headers=endpoint.headers,
            advice=_ADVICE,
            **options,
        )

    def close(self) -> None:
        self._api.close()

    @property
    def url(self) -> str:
        return self._api.url

    def ready(self) -> None:
        """Returns when the server serves queries; else ``BackendUnavailable``."""
        self._api.get("/-/ready")

    def query(self, promql: str, *, time_s: float | None = None) -> QueryResult:
        """An instant query; ``time_s`` is the server's now by default."""
        return self._result("/api/v1/query", {"query": promql, "time": time_s})

    def query_range(
        self, promql: str, *, start_s: float, end_s: float, step_s: float
    ) -> QueryResult:
        """A range query: a ``matrix``, both ends included."""
        params = {"query": promql, "start": start_s, "end": end_s, "step": step_s}
        return self._result("/api/v1/query_range", params)

    def series(
        self,
        *matchers: str,
        start_s: float | None = None,
        end_s: float | None = None,
    ) -> tuple[dict[str, str], ...]:
        """The label sets that match any of the selectors."""
        params = {"match[]": list(matchers), "start": start_s, "end": end_s}
        found = fields.items(self._data("/api/v1/series", params), "field 'data'")
        return tuple(fields.string_map(fields.mapping(item, "a series")) for item in found)

    def labels(self, *matchers: str) -> tuple[str, ...]:
        """Label names, sorted; of the series that match, if selectors are given."""
        return self._texts("/api/v1/labels", matchers)

    def label_values(self, label: str, *matchers: str) -> tuple[str, ...]:
        """The values of a label, sorted."""
        return self._texts(f"/api/v1/label/{label}/values", matchers)

    def targets(self) -> tuple[Target, ...]:
        """The active scrape targets."""
        data = fields.mapping(self._data("/api/v1/targets", {"state": "active"}), "field 'data'")
        return tuple(map(parse_target, fields.optional_items(data, "activeTargets")))

    def exemplars(self, promql: str, *, start_s: float, end_s: float) -> tuple[Exemplar, ...]:
        """The exemplars of all series that the query selects, in the server's order."""
        params = {"query": promql, "start": start_s, "end": end_s}
        found = fields.items(self._data("/api/v1/query_exemplars", params) or [], "field 'data'")
        return tuple(exemplar for item in found for exemplar in parse_exemplars(item))

    def rules(self) -> tuple[Rule, ...]:
        """All rules, alerting and recording, with their state, group by group."""
        return parse_rules(self._data("/api/v1/rules", {}))

    def alerts(self) -> tuple[ActiveAlert, ...]:
        """The alerts that are pending or firing."""
        data = fields.mapping(self._data("/api/v1/alerts", {}), "field 'data'")
        return tuple(map(parse_alert, fields.optional_items(data, "alerts")))

    def alertmanagers(self) -> tuple[str, ...]:
        """The URLs to which alerts are posted."""
        data = fields.mapping(self._data("/api/v1/alertmanagers", {}), "field 'data'")
        active = fields.optional_mappings(data, "activeAlertmanagers", "an Alertmanager")
        return tuple(fields.text(item, "url") for item in active)

    def own_metrics(self) -> str:
        """The metrics of the server itself, in the text format."""
        return self._api.get("/metrics").text

    def buildinfo(self) -> BuildInfo:
        data = fields.mapping(self._data("/api/v1/status/buildinfo", {}), "field 'data'")
        return BuildInfo(fields.text(data, "version"), data)

    def get(self, url_path: str, **params: Any) -> Any:
        """The parsed JSON of any path below the server's URL."""
        return self._api.get_json("/" + url_path.lstrip("/"), params)

    def connect(self) -> PrometheusConnect:
        """A ``prometheus_api_client.PrometheusConnect`` for the same server, past any proxy."""
        import requests
        from prometheus_api_client import PrometheusConnect

        session = requests.Session()
        session.trust_env = False
        return PrometheusConnect(
            url=self.endpoint.url, headers=dict(self.endpoint.headers) or None, session=session
        )

    def _result(self, url_path: str, params: dict[str, Any]) -> QueryResult:
        return parse_result(self._answer(url_path, params))

    def _texts(self, url_path: str, matchers: Sequence[str]) -> tuple[str, ...]:
        params = {"match[]": list(matchers)} if matchers else {}
        return tuple(
            str(item) for item in fields.items(self._data(url_path, params), "field 'data'")
        )

    def _data(self, url_path: str, params: dict[str, Any]) -> Any:
        return self._answer(url_path, params).get("data")

    def _answer(self, url_path: str, params: dict[str, Any]) -> fields.Raw:
        return successful(self._api.get_json(url_path, params), f"GET {url_path}")
