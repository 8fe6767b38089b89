"""Traces in OTLP/JSON and a Tempo that is asked without a socket."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import orjson
from starlette.types import ASGIApp

from pytest_obsstack.embedded.journal import Journal
from pytest_obsstack.embedded.tempo.server import TempoServer
from pytest_obsstack.embedded.tempo.settings import TempoSettings

JSON = {"content-type": "application/json"}
TRACE = "5b8efff798038103d269b633813fc60c"
OTHER_TRACE = "00000000000000004bf92f3577b34da6"
NOW_S = 1_700_000_000
NOW_NS = NOW_S * 10**9
MS = 10**6


def any_value(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, list):
        return {"arrayValue": {"values": [any_value(each) for each in value]}}
    if isinstance(value, dict):
        return {"kvlistValue": {"values": key_values(value)}}
    return {"stringValue": value}


def key_values(values: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": any_value(value)} for key, value in values.items()]


def span(
    name: str,
    span_id: str,
    *,
    trace: str = TRACE,
    parent: str = "",
    kind: int = 2,
    start_ms: float = 0,
    duration_ms: float = 100,
    status: int = 0,
    message: str = "",
    events: dict[str, dict[str, Any]] | None = None,
    attributes: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """A span; kind 2 is server, status 2 error."""
    start_ns = NOW_NS + int(start_ms * MS)
    return {
        "traceId": trace,
        "spanId": span_id,
        **({"parentSpanId": parent} if parent else {}),
        "name": name,
        "kind": kind,
        "startTimeUnixNano": str(start_ns),
        "endTimeUnixNano": str(start_ns + int(duration_ms * MS)),
        "attributes": key_values(attributes or {}),
        "status": {"code": status, "message": message} if status or message else {},
        "events": [
            {
                "name": event,
                "timeUnixNano": str(start_ns),
                "attributes": key_values(found),
            }
            for event, found in (events or {}).items()
        ],
    }


def resource_spans(*spans: dict[str, Any], service: str = "simple-app", **more: Any) -> Any:
    scope = {"name": "flask", "version": "0.66", "attributes": key_values({"lib": "x"})}
    return {
        "resource": {"attributes": key_values({"service.name": service, **more})},
        "scopeSpans": [{"scope": scope, "spans": list(spans)}],
    }


def body(*parts: Any) -> bytes:
    return orjson.dumps({"resourceSpans": list(parts)})


ROOT = span(
    "GET /error",
    "aaaaaaaaaaaaaaa1",
    duration_ms=1500,
    status=2,
    message="ValueError: no",
    events={"exception": {"exception.type": "ValueError"}, "retry": {"n": 2}},
    attributes={"http.route": "/error", "http.status_code": 500, "ok": False, "ratio": 0.5},
)
CHILD = span(
    "GET", "aaaaaaaaaaaaaaa2", parent="aaaaaaaaaaaaaaa1", kind=3, start_ms=10, duration_ms=20
)
INVENTORY = span(
    "GET /stock",
    "aaaaaaaaaaaaaaa3",
    parent="aaaaaaaaaaaaaaa2",
    start_ms=12,
    duration_ms=15,
    attributes={"http.route": "/stock", "items": ["a", "b"]},
)
OTHER = span("GET /", "bbbbbbbbbbbbbbb1", trace=OTHER_TRACE, start_ms=5000, duration_ms=3)


def whole_body() -> bytes:
    """Two traces: one of three spans and two services, a later one of one span."""
    return body(
        resource_spans(ROOT, CHILD, OTHER, **{"deployment.environment.name": "test"}),
        resource_spans(INVENTORY, service="inventory"),
    )


def tempo(
    *bodies: bytes,
    settings: TempoSettings | None = None,
    journal: Journal | None = None,
    clock_ns: Callable[[], int] = lambda: NOW_NS,
) -> TempoServer:
    """A Tempo that has taken these requests."""
    server = TempoServer(settings or TempoSettings(), journal or Journal(None), clock_ns=clock_ns)
    for each in bodies:
        assert push(server, each).status_code == 200
    return server


def push(server: TempoServer, content: bytes, headers: dict[str, str] = JSON) -> httpx.Response:
    return ask(server.receiver, "POST", "/v1/traces", content=content, headers=headers)


def get(server: TempoServer, path: str, *, accept: str = "", **params: Any) -> httpx.Response:
    headers = {"accept": accept} if accept else {}
    return ask(server.app, "GET", path, params=params, headers=headers)


def ask(app: ASGIApp, method: str, path: str, **more: Any) -> httpx.Response:
    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://tempo") as client:
            return await client.request(method, path, **more)

    return asyncio.run(send())
