"""Grafana's provisioning: what it names exists, and what it asks is a query."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from pytest_obsstack.embedded.loki.logql.parse import parse_query
from pytest_obsstack.embedded.prometheus.promql.parser import parse
from tests.unit.stack.compose_files import STACK, written

PROVISIONING = STACK / "grafana" / "provisioning"
UIDS = {"prometheus", "loki", "tempo"}
VARIABLES = {
    "$service": ".+",
    "$instance": ".*",
    "$__rate_interval": "4s",
    "$__interval": "1s",
    "$__tags": 'job="simple-app"',
}
"""What Grafana puts in the place of variables."""
EXPRESSIONS = "__expr__"
"""Grafana's own data source, of the conditions of alert rules."""


def files() -> list[Path]:
    found = [*PROVISIONING.rglob("*.yaml"), *PROVISIONING.rglob("*.json")]
    assert len(found) == 4
    return found


def content(path: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((PROVISIONING / path).read_text("utf-8"))
    return loaded


def data_sources() -> dict[str, dict[str, Any]]:
    return {each["uid"]: each for each in content("datasources/datasources.yaml")["datasources"]}


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = content("dashboards/simple-app.json")["panels"]
    return found


def rule() -> dict[str, Any]:
    (group,) = content("alerting/alerting.yaml")["groups"]
    (only,) = group["rules"]
    found: dict[str, Any] = only
    return found


def filled_in(query: str) -> str:
    for name, value in sorted(VARIABLES.items(), reverse=True):
        query = query.replace(name, value)
    assert "$" not in query
    return query


def values_of(key: str, node: Any) -> Iterator[Any]:
    """Everything that stands under ``key``, however deep."""
    if isinstance(node, dict):
        for name, value in node.items():
            if name == key:
                yield value
            yield from values_of(key, value)
    elif isinstance(node, list):
        for item in node:
            yield from values_of(key, item)


def test_every_file_is_json_and_so_read_alike_by_all() -> None:
    for path in files():
        text = path.read_text("utf-8")
        assert json.loads(text) == yaml.safe_load(text), path


def test_the_data_sources_are_the_stack_s_own() -> None:
    urls = {uid: source["url"] for uid, source in data_sources().items()}
    assert urls == {
        "prometheus": "http://prometheus:9090",
        "loki": "http://loki:3100",
        "tempo": "http://tempo:3200",
    }
    assert {uid: source["type"] for uid, source in data_sources().items()} == {
        uid: uid for uid in UIDS
    }


def test_whatever_names_a_data_source_names_one_that_exists() -> None:
    for path in files():
        loaded = json.loads(path.read_text("utf-8"))
        named = {*values_of("datasourceUid", loaded)}
        named |= {each["uid"] for each in values_of("datasource", loaded)}
        assert named <= UIDS | {EXPRESSIONS}, path


def test_an_exemplar_leads_to_its_trace() -> None:
    destinations = data_sources()["prometheus"]["jsonData"]["exemplarTraceIdDestinations"]
    assert destinations == [{"name": "trace_id", "datasourceUid": "tempo"}]
    duration = next(panel for panel in panels() if panel["title"] == "Duration")
    assert duration["targets"][0]["exemplar"] is True


def test_a_log_line_leads_to_its_trace_by_its_structured_metadata() -> None:
    (field,) = data_sources()["loki"]["jsonData"]["derivedFields"]
    assert field["matcherType"] == "label"
    assert field["matcherRegex"] == "trace_id"
    assert field["datasourceUid"] == "tempo"
    # Doubled, or it would be a variable of the environment.
    assert field["url"] == "$${__value.raw}"


def test_a_span_leads_to_the_log_lines_of_its_trace() -> None:
    to_logs = data_sources()["tempo"]["jsonData"]["tracesToLogsV2"]
    assert to_logs["datasourceUid"] == "loki"
    assert to_logs["tags"] == [{"key": "service.name", "value": "service_name"}]
    query = to_logs["query"].replace("$${__tags}", 'service_name="simple-app"')
    query = query.replace("$${__trace.traceId}", "4bf92f3577b34da6a3ce929d0e0e4736")
    assert "$" not in query
    parse_query(query)


def test_a_span_leads_to_its_service_s_requests() -> None:
    to_metrics = data_sources()["tempo"]["jsonData"]["tracesToMetrics"]
    assert to_metrics["tags"] == [{"key": "service.name", "value": "job"}]
    (query,) = to_metrics["queries"]
    parse(filled_in(query["query"].replace("$$", "$")))


def test_the_dashboard_shows_rate_errors_duration_and_logs() -> None:
    dashboard = content("dashboards/simple-app.json")
    assert dashboard["uid"] == "simple-app"
    titles = [panel["title"] for panel in panels()]
    assert titles == [
        "Requests per second",
        "Requests by endpoint and status",
        "Errors",
        "Duration",
        "Log lines by level",
        "Logs",
    ]
    assert len({panel["id"] for panel in panels()}) == len(titles)


@pytest.mark.parametrize("panel", panels(), ids=lambda panel: panel["title"])
def test_each_panel_asks_queries_of_service_and_instance(panel: dict[str, Any]) -> None:
    assert panel["targets"]
    for target in panel["targets"]:
        assert target["datasource"] == panel["datasource"]
        # In every selector, or it would show what was not chosen.
        for selector in re.findall(r"\{([^}]*)\}", target["expr"]):
            assert '=~"$service"' in selector, target["expr"]
            assert '=~"$instance"' in selector, target["expr"]
        read = parse if target["datasource"]["uid"] == "prometheus" else parse_query
        read(filled_in(target["expr"]))


def test_the_variables_choose_all_without_matching_nothing() -> None:
    listed = content("dashboards/simple-app.json")["templating"]["list"]
    all_values = {variable["name"]: variable["allValue"] for variable in listed}
    assert all_values == {"service": ".+", "instance": ".*"}
    for variable in listed:
        assert variable["query"]["query"].startswith("label_values(http_requests_total")


def test_the_panels_do_not_overlap() -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in panels():
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert (x, y) not in taken, (panel["title"], taken.get((x, y)))
                taken[x, y] = panel["title"]


def test_the_dashboards_lie_where_they_are_looked_for() -> None:
    (provider,) = content("dashboards/dashboards.yaml")["providers"]
    mounts = written("docker-compose.yml")["services"]["grafana"]["volumes"]
    assert "${OBSSTACK_FOLDER-.}/grafana/provisioning:/etc/grafana/provisioning:ro" in mounts
    assert provider["options"]["path"] == "/etc/grafana/provisioning/dashboards"


def test_the_alert_rule_asks_for_the_error_rate_and_belongs_to_its_panel() -> None:
    alert = rule()
    asked, condition = alert["data"]
    assert asked["datasourceUid"] == "prometheus"
    parse(asked["model"]["expr"])
    assert alert["condition"] == condition["refId"]
    assert condition["model"]["expression"] == asked["refId"]
    panel = next(each for each in panels() if each["id"] == alert["panelId"])
    assert (alert["dashboardUid"], panel["title"]) == ("simple-app", "Errors")
    # Where it fires is drawn in the panel.
    threshold = condition["model"]["conditions"][0]["evaluator"]["params"][0]
    assert panel["fieldConfig"]["defaults"]["thresholds"]["steps"][1]["value"] == threshold


def test_prometheus_and_grafana_mean_the_same_error_rate() -> None:
    rules = yaml.safe_load((STACK / "prometheus" / "rules.yml").read_text("utf-8"))
    expression = rules["groups"][0]["rules"][0]["expr"]
    asked, condition = rule()["data"]
    threshold = condition["model"]["conditions"][0]["evaluator"]["params"][0]
    assert " ".join(expression.split()) == f"{asked['model']['expr']} > {threshold}"


def test_alerts_go_to_a_webhook_and_never_by_mail() -> None:
    alerting = content("alerting/alerting.yaml")
    (point,) = alerting["contactPoints"]
    (receiver,) = point["receivers"]
    assert receiver["type"] == "webhook"
    assert receiver["settings"]["url"] == "$ALERT_WEBHOOK_URL"
    assert (
        "ALERT_WEBHOOK_URL" in written("docker-compose.yml")["services"]["grafana"]["environment"]
    )
    assert [policy["receiver"] for policy in alerting["policies"]] == [point["name"]]


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("GF_AUTH_ANONYMOUS_ENABLED", "false"),
        ("GF_USERS_ALLOW_SIGN_UP", "false"),
        ("GF_ANALYTICS_REPORTING_ENABLED", "false"),
        ("GF_ANALYTICS_CHECK_FOR_UPDATES", "false"),
        ("GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES", "false"),
        ("GF_NEWS_NEWS_FEED_ENABLED", "false"),
        ("GF_PLUGINS_PREINSTALL_DISABLED", "true"),
        ("GF_PLUGINS_PREINSTALL_AUTO_UPDATE", "false"),
        ("GF_SECURITY_DISABLE_GRAVATAR", "true"),
    ],
)
def test_grafana_lets_nobody_in_and_asks_nobody_outside(variable: str, value: str) -> None:
    environment = written("docker-compose.yml")["services"]["grafana"]["environment"]
    assert environment[variable] == value


def test_grafana_s_password_can_be_given() -> None:
    environment = written("docker-compose.yml")["services"]["grafana"]["environment"]
    assert environment["GF_SECURITY_ADMIN_PASSWORD"] == "${GRAFANA_ADMIN_PASSWORD-admin}"
