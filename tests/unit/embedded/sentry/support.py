"""A server in this process, asked without sockets; and events like those that SDKs send."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import orjson

from pytest_obsstack.embedded.journal import Journal, read_journal
from pytest_obsstack.embedded.sentry.server import SentryServer
from pytest_obsstack.embedded.sentry.settings import SentrySettings
from pytest_obsstack.wire.envelope import Envelope, Item, serialize_envelope

TOKEN = "a-token-of-the-tests"
NOW_NS = 1_795_448_100 * 10**9
"""2026-11-23T15:35:00Z: what the clock of every server here begins with."""
TRACE = "fcfcf75ace5145be92ec4bbdbfa895f8"


class Clock:
    """Unix nanoseconds that only move when they are told to."""

    def __init__(self, now_ns: int = NOW_NS) -> None:
        self.now_ns = now_ns

    def __call__(self) -> int:
        return self.now_ns

    def advance(self, seconds: float) -> None:
        self.now_ns += round(seconds * 1e9)


class Sentry:
    """A server with an organisation ``obs``, a team ``qa`` and a project ``simple-app``."""

    def __init__(self, path: Path | None = None, **settings: Any) -> None:
        self.clock = Clock()
        self.journal = Journal(path, clock_ns=self.clock)
        self.server = SentryServer(
            SentrySettings.from_json({"api_token": TOKEN, **settings}),
            self.journal,
            clock_ns=self.clock,
        )
        for entry in () if path is None else read_journal(path):
            self.server.replay(entry)
        self._loop = asyncio.new_event_loop()
        if not self.server.store.catalog.projects:
            self.post("/api/0/organizations/", {"name": "obs"})
            self.post("/api/0/organizations/obs/teams/", {"name": "qa"})
            self.post(
                "/api/0/teams/obs/qa/projects/", {"name": "simple-app", "platform": "python-flask"}
            )
        [self.key] = [
            key.public_key for key in self.server.store.catalog.keys_of(1) if key.label == "Default"
        ]

    def close(self) -> None:
        self._loop.close()
        self.journal.close()

    def request(self, method: str, url: str, **options: Any) -> httpx.Response:
        """As it is: no token, no key."""

        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.server.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://sentry") as client:
                return await client.request(method, url, **options)

        return self._loop.run_until_complete(send())

    def call(self, method: str, url: str, body: Any = None, **params: Any) -> httpx.Response:
        """With the token."""
        return self.request(
            method,
            url,
            params=params,
            headers={"Authorization": f"Bearer {TOKEN}"},
            content=None if body is None else orjson.dumps(body),
        )

    def get(self, url: str, **params: Any) -> Any:
        response = self.call("GET", url, **params)
        assert response.status_code == 200, response.text
        return response.json()

    def post(self, url: str, body: Any) -> Any:
        response = self.call("POST", url, body)
        assert response.status_code in (200, 201), response.text
        return response.json()

    def put(self, url: str, body: Any, **params: Any) -> Any:
        response = self.call("PUT", url, body, **params)
        assert response.status_code == 200, response.text
        return response.json()

    def ingest(
        self,
        payload: bytes,
        *,
        project: int | str = 1,
        headers: Mapping[str, str] | None = None,
        url: str | None = None,
    ) -> httpx.Response:
        """An envelope with the key in its usual header, unless ``headers`` are given."""
        if headers is None:
            headers = {"X-Sentry-Auth": f"Sentry sentry_version=7, sentry_key={self.key}"}
        return self.request(
            "POST", url or f"/api/{project}/envelope/", content=payload, headers=headers
        )

    def send(self, *items: Item, project: int = 1, **header: Any) -> str:
        """An accepted envelope; its event's id, or nothing."""
        response = self.ingest(serialize_envelope(Envelope(header, items)), project=project)
        assert response.status_code == 200, response.text
        return str(response.json().get("id", ""))

    def send_event(self, event: Mapping[str, Any], *attachments: Item) -> str:
        kind = "transaction" if event.get("type") == "transaction" else "event"
        item = Item.of(kind, orjson.dumps(event))
        return self.send(item, *attachments, event_id=event["event_id"])

    def issues(self, query: str | None = None, **params: Any) -> list[dict[str, Any]]:
        if query is not None:
            params["query"] = query
        found: list[dict[str, Any]] = self.get("/api/0/organizations/obs/issues/", **params)
        return found

    def rows(
        self, dataset: str, *fields: str, query: str = "", **params: Any
    ) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.get(
            "/api/0/organizations/obs/events/",
            dataset=dataset,
            field=list(fields),
            query=query,
            **params,
        )["data"]
        return found


_counter: Iterator[int] = iter(range(1, 10**9))


def new_id() -> str:
    return f"{next(_counter):032x}"


def frame(function: str, *, in_app: bool = True, line: int = 10, **more: Any) -> dict[str, Any]:
    return {
        "module": "app",
        "filename": "app.py",
        "abs_path": "/srv/app.py",
        "function": function,
        "lineno": line,
        "pre_context": ["def f():"],
        "context_line": f"    {function}_call()",
        "post_context": ["    return 1"],
        "in_app": in_app,
        **more,
    }


def error_event(
    kind: str = "ValueError",
    value: str = "Intentional error for testing",
    *,
    frames: Sequence[Mapping[str, Any]] | None = None,
    trace_id: str = TRACE,
    **more: Any,
) -> dict[str, Any]:
    """An exception that a request of the app ``error`` ended with."""
    exception: dict[str, Any] = {
        "type": kind,
        "value": value,
        "mechanism": {"type": "flask", "handled": False},
    }
    shown = [frame("view", vars={"n": "3"})] if frames is None else list(frames)
    if shown:
        exception["stacktrace"] = {"frames": shown}
    return {
        "event_id": new_id(),
        "timestamp": "2026-11-23T15:34:57.299839Z",
        "level": "error",
        "platform": "python",
        "transaction": "error",
        "environment": "staging",
        "release": "simple-app@1.0.0",
        "exception": {"values": [exception]},
        "contexts": {"trace": {"trace_id": trace_id, "span_id": "909081044307ecaf"}},
        **more,
    }


def transaction_event(name: str = "error", *, trace_id: str = TRACE, **more: Any) -> dict[str, Any]:
    """A transaction of 98.47 ms with one child span of 50.204 ms."""
    return {
        "type": "transaction",
        "event_id": new_id(),
        "transaction": name,
        "start_timestamp": "2026-11-23T15:34:57.236271Z",
        "timestamp": "2026-11-23T15:34:57.334741Z",
        "platform": "python",
        "environment": "staging",
        "release": "simple-app@1.0.0",
        "tags": {"http.status_code": "500"},
        "contexts": {
            "trace": {
                "trace_id": trace_id,
                "span_id": "909081044307ecaf",
                "op": "http.server",
                "status": "internal_error",
                "origin": "auto.http.flask",
            }
        },
        "spans": [
            {
                "span_id": "8a060c795a813a4f",
                "parent_span_id": "909081044307ecaf",
                "op": "db.query",
                "description": "SELECT 1",
                "start_timestamp": "2026-11-23T15:34:57.243544Z",
                "timestamp": "2026-11-23T15:34:57.293748Z",
                "data": {"db.system": "sqlite"},
            }
        ],
        **more,
    }


def log_item(*bodies: str, trace_id: str = TRACE, level: str = "info") -> Item:
    entries = [
        {
            "timestamp": 1795448097.5,
            "level": level,
            "body": body,
            "trace_id": trace_id,
            "attributes": {
                "logger.name": {"value": "shop", "type": "string"},
                "sentry.environment": {"value": "staging", "type": "string"},
            },
        }
        for body in bodies
    ]
    return Item.of(
        "log",
        orjson.dumps({"version": 2, "items": entries}),
        item_count=len(entries),
        content_type="application/vnd.sentry.items.log+json",
    )
