"""The stack's own provisioning on the embedded products: every panel shows what they have."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from pytest_obsstack.embedded.grafana.server import GrafanaServer
from pytest_obsstack.embedded.journal import Journal
from pytest_obsstack.embedded.loki.server import LokiServer
from pytest_obsstack.embedded.loki.settings import LokiSettings
from pytest_obsstack.embedded.prometheus.server import PrometheusServer
from pytest_obsstack.embedded.prometheus.settings import PrometheusSettings
from pytest_obsstack.embedded.prometheus.store import SeriesStore
from pytest_obsstack.embedded.tempo.server import TempoServer
from pytest_obsstack.embedded.tempo.settings import TempoSettings
from tests.unit.embedded.grafana.support import Products, ask, get, grafana
from tests.unit.embedded.tempo import support as traces

STACK = Path(__file__).parents[4] / "stack/grafana/provisioning"
COUNTER = {"job": "simple-app", "instance": "i1", "endpoint": "/error", "status": "500"}
DURATION = {"job": "simple-app", "instance": "i1"}
VARIABLES = {"$service": "simple-app", "$instance": "i1"}


def label_set(name: str, labels: Mapping[str, str]) -> Any:
    return tuple(sorted({"__name__": name, **labels}.items()))


def store_samples(store: SeriesStore, now_ms: int) -> None:
    """Counters and buckets that rise for ten seconds."""
    for second in range(11):
        at_ms = now_ms - (10 - second) * 1000
        store.append(label_set("http_requests_total", COUNTER), at_ms, float(second))
        for bound in ("0.1", "+Inf"):
            labels = {**DURATION, "le": bound}
            name = "http_request_duration_seconds_bucket"
            store.append(label_set(name, labels), at_ms, float(second))


@pytest.fixture
def server() -> GrafanaServer:
    """A Grafana before products that hold some samples, a line and a trace."""
    now_ns = time.time_ns()
    prometheus = PrometheusServer(PrometheusSettings(), Journal(None))
    store_samples(prometheus.store, now_ns // 10**6)
    loki = LokiServer(LokiSettings(), Journal(None))
    labels = {"service_name": "simple-app", "service_instance_id": "i1"}
    value = [str(now_ns - 10**9), "it failed", {"trace_id": traces.TRACE}]
    push = {"streams": [{"stream": labels, "values": [value]}]}
    assert post(loki.app, "/loki/api/v1/push", push).status_code == 204
    tempo = TempoServer(TempoSettings(), Journal(None))
    traces.push(tempo, traces.whole_body())
    products = Products(prometheus=prometheus.app, loki=loki.app, tempo=tempo.app)
    return grafana(STACK, products, clock_ns=time.time_ns)


def post(app: Any, path: str, content: Any) -> httpx.Response:
    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://loki") as client:
            return await client.post(path, json=content)

    return asyncio.run(send())


def dashboard(uid: str) -> dict[str, Any]:
    text = (STACK / "dashboards" / f"{uid}.json").read_text()
    for name, chosen in VARIABLES.items():
        text = text.replace(name, chosen)
    found: dict[str, Any] = orjson.loads(text)
    return found


@pytest.mark.parametrize(
    "panel", dashboard("simple-app")["panels"], ids=lambda panel: str(panel["title"])
)
def test_each_panel_shows_something(server: GrafanaServer, panel: dict[str, Any]) -> None:
    queries = [{**target, "intervalMs": 1000, "maxDataPoints": 500} for target in panel["targets"]]
    body = {"queries": queries, "from": "now-15s", "to": "now"}
    answer = ask(server, "POST", "/api/ds/query", json=body)
    assert answer.status_code == 200, answer.text
    for ref_id, result in answer.json()["results"].items():
        rows = [
            len(frame["data"]["values"][0]) for frame in result["frames"] if frame["data"]["values"]
        ]
        assert any(rows), (ref_id, result)


@pytest.mark.parametrize("uid", ["prometheus", "loki", "tempo"])
def test_each_data_source_is_healthy(server: GrafanaServer, uid: str) -> None:
    answer = get(server, f"/api/datasources/uid/{uid}/health")
    assert answer.json()["status"] == "OK", answer.text


def test_a_trace_is_there_through_the_proxy_and_as_a_frame(server: GrafanaServer) -> None:
    path = f"/api/datasources/proxy/uid/tempo/api/v2/traces/{traces.TRACE}"
    assert len(get(server, path).json()["trace"]["resourceSpans"]) == 2
    model = {
        "refId": "A",
        "datasource": {"uid": "tempo"},
        "queryType": "traceId",
        "query": traces.TRACE,
    }
    answer = ask(server, "POST", "/api/ds/query", json={"queries": [model]})
    (frame,) = answer.json()["results"]["A"]["frames"]
    assert frame["data"]["values"][3] == ["GET /error", "GET", "GET /stock"]


def evaluate_rules(server: GrafanaServer) -> None:
    async def run() -> None:
        for rule in server._provisioned.alert_rules:
            await server.alerting.evaluate(rule)
        await server.stop()

    asyncio.run(run())


def test_the_alert_rule_fires_on_what_prometheus_has(server: GrafanaServer) -> None:
    evaluate_rules(server)
    (group,) = get(server, "/api/prometheus/grafana/api/v1/rules").json()["data"]["groups"]
    (rule,) = group["rules"]
    assert (rule["uid"], rule["health"], rule["state"]) == (
        "simple-app-error-rate",
        "ok",
        "firing",
    )
    assert rule["alerts"][0]["labels"]["job"] == "simple-app"
