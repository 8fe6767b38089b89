"""The control interface over a host in memory: what it does, what it refuses, and the texts."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, cast

import httpx
import pytest

from pytest_obsstack.embedded.control import ControlError, control_app
from pytest_obsstack.embedded.faults import FaultRule
from pytest_obsstack.embedded.mutations.rules import Mutations
from pytest_obsstack.embedded.prometheus.scrape import ScrapeReport

TOKEN = "control-token"
TRACE = "a" * 32


class FakeHost:
    """Keeps what it was asked to do."""

    product_names = ("sentry", "collector", "prometheus", "loki")

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.listening = dict.fromkeys(self.product_names, True)
        self.mutations = Mutations()

    def status(self) -> dict[str, Any]:
        products = {name: {"listening": is_open} for name, is_open in self.listening.items()}
        return {"control": "http://127.0.0.1:1", "products": products}

    async def stop_product(self, name: str) -> None:
        self.listening[name] = False

    async def start_product(self, name: str) -> None:
        self.listening[name] = True

    def set_faults(self, name: str, rules: Sequence[FaultRule]) -> None:
        self.calls.append((name, list(rules)))

    async def configure(self, name: str, changes: Mapping[str, Any]) -> None:
        if "wrong" in changes:
            raise ControlError(f"not settings of {name}: wrong")
        self.calls.append((name, dict(changes)))

    def evaluate(self) -> int:
        self.calls.append("evaluate")
        return 3

    async def scrape(self, job: str | None) -> Any:
        self.calls.append(("scrape", job))
        return [ScrapeReport("j", "i", "http://i/metrics", "down", "refused", 0)]

    def request_shutdown(self) -> None:
        self.calls.append("shutdown")


@pytest.fixture
def host() -> FakeHost:
    return FakeHost()


def ask(
    host: FakeHost, method: str, path: str, *, token: str | None = TOKEN, **options: Any
) -> httpx.Response:
    async def work() -> httpx.Response:
        transport = httpx.ASGITransport(app=control_app(cast("Any", host), TOKEN))
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(
            transport=transport, base_url="http://control", headers=headers
        ) as client:
            return await client.request(method, path, **options)

    return asyncio.run(work())


EVERYTHING = [
    ("GET", "/status"),
    ("POST", "/products/sentry/stop"),
    ("POST", "/products/sentry/start"),
    ("PUT", "/products/sentry/faults"),
    ("PUT", "/products/sentry/settings"),
    ("POST", "/scrape"),
    ("POST", "/evaluate"),
    ("PUT", "/mutations"),
    ("GET", f"/mutations/{TRACE}"),
    ("DELETE", f"/mutations/{TRACE}"),
    ("POST", "/shutdown"),
]


@pytest.mark.parametrize(("method", "path"), EVERYTHING)
@pytest.mark.parametrize("token", [None, "", "wrong", TOKEN + "x", "é"])
def test_nothing_is_done_without_the_token(
    host: FakeHost, method: str, path: str, token: str | None
) -> None:
    headers = {} if token is None else {"authorization": f"Bearer {token}".encode("latin-1")}
    response = ask(host, method, path, token=None, headers=headers, json=[])
    assert response.status_code == 401
    assert response.json() == {"error": "the control interface needs its bearer token"}
    assert host.calls == []
    assert all(host.listening.values())


def test_status_is_the_hosts(host: FakeHost) -> None:
    assert ask(host, "GET", "/status").json() == host.status()


def test_a_product_is_stopped_and_started(host: FakeHost) -> None:
    assert ask(host, "POST", "/products/loki/stop").json() == {"listening": False}
    assert host.listening == {"sentry": True, "collector": True, "prometheus": True, "loki": False}
    assert ask(host, "POST", "/products/loki/start").json() == {"listening": True}


@pytest.mark.parametrize(("method", "path"), [e for e in EVERYTHING if "/products/" in e[1]])
def test_an_unknown_product_is_named_with_those_that_there_are(
    host: FakeHost, method: str, path: str
) -> None:
    body: Any = {} if path.endswith("settings") else []
    response = ask(host, method, path.replace("sentry", "grafana"), json=body)
    assert response.status_code == 400
    assert response.json() == {
        "error": "no product 'grafana', there are sentry, collector, prometheus, loki"
    }
    assert host.calls == []


def test_faults_are_set_with_all_their_fields(host: FakeHost) -> None:
    rule = {
        "path": "/api/.*",
        "method": "POST",
        "status": 503,
        "body": "down",
        "headers": {"Retry-After": "1"},
        "delay_s": 0.5,
        "times": 2,
    }
    assert ask(host, "PUT", "/products/sentry/faults", json=[rule]).json() == {"rules": 1}
    assert host.calls == [
        (
            "sentry",
            [FaultRule("/api/.*", "POST", 503, "down", {"Retry-After": "1"}, 0.5, 2)],
        )
    ]


def test_no_faults_heal(host: FakeHost) -> None:
    assert ask(host, "PUT", "/products/sentry/faults", json=[]).json() == {"rules": 0}
    assert host.calls == [("sentry", [])]


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        ({"stauts": 500}, "not a fault rule: FaultRule.__init__() got an unexpected keyword "),
        ("500", "not a fault rule: "),
        ({"status": "500"}, "not a fault rule: status is '500', expected a whole number"),
        ({"status": 42}, "not a fault rule: status is 42, expected 100 to 599"),
        ({"path": None}, "not a fault rule: path is None, expected a text"),
        ({"method": 3}, "not a fault rule: method is 3, expected a text"),
        ({"body": {"a": 1}}, "not a fault rule: body is {'a': 1}, expected a text"),
        ({"headers": []}, "not a fault rule: headers is [], expected an object"),
        ({"delay_s": "1"}, "not a fault rule: delay_s is '1', expected a number"),
        ({"delay_s": -1}, "not a fault rule: delay_s is -1, expected 0 or more"),
        ({"times": 1.5}, "not a fault rule: times is 1.5, expected a whole number"),
    ],
)
def test_what_is_no_fault_rule_is_refused(host: FakeHost, rule: Any, problem: str) -> None:
    response = ask(host, "PUT", "/products/sentry/faults", json=[rule])
    assert response.status_code == 400
    assert response.json()["error"].startswith(problem)
    assert host.calls == []


@pytest.mark.parametrize(
    ("path", "body", "problem"),
    [
        ("faults", b"{}", "the body is dict, expected list"),
        ("settings", b"[]", "the body is list, expected dict"),
        ("settings", b"null", "the body is NoneType, expected dict"),
    ],
)
def test_a_body_of_another_kind_is_refused(
    host: FakeHost, path: str, body: bytes, problem: str
) -> None:
    response = ask(host, "PUT", f"/products/sentry/{path}", content=body)
    assert (response.status_code, response.json()) == (400, {"error": problem})


@pytest.mark.parametrize("body", [b"", b"{", b"\xff"])
def test_a_body_that_is_no_json_is_refused(host: FakeHost, body: bytes) -> None:
    response = ask(host, "PUT", "/products/sentry/settings", content=body)
    assert response.status_code == 400
    assert response.json()["error"].startswith("the body is not JSON: ")


def test_settings_are_changed(host: FakeHost) -> None:
    assert ask(host, "PUT", "/products/collector/settings", json={"a": 1}).json() == {
        "listening": True
    }
    assert host.calls == [("collector", {"a": 1})]


def test_what_the_host_refuses_is_told(host: FakeHost) -> None:
    response = ask(host, "PUT", "/products/loki/settings", json={"wrong": 1})
    assert (response.status_code, response.json()) == (
        400,
        {"error": "not settings of loki: wrong"},
    )


@pytest.mark.parametrize(("path", "job"), [("/scrape", None), ("/scrape?job=otel", "otel")])
def test_a_scrape_tells_each_targets_health(host: FakeHost, path: str, job: str | None) -> None:
    assert ask(host, "POST", path).json() == [
        {"job": "j", "instance": "i", "health": "down", "error": "refused"}
    ]
    assert host.calls == [("scrape", job)]


def test_rules_are_evaluated_when_asked(host: FakeHost) -> None:
    assert ask(host, "POST", "/evaluate").json() == {"rules": 3}
    assert host.calls == ["evaluate"]


def test_a_shutdown_is_asked_for(host: FakeHost) -> None:
    assert ask(host, "POST", "/shutdown").json() == {"stopping": True}
    assert host.calls == ["shutdown"]


def test_another_method_is_refused(host: FakeHost) -> None:
    assert ask(host, "GET", "/products/sentry/stop").status_code == 405
    assert host.listening["sentry"]


def test_a_mutation_is_begun_shown_and_ended(host: FakeHost) -> None:
    rule = {"mutation": "user removed", "trace_id": TRACE, "signals": ["errors"]}
    active = {"mutation": "user removed", "trace_id": TRACE, "changed": [], "ready": False}
    assert ask(host, "GET", f"/mutations/{TRACE}").json() is None
    assert ask(host, "PUT", "/mutations", json=rule).json() == active
    found = host.mutations.of(TRACE, "errors")
    assert found is not None
    found.note("event: user")
    assert ask(host, "GET", f"/mutations/{TRACE}").json() == {**active, "changed": ["event: user"]}
    ended = ask(host, "DELETE", f"/mutations/{TRACE}").json()
    assert ended == {**active, "changed": ["event: user"]}
    assert not host.mutations
    assert ask(host, "DELETE", f"/mutations/{TRACE}").json() is None


def test_a_mutation_that_cannot_be_meant_is_refused_by_name(host: FakeHost) -> None:
    response = ask(host, "PUT", "/mutations", json={"mutation": "rain"})
    assert response.status_code == 400
    assert response.json()["error"].startswith("no mutation 'rain', there are event dropped, ")
