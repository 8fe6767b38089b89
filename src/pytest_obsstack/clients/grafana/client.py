"""The client of Grafana's HTTP API: https://grafana.com/docs/grafana/latest/developers/http_api/."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit

from pytest_obsstack.clients import fields
from pytest_obsstack.clients.grafana.dashboards import (
    Dashboard,
    FoundDashboard,
    Panel,
    Target,
    parse_dashboard,
    parse_found_dashboard,
)
from pytest_obsstack.clients.grafana.frames import Frame
from pytest_obsstack.clients.grafana.models import (
    AlertRule,
    DataSource,
    Health,
    parse_data_source,
    parse_health,
    parse_rule_group,
)
from pytest_obsstack.clients.grafana.queries import (
    Moment,
    SourceReferences,
    frames_of,
    moment_text,
)
from pytest_obsstack.clients.grafana.variables import Values
from pytest_obsstack.clients.http import ApiClient, HttpOptions
from pytest_obsstack.clients.tempo.models import Trace, parse_trace
from pytest_obsstack.endpoints import GrafanaEndpoint
from pytest_obsstack.errors import BackendRefused

if TYPE_CHECKING:
    from typing_extensions import Unpack

_ADVICE = {
    400: "correct the query: the data source's own words above say what it does not take",
    401: "give Grafana's user and password",
    403: "give a user that may read data sources, dashboards and alert rules (role Admin)",
}
_MAX_FOUND = 5000


class GrafanaClient:
    """A Grafana, read-only: nothing that it keeps is changed.

    What Grafana or a data source refuses raises ``BackendRefused`` with its own text.
    """

    def __init__(self, endpoint: GrafanaEndpoint, **options: Unpack[HttpOptions]) -> None:
        self.endpoint = endpoint
        headers = {}
        if endpoint.password is not None:
            login = f"{endpoint.user}:{endpoint.password}".encode()
            headers["authorization"] = f"Basic {base64.b64encode(login).decode('ascii')}"
        self._api = ApiClient(
            "Grafana",
            endpoint.url,
            headers=headers,
            secrets=[endpoint.password],
            advice=_ADVICE,
            writable=False,
            **options,
        )

    def close(self) -> None:
        self._api.close()

    @property
    def url(self) -> str:
        return self._api.url

    def healthy(self) -> None:
        """Returns when Grafana and its database answer; else ``BackendUnavailable``."""
        answer = fields.mapping(self._api.get_json("/api/health"), "Grafana's health")
        if answer.get("database") != "ok":
            raise fields.unexpected("Grafana's health", "a database that is 'ok'", dict(answer))

    def version(self) -> str:
        """The server's version; asked as the user, because it may be hidden from strangers."""
        answer = fields.mapping(self._api.get_json("/api/frontend/settings"), "the settings")
        return fields.text(fields.optional_mapping(answer, "buildInfo"), "version")

    # Data sources

    def data_sources(self) -> tuple[DataSource, ...]:
        """All data sources, by name."""
        found = fields.items(self._api.get_json("/api/datasources"), "the data sources")
        return tuple(sorted(map(parse_data_source, found), key=lambda each: each.name))

    def data_source(self, uid: str) -> DataSource:
        """The data source; ``BackendRefused`` (404) where there is none of that uid."""
        return parse_data_source(self._api.get_json(f"/api/datasources/uid/{quote(uid, safe='')}"))

    def data_source_health(self, uid: str) -> Health:
        """What the data source says after it has asked its product."""
        path = f"/api/datasources/uid/{quote(uid, safe='')}/health"
        try:
            return parse_health(self._api.get_json(path))
        except BackendRefused as refused:
            # "ERROR" comes with this status, and the message alone is what the error has kept.
            if refused.status != 400:
                raise
            return Health("ERROR", refused.found or "")

    def proxied(self, uid: str, url_path: str, **params: Any) -> Any:
        """The parsed JSON of a GET that Grafana passes on to the data source's product."""
        path = f"/api/datasources/proxy/uid/{quote(uid, safe='')}/{url_path.lstrip('/')}"
        return self._api.get_json(path, params)

    def trace(self, uid: str, trace_id: str) -> Trace:
        """What a Tempo data source has of a trace: where links from lines and exemplars lead."""
        return parse_trace(self.proxied(uid, f"api/v2/traces/{trace_id}"))

    # Queries

    def query(
        self,
        data_source: str | None,
        parameters: Mapping[str, Any],
        *,
        start: Moment = "now-15m",
        end: Moment = "now",
        max_data_points: int = 500,
        interval_ms: int = 1000,
    ) -> tuple[Frame, ...]:
        """The frames that one query of a data source gives; ``None`` is the default data source.

        ``parameters`` are the data source's own: ``{"expr": …, "instant": True}`` for Prometheus,
        ``{"expr": …, "queryType": "range"}`` for Loki.
        """
        target = Target(str(parameters.get("refId", "A")), data_source, False, parameters)
        found = self.run([target], start, end, max_data_points, interval_ms)
        return found[target.ref_id]

    def panel_frames(
        self,
        dashboard: Dashboard,
        panel: Panel,
        *,
        variables: Values | None = None,
        start: Moment = "now-15m",
        end: Moment = "now",
        max_data_points: int = 500,
        interval_ms: int = 1000,
    ) -> dict[str, tuple[Frame, ...]]:
        """What the panel shows: the frames of each of its queries, by ``refId``.

        The queries are sent as the browser sends them, with the dashboard's variables replaced by
        ``variables``, else by the values that are saved; transformations are the browser's affair.
        """
        queries = dashboard.queries(panel, variables)
        return self.run(queries, start, end, max_data_points, interval_ms) if queries else {}

    def run(
        self,
        targets: Sequence[Target],
        start: Moment = "now-15m",
        end: Moment = "now",
        max_data_points: int = 500,
        interval_ms: int = 1000,
    ) -> dict[str, tuple[Frame, ...]]:
        """The frames of several queries, which may build on each other, by ``refId``.

        https://grafana.com/docs/grafana/latest/developers/http_api/data_source/#query-a-data-source
        """
        sources = SourceReferences(self.data_sources)
        queries = [
            {
                "intervalMs": interval_ms,
                "maxDataPoints": max_data_points,
                **target.raw,
                "refId": target.ref_id,
                "datasource": sources.reference(target.data_source),
            }
            for target in targets
        ]
        body = {"queries": queries, "from": moment_text(start), "to": moment_text(end)}
        # A question, for all that it is a POST.
        response = self._api.request("POST", "/api/ds/query", json=body, changes=False)
        answer = fields.mapping(self._api.json_of(response), "the queries' answer")
        results = fields.optional_mapping(answer, "results")
        return {
            target.ref_id: frames_of(target, results.get(target.ref_id), response.status_code)
            for target in targets
        }

    # Dashboards and alert rules

    def dashboards(self, query: str | None = None) -> tuple[FoundDashboard, ...]:
        """All dashboards, or those whose title has ``query`` in it."""
        params = {"type": "dash-db", "query": query, "limit": _MAX_FOUND}
        found = fields.items(self._api.get_json("/api/search", params), "the dashboards")
        return tuple(map(parse_found_dashboard, found))

    def dashboard(self, uid: str) -> Dashboard:
        """The dashboard; ``BackendRefused`` (404) where there is none of that uid."""
        return parse_dashboard(self._api.get_json(f"/api/dashboards/uid/{quote(uid, safe='')}"))

    def alert_rules(self) -> tuple[AlertRule, ...]:
        """The alerting rules that Grafana itself evaluates, with their state."""
        answer = self._api.get_json("/api/prometheus/grafana/api/v1/rules")
        data = fields.optional_mapping(fields.mapping(answer, "the rules"), "data")
        groups = fields.optional_items(data, "groups")
        return tuple(rule for group in groups for rule in parse_rule_group(group))

    def get(self, url_path: str, **params: Any) -> Any:
        """The parsed JSON of any path below the server's URL."""
        return self._api.get_json("/" + url_path.lstrip("/"), params)

    # Pages for a person

    def dashboard_url(
        self,
        dashboard: Dashboard | FoundDashboard,
        *,
        variables: Values | None = None,
        start: Moment | None = None,
        end: Moment | None = None,
    ) -> str:
        """The dashboard's page with those values and that time range selected."""
        params: list[tuple[str, str]] = []
        for name, value in (variables or {}).items():
            several = (value,) if isinstance(value, str) else value
            params += [(f"var-{name}", each) for each in several]
        params += [
            (name, moment_text(moment))
            for name, moment in (("from", start), ("to", end))
            if moment is not None
        ]
        page = self._page(dashboard.path)
        return f"{page}?{urlencode(params)}" if params else page

    def explore_url(
        self,
        data_source: DataSource,
        parameters: Mapping[str, Any],
        *,
        start: Moment = "now-1h",
        end: Moment = "now",
    ) -> str:
        """Explore with one query of a data source.

        https://grafana.com/docs/grafana/latest/explore/get-started-with-explore/#generate-explore-urls-from-external-tools
        """
        reference = {"uid": data_source.uid, "type": data_source.type}
        pane = {
            "datasource": data_source.uid,
            "queries": [{"refId": "A", "datasource": reference, **parameters}],
            "range": {"from": moment_text(start), "to": moment_text(end)},
        }
        panes = json.dumps({"obs": pane}, separators=(",", ":"))
        return f"{self.url}/explore?{urlencode({'schemaVersion': 1, 'orgId': 1, 'panes': panes})}"

    def trace_url(self, data_source: DataSource, trace_id: str) -> str:
        """Explore with one trace of a Tempo data source."""
        return self.explore_url(data_source, {"queryType": "traceql", "query": trace_id})

    def _page(self, path: str) -> str:
        """A path of Grafana's own answers, which may or may not begin with where it is served."""
        parts = urlsplit(self.url)
        if parts.path and path.startswith(parts.path + "/"):
            path = path.removeprefix(parts.path)
        return self.url + path
