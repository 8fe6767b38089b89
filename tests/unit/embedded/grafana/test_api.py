"""The stand-in's API: login, data sources, dashboards; what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from pytest_obsstack.embedded.grafana.settings import GrafanaSettings
from tests.unit.embedded.grafana.support import (
    LOGIN,
    Products,
    ask,
    get,
    grafana,
    prometheus_answer,
    provision,
    query,
)

STAND_IN = "; use Grafana itself, as the image grafana/grafana"
DASHBOARDS = {
    "b": {"uid": "app", "title": "The App!", "tags": ["x", "y"], "panels": [{"title": "$$kept"}]},
    "a": {"uid": "other", "title": "Another", "tags": ["x"]},
}


def test_health_is_open_and_says_that_it_is_embedded(tmp_path: Path) -> None:
    answer = ask(grafana(provision(tmp_path)), "GET", "/api/health", headers={})
    assert answer.json() == {"database": "ok", "version": "13.2.3-embedded", "commit": "embedded"}


@pytest.mark.parametrize("path", ["/api/org", "/api/datasources", "/d/app", "/api/nothing"])
def test_all_else_needs_the_login(tmp_path: Path, path: str) -> None:
    server = grafana(provision(tmp_path))
    answer = ask(server, "GET", path, headers={})
    assert answer.status_code == 401
    assert answer.json() == {
        "message": "Unauthorized",
        "messageId": "auth.unauthorized",
        "statusCode": 401,
        "traceID": "",
    }


@pytest.mark.parametrize("header", ["Basic YWRtaW46d3Jvbmc=", "Basic ###", "Basic"])
def test_a_wrong_login_is_told(tmp_path: Path, header: str) -> None:
    server = grafana(provision(tmp_path))
    answer = ask(server, "GET", "/api/org", headers={"authorization": header})
    assert answer.status_code == 401
    assert answer.json()["message"] == "Invalid username or password"


def test_the_user_and_the_organisation(tmp_path: Path) -> None:
    server = grafana(provision(tmp_path))
    assert get(server, "/api/org").json()["name"] == "Main Org."
    assert get(server, "/api/user").json()["login"] == "admin"
    build = get(server, "/api/frontend/settings").json()["buildInfo"]
    assert build["version"] == "13.2.3-embedded"


def test_data_sources_come_by_name(tmp_path: Path) -> None:
    found = get(grafana(provision(tmp_path)), "/api/datasources").json()
    assert [(each["uid"], each["name"], each["typeName"]) for each in found] == [
        ("loki", "loki", "Loki"),
        ("prometheus", "Prometheus", "Prometheus"),
        ("tempo", "Tempo", "Tempo"),
    ]
    assert [each["isDefault"] for each in found] == [False, True, False]
    assert all(each["readOnly"] for each in found)
    assert found[0]["url"] == "http://loki:3100"


def test_one_data_source(tmp_path: Path) -> None:
    server = grafana(provision(tmp_path))
    found = get(server, "/api/datasources/uid/prometheus").json()
    assert found["jsonData"] == {"httpMethod": "POST", "timeInterval": "1s"}
    assert found["secureJsonFields"] == {}
    missing = get(server, "/api/datasources/uid/mimir")
    assert (missing.status_code, missing.json()) == (404, {"message": "Data source not found"})


@pytest.mark.parametrize(
    ("uid", "asked", "message"),
    [
        ("prometheus", "/api/v1/query", "Successfully queried the Prometheus API."),
        ("loki", "/loki/api/v1/query", "Successfully queried the Loki API."),
        ("tempo", "/api/echo", "Data source is working"),
    ],
)
def test_health_of_a_data_source_really_asks_it(
    tmp_path: Path, uid: str, asked: str, message: str
) -> None:
    two = prometheus_answer("vector", [{"metric": {}, "value": [4, "2"]}])
    products = Products(prometheus=two, loki=two, tempo=lambda _: httpx.Response(200))
    answer = get(grafana(provision(tmp_path), products), f"/api/datasources/uid/{uid}/health")
    assert answer.json() == {"status": "OK", "message": message}
    assert products.last.url.path == asked


@pytest.mark.parametrize(
    ("uid", "message"),
    [
        (
            "prometheus",
            (
                'Post "http://prometheus:9090/api/v1/query": All connection attempts failed - '
                "There was an error returned querying the Prometheus API."
            ),
        ),
        (
            "loki",
            (
                "There was an error returned querying the Loki API.: "
                'Get "http://loki:3100/loki/api/v1/query": All connection attempts failed'
            ),
        ),
        ("tempo", 'Get "http://tempo:3200/api/echo": All connection attempts failed'),
    ],
)
def test_a_data_source_that_is_down_is_not_healthy(tmp_path: Path, uid: str, message: str) -> None:
    answer = get(grafana(provision(tmp_path)), f"/api/datasources/uid/{uid}/health")
    assert answer.status_code == 400
    assert answer.json() == {"status": "ERROR", "message": message}


def test_a_tempo_that_refuses_is_not_healthy(tmp_path: Path) -> None:
    products = Products(tempo=lambda _: httpx.Response(503))
    answer = get(grafana(provision(tmp_path), products), "/api/datasources/uid/tempo/health")
    assert answer.json()["message"] == "Tempo echo endpoint returned status 503"


def test_a_loki_that_counts_wrong_is_not_healthy(tmp_path: Path) -> None:
    products = Products(loki=prometheus_answer("vector", [{"metric": {}, "value": [4, "3"]}]))
    answer = get(grafana(provision(tmp_path), products), "/api/datasources/uid/loki/health")
    assert answer.json()["message"].endswith("Loki API.: invalid response")


def test_the_proxy_passes_on_path_and_parameters_but_no_login(tmp_path: Path) -> None:
    def tempo(request: httpx.Request) -> httpx.Response:
        assert "authorization" not in request.headers
        return httpx.Response(
            418, content=b"teapot", headers={"content-type": "x/y", "set-cookie": "a=b"}
        )

    products = Products(tempo=tempo)
    server = grafana(provision(tmp_path), products)
    answer = ask(
        server,
        "GET",
        "/api/datasources/proxy/uid/tempo/api/search",
        params={"q": "{ .a = 1 }"},
        headers={**LOGIN, "accept": "application/json", "cookie": "c=d"},
    )
    assert (answer.status_code, answer.content) == (418, b"teapot")
    assert answer.headers["content-type"] == "x/y"
    assert "set-cookie" not in answer.headers
    assert products.last.url.path == "/api/search"
    assert products.last.url.params["q"] == "{ .a = 1 }"
    assert products.last.headers["accept"] == "application/json"
    assert "cookie" not in products.last.headers


def test_the_proxy_passes_on_forms(tmp_path: Path) -> None:
    products = Products(prometheus=prometheus_answer("vector", []))
    answer = ask(
        grafana(provision(tmp_path), products),
        "POST",
        "/api/datasources/proxy/uid/prometheus/api/v1/query",
        data={"query": "up"},
    )
    assert answer.json()["status"] == "success"
    assert products.form() == {"query": "up"}


def test_the_proxy_tells_what_is_not_there(tmp_path: Path) -> None:
    server = grafana(provision(tmp_path))
    assert get(server, "/api/datasources/proxy/uid/tempo/api/echo").status_code == 502
    missing = get(server, "/api/datasources/proxy/uid/x/api/echo")
    assert (missing.status_code, missing.json()) == (404, {"message": "Unable to find datasource"})


def test_dashboards_are_found(tmp_path: Path) -> None:
    server = grafana(provision(tmp_path, dashboards=DASHBOARDS))
    found = get(server, "/api/search", type="dash-db").json()
    assert [each["uid"] for each in found] == ["other", "app"]
    assert found[1] == {
        "id": 2,
        "uid": "app",
        "title": "The App!",
        "uri": "db/the-app",
        "url": "/d/app/the-app",
        "slug": "",
        "type": "dash-db",
        "tags": ["x", "y"],
        "isStarred": False,
        "sortMeta": 0,
        "isDeleted": False,
        "folderId": 1,
        "folderUid": "team",
        "folderTitle": "Team",
        "folderUrl": "/dashboards/f/team/team",
    }


@pytest.mark.parametrize(
    ("params", "uids"),
    [
        ({}, ["other", "team", "app"]),
        ({"type": "dash-folder"}, ["team"]),
        ({"type": "dash-db", "query": "the a"}, ["app"]),
        ({"type": "dash-db", "tag": ["x", "y"]}, ["app"]),
        ({"type": "dash-db", "folderUIDs": "team"}, ["other", "app"]),
        ({"type": "dash-db", "folderUIDs": "else"}, []),
        ({"type": "dash-db", "limit": 1}, ["other"]),
        ({"type": "dash-db", "limit": 1, "page": 2}, ["app"]),
    ],
)
def test_searches(tmp_path: Path, params: dict[str, str], uids: list[str]) -> None:
    server = grafana(provision(tmp_path, dashboards=DASHBOARDS))
    assert [each["uid"] for each in get(server, "/api/search", **params).json()] == uids


def test_a_dashboard_is_told_as_it_lies_in_the_folder(tmp_path: Path) -> None:
    server = grafana(provision(tmp_path, dashboards=DASHBOARDS))
    found = get(server, "/api/dashboards/uid/app").json()
    assert found["dashboard"]["panels"] == [{"title": "$$kept"}]
    meta = found["meta"]
    assert (meta["provisioned"], meta["provisionedExternalId"]) == (True, "b.json")
    assert (meta["url"], meta["folderTitle"]) == ("/d/app/the-app", "Team")
    missing = get(server, "/api/dashboards/uid/none")
    assert (missing.status_code, missing.json()) == (404, {"message": "Dashboard not found"})


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/annotations"),
        ("POST", "/api/dashboards/db"),
        ("PUT", "/api/datasources/uid/loki"),
        ("DELETE", "/api/dashboards/uid/app"),
        ("GET", "/d/app/the-app"),
    ],
)
def test_what_is_left_out_is_refused_by_name(tmp_path: Path, method: str, path: str) -> None:
    answer = ask(grafana(provision(tmp_path, dashboards=DASHBOARDS)), method, path)
    assert answer.status_code == 501, answer.text
    assert answer.json() == {
        "message": f"not supported by the embedded Grafana: {method} {path}{STAND_IN}"
    }


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("/api/search?starred=true", "searches with the parameter starred"),
        (
            "/api/prometheus/grafana/api/v1/rules?state=firing",
            "lists of rules with the parameter state",
        ),
    ],
)
def test_parameters_that_are_left_out_are_refused(tmp_path: Path, path: str, what: str) -> None:
    answer = ask(grafana(provision(tmp_path)), "GET", path)
    assert answer.status_code == 501
    assert answer.json()["message"] == f"not supported by the embedded Grafana: {what}{STAND_IN}"


def test_the_login_page_says_what_it_is(tmp_path: Path) -> None:
    server = grafana(provision(tmp_path))
    assert "stand-in for Grafana" in ask(server, "GET", "/login", headers={}).text
    assert ask(server, "GET", "/", headers={}).headers["location"] == "/login"


@pytest.mark.parametrize(
    ("model", "status", "message"),
    [
        ({"refId": "A"}, 400, "missing data source ID/UID"),
        ({"datasource": {"uid": "mimir"}}, 404, "Data source not found"),
        (
            {"datasource": {"uid": "__expr__"}},
            501,
            (
                "not supported by the embedded Grafana: expressions in /api/ds/query "
                f"(alert rules have them){STAND_IN}"
            ),
        ),
        (
            {"datasource": "-- Grafana --"},
            501,
            f"not supported by the embedded Grafana: the data source -- Grafana --{STAND_IN}",
        ),
    ],
)
def test_queries_without_a_known_data_source(
    tmp_path: Path, model: dict[str, object], status: int, message: str
) -> None:
    answer = query(grafana(provision(tmp_path)), model)
    assert (answer.status_code, answer.json()["message"]) == (status, message)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "bad request data"),
        (b"[]", "bad request data"),
        (b"{}", "no queries found"),
        (b'{"queries": [1]}', "bad request data"),
    ],
)
def test_what_is_no_query_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    answer = ask(grafana(provision(tmp_path)), "POST", "/api/ds/query", content=content)
    assert (answer.status_code, answer.json()["message"]) == (400, message)


def test_data_sources_that_are_left_out_are_refused(tmp_path: Path) -> None:
    sources: list[dict[str, Any]] = [
        {"name": "m", "uid": "m", "type": "mysql", "url": "http://m"},
        {"name": "p", "uid": "p", "type": "prometheus", "url": "http://p", "basicAuth": True},
    ]
    server = grafana(provision(tmp_path, sources=sources))
    for uid, what in (
        ("m", "data sources of type mysql"),
        ("p", "data sources with a login of their own"),
    ):
        answer = get(server, f"/api/datasources/uid/{uid}/health")
        assert answer.json()["message"].startswith(f"not supported by the embedded Grafana: {what}")


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match=r"Grafana settings: expected some of .* found 'port'"):
        GrafanaSettings.from_json({"port": 1})
    with pytest.raises(TypeError, match="Grafana settings: expected admin_user as a text"):
        GrafanaSettings.from_json({"admin_user": 1})
    assert "geheim" not in repr(GrafanaSettings.from_json({"admin_password": "geheim"}))
