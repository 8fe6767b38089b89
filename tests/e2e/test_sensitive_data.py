"""Secrets: what the app's filter takes out of events and transactions, and what it leaves.

Every secret here is one that the SDK by itself would send. So each test is repeated on a copy of
the app without the filter, where ``expect_nowhere`` must find the secret.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pytest_obsstack import AppProcess, Probe
from pytest_obsstack.clients.sentry.client import SentryClient
from pytest_obsstack.expect.opening import Bench

pytestmark = pytest.mark.e2e

BASKET = "basket-5up3r-s3cr3t"
ONE_TIME_PASSWORD = "otp-9f8e7d6c"
PASSWORD = "c0rrect horse &battery"
API_KEY = "key-1a2b3c4d5e"
TOKEN = "t0ken+4/5="
BEARER = "bearer-t0k3n-77"


def with_cookie(obs: Probe) -> None:
    obs.get("/checkout?fail=1", headers={"Cookie": f"basket={BASKET}; theme=dark"})


def with_one_time_password(obs: Probe) -> None:
    obs.get("/checkout?fail=1", headers={"x-OTP": ONE_TIME_PASSWORD})


def with_password_in_json(obs: Probe) -> None:
    obs.post(
        "/login",
        json={"fail": 1, "username": "jane", "password": PASSWORD, "old": {"Password": PASSWORD}},
    )


def with_password_in_form(obs: Probe) -> None:
    obs.post("/login", data={"fail": "1", "username": "jane", "password": PASSWORD})


def with_api_key_in_variables(obs: Probe) -> None:
    obs.post(
        "/login",
        json={"fail": 1, "username": "jane", "password": "p"},
        headers={"X-Api-Key": API_KEY},
    )


def with_token_in_query(obs: Probe) -> None:
    """Only the span of OpenTelemetry would have it: the SDK knows the word by itself."""
    obs.get("/health", params={"page": "3", "token": TOKEN})


Leak = tuple[Callable[[Probe], None], str]

LEAKS = [
    pytest.param((with_cookie, BASKET), id="cookie"),
    pytest.param((with_one_time_password, ONE_TIME_PASSWORD), id="one-time password"),
    pytest.param((with_password_in_json, PASSWORD), id="password in JSON"),
    pytest.param((with_password_in_form, PASSWORD), id="password in a form"),
    pytest.param((with_api_key_in_variables, API_KEY), id="key in local variables"),
    pytest.param((with_token_in_query, TOKEN), id="token in a query"),
]


@pytest.fixture
def unfiltered(obs_bench: Bench, unlike_default_app: AppProcess) -> Iterator[Probe]:
    """``obs`` for the copy of the app that has its filter switched off."""
    with obs_bench.probe(unlike_default_app) as probe:
        yield probe


@pytest.mark.claim("practice-filter-cookies", "practice-filter-authorization")
@pytest.mark.parametrize("leak", LEAKS)
@pytest.mark.obs_requires("settled_errors")
def test_a_secret_is_nowhere(obs: Probe, leak: Leak) -> None:
    send, secret = leak
    send(obs)
    assert len(obs.sentry.transactions()) >= 1
    assert len(obs.traces.spans()) >= 1
    obs.expect_nowhere(secret)


@pytest.mark.claim("practice-filter-cookies", "practice-filter-authorization")
@pytest.mark.obs_requires("app_control")
@pytest.mark.parametrize("leak", LEAKS)
@pytest.mark.obs_requires("settled_errors")
def test_the_same_secret_is_found_without_the_filter(unfiltered: Probe, leak: Leak) -> None:
    send, secret = leak
    send(unfiltered)
    with pytest.raises(AssertionError, match="A text that must be nowhere was found"):
        unfiltered.expect_nowhere(secret)


@pytest.mark.claim("practice-filter-cookies")
@pytest.mark.obs_requires("settled_errors")
@pytest.mark.obs_requires("transactions")
def test_no_cookie_is_left_in_event_or_transaction(obs: Probe, obs_sentry: SentryClient) -> None:
    with_cookie(obs)
    for request in requests_sent(obs, obs_sentry):
        assert "cookies" not in request
        assert "cookie" not in names_of_headers(request)


@pytest.mark.claim("practice-filter-authorization")
@pytest.mark.parametrize("name", ["Authorization", "authorization", "AUTHORIZATION"])
@pytest.mark.obs_requires("settled_errors")
def test_the_authorization_header_is_taken_out_however_it_is_written(
    obs: Probe, obs_sentry: SentryClient, name: str
) -> None:
    obs.get("/checkout?fail=1", headers={name: f"Bearer {BEARER}", "X-Shop": "Basel"})
    for request in requests_sent(obs, obs_sentry):
        names = names_of_headers(request)
        assert "authorization" not in names
        assert "x-shop" in names
    obs.expect_nowhere(BEARER)


@pytest.mark.claim("practice-filter-authorization")
@pytest.mark.obs_requires("app_control")
@pytest.mark.obs_requires("settled_errors", "transactions")
def test_without_the_filter_headers_and_cookies_are_in_event_and_transaction(
    unfiltered: Probe, obs_sentry: SentryClient
) -> None:
    """Why the two tests above can fail: nothing else takes these parts out."""
    unfiltered.get(
        "/checkout?fail=1",
        headers={
            "Authorization": f"Bearer {BEARER}",
            "Cookie": f"basket={BASKET}",
            "X-Otp": ONE_TIME_PASSWORD,
        },
    )
    found = requests_sent(unfiltered, obs_sentry)
    for request in found:
        assert "authorization" in names_of_headers(request)
        assert request["cookies"] == {"basket": BASKET}
        assert request["headers"]["X-Otp"] == ONE_TIME_PASSWORD


@pytest.mark.claim("practice-filter-authorization")
@pytest.mark.obs_requires("settled_errors")
def test_what_is_no_secret_stays(obs: Probe) -> None:
    obs.post(
        "/login?page=3&token=abcdef123456",
        json={"fail": 1, "username": "jane", "password": PASSWORD, "remember": True},
        headers={"X-User-Id": "77"},
    )
    event = obs.sentry.expect_event(type="DirectoryError", user={"id": "77"})
    assert event.request is not None
    assert event.request.query == (("page", "3"), ("token", "[Filtered]"))
    assert event.request.data == {
        "fail": 1,
        "username": "jane",
        "password": "[Filtered]",
        "remember": True,
    }
    obs.expect_nowhere("abcdef123456")
    with pytest.raises(AssertionError, match="A text that must be nowhere was found"):
        obs.expect_nowhere("jane")


def requests_sent(obs: Probe, client: SentryClient) -> list[dict[str, Any]]:
    """The request as it stands in the event and in the transaction of the one request made."""
    (event,) = obs.sentry.events()
    (transaction,) = [t for t in obs.sentry.transactions() if t.op == "http.server"]
    found = [client.event_json(each.event_id)["request"] for each in (event, transaction)]
    assert all(request["headers"] for request in found)
    return found


def names_of_headers(request: dict[str, Any]) -> set[str]:
    return {name.lower() for name in request["headers"]}
