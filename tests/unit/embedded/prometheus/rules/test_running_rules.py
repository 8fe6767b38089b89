"""Rules of a running server: evaluation on its interval, delivery, the API, changed settings."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pytest_obsstack.embedded.journal import Journal
from pytest_obsstack.embedded.listener import Listener
from pytest_obsstack.embedded.prometheus.server import PrometheusServer
from pytest_obsstack.embedded.prometheus.settings import PrometheusSettings
from pytest_obsstack.embedded.settings import PortWish
from tests.contract import remote_write_message as message

GROUP = {
    "name": "app",
    "interval": "20ms",
    "rules": [
        {"record": "load:max", "expr": "max(load)", "labels": {"from": "rule"}},
        {
            "alert": "Busy",
            "expr": "load > 1",
            "labels": {"severity": "page"},
            "annotations": {"summary": "{{ $labels.job }} has {{ $value }}"},
        },
    ],
}
DEADLINE_S = 5.0


async def until(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline_s
        await asyncio.sleep(0.005)


class Alertmanager:
    """Takes notifications; ``status`` is what it answers."""

    def __init__(self) -> None:
        self.alerts: list[dict[str, Any]] = []
        self.headers: dict[str, str] = {}
        self.status = 200
        self.listener = Listener("127.0.0.1", PortWish())
        self.app = Starlette(routes=[Route("/api/v2/alerts", self._take, methods=["POST"])])

    async def _take(self, request: Request) -> Response:
        self.headers = dict(request.headers)
        if self.status == 200:
            self.alerts += orjson.loads(await request.body())
        return Response(status_code=self.status)


class Running:
    """The server with an Alertmanager, and a client of its API."""

    def __init__(
        self, server: PrometheusServer, alertmanager: Alertmanager, client: httpx.AsyncClient
    ) -> None:
        self.server = server
        self.alertmanager = alertmanager
        self._client = client

    async def put(self, load: float) -> None:
        at_s = self.server._now_ms() / 1000
        series = message.series({"__name__": "load", "job": "shop"}, [(at_s, load)])
        body = message.request([series])
        answer = await self._client.post("/api/v1/write", content=body, headers=message.HEADERS)
        assert answer.status_code == 204, answer.text

    async def get(self, path: str, **params: Any) -> Any:
        answer = await self._client.get(f"/api/v1/{path}", params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    async def refused(self, path: str, **params: Any) -> str:
        answer = await self._client.get(f"/api/v1/{path}", params=params)
        assert answer.status_code in (400, 501)
        error: str = answer.json()["error"]
        return error

    async def told(self, count: int) -> list[dict[str, Any]]:
        await until(lambda: len(self.alertmanager.alerts) >= count)
        return self.alertmanager.alerts


@asynccontextmanager
async def running(groups: list[dict[str, Any]], **settings: Any) -> AsyncIterator[Running]:
    alertmanager = Alertmanager()
    await alertmanager.listener.open(alertmanager.app)
    document = {
        "rule_files": {"rules.yml": {"groups": groups}},
        "alertmanagers": [alertmanager.listener.url],
        "external_url": "http://prometheus:9090",
        **settings,
    }
    server = PrometheusServer(PrometheusSettings.from_json(document), Journal(None))
    await server.start()
    transport = httpx.ASGITransport(app=server.app)
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://p") as client:
            yield Running(server, alertmanager, client)
    finally:
        await server.stop()
        await alertmanager.listener.close()
        alertmanager.listener.release()


def test_an_alert_is_delivered_when_it_fires_and_when_it_is_resolved() -> None:
    async def scenario() -> None:
        async with running([GROUP], external_labels={"cluster": "eu", "job": "other"}) as prom:
            await prom.put(5)
            (fired,) = await prom.told(1)
            (shown,) = (await prom.get("alerts"))["alerts"]
            await prom.put(0)
            _, resolved = await prom.told(2)

            assert fired == {
                "labels": {
                    "alertname": "Busy",
                    "cluster": "eu",
                    "job": "shop",
                    "severity": "page",
                },
                "annotations": {"summary": "shop has 5"},
                "startsAt": fired["startsAt"],
                "endsAt": fired["endsAt"],
                "generatorURL": "http://prometheus:9090/graph?g0.expr=load+%3E+1&g0.tab=1",
            }
            assert fired["startsAt"] < fired["endsAt"]
            assert resolved["startsAt"] == fired["startsAt"]
            assert fired["startsAt"] < resolved["endsAt"] < fired["endsAt"]
            assert prom.alertmanager.headers["content-type"] == "application/json"
            assert shown == {
                "labels": {"alertname": "Busy", "job": "shop", "severity": "page"},
                "annotations": {"summary": "shop has 5"},
                "state": "firing",
                "activeAt": shown["activeAt"],
                "value": "5e+00",
            }
            assert (await prom.get("alerts"))["alerts"] == []
            await until(lambda: prom.server.status()["alertmanagers"][0]["sent"] == 2)
            assert prom.server.status()["alertmanagers"] == [
                {
                    "url": f"{prom.alertmanager.listener.url}/api/v2/alerts",
                    "sent": 2,
                    "failed": 0,
                    "dropped": 0,
                    "waiting": 0,
                    "last_error": "",
                }
            ]

    asyncio.run(scenario())


def test_an_alertmanager_that_fails_is_told_again_after_the_resend_delay() -> None:
    async def scenario() -> None:
        async with running([GROUP], resend_delay_s=0.05) as prom:
            prom.alertmanager.status = 500
            await prom.put(5)
            await until(lambda: prom.server.status()["alertmanagers"][0]["failed"] > 0)
            prom.alertmanager.status = 200
            (alert, *_) = await prom.told(1)
            assert alert["labels"]["alertname"] == "Busy"
            status = prom.server.status()["alertmanagers"][0]
            assert status["last_error"] == "bad response status 500"

    asyncio.run(scenario())


def test_rules_are_evaluated_when_asked_whatever_their_interval() -> None:
    async def scenario() -> None:
        async with running([{**GROUP, "interval": "1h"}]) as prom:
            await prom.put(5)
            assert prom.server.evaluate_now() == 2
            assert len(await prom.told(1)) == 1
        assert PrometheusServer(PrometheusSettings(), Journal(None)).evaluate_now() == 0

    asyncio.run(scenario())


def test_rules_are_listed_with_their_state_and_can_be_chosen() -> None:
    async def scenario() -> None:
        async with running([GROUP, {"name": "empty", "rules": []}]) as prom:
            await prom.put(5)
            await prom.told(1)
            app, empty = (await prom.get("rules"))["groups"]
            assert empty["rules"] == []
            recording, alerting = app.pop("rules")
            assert app == {
                "name": "app",
                "file": "rules.yml",
                "interval": 0.02,
                "limit": 0,
                "evaluationTime": app["evaluationTime"],
                "lastEvaluation": app["lastEvaluation"],
            }
            assert recording == {
                "name": "load:max",
                "query": "max(load)",
                "labels": {"from": "rule"},
                "health": "ok",
                "evaluationTime": recording["evaluationTime"],
                "lastEvaluation": recording["lastEvaluation"],
                "type": "recording",
            }
            assert alerting["alerts"] == (await prom.get("alerts"))["alerts"]
            assert (alerting["state"], alerting["duration"], alerting["type"]) == (
                "firing",
                0,
                "alerting",
            )
            assert alerting["annotations"] == GROUP["rules"][1]["annotations"]  # type: ignore[index]

            async def names(**params: Any) -> list[str]:
                groups = (await prom.get("rules", **params))["groups"]
                return [f"{g['name']}/{r['name']}" for g in groups for r in g["rules"]]

            assert await names(type="alert") == ["app/Busy"]
            assert await names(type="record") == ["app/load:max"]
            assert await names(**{"rule_name[]": "Busy"}) == ["app/Busy"]
            assert await names(**{"rule_group[]": "empty"}) == []
            assert await names(**{"file[]": "other.yml"}) == []
            bare = (await prom.get("rules", exclude_alerts="true"))["groups"][0]["rules"][1]
            assert bare["alerts"] == []
            assert await prom.refused("rules", type="x") == (
                'invalid parameter "type": not supported value "x"'
            )
            assert await prom.refused("rules", group_limit=1) == (
                "not supported by the embedded Prometheus: the parameter group_limit of "
                "/api/v1/rules; use --obs-stack=compose, or --obs-use prometheus=URL"
            )
            managers = await prom.get("alertmanagers")
            assert managers["activeAlertmanagers"] == [
                {"url": f"{prom.alertmanager.listener.url}/api/v2/alerts"}
            ]

    asyncio.run(scenario())


def test_rules_change_while_it_runs_and_rest_while_it_is_stopped() -> None:
    async def scenario() -> None:
        async with running([], evaluation_interval_s=0.02) as prom:
            await prom.put(5)
            assert (await prom.get("rules"))["groups"] == []
            group = {"name": "later", "rules": GROUP["rules"]}
            base = {"alertmanagers": [prom.alertmanager.listener.url]}

            async def configure(**changes: Any) -> None:
                await prom.server.configure(PrometheusSettings.from_json({**base, **changes}))

            await configure(evaluation_interval_s=0.02, rule_files={"r.yml": {"groups": [group]}})
            await prom.told(1)
            (shown,) = (await prom.get("rules"))["groups"]
            assert (shown["file"], shown["interval"]) == ("r.yml", 0.02)

            (before,) = (await prom.get("alerts"))["alerts"]
            await prom.server.stop()
            at_rest = (await prom.get("rules"))["groups"][0]["lastEvaluation"]
            await asyncio.sleep(0.06)
            assert (await prom.get("rules"))["groups"][0]["lastEvaluation"] == at_rest
            await prom.server.start()
            # The alert goes on: it is neither new nor resolved.
            (alert,) = (await prom.get("alerts"))["alerts"]
            assert alert == before

            await configure(alertmanagers=[])
            assert (await prom.get("rules"))["groups"] == []
            assert (await prom.get("alertmanagers"))["activeAlertmanagers"] == []
            assert len(prom.alertmanager.alerts) == 1

    asyncio.run(scenario())
