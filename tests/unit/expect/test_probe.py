"""The fixture ``obs``: requests in one trace, and what another client is given."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx
import pytest

from pytest_obsstack.errors import ObsstackError
from pytest_obsstack.expect.probe import Probe
from pytest_obsstack.wire.trace_context import parse_sentry_trace, parse_traceparent
from tests.unit.expect.fakes import bench
from tests.unit.expect.models import TRACE


class App(httpx.MockTransport):
    """An app that keeps the requests that it got, and refuses those to ``/dead``."""

    def __init__(self) -> None:
        super().__init__(self.answer)
        self.requests: list[httpx.Request] = []

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if request.url.path == "/dead":
            raise httpx.ConnectError("refused")
        return httpx.Response(500 if request.url.path == "/error" else 200)


@pytest.fixture
def app() -> App:
    return App()


@pytest.fixture
def obs(app: App) -> Iterator[Probe]:
    with httpx.Client(transport=app) as client:
        yield Probe(bench(no_request=True).context, client)


def test_a_request_goes_to_the_app_in_the_tests_trace(obs: Probe, app: App) -> None:
    assert obs.get("/error?x=1").status_code == 500
    (request,) = app.requests
    assert str(request.url) == "http://127.0.0.1:5000/error?x=1"
    w3c = parse_traceparent(request.headers["traceparent"])
    sentry = parse_sentry_trace(request.headers["sentry-trace"])
    assert w3c == sentry
    assert w3c is not None
    assert (w3c.trace_id, w3c.sampled) == (TRACE, True)
    assert f"sentry-trace_id={TRACE}" in request.headers["baggage"]


def test_an_exchange_tells_what_was_asked_and_answered(obs: Probe, app: App) -> None:
    before_s = time.time()
    obs.get("/error")
    obs.post("/login", json={"user": "ann"})
    first, second = obs.exchanges
    assert (first.method, first.path, first.status) == ("GET", "/error", 500)
    assert (second.method, second.path, second.status) == ("POST", "/login", 200)
    assert before_s <= first.started_s <= first.ended_s <= second.started_s <= time.time()


def test_each_request_has_a_span_id_of_its_own(obs: Probe, app: App) -> None:
    obs.put("/a")
    obs.delete("/b")
    sent = [parse_traceparent(request.headers["traceparent"]) for request in app.requests]
    assert [context and context.span_id for context in sent] == [e.span_id for e in obs.exchanges]
    assert len({exchange.span_id for exchange in obs.exchanges}) == 2


def test_headers_of_the_test_are_sent_and_win(obs: Probe, app: App) -> None:
    obs.get("/", headers={"X-Test": "1", "baggage": "mine=1"})
    assert app.requests[0].headers["x-test"] == "1"
    assert app.requests[0].headers["baggage"] == "mine=1"
    assert "traceparent" in app.requests[0].headers


def test_a_request_without_a_response_is_kept_and_raised(obs: Probe) -> None:
    with pytest.raises(httpx.ConnectError):
        obs.get("/dead")
    assert [(e.path, e.status) for e in obs.exchanges] == [("/dead", None)]


@pytest.mark.parametrize("path", ["error", "http://127.0.0.1:5000/error", ""])
def test_a_path_that_is_none_is_refused_before_anything_is_sent(
    obs: Probe, app: App, path: str
) -> None:
    with pytest.raises(ObsstackError) as caught:
        obs.get(path)
    assert str(caught.value) == (
        "Not a path of the app.\n"
        "  expected  a path that begins with a slash, as in obs.get('/error')\n"
        f"  found     {path!r}\n"
        "  do        for another server use a client of your own, with obs.headers"
    )
    assert app.requests == []
    assert obs.exchanges == ()


def test_undecided_leaves_the_sampling_to_the_app(obs: Probe, app: App) -> None:
    obs.undecided.get("/")
    headers = app.requests[0].headers
    sentry = parse_sentry_trace(headers["sentry-trace"])
    assert sentry is not None
    assert (sentry.trace_id, sentry.sampled) == (TRACE, None)
    assert "traceparent" not in headers
    assert "baggage" not in headers
    assert [exchange.decided for exchange in obs.exchanges] == [False]


def test_headers_for_another_client_carry_the_trace(obs: Probe) -> None:
    assert set(obs.headers) == {"traceparent", "sentry-trace", "baggage"}
    assert TRACE in obs.headers["traceparent"]
    assert obs.headers["traceparent"] != obs.headers["traceparent"]


def test_variables_for_a_program_carry_the_trace_as_sdks_read_it(obs: Probe) -> None:
    env = obs.env
    assert set(env) == {"SENTRY_TRACE", "SENTRY_BAGGAGE", "TRACEPARENT", "BAGGAGE"}
    w3c, sentry = parse_traceparent(env["TRACEPARENT"]), parse_sentry_trace(env["SENTRY_TRACE"])
    assert w3c == sentry
    assert env["BAGGAGE"] == env["SENTRY_BAGGAGE"]


def test_undecided_variables_leave_out_what_cannot_say_so(obs: Probe) -> None:
    assert set(obs.undecided.env) == {"SENTRY_TRACE"}


@pytest.mark.parametrize("undecided", [False, True])
def test_the_baseline_is_settled_once_before_the_first_request(app: App, undecided: bool) -> None:
    seen: list[int] = []
    with httpx.Client(transport=app) as client:
        obs = Probe(
            bench(no_request=True).context,
            client,
            before_first=lambda: seen.append(len(app.requests)),
        )
        (obs.undecided if undecided else obs).get("/")
        obs.get("/")
    assert seen == [0]


def test_links_lead_to_the_tests_events(obs: Probe) -> None:
    assert obs.trace_id == TRACE
    assert obs.url == "http://127.0.0.1:5000"
    assert obs.links() == [
        (
            "obs_sentry",
            f"http://127.0.0.1:9000/organizations/obsstack/issues/?query=trace%3A{TRACE}",
        )
    ]
