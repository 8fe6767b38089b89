"""A provisioning folder, products that answer without a socket, and a Grafana before them."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import orjson
from starlette.types import ASGIApp

from pytest_obsstack.embedded.grafana.server import GrafanaServer
from pytest_obsstack.embedded.grafana.settings import GrafanaSettings
from pytest_obsstack.embedded.journal import Journal

NOW_S = 1_700_000_000
NOW_NS = NOW_S * 10**9
PASSWORD = "pa:ss"
LOGIN = {"authorization": "Basic " + base64.b64encode(f"admin:{PASSWORD}".encode()).decode()}

DATA_SOURCES: list[dict[str, Any]] = [
    {
        "name": "Prometheus",
        "uid": "prometheus",
        "type": "prometheus",
        "access": "proxy",
        "url": "http://prometheus:9090",
        "isDefault": True,
        "jsonData": {"httpMethod": "POST", "timeInterval": "1s"},
    },
    {"name": "loki", "uid": "loki", "type": "loki", "url": "http://loki:3100/"},
    {"name": "Tempo", "uid": "tempo", "type": "tempo", "url": "http://tempo:3200"},
]

Answer = Callable[[httpx.Request], httpx.Response]


class Products(httpx.AsyncBaseTransport):
    """Answers for each host: by a function, by an ASGI application, or not at all."""

    def __init__(self, **hosts: Answer | ASGIApp) -> None:
        self._hosts = hosts
        self.requests: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        self.requests.append(request)
        host = self._hosts.get(request.url.host)
        if host is None:
            raise httpx.ConnectError("All connection attempts failed")
        if asyncio.iscoroutinefunction(getattr(host, "__call__", None)):  # noqa: B004
            transport = httpx.ASGITransport(app=host)  # type: ignore[arg-type]
            return await transport.handle_async_request(request)
        return host(request)  # type: ignore[return-value,call-arg,arg-type]

    @property
    def last(self) -> httpx.Request:
        return self.requests[-1]

    def form(self) -> dict[str, str]:
        """The last request's form or parameters."""
        return dict(httpx.QueryParams(self.last.content.decode() or self.last.url.query.decode()))


def write(folder: Path, name: str, document: Any) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(document if isinstance(document, bytes) else orjson.dumps(document))


def provision(
    folder: Path,
    *,
    dashboards: Mapping[str, Any] | None = None,
    groups: list[dict[str, Any]] | None = None,
    sources: list[dict[str, Any]] | None = None,
) -> Path:
    """The folder with these files in it."""
    write(
        folder,
        "datasources/all.yaml",
        {"apiVersion": 1, "datasources": DATA_SOURCES if sources is None else sources},
    )
    if dashboards is not None:
        provider = {
            "name": "all",
            "folder": "Team",
            "folderUid": "team",
            "options": {"path": "/etc/grafana/provisioning/dashboards"},
        }
        write(folder, "dashboards/all.yaml", {"providers": [provider]})
        for name, model in dashboards.items():
            write(folder, f"dashboards/{name}.json", model)
    if groups is not None:
        write(folder, "alerting/all.yaml", {"groups": groups})
    return folder


def grafana(
    folder: Path,
    transport: httpx.AsyncBaseTransport | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    clock_ns: Callable[[], int] = lambda: NOW_NS,
) -> GrafanaServer:
    return GrafanaServer(
        GrafanaSettings(provisioning=str(folder), admin_password=PASSWORD),
        Journal(None),
        environment=environment or {},
        transport=transport or Products(),
        clock_ns=clock_ns,
    )


def ask(
    server: GrafanaServer,
    method: str,
    path: str,
    *,
    headers: Mapping[str, str] = LOGIN,
    **more: Any,
) -> httpx.Response:
    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app=server.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://grafana") as client:
            try:
                return await client.request(method, path, headers=headers, **more)
            finally:
                await server.stop()

    return asyncio.run(send())


def get(server: GrafanaServer, path: str, **params: Any) -> httpx.Response:
    return ask(server, "GET", path, params=params)


def query(
    server: GrafanaServer,
    *models: dict[str, Any],
    start: str = f"{(NOW_S - 60) * 1000}",
    end: str = f"{NOW_S * 1000}",
) -> httpx.Response:
    """``POST /api/ds/query``."""
    body = {"queries": list(models), "from": start, "to": end}
    return ask(server, "POST", "/api/ds/query", json=body)


def frames(response: httpx.Response, ref_id: str = "A") -> list[dict[str, Any]]:
    assert response.status_code == 200, response.text
    found: list[dict[str, Any]] = response.json()["results"][ref_id]["frames"]
    return found


def prometheus_answer(result_type: str, result: Any, **more: Any) -> Answer:
    data = {"resultType": result_type, "result": result}
    return lambda _: httpx.Response(200, json={"status": "success", "data": data, **more})
