"""An embedded Loki with a clock that stands still, and short ways to push and ask."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx

from pytest_obsstack.embedded.journal import Journal
from pytest_obsstack.embedded.loki.server import LokiServer
from pytest_obsstack.embedded.loki.settings import LokiSettings

NOW_S = 1_800_000_000
NOW_NS = NOW_S * 1_000_000_000
"""A multiple of every step in these tests."""
S = 1_000_000_000


class FixedClock:
    """Nanoseconds; moved by hand."""

    def __init__(self) -> None:
        self.now_ns = NOW_NS

    def __call__(self) -> int:
        return self.now_ns


class Http:
    """Requests to an application without a socket in between."""

    def __init__(self, app: Any) -> None:
        self._transport = httpx.ASGITransport(app=app)

    def request(self, method: str, path: str, **content: Any) -> httpx.Response:
        async def send() -> httpx.Response:
            async with httpx.AsyncClient(transport=self._transport, base_url="http://loki") as http:
                return await http.request(method, path, **content)

        return asyncio.run(send())

    def get(self, path: str, **content: Any) -> httpx.Response:
        return self.request("GET", path, **content)

    def post(self, path: str, **content: Any) -> httpx.Response:
        return self.request("POST", path, **content)


class Loki:
    """A server and its client. Offsets are seconds relative to now."""

    def __init__(self, settings: LokiSettings | None = None, journal: Path | None = None) -> None:
        self.clock = FixedClock()
        self.journal = Journal(journal)
        self.server = LokiServer(settings or LokiSettings(), self.journal, clock_ns=self.clock)
        self.http = Http(self.server.app)

    def push(self, labels: dict[str, str], *values: tuple[Any, ...]) -> httpx.Response:
        """Each value is (offset, line) or (offset, line, metadata)."""
        timed = [[str(NOW_NS + int(offset * S)), *rest] for offset, *rest in values]
        body = {"streams": [{"stream": labels, "values": timed}]}
        return self.http.post("/loki/api/v1/push", json=body)

    def lines(self, query: str, **params: Any) -> list[str]:
        """The lines of a log query over the last hour, oldest first."""
        answer = self.ask("query_range", query=query, direction="forward", **params)
        assert answer.status_code == 200, answer.text
        values = [v for stream in answer.json()["data"]["result"] for v in stream["values"]]
        return [value[1] for value in sorted(values, key=lambda value: int(value[0]))]

    def labels(self, query: str) -> list[dict[str, str]]:
        """The labels of each stream of a log query, without those that Loki adds."""
        result = self.ask("query_range", query=query).json()["data"]["result"]
        added = ("service_name", "detected_level")
        return [{k: v for k, v in s["stream"].items() if k not in added} for s in result]

    def vector(self, query: str) -> dict[str, str]:
        """Values of a metric query now, by the values of their labels, joined by a comma."""
        answer = self.ask("query", query=query, time=str(NOW_NS))
        assert answer.status_code == 200, answer.text
        result = answer.json()["data"]["result"]
        return {",".join(sample["metric"].values()): sample["value"][1] for sample in result}

    def refusal(self, query: str, path: str = "query_range") -> tuple[int, str]:
        """Status and text of a query that has no answer."""
        answer = self.ask(path, query=query)
        return answer.status_code, answer.text.strip()

    def ask(self, path: str, **params: Any) -> httpx.Response:
        return self.ask_with_headers(path, {}, **params)

    def ask_with_headers(self, path: str, headers: dict[str, str], **params: Any) -> httpx.Response:
        """A request about the last hour, unless ``start`` and ``end`` say something else."""
        defaults = {"start": str(NOW_NS - 3600 * S), "end": str(NOW_NS + 1)}
        asked = {**defaults, **params}
        return self.http.get(f"/loki/api/v1/{path}", params=asked, headers=headers)
