from __future__ import annotations

import json
from typing import Any, cast

import pytest
from sentry_sdk.types import Event

from telemetry.redaction import FILTERED, filter_sensitive_data, is_secret, mask_query
from tests.unit.app.in_process import InProcess, Seen, places_of

PLANTED = {
    "password in the body": "hunter2!",
    "password deep in the body": "deep-pass-1",
    "cookie": "basket-4711",
    "one-time password header": "otp-998877",
    "authorization": "bearer-abcdef",
    "api key": "apikey-abcdef",
    "query parameter": "query-token-1",
}

# What sentry-sdk 2.75 masks by itself, wherever it stands in this request.
MASKED_BY_THE_SDK = {"authorization"}


def failing_login(app: InProcess, **changes: Any) -> Seen:
    with app.reporting(**changes):
        return app.request(
            f"/login?reset_token={PLANTED['query parameter']}&page=1",
            method="POST",
            json={
                "username": "jo",
                "password": PLANTED["password in the body"],
                "profile": [{"oldPassword": PLANTED["password deep in the body"]}],
                "fail": 1,
            },
            headers={
                "aUTHORIZATION": f"Bearer {PLANTED['authorization']}",
                "X-Api-Key": PLANTED["api key"],
                "x-OTP": PLANTED["one-time password header"],
            },
            cookies={"basket": PLANTED["cookie"]},
        )


def filtered(event: dict[str, Any]) -> dict[str, Any]:
    return cast("dict[str, Any]", filter_sensitive_data(cast("Event", event), {}))


@pytest.mark.parametrize("planted", PLANTED)
def test_no_planted_secret_leaves_in_any_item(simple_app: InProcess, planted: str) -> None:
    seen = failing_login(simple_app)
    assert [kind for kind, _ in seen.items] == ["event", "transaction"]
    for kind, payload in seen.items:
        assert list(places_of(PLANTED[planted], payload)) == [], kind


@pytest.mark.parametrize("planted", sorted(set(PLANTED) - MASKED_BY_THE_SDK))
def test_without_the_filter_the_planted_secret_leaks(simple_app: InProcess, planted: str) -> None:
    seen = failing_login(simple_app, filter_sensitive_data=False)
    assert list(places_of(PLANTED[planted], seen.event)) != []


@pytest.mark.parametrize(
    "planted",
    ["password in the body", "password deep in the body", "cookie", "one-time password header"],
)
def test_without_the_filter_transactions_leak_as_well(simple_app: InProcess, planted: str) -> None:
    seen = failing_login(simple_app, filter_sensitive_data=False)
    assert list(places_of(PLANTED[planted], seen.transactions)) != []


def test_what_is_no_secret_stays(simple_app: InProcess) -> None:
    request = failing_login(simple_app).event["request"]
    assert request["data"]["username"] == "jo"
    assert request["query_string"].endswith("page=1")
    assert "cookies" not in request
    assert {"Host", "Content-Type"} <= set(request["headers"])
    assert not {"authorization", "cookie"} & {name.lower() for name in request["headers"]}


def test_spans_and_logs_do_not_carry_the_secrets(simple_app: InProcess) -> None:
    seen = failing_login(simple_app)
    attributes = seen.server_span.attributes
    assert attributes is not None
    assert attributes["url.query"] == f"reset_token={FILTERED}&page=1"
    told = [span.to_json() for span in seen.spans] + [entry.to_json() for entry in seen.logs]
    assert [secret for secret in PLANTED.values() for text in told if secret in text] == []


@pytest.mark.parametrize(
    "name",
    [
        "password", "Password", "new_password", "oldPassword", "PASSWD", "user[password]",
        "Authorization", "PROXY-AUTHORIZATION", "HTTP_AUTHORIZATION", "Cookie", "Set-Cookie",
        "X-Api-Key", "apikey", "X-Auth-Token", "x-otp", "session_id", "client_secret",
        "credentials", "XSRF-TOKEN", "card_number", "pin",
    ],
)  # fmt: skip
def test_names_of_secrets(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize(
    "name", ["username", "author", "shipping", "option", "amount", "Host", "User-Agent", "sspin"]
)
def test_names_that_are_no_secrets(name: str) -> None:
    assert not is_secret(name)


@pytest.mark.parametrize(
    ("query", "masked"),
    [
        ("token=abc&x=1", "token=[Filtered]&x=1"),
        ("x=1&user%5Bpassword%5D=a%20b", "x=1&user%5Bpassword%5D=[Filtered]"),
        ("/login?API-Key=abc HTTP/1.1", "/login?API-Key=[Filtered] HTTP/1.1"),
        ("x=1&y=token", "x=1&y=token"),
        ("", ""),
    ],
)
def test_secret_parameters_are_masked_in_any_text(query: str, masked: str) -> None:
    assert mask_query(query) == masked


def test_extra_breadcrumbs_contexts_and_span_data_are_masked_by_name() -> None:
    event = filtered(
        {
            "extra": {"api_key": "k", "plain": "stays"},
            "breadcrumbs": {"values": [{"message": "sent", "data": {"Authorization": "Basic x"}}]},
            "contexts": {"call": {"headers": {"Cookie": "a=b"}}},
            "spans": [{"data": {"http.request.header.set-cookie": "a=b", "size": 3}}],
        }
    )
    assert event["extra"] == {"api_key": FILTERED, "plain": "stays"}
    assert event["breadcrumbs"]["values"][0]["data"] == {"Authorization": FILTERED}
    assert event["contexts"]["call"]["headers"] == {"Cookie": FILTERED}
    assert event["spans"][0]["data"] == {"http.request.header.set-cookie": FILTERED, "size": 3}


def test_a_secret_found_by_name_is_masked_in_texts_too() -> None:
    event = filtered(
        {
            "request": {"data": {"password": "correct horse"}, "headers": {}},
            "exception": {"values": [{"type": "E", "value": "no login with 'correct horse'"}]},
            "logentry": {"message": "tried correct%20horse"},
        }
    )
    assert event["exception"]["values"][0]["value"] == f"no login with '{FILTERED}'"
    assert event["logentry"]["message"] == f"tried {FILTERED}"


def test_parts_of_cookie_and_authorization_lines_are_masked_in_texts() -> None:
    event = filtered(
        {
            "request": {
                "headers": {"COOKIE": "a=cookie-value-1; b=x", "authorization": "Basic dXNlcg"}
            },
            "extra": {"note": "got cookie-value-1 and dXNlcg"},
        }
    )  # fmt: skip
    assert event["request"]["headers"] == {}
    assert event["extra"]["note"] == f"got {FILTERED} and {FILTERED}"


def test_a_short_secret_does_not_black_out_ordinary_words() -> None:
    event = filtered(
        {
            "request": {"cookies": {"theme": "dark"}},
            "exception": {"values": [{"type": "Error", "value": "it got dark"}]},
        }
    )
    assert event["request"] == {}
    assert event["exception"]["values"][0]["value"] == "it got dark"


def test_what_groups_an_event_is_out_of_the_reach_of_what_a_client_sends() -> None:
    event = {
        "event_id": "1" * 32,
        "level": "error",
        "environment": "production",
        "tags": {"endpoint": "/error"},
        "request": {"cookies": {"a": "production", "b": "/error"}},
    }
    rest = json.loads(json.dumps({k: v for k, v in event.items() if k != "request"}))
    assert filtered(event) == {**rest, "request": {}}


@pytest.mark.parametrize("request_part", [None, "text", {"data": "raw", "headers": None}])
def test_an_event_of_another_shape_passes(request_part: Any) -> None:
    event = {"request": request_part, "message": "m"}
    assert filtered(dict(event)) == event
