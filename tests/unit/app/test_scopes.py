"""What belongs to a request is on its events and on no other's."""

from __future__ import annotations

from tests.unit.app.in_process import InProcess

USER = {"X-User-Id": "12345", "X-User-Email": "user@example.com", "X-User-Name": "john_doe"}


def test_the_user_of_the_headers_is_on_every_event(reporting: InProcess) -> None:
    user = reporting.request("/error", headers=USER).event["user"]
    assert {name: user[name] for name in ("id", "email", "username")} == {
        "id": "12345",
        "email": "user@example.com",
        "username": "john_doe",
    }


def test_the_user_of_the_body_wins(reporting: InProcess) -> None:
    order = {"fail": 1, "user_id": "7", "user_email": "seven@example.com", "user_name": "seven"}
    user = reporting.request("/checkout", method="POST", json=order, headers=USER).event["user"]
    assert (user["id"], user["email"], user["username"]) == ("7", "seven@example.com", "seven")


def test_a_user_does_not_leak_into_the_next_request(reporting: InProcess) -> None:
    reporting.request("/error", headers=USER)
    assert set(reporting.request("/error").event["user"]) == {"ip_address"}


def test_tags_do_not_leak_into_the_next_request(reporting: InProcess) -> None:
    reporting.request("/checkout?fail=1&customer_tier=premium")
    tags = reporting.request("/sentry-test").event["tags"]
    assert tags == {"region": "us-east-1", "customer_tier": "standard"}


def test_breadcrumbs_are_those_of_this_request_in_order(reporting: InProcess) -> None:
    reporting.request("/log?level=info&message=of+another+request")
    event = reporting.request("/checkout?fail=1").event
    assert [(c["category"], c["message"]) for c in event["breadcrumbs"]["values"]] == [
        ("user_action", "User clicked checkout button"),
        ("payment", "Authorizing payment"),
    ]


def test_checkout_puts_tags_and_transaction_context_on_its_event(reporting: InProcess) -> None:
    event = reporting.request(
        "/checkout",
        method="POST",
        json={
            "fail": True, "amount": 100, "currency": "USD",
            "customer_tier": "premium", "region": "eu-west-1",
        },
    ).event  # fmt: skip
    assert event["tags"] == {
        "feature": "payment",
        "customer_tier": "premium",
        "region": "eu-west-1",
    }
    assert event["contexts"]["transaction"] == {"amount": 100.0, "currency": "USD"}


def test_tier_and_region_are_on_the_transactions_too(reporting: InProcess) -> None:
    seen = reporting.request("/checkout?customer_tier=premium", headers={"X-Region": "eu-west-1"})
    assert [
        (transaction["tags"]["customer_tier"], transaction["tags"]["region"])
        for transaction in seen.transactions
    ] == [("premium", "eu-west-1")] * 2


def test_the_request_is_on_its_event(reporting: InProcess) -> None:
    request = reporting.request(
        "/checkout?fail=1", method="POST", json={"amount": 3}, headers={"X-Plain": "seen"}
    ).event["request"]
    assert request["method"] == "POST"
    assert request["url"] == "http://localhost/checkout"
    assert request["query_string"] == "fail=1"
    assert request["headers"]["X-Plain"] == "seen"
    assert request["data"] == {"amount": 3}


def test_environment_release_and_integrations_are_on_the_event(simple_app: InProcess) -> None:
    with simple_app.reporting(sentry_environment="staging", sentry_release="simple-app@2.0.0"):
        event = simple_app.request("/error").event
    assert (event["environment"], event["release"]) == ("staging", "simple-app@2.0.0")
    assert {"flask", "logging"} <= set(event["sdk"]["integrations"])
