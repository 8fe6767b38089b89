"""The way past a product's application: bodies unpacked, changed, handed on; or as they came."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Sequence
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from pytest_obsstack.embedded.mutations.app import MutatingApp, collector_rewrite, sentry_rewrite
from pytest_obsstack.embedded.mutations.rules import Mutation, MutationError, Mutations
from pytest_obsstack.wire.envelope import Envelope, Item, serialize_envelope

TRACE = "a" * 32
RULE = {"mutation": "user removed", "trace_id": TRACE, "signals": ["errors"]}


class Served:
    """A product behind mutations, and what reached it."""

    def __init__(self, bodies: Sequence[bytes] | None, *, active: bool = True) -> None:
        self.arrived: list[tuple[bytes, str | None, str | None]] = []
        self.seen: list[bytes] = []
        self._bodies = bodies
        mutations = Mutations()
        if active:
            mutations.begin(Mutation.from_json(RULE))
        app = Starlette(routes=[Route("/in", self._take, methods=["GET", "POST"])])
        self.app = MutatingApp(app, mutations, self._rewrite)

    def _rewrite(
        self, path: str, headers: Headers, body: bytes, mutations: Mutations
    ) -> Sequence[bytes] | None:
        assert path == "/in"
        assert headers["x-own"] == "1"
        assert mutations
        self.seen.append(body)
        return self._bodies

    async def _take(self, request: Request) -> Response:
        headers = request.headers
        told = headers.get("content-encoding"), headers.get("content-length")
        self.arrived.append((await request.body(), *told))
        return PlainTextResponse(f"answer {len(self.arrived)}")

    def send(self, content: bytes, method: str = "POST", **headers: str) -> str:
        async def work() -> str:
            transport = httpx.ASGITransport(app=self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://p") as client:
                sent = {"x-own": "1", **headers}
                response = await client.request(method, "/in", content=content, headers=sent)
                return response.text

        return asyncio.run(work())


def test_a_changed_body_is_handed_on_unpacked_with_its_own_length() -> None:
    served = Served([b"changed"])
    packed = gzip.compress(b"as it was")
    assert served.send(packed, **{"content-encoding": "gzip"}) == "answer 1"
    assert served.seen == [b"as it was"]
    assert served.arrived == [(b"changed", None, "7")]


def test_of_a_duplicate_the_sender_hears_one_answer() -> None:
    served = Served([b"one", b"two"])
    assert served.send(b"x") == "answer 1"
    assert [body for body, *_ in served.arrived] == [b"one", b"two"]


@pytest.mark.parametrize("encoding", ["gzip", "lzma"])
def test_a_body_that_cannot_be_unpacked_is_left_to_the_product(encoding: str) -> None:
    served = Served([b"changed"])
    served.send(b"torn", **{"content-encoding": encoding})
    assert served.arrived == [(b"torn", encoding, "4")]
    assert served.seen == []


def test_what_no_mutation_concerns_arrives_as_it_came() -> None:
    served = Served(None)
    packed = gzip.compress(b"as it was")
    served.send(packed, **{"content-encoding": "gzip"})
    assert served.arrived == [(packed, "gzip", str(len(packed)))]


@pytest.mark.parametrize(("active", "method"), [(False, "POST"), (True, "GET")])
def test_without_mutations_and_for_questions_nothing_is_looked_at(
    active: bool, method: str
) -> None:
    served = Served([b"changed"], active=active)
    served.send(b"x", method)
    assert served.seen == []
    assert [body for body, *_ in served.arrived] == [b"x"]


def test_only_the_ways_in_are_looked_at() -> None:
    mutations = Mutations()
    mutations.begin(Mutation.from_json(RULE))
    event = f'{{"user": {{"id": "7"}}, "contexts": {{"trace": {{"trace_id": "{TRACE}"}}}}}}'
    body = serialize_envelope(Envelope({}, (Item.of("event", event.encode()),)))
    headers = Headers({})
    assert sentry_rewrite("/api/1/envelope/", headers, body, mutations) is not None
    assert sentry_rewrite("/api/1/envelope", headers, body, mutations) is not None
    assert sentry_rewrite("/api/0/organizations/", headers, body, mutations) is None
    json = Headers({"content-type": "application/json"})
    assert collector_rewrite("/v1/traces", json, b"{}", mutations) is None
    assert collector_rewrite("/metrics", json, b"{}", mutations) is None


@pytest.mark.parametrize(
    ("differs", "complaint"),
    [
        ({"trace_id": "A" * 32}, f"trace_id is '{'A' * 32}', expected 32 hex digits in small "),
        ({"trace_id": None}, "trace_id is None, expected 32 hex digits in small letters"),
        ({"signals": []}, "signals are [], expected some of errors, transactions, spans, logs, "),
        ({"signals": ["noise"]}, "signals are ['noise'], expected some of errors, transactions"),
        ({"signals": "errors"}, "signals are 'errors', expected a list of texts"),
        ({"names": [1]}, "names are [1], expected a list of texts"),
        ({"text": 1}, "text is 1, expected a text"),
        ({"mutation": "rain"}, "no mutation 'rain', there are event dropped, event duplicated, "),
        ({"more": 1}, "not a mutation: unknown members more"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused(differs: dict[str, Any], complaint: str) -> None:
    with pytest.raises(MutationError) as caught:
        Mutation.from_json({**RULE, **differs})
    assert str(caught.value).startswith(complaint)


def test_a_trace_has_one_mutation_and_after_its_end_none() -> None:
    mutations = Mutations()
    mutations.begin(Mutation.from_json(RULE))
    active = mutations.begin(Mutation.from_json({**RULE, "mutation": "tag removed"}))
    assert mutations.get(TRACE) is active
    assert mutations.end(TRACE) is active
    assert mutations.get(TRACE) is None
    assert mutations.end(TRACE) is None


def test_what_was_changed_is_told_a_hundred_times_at_most() -> None:
    active = Mutations().begin(Mutation.from_json(RULE))
    for number in range(150):
        active.note(str(number))
    assert len(active.changed) == 100
