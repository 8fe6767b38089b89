"""Tags and contexts: on which events they stand, how they are counted and searched."""

from __future__ import annotations

import pytest

from pytest_obsstack import Probe
from pytest_obsstack.clients.sentry.client import SentryClient
from tests.e2e.words import own_word

pytestmark = pytest.mark.e2e


@pytest.mark.claim("direct-tags", "feature-custom-context", "direct-custom-data")
def test_the_scopes_tags_and_context_are_on_the_event(obs: Probe, obs_sentry: SentryClient) -> None:
    obs.get("/error")
    event = obs.sentry.expect_event(
        type="ValueError", tags={"endpoint": "/error", "error_type": "ValueError"}
    )
    # As it was sent, without what servers add.
    sent = obs_sentry.event_json(event.event_id)
    assert sent["contexts"]["request_info"] == {"endpoint": "/error", "method": "GET"}
    shown = dict(event.contexts["request_info"])
    shown.pop("type", None)
    assert shown == {"endpoint": "/error", "method": "GET"}
    assert event.issue_id is not None
    for key, value in (("endpoint", "/error"), ("error_type", "ValueError")):
        assert value in {found.value for found in obs_sentry.tag_values(event.issue_id, key)}


@pytest.mark.claim("feature-custom-context")
def test_a_scope_ends_with_its_error(obs: Probe) -> None:
    obs.get("/error")
    obs.get("/sentry-test")
    obs.sentry.expect_event(
        type="ZeroDivisionError",
        tags={"endpoint": None, "error_type": None},
        contexts={"request_info": None},
    )


@pytest.mark.claim("practice-context")
def test_a_failed_checkout_has_user_feature_and_transaction(obs: Probe) -> None:
    obs.post(
        "/checkout",
        json={
            "fail": True,
            "amount": 100,
            "currency": "USD",
            "user_id": "12345",
            "user_email": "user@example.com",
        },
    )
    event = obs.sentry.expect_event(
        type="PaymentError",
        user={"id": "12345", "email": "user@example.com", "username": None},
        tags={"feature": "payment"},
        contexts={"transaction": {"amount": 100, "currency": "USD"}},
    )
    assert event.contexts["transaction"].keys() <= {"amount", "currency", "type"}


@pytest.mark.claim("direct-custom-data")
@pytest.mark.obs_requires("settled_errors")
def test_a_context_has_the_values_of_its_own_request(obs: Probe) -> None:
    for amount, currency in ((7.25, "EUR"), (1000, "JPY")):
        obs.get("/checkout", params={"fail": "1", "amount": str(amount), "currency": currency})
    found = [event.contexts["transaction"] for event in obs.sentry.events()]
    assert [(context["amount"], context["currency"]) for context in found] == [
        (7.25, "EUR"),
        (1000, "JPY"),
    ]


@pytest.mark.claim("custom-tags")
@pytest.mark.obs_requires("settled_errors")
def test_every_event_and_transaction_has_environment_region_and_customer_tier(obs: Probe) -> None:
    premium = {"X-Region": "eu-central-1", "X-Customer-Tier": "premium"}
    obs.get("/error", headers=premium)
    obs.get("/sentry-test", headers=premium)
    obs.get("/log", params={"level": "error"}, headers=premium)
    obs.get("/checkout?fail=1", headers=premium)

    wanted = {"environment": "production", "region": "eu-central-1", "customer_tier": "premium"}
    events = obs.sentry.events()
    transactions = obs.sentry.transactions()
    assert len(events) == 4
    assert len(transactions) == 5  # The payment is one of its own.
    for found in (*events, *transactions):
        assert {key: found.tags.get(key) for key in wanted} == wanted


@pytest.mark.claim("custom-tags")
@pytest.mark.obs_requires("settled_errors")
def test_without_headers_the_tags_have_their_defaults(obs: Probe) -> None:
    obs.get("/error", headers={"X-Region": "eu-central-1", "X-Customer-Tier": "premium"})
    obs.get("/error")
    first, second = (event.tags for event in obs.sentry.events())
    assert (first["region"], first["customer_tier"]) == ("eu-central-1", "premium")
    assert (second["region"], second["customer_tier"]) == ("us-east-1", "standard")


@pytest.mark.claim("custom-tags")
@pytest.mark.obs_requires("tags")
@pytest.mark.obs_requires("settled_errors")
def test_issues_and_events_are_found_by_their_tags(obs: Probe, obs_sentry: SentryClient) -> None:
    tier = own_word(obs)
    obs.get("/error", headers={"X-Region": "eu-central-1", "X-Customer-Tier": tier})
    obs.get("/sentry-test", headers={"X-Region": "us-east-1", "X-Customer-Tier": tier})
    assert len(obs.sentry.events()) == 2

    def types(query: str) -> list[str]:
        return sorted(str(issue.type) for issue in obs_sentry.issues(query))

    assert types(f"customer_tier:{tier}") == ["ValueError", "ZeroDivisionError"]
    assert types(f"customer_tier:{tier} region:eu-central-1") == ["ValueError"]
    assert types(f"customer_tier:{tier} !region:eu-central-1") == ["ZeroDivisionError"]
    assert types(f"customer_tier:{tier} environment:production") == [
        "ValueError",
        "ZeroDivisionError",
    ]
    assert types(f"customer_tier:{tier} environment:staging") == []
    assert types(f"customer_tier:{tier}x") == []
