"""Faults: which requests they concern, how often, and what the sender sees."""

from __future__ import annotations

import asyncio
import re
import time
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from pytest_obsstack.embedded.faults import FaultRule, FaultyApp


class Served:
    """An app behind faults, and what reached it."""

    def __init__(self, *rules: FaultRule) -> None:
        self.bodies: list[bytes] = []
        app = Starlette(routes=[Route("/{path:path}", self._take, methods=["GET", "POST"])])
        self.faulty = FaultyApp(app)
        self.faulty.set_rules(rules)

    async def _take(self, request: Request) -> Response:
        self.bodies.append(await request.body())
        return PlainTextResponse("reached")

    def send(self, *requests: tuple[str, str], content: bytes = b"") -> list[httpx.Response]:
        async def work() -> list[httpx.Response]:
            transport = httpx.ASGITransport(app=self.faulty)
            async with httpx.AsyncClient(transport=transport, base_url="http://product") as client:
                return [
                    await client.request(method, path, content=content) for method, path in requests
                ]

        return asyncio.run(work())

    def statuses(self, *requests: tuple[str, str]) -> list[int]:
        return [response.status_code for response in self.send(*requests)]


def test_without_rules_every_request_reaches_the_product() -> None:
    assert Served().statuses(("GET", "/"), ("POST", "/a")) == [200, 200]


def test_a_rule_answers_in_place_of_the_product() -> None:
    served = Served(FaultRule(status=503, body="down", headers={"Retry-After": "7"}))
    (response,) = served.send(("POST", "/api/1/envelope/"), content=b"x" * 100_000)
    assert (response.status_code, response.text) == (503, "down")
    assert response.headers["retry-after"] == "7"
    assert served.bodies == []


def test_a_rule_concerns_the_paths_that_match_as_a_whole() -> None:
    served = Served(FaultRule(path=r"/api/\d+/envelope/", status=500))
    paths = ["/api/12/envelope/", "/api/x/envelope/", "/api/1/envelope/more", "/a/api/1/envelope/"]
    assert served.statuses(*(("POST", path) for path in paths)) == [500, 200, 200, 200]


def test_a_query_is_no_part_of_the_path() -> None:
    assert Served(FaultRule(path="/ready", status=500)).statuses(("GET", "/ready?x=1")) == [500]


@pytest.mark.parametrize("method", ["POST", "post"])
def test_a_rule_concerns_its_method_however_it_is_written(method: str) -> None:
    served = Served(FaultRule(method=method, status=500))
    assert served.statuses(("GET", "/"), ("POST", "/")) == [200, 500]


def test_a_rule_ends_after_so_many_requests_that_it_concerned() -> None:
    served = Served(FaultRule(path="/a", status=429, times=2))
    sent = [("GET", path) for path in ("/a", "/b", "/a", "/a")]
    assert served.statuses(*sent) == [429, 200, 429, 200]


def test_a_spent_rule_makes_room_for_the_next() -> None:
    served = Served(FaultRule(status=429, times=1), FaultRule(status=503, times=1))
    assert served.statuses(*[("GET", "/")] * 3) == [429, 503, 200]


def test_of_several_rules_the_first_that_matches_holds() -> None:
    served = Served(FaultRule(path="/a", status=500), FaultRule(status=503))
    assert served.statuses(("GET", "/a"), ("GET", "/b")) == [500, 503]


def test_a_delay_without_a_status_reaches_the_product_late() -> None:
    served = Served(FaultRule(delay_s=0.1))
    began = time.perf_counter()
    (response,) = served.send(("POST", "/"), content=b"body")
    assert time.perf_counter() - began >= 0.1
    assert response.text == "reached"
    assert served.bodies == [b"body"]


def test_new_rules_replace_the_old_ones_and_count_anew() -> None:
    served = Served(FaultRule(status=500, times=1))
    assert served.statuses(*[("GET", "/")] * 2) == [500, 200]
    served.faulty.set_rules([FaultRule(status=503, times=1)])
    assert served.statuses(*[("GET", "/")] * 2) == [503, 200]
    served.faulty.set_rules([])
    assert served.statuses(("GET", "/")) == [200]


def test_hits_are_told_by_rule() -> None:
    served = Served(FaultRule(path="/a", status=500), FaultRule(path="/b", method="GET"))
    served.statuses(("GET", "/a"), ("GET", "/a"), ("GET", "/b"), ("GET", "/c"))
    assert served.faulty.describe() == [
        {"path": "/a", "method": None, "status": 500, "hits": 2},
        {"path": "/b", "method": "GET", "status": None, "hits": 1},
    ]


def test_a_path_that_is_no_regular_expression_changes_nothing() -> None:
    served = Served(FaultRule(status=500))
    with pytest.raises(re.error):
        served.faulty.set_rules([FaultRule(path="(")])
    assert served.statuses(("GET", "/")) == [500]


def test_what_is_no_http_request_passes() -> None:
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    faulty = FaultyApp(app)
    faulty.set_rules([FaultRule(status=500)])
    nothing: Any = None
    asyncio.run(faulty({"type": "lifespan"}, nothing, nothing))
    assert seen == ["lifespan"]
