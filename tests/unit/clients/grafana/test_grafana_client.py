"""The Grafana client against answers in the documented format.

Pages of https://grafana.com/docs/grafana/latest/developers/http_api/: ``data_source``,
``dashboard``, ``folder_dashboard_search``, ``other``. The dashboard is the one that is deployed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from pytest_obsstack.clients.grafana.client import GrafanaClient
from pytest_obsstack.clients.grafana.dashboards import Dashboard
from pytest_obsstack.endpoints import GrafanaEndpoint
from pytest_obsstack.errors import BackendRefused, BackendUnavailable, ObsstackError
from tests.unit.clients.answers import Answers, refusal

PASSWORD = "s3cret-p4ss"
URL = "http://127.0.0.1:3000"
QUERY = "POST /api/ds/query"
SHIPPED = Path(__file__).parents[4] / "stack/grafana/provisioning/dashboards/simple-app.json"

PROMETHEUS = {
    "id": 1,
    "uid": "prometheus",
    "orgId": 1,
    "name": "Prometheus",
    "type": "prometheus",
    "access": "proxy",
    "url": "http://prometheus:9090",
    "isDefault": True,
    "jsonData": {"httpMethod": "POST"},
    "readOnly": True,
}
LOKI = {**PROMETHEUS, "id": 2, "uid": "loki", "name": "Loki", "type": "loki", "isDefault": False}
SOURCES = {"GET /api/datasources": [PROMETHEUS, LOKI]}
EMPTY = {"results": {"A": {"status": 200, "frames": []}}}


def client(table: dict[str, Any], **options: Any) -> tuple[GrafanaClient, Answers]:
    answers = Answers(table)
    endpoint = GrafanaEndpoint(options.pop("url", URL), "admin", options.pop("password", PASSWORD))
    return GrafanaClient(endpoint, transport=answers, **options), answers


def answer_of(model: dict[str, Any], **meta: Any) -> dict[str, Any]:
    return {"dashboard": model, "meta": {"url": "/d/simple-app/simple-app", **meta}}


def dashboard(*panels: dict[str, Any], variables: list[dict[str, Any]] | None = None) -> Dashboard:
    model = {"uid": "d", "title": "D", "panels": list(panels), "templating": {"list": variables}}
    grafana, _ = client({"GET /api/dashboards/uid/d": answer_of(model)})
    return grafana.dashboard("d")


def panel(title: str, *targets: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": 1, "title": title, "type": "timeseries", "targets": list(targets), **more}


# ---- the server and its login


def test_every_request_has_the_users_login() -> None:
    grafana, answers = client({"GET /api/frontend/settings": {"buildInfo": {"version": "13.2.3"}}})
    assert grafana.version() == "13.2.3"
    assert answers.requests[0].headers["authorization"] == "Basic YWRtaW46czNjcmV0LXA0c3M="
    grafana.close()


def test_without_a_password_nobody_logs_in() -> None:
    grafana, answers = client({"GET /api/health": {"database": "ok"}}, password=None)
    grafana.healthy()
    assert "authorization" not in answers.requests[0].headers


def test_a_wrong_password_is_told_without_the_password() -> None:
    said = {"message": f"Invalid username or password {PASSWORD}"}
    grafana, _ = client({"GET /api/datasources": refusal(401, said)})
    with pytest.raises(BackendRefused) as caught:
        grafana.data_sources()
    assert str(caught.value) == (
        "Grafana refused GET /api/datasources: 401 Unauthorized.\n"
        "  expected  a 2xx status\n"
        "  found     Invalid username or password [redacted]\n"
        "  do        give Grafana's user and password"
    )
    assert PASSWORD not in repr(grafana.endpoint)


def test_a_grafana_without_its_database_is_not_healthy() -> None:
    failing = {"commit": "087143285", "database": "failing", "version": "5.1.3"}
    grafana, _ = client({"GET /api/health": refusal(503, failing)})
    with pytest.raises(BackendUnavailable, match="failing"):
        grafana.healthy()


def test_something_else_that_answers_is_not_healthy() -> None:
    grafana, _ = client({"GET /api/health": {"status": "up"}})
    with pytest.raises(ObsstackError, match="a database that is 'ok'"):
        grafana.healthy()


# ---- data sources


def test_data_sources_come_by_name() -> None:
    grafana, _ = client({**SOURCES, "GET /api/datasources/uid/loki": LOKI})
    loki, prometheus = grafana.data_sources()
    assert (loki.uid, loki.type, loki.is_default, loki.read_only) == ("loki", "loki", False, True)
    assert (prometheus.url, prometheus.is_default) == ("http://prometheus:9090", True)
    assert prometheus.settings == {"httpMethod": "POST"}
    assert grafana.data_source("loki") == loki


def test_a_healthy_data_source() -> None:
    said = {"status": "OK", "message": "Successfully queried the Prometheus API."}
    grafana, _ = client({"GET /api/datasources/uid/prometheus/health": said})
    health = grafana.data_source_health("prometheus")
    assert (health.ok, health.message) == (True, "Successfully queried the Prometheus API.")


def test_a_data_source_whose_product_does_not_answer_is_not_healthy() -> None:
    said = {"status": "ERROR", "message": "dial tcp: connection refused"}
    grafana, _ = client({"GET /api/datasources/uid/loki/health": refusal(400, said)})
    health = grafana.data_source_health("loki")
    assert (health.ok, health.status) == (False, "ERROR")
    assert health.message == "dial tcp: connection refused"


def test_the_health_of_a_data_source_that_is_not_there_is_an_error() -> None:
    path = "GET /api/datasources/uid/nothing/health"
    grafana, _ = client({path: refusal(404, {"message": "Data source not found"})})
    with pytest.raises(BackendRefused, match="Data source not found"):
        grafana.data_source_health("nothing")


def test_a_data_sources_product_is_asked_through_grafana() -> None:
    path = "GET /api/datasources/proxy/uid/tempo/api/v2/traces/abc"
    grafana, answers = client({path: {"trace": {}}})
    assert grafana.proxied("tempo", "/api/v2/traces/abc", start=1) == {"trace": {}}
    assert answers.params() == [("start", "1")]


def test_a_links_target_has_the_trace() -> None:
    path = "GET /api/datasources/proxy/uid/tempo/api/v2/traces/abc"
    spans = [{"spanId": "7uGbfsPBsQA=", "name": "GET /error"}]
    answer = {"trace": {"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}}
    grafana, _ = client({path: answer})
    assert [span.name for span in grafana.trace("tempo", "abc").spans] == ["GET /error"]


# ---- queries


def test_a_query_is_asked_as_the_api_documents() -> None:
    frames = [{"schema": {"fields": [{"name": "n", "type": "number"}]}, "data": {"values": [[1]]}}]
    grafana, answers = client({**SOURCES, QUERY: {"results": {"A": {"frames": frames}}}})
    parameters = {"expr": "up", "instant": True}
    (frame,) = grafana.query("prometheus", parameters, start=10.5, end=20.0)
    assert frame.column("n") == (1,)
    assert answers.body() == {
        "queries": [
            {
                "refId": "A",
                "datasource": {"uid": "prometheus", "type": "prometheus"},
                "intervalMs": 1000,
                "maxDataPoints": 500,
                "expr": "up",
                "instant": True,
            }
        ],
        "from": "10500",
        "to": "20000",
    }


def test_a_time_may_be_relative() -> None:
    grafana, answers = client({**SOURCES, QUERY: EMPTY})
    assert grafana.query("loki", {"expr": "{}"}) == ()
    assert (answers.body()["from"], answers.body()["to"]) == ("now-15m", "now")


@pytest.mark.parametrize(
    ("named", "uid"), [(None, "prometheus"), ("default", "prometheus"), ("Loki", "loki")]
)
def test_a_data_source_may_be_the_default_or_given_by_name(named: str | None, uid: str) -> None:
    grafana, answers = client({**SOURCES, QUERY: EMPTY})
    grafana.query(named, {"expr": "x"})
    assert answers.body()["queries"][0]["datasource"]["uid"] == uid


def test_grafanas_own_data_sources_are_not_looked_up() -> None:
    grafana, answers = client({QUERY: EMPTY})
    grafana.query("__expr__", {"type": "math", "expression": "1+1"})
    assert answers.body()["queries"][0]["datasource"] == {"uid": "__expr__", "type": "__expr__"}


@pytest.mark.parametrize(
    ("sources", "named", "expected", "found"),
    [
        ([PROMETHEUS], "tempo", "'tempo'", "'prometheus' (Prometheus)"),
        ([LOKI], None, "a default one", "'loki' (Loki)"),
        ([], None, "a default one", "none at all"),
    ],
)
def test_a_data_source_that_is_not_there_is_told_before_the_query(
    sources: list[Any], named: str | None, expected: str, found: str
) -> None:
    grafana, _ = client({"GET /api/datasources": sources})
    with pytest.raises(ObsstackError) as caught:
        grafana.query(named, {"expr": "x"})
    assert str(caught.value) == (
        "Grafana has not the data source that a query is for.\n"
        f"  expected  {expected}\n"
        f"  found     {found}\n"
        "  do        correct the data source of the query or panel, or provision it in Grafana"
    )


def test_a_query_that_the_data_source_refuses_is_told_in_its_words() -> None:
    failed = {"results": {"A": {"error": "parse error: unexpected end", "status": 400}}}
    grafana, _ = client({**SOURCES, QUERY: refusal(400, failed)})
    with pytest.raises(BackendRefused) as caught:
        grafana.query("prometheus", {"expr": "("})
    assert "parse error: unexpected end" in str(caught.value)


def test_an_error_among_answers_is_never_an_empty_result() -> None:
    """Several queries in one request: Grafana may answer 207, or 200."""
    failed = {"results": {"A": {"error": "connection refused", "status": 502, "frames": []}}}
    grafana, _ = client({**SOURCES, QUERY: refusal(207, failed)})
    with pytest.raises(BackendRefused) as caught:
        grafana.query("loki", {"expr": "{}"})
    assert str(caught.value) == (
        "Grafana's data source loki refused query A.\n"
        "  expected  data, or none, but no error\n"
        "  found     connection refused\n"
        "  do        correct the query"
    )
    assert caught.value.status == 502


def test_a_query_without_a_result_is_not_what_grafana_documents() -> None:
    grafana, _ = client({**SOURCES, QUERY: {"results": {}}})
    with pytest.raises(ObsstackError, match="the result of query A"):
        grafana.query("loki", {"expr": "{}"})


# ---- dashboards


def test_dashboards_are_found() -> None:
    found = {
        "id": 1,
        "uid": "simple-app",
        "title": "simple-app",
        "url": "/d/simple-app/simple-app",
        "type": "dash-db",
        "tags": ["obsstack"],
        "folderTitle": "obsstack",
    }
    grafana, answers = client({"GET /api/search": [found]})
    (hit,) = grafana.dashboards("simple")
    assert (hit.uid, hit.title, hit.folder) == ("simple-app", "simple-app", "obsstack")
    assert (hit.tags, hit.path) == (("obsstack",), "/d/simple-app/simple-app")
    assert answers.params() == [("type", "dash-db"), ("query", "simple"), ("limit", "5000")]


def test_the_shipped_dashboards_queries_have_their_variables_replaced() -> None:
    model = json.loads(SHIPPED.read_text())
    path = "GET /api/dashboards/uid/simple-app"
    grafana, answers = client({**SOURCES, path: answer_of(model, provisioned=True), QUERY: EMPTY})
    shipped = grafana.dashboard("simple-app")
    assert shipped.provisioned
    assert {panel.title for panel in shipped.panels} >= {"Errors", "Duration", "Logs"}

    logs = shipped.panel("Logs")
    (everything,) = shipped.queries(logs)
    assert everything.raw["expr"] == '{service_name=~".+", service_instance_id=~".*"}'
    assert grafana.panel_frames(shipped, logs, variables={"service": "simple-app"}) == {"A": ()}
    (sent,) = answers.body()["queries"]
    assert sent["expr"] == '{service_name=~"simple-app", service_instance_id=~".*"}'
    assert sent["datasource"] == {"uid": "loki", "type": "loki"}
    assert (sent["maxLines"], sent["maxDataPoints"]) == (500, 500)
    for each in shipped.panels:
        for query in shipped.queries(each):
            assert "$service" not in query.raw["expr"]


def test_panels_in_rows_are_found_whether_the_row_is_open_or_collapsed() -> None:
    row = {"type": "row", "title": "row"}
    inside = {**row, "collapsed": True, "panels": [panel("b")]}
    found = dashboard(panel("a"), inside, {**row, "panels": []}, panel("c"))
    assert [each.title for each in found.panels] == ["a", "b", "c"]


def test_a_query_has_its_own_data_source_or_its_panels() -> None:
    own = {"refId": "B", "datasource": {"type": "loki", "uid": "loki"}}
    old = {"refId": "C", "datasource": "Loki"}
    found = dashboard(panel("p", {"refId": "A"}, own, old, datasource={"uid": "prometheus"}))
    (only,) = found.panels
    assert [each.data_source for each in only.targets] == ["prometheus", "loki", "Loki"]


def test_a_data_source_may_be_a_variable() -> None:
    target = {"refId": "A", "datasource": {"uid": "${source}"}}
    variable = {"name": "source", "type": "datasource", "current": {"value": "loki"}}
    found = dashboard(panel("p", target), variables=[variable])
    assert [each.data_source for each in found.queries(found.panels[0])] == ["loki"]


def test_hidden_queries_are_not_asked_and_a_text_panel_asks_nothing() -> None:
    grafana, answers = client({})
    found = dashboard(panel("p", {"refId": "A", "hide": True}), panel("text"))
    assert [grafana.panel_frames(found, each) for each in found.panels] == [{}, {}]
    assert answers.requests == []


def test_a_panel_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(ObsstackError) as caught:
        dashboard(panel("a"), panel("b")).panel("c")
    assert str(caught.value) == (
        "Dashboard 'd' has 0 panels 'c'.\n  expected  exactly one\n  found     'a', 'b'"
    )


# ---- alert rules


def test_alert_rules_of_all_groups_come_with_their_state() -> None:
    rule = {
        "name": "High error rate",
        "state": "inactive",
        "health": "ok",
        "type": "alerting",
        "lastEvaluation": "2026-11-23T10:00:00Z",
    }
    group = {"name": "simple-app", "file": "obsstack", "interval": 10, "rules": [rule]}
    said = {"status": "success", "data": {"groups": [group, {**group, "name": "other"}]}}
    grafana, _ = client({"GET /api/prometheus/grafana/api/v1/rules": said})
    assert [(rule.group, rule.state) for rule in grafana.alert_rules()] == [
        ("simple-app", "inactive"),
        ("other", "inactive"),
    ]


def test_a_grafana_without_rules_has_none() -> None:
    said = {"status": "success", "data": {"groups": []}}
    grafana, _ = client({"GET /api/prometheus/grafana/api/v1/rules": said})
    assert grafana.alert_rules() == ()


# ---- links


def test_links_to_pages() -> None:
    grafana, _ = client(SOURCES)
    found = dashboard(panel("a"))
    assert grafana.dashboard_url(found) == f"{URL}/d/simple-app/simple-app"
    values = {"service": ["a", "b c"], "instance": "i"}
    assert grafana.dashboard_url(found, variables=values, start=1.5, end="now") == (
        f"{URL}/d/simple-app/simple-app"
        "?var-service=a&var-service=b+c&var-instance=i&from=1500&to=now"
    )


def test_a_link_below_a_sub_path_has_it_once() -> None:
    grafana, _ = client({}, url="http://host/grafana")
    model = {"uid": "d", "title": "D"}
    below, _ = client({"GET /api/dashboards/uid/d": answer_of(model, url="/grafana/d/d/d")})
    assert grafana.dashboard_url(below.dashboard("d")) == "http://host/grafana/d/d/d"


def test_a_link_to_a_trace_opens_explore() -> None:
    grafana, _ = client({"GET /api/datasources/uid/loki": LOKI})
    url = grafana.trace_url(grafana.data_source("loki"), "abc")
    parts = urlsplit(url)
    assert url.startswith(f"{URL}/explore?")
    params = parse_qs(parts.query)
    assert (params["schemaVersion"], params["orgId"]) == (["1"], ["1"])
    (pane,) = json.loads(params["panes"][0]).values()
    assert pane == {
        "datasource": "loki",
        "queries": [
            {
                "refId": "A",
                "datasource": {"uid": "loki", "type": "loki"},
                "queryType": "traceql",
                "query": "abc",
            }
        ],
        "range": {"from": "now-1h", "to": "now"},
    }


def test_any_other_path_can_be_read() -> None:
    grafana, answers = client({"GET /api/org": {"name": "Main Org."}})
    assert grafana.get("api/org", x=1) == {"name": "Main Org."}
    assert answers.lines == ["GET /api/org?x=1"]
