"""The embedded Sentry on a loopback port, with a project, for clients that speak HTTP."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from pytest_obsstack.embedded.journal import Journal
from pytest_obsstack.embedded.listener import Listener
from pytest_obsstack.embedded.sentry.server import SentryServer
from pytest_obsstack.embedded.sentry.settings import SentrySettings
from pytest_obsstack.embedded.settings import PortWish

TOKEN = "a-token-of-the-tests"
EMAIL, PASSWORD = "admin@example.com", "a-password-of-the-tests"
_DEADLINE_S = 10


@dataclass(frozen=True)
class EmbeddedSentry:
    """Project ``simple-app`` of organisation ``obs``; ``dsn`` is what an app is given."""

    client: httpx.Client
    dsn: str
    server: SentryServer

    def get(self, path: str, **params: Any) -> Any:
        response = self.client.get(f"/api/0{path}", params=params)
        assert response.status_code == 200, response.text
        return response.json()

    def rows(self, dataset: str, *fields: str, query: str = "") -> list[dict[str, Any]]:
        path = "/organizations/obs/events/"
        found: list[dict[str, Any]] = self.get(path, dataset=dataset, field=fields, query=query)[
            "data"
        ]
        return found


@contextmanager
def running_sentry() -> Iterator[EmbeddedSentry]:
    """Served from a thread of its own; stopped at the end of the block."""
    listener = Listener("127.0.0.1", PortWish())
    settings = SentrySettings(
        public_url=listener.url, api_token=TOKEN, admin_email=EMAIL, admin_password=PASSWORD
    )
    server = SentryServer(settings, Journal(None))
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(listener.open(server.app), loop).result(_DEADLINE_S)
        asyncio.run_coroutine_threadsafe(server.start(), loop).result(_DEADLINE_S)
        headers = {"Authorization": f"Bearer {TOKEN}"}
        with httpx.Client(base_url=listener.url, headers=headers, trust_env=False) as client:
            yield EmbeddedSentry(client, _made_dsn(client), server)
        asyncio.run_coroutine_threadsafe(listener.close(), loop).result(_DEADLINE_S)
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(_DEADLINE_S)
    finally:
        listener.release()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def _made_dsn(client: httpx.Client) -> str:
    for path, name in (
        ("/api/0/organizations/", "obs"),
        ("/api/0/organizations/obs/teams/", "qa"),
        ("/api/0/teams/obs/qa/projects/", "simple-app"),
    ):
        assert client.post(path, json={"name": name}).status_code == 201
    [key] = client.get("/api/0/projects/obs/simple-app/keys/").json()
    return str(key["dsn"]["public"])
