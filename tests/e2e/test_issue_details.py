"""What an issue's page is made of, read through the API: stack trace, request, tags, variables."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from pytest_obsstack import Probe
from pytest_obsstack.clients.sentry.client import SentryClient
from pytest_obsstack.clients.sentry.event import Event
from tests.e2e.words import own_word

pytestmark = pytest.mark.e2e


@pytest.mark.claim("detail-stack-trace")
@pytest.mark.obs_requires("settled_errors")
def test_the_issue_and_the_events_json_have_the_same_stack_trace(
    obs: Probe, obs_sentry: SentryClient
) -> None:
    obs.get("/checkout?fail=1")
    issue = obs.sentry.expect_issue("PaymentError")
    event = _event_of_issue(obs, obs_sentry, issue.id)
    assert event.exception is not None
    shown = [
        (frame.filename, frame.function, frame.lineno, frame.context_line)
        for frame in event.exception.frames
    ]

    (exception,) = obs_sentry.event_json(event.event_id)["exception"]["values"]
    stored = [
        (frame["filename"], frame["function"], frame["lineno"], frame["context_line"])
        for frame in exception["stacktrace"]["frames"]
    ]
    assert shown == stored
    assert [function for _, function, _, _ in shown] == ["checkout", "process_payment"]


@pytest.mark.claim("detail-request")
@pytest.mark.obs_requires("settled_errors")
def test_the_event_has_method_url_query_and_headers_of_its_request(
    obs: Probe, obs_sentry: SentryClient
) -> None:
    obs.get(
        "/checkout",
        params=[("fail", "1"), ("currency", "EUR"), ("note", "a b&c"), ("note", "")],
        headers={"X-Shop": "Basel", "Accept-Language": "de-CH"},
    )
    issue = obs.sentry.expect_issue("PaymentError")
    request = _event_of_issue(obs, obs_sentry, issue.id).request
    assert request is not None
    assert request.method == "GET"
    assert urlsplit(request.url or "").path == "/checkout"
    assert request.query == (("fail", "1"), ("currency", "EUR"), ("note", "a b&c"), ("note", ""))
    assert request.header("x-shop") == "Basel"
    assert request.header("accept-language") == "de-CH"
    assert request.header("user-agent") is not None
    assert request.header("host") == urlsplit(request.url or "").netloc


@pytest.mark.claim("feature-request-context")
def test_the_event_of_a_post_has_its_json_body(obs: Probe) -> None:
    body = {"fail": True, "amount": 12.5, "items": [{"sku": "A-1", "pieces": 2}], "note": None}
    obs.post("/checkout", json=body)
    request = obs.sentry.expect_event(type="PaymentError").request
    assert request is not None
    assert request.method == "POST"
    assert request.header("content-type") == "application/json"
    assert request.data == body


@pytest.mark.claim("feature-request-context")
def test_the_event_of_a_form_has_its_fields(obs: Probe) -> None:
    obs.post("/checkout", data={"fail": "1", "currency": "CHF"})
    request = obs.sentry.expect_event(type="PaymentError").request
    assert request is not None
    assert request.header("content-type") == "application/x-www-form-urlencoded"
    assert request.data == {"fail": "1", "currency": "CHF"}


@pytest.mark.claim("feature-local-variables")
def test_the_failing_frames_variables_have_their_values(obs: Probe) -> None:
    obs.post("/checkout", json={"fail": 1, "amount": 12.5, "currency": "EUR", "note": "gift"})
    event = obs.sentry.expect_event(type="PaymentError")
    assert event.exception is not None
    caller, failing = event.exception.frames
    assert failing.function == "process_payment"
    # Each as its repr, so that a text can be told from a number.
    assert {name: failing.vars[name] for name in ("amount", "currency", "fail")} == {
        "amount": "12.5",
        "currency": "'EUR'",
        "fail": "True",
    }
    assert caller.vars["order"] == {
        "fail": "1",
        "amount": "12.5",
        "currency": "'EUR'",
        "note": "'gift'",
    }


@pytest.mark.claim("detail-tags")
@pytest.mark.obs_requires("settled_errors")
def test_the_issue_counts_the_tags_endpoint_and_error_type(
    obs: Probe, obs_sentry: SentryClient
) -> None:
    obs.get("/error")
    issue = obs.sentry.expect_issue("ValueError")
    before = _counts(obs_sentry, issue.id)
    assert before.keys() == {("endpoint", "/error"), ("error_type", "ValueError")}

    obs.get("/error")
    obs.get("/error")
    obs.sentry.expect_events(issue, count=3)
    after = _counts(obs_sentry, issue.id)
    # Other tests may have made some at the same time.
    assert all(after[pair] >= before[pair] + 2 for pair in before)
    assert after.keys() == before.keys()


@pytest.mark.claim("detail-tags", "direct-tags")
def test_the_issue_counts_each_value_of_a_tag(obs: Probe, obs_sentry: SentryClient) -> None:
    message = {"level": "error", "message": f"Shelf {own_word(obs)} is empty"}
    for region in ("eu-west-1", "eu-west-1", "ap-south-1"):
        obs.get("/log", params=message, headers={"X-Region": region})
    issue = obs.sentry.expect_issue(title=message["message"], count=3)

    (tag,) = [tag for tag in obs_sentry.tags(issue) if tag.key == "region"]
    assert tag.total == 3
    values = [(value.value, value.count) for value in obs_sentry.tag_values(issue, "region")]
    assert values == [("eu-west-1", 2), ("ap-south-1", 1)]


def _event_of_issue(obs: Probe, client: SentryClient, issue_id: str) -> Event:
    """This test's event as the issue lists it."""
    (own,) = obs.sentry.events()
    (event,) = [e for e in client.issue_events(issue_id) if e.event_id == own.event_id]
    return event


def _counts(client: SentryClient, issue_id: str) -> dict[tuple[str, str], int]:
    return {
        (key, value.value): value.count
        for key in ("endpoint", "error_type")
        for value in client.tag_values(issue_id, key)
    }
