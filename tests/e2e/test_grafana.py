"""Grafana as it is provisioned: what it shows is what the products have, and its links lead on."""

from __future__ import annotations

import math
import time
import uuid
from collections.abc import Mapping

import pytest

from pytest_obsstack import AppProcess, AppSpec, Probe
from pytest_obsstack.clients.grafana.client import GrafanaClient
from pytest_obsstack.clients.grafana.frames import (
    Frame,
    LogLine,
    exemplars_of,
    log_lines_of,
    series_of,
)
from pytest_obsstack.clients.grafana.models import AlertRule, TraceLink
from pytest_obsstack.clients.loki.client import LokiClient
from pytest_obsstack.clients.prometheus.client import PrometheusClient
from pytest_obsstack.clients.series import Series
from pytest_obsstack.provision.session import Session
from pytest_obsstack.waiting import until

pytestmark = [pytest.mark.e2e, pytest.mark.obs_requires("grafana")]

DASHBOARD = "simple-app"
RULE = "simple-app-error-rate"
SOURCES = {"prometheus": "prometheus", "loki": "loki", "tempo": "tempo"}
"""Data sources by uid, with the plugin of each."""
BEFORE_S = 5.0
"""So much earlier than the first request a panel's time range begins: room for a rate's window."""


@pytest.fixture
def timeout_s(obs_session: Session) -> float:
    """What everything else may take on this stack, too."""
    return obs_session.options.timeout_s


@pytest.fixture
def own(obs_app: AppProcess, obs_app_spec: AppSpec) -> Mapping[str, str]:
    """The dashboard's variables, so that it shows this test's app alone where that is known."""
    return {"service": obs_app_spec.service, **(_instance(obs_app) or {})}


@pytest.mark.claim("url-grafana")
def test_each_data_source_is_provisioned_and_healthy(
    obs_grafana: GrafanaClient, timeout_s: float
) -> None:
    found = {source.uid: source for source in obs_grafana.data_sources()}
    assert {uid: source.type for uid, source in found.items()} == SOURCES
    assert all(source.read_only for source in found.values())
    assert found["prometheus"].is_default
    sick: dict[str, str] = {}

    def healthy() -> bool | None:
        sick.clear()
        for uid in SOURCES:
            health = obs_grafana.data_source_health(uid)
            if not health.ok:
                sick[uid] = health.message
        return None if sick else True

    assert until(healthy, timeout_s=timeout_s).value, sick


def test_the_dashboard_is_found_where_it_is_provisioned(obs_grafana: GrafanaClient) -> None:
    found = {hit.uid: hit for hit in obs_grafana.dashboards()}
    assert found[DASHBOARD].folder == "obsstack"
    dashboard = obs_grafana.dashboard(DASHBOARD)
    assert dashboard.provisioned
    targets = [target for panel in dashboard.panels for target in panel.targets]
    # Every one of them names a data source of this Grafana, and all have something to show.
    assert {target.data_source for target in targets} <= SOURCES.keys()
    assert all(panel.targets for panel in dashboard.panels)


@pytest.mark.claim("url-grafana")
@pytest.mark.obs_requires("metrics", "logs")
def test_each_panels_queries_return_data_after_traffic(
    obs: Probe, obs_grafana: GrafanaClient, own: Mapping[str, str], timeout_s: float
) -> None:
    dashboard = obs_grafana.dashboard(DASHBOARD)
    start_s = time.time() - BEFORE_S
    without: dict[str, list[str]] = {}

    def all_shown() -> bool | None:
        without.clear()
        # A rate needs an increase between two scrapes, so one request alone may show nothing.
        obs.get("/error")
        obs.get("/log", params={"level": "info", "message": "for the dashboard"})
        for panel in dashboard.panels:
            frames = obs_grafana.panel_frames(dashboard, panel, variables=own, start=start_s)
            empty = [ref_id for ref_id, found in frames.items() if not _shows(found)]
            if empty:
                without[panel.title] = empty
        return None if without else True

    assert until(all_shown, timeout_s=timeout_s).value, (
        f"panels without data, with their queries: {without}"
    )


@pytest.mark.claim("summary-metrics")
@pytest.mark.obs_requires("metrics")
def test_grafana_shows_the_series_that_prometheus_has(
    obs: Probe,
    obs_grafana: GrafanaClient,
    obs_prometheus: PrometheusClient,
    obs_app: AppProcess,
    obs_app_spec: AppSpec,
    timeout_s: float,
) -> None:
    obs.get("/error")
    labels = {"job": obs_app_spec.service, **(_instance(obs_app) or {})}
    selector = ",".join(f'{name}="{value}"' for name, value in labels.items())
    promql = f"http_requests_total{{{selector}}}"
    obs.metrics.expect_increase('http_requests_total{endpoint="/error"}', at_least=1)
    # One time for both, in whole milliseconds, which is all that Grafana passes on.
    at_s = math.floor(time.time() * 1000) / 1000
    seen: dict[str, dict[frozenset[tuple[str, str]], float]] = {}

    def same() -> bool | None:
        # Samples of that time may still be on their way between the first look and the second.
        query = {"expr": promql, "instant": True, "range": False}
        frames = obs_grafana.query("prometheus", query, start=at_s - 60, end=at_s)
        seen["through Grafana"] = _values(series_of(frames))
        seen["directly"] = _values(obs_prometheus.query(promql, time_s=at_s).series)
        return True if seen["directly"] and seen["through Grafana"] == seen["directly"] else None

    assert until(same, timeout_s=timeout_s).value, seen
    endpoints = {dict(labels)["endpoint"] for labels in seen["through Grafana"]}
    assert "/error" in endpoints


@pytest.mark.claim("summary-logs")
@pytest.mark.obs_requires("logs")
def test_grafana_shows_the_lines_that_loki_has(
    obs: Probe, obs_grafana: GrafanaClient, obs_loki: LokiClient, timeout_s: float
) -> None:
    messages = ["first", "second"]
    obs.get("/log", params={"level": ["info", "error"], "message": messages})
    # Settled: what Loki has of this trace now is all that it will have.
    lines = [(entry.timestamp_ns, entry.line) for entry in obs.logs.lines()]
    assert [line for _, line in lines][:2] == messages
    logql = f'{{service_name=~".+"}} | trace_id="{obs.trace_id}"'
    start_s, end_s = obs.exchanges[0].started_s - 60, time.time() + 60
    directly = obs_loki.query_range(logql, start_ns=int(start_s * 1e9), end_ns=int(end_s * 1e9))
    query = {"expr": logql, "queryType": "range", "maxLines": 1000}

    def shown() -> tuple[LogLine, ...] | None:
        frames = obs_grafana.query("loki", query, start=start_s, end=end_s)
        return log_lines_of(frames) or None

    through = until(shown, timeout_s=timeout_s).value
    assert through is not None
    assert [(line.timestamp_ns, line.line) for line in through] == lines
    assert [dict(line.labels) for line in through] == [dict(entry.fields) for entry in directly]


@pytest.mark.obs_requires("metrics", "exemplars", "spans")
def test_an_exemplar_leads_to_its_trace(
    obs: Probe, obs_grafana: GrafanaClient, own: Mapping[str, str], timeout_s: float
) -> None:
    dashboard = obs_grafana.dashboard(DASHBOARD)
    duration = dashboard.panel("Duration")
    link = _link_to_tempo(obs_grafana, "prometheus")
    start_s = time.time() - BEFORE_S

    def found() -> str | None:
        # Of each series and scrape only the last exemplar is kept, and Grafana shows some of them.
        obs.get("/error")
        frames = obs_grafana.panel_frames(dashboard, duration, variables=own, start=start_s)
        for row in exemplars_of(frames["A"]):
            query = link.query("", {name: str(value) for name, value in row.items()})
            if query == obs.trace_id:
                return query
        return None

    linked = until(found, timeout_s=timeout_s).value
    assert linked is not None, "no exemplar of the panel leads to the trace of these requests"
    _expect_trace(obs_grafana, link, linked, "GET /error", timeout_s)


@pytest.mark.obs_requires("logs", "spans")
def test_a_log_line_leads_to_its_trace(
    obs: Probe, obs_grafana: GrafanaClient, own: Mapping[str, str], timeout_s: float
) -> None:
    message = f"for the link {uuid.uuid4().hex}"
    obs.get("/log", params={"level": "warning", "message": message})
    dashboard = obs_grafana.dashboard(DASHBOARD)
    logs = dashboard.panel("Logs")
    link = _link_to_tempo(obs_grafana, "loki")
    start_s = obs.exchanges[0].started_s - BEFORE_S

    def shown() -> LogLine | None:
        (frames,) = obs_grafana.panel_frames(dashboard, logs, variables=own, start=start_s).values()
        return next((line for line in log_lines_of(frames) if line.line == message), None)

    line = until(shown, timeout_s=timeout_s).value
    assert line is not None, f"the panel does not show {message!r}"
    linked = link.query(line.line, line.labels)
    assert linked == obs.trace_id
    _expect_trace(obs_grafana, link, linked, "GET /log", timeout_s)


@pytest.mark.obs_requires("metrics")
def test_the_provisioned_alert_rule_is_evaluated(obs: Probe, obs_grafana: GrafanaClient) -> None:
    started_s = time.time()
    obs.get("/error")
    seen: AlertRule | None = None

    def evaluated() -> AlertRule | None:
        nonlocal seen
        seen = next((rule for rule in obs_grafana.alert_rules() if rule.uid == RULE), None)
        if seen is None or seen.last_evaluation is None:
            return None
        return seen if seen.last_evaluation.timestamp() > started_s else None

    # Every 10 s, the shortest that Grafana allows.
    rule = until(evaluated, timeout_s=30.0).value
    assert rule is not None, f"no evaluation since this test began: {seen}"
    assert (rule.name, rule.group, rule.folder) == ("High error rate", "simple-app", "obsstack")
    assert rule.health in ("ok", "nodata"), rule.last_error
    assert rule.labels["severity"] == "page"


def _instance(app: AppProcess) -> dict[str, str] | None:
    return {"instance": app.instance} if app.instance else None


def _shows(frames: tuple[Frame, ...]) -> bool:
    """Whether there is a line, or a value that is neither 0, as without traffic, nor NaN."""
    values = (sample.value for series in series_of(frames) for sample in series.samples)
    return any(value > 0 for value in values) or bool(log_lines_of(frames))


def _values(found: tuple[Series, ...]) -> dict[frozenset[tuple[str, str]], float]:
    """The newest value of each label set, without the metric's name: frames may hold it apart."""
    return {
        frozenset((key, value) for key, value in series.labels.items() if key != "__name__"): (
            series.last.value
        )
        for series in found
    }


def _link_to_tempo(grafana: GrafanaClient, uid: str) -> TraceLink:
    """The data source's link to a trace, whose target is there and is a Tempo."""
    (link,) = grafana.data_source(uid).trace_links
    assert link.target_uid is not None
    assert grafana.data_source(link.target_uid).type == "tempo"
    return link


def _expect_trace(
    grafana: GrafanaClient, link: TraceLink, trace_id: str, name: str, timeout_s: float
) -> None:
    """Where the link leads, the request's server span is found."""
    assert link.target_uid is not None
    uid = link.target_uid
    seen: list[str | None] = []

    def there() -> bool | None:
        seen[:] = [
            span.name for span in grafana.trace(uid, trace_id).spans if span.kind == "server"
        ]
        return True if name in seen else None

    assert until(there, timeout_s=timeout_s).value, seen
