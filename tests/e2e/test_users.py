"""Users: who was hit by an error, never the user of another request, and how many there were."""

from __future__ import annotations

import pytest

from pytest_obsstack import Probe
from pytest_obsstack.clients.sentry.client import SentryClient
from tests.e2e.words import own_word

pytestmark = pytest.mark.e2e

JOHN = {"id": "12345", "email": "user@example.com", "username": "john_doe"}
NOBODY = {"id": None, "email": None, "username": None}
ROUNDS = 5


def headers_of(user: dict[str, str]) -> dict[str, str]:
    return {
        "X-User-Id": user["id"],
        "X-User-Email": user["email"],
        "X-User-Name": user["username"],
    }


@pytest.mark.claim("direct-user", "user-identification")
def test_the_event_has_id_email_and_username(obs: Probe) -> None:
    obs.get("/error", headers=headers_of(JOHN))
    obs.sentry.expect_event(type="ValueError", user=JOHN)


@pytest.mark.claim("detail-user")
def test_the_issues_event_shows_its_user(obs: Probe, obs_sentry: SentryClient) -> None:
    message = f"Basket {own_word(obs)} is lost"
    obs.get("/log", params={"level": "error", "message": message}, headers=headers_of(JOHN))
    issue = obs.sentry.expect_issue(title=message, user_count=1)
    user = obs_sentry.latest_event(issue).user
    assert user is not None
    assert {"id": user.id, "email": user.email, "username": user.username} == JOHN


@pytest.mark.claim("user-identification", "detail-user")
def test_two_users_are_counted_as_two_however_often_they_are_hit(
    obs: Probe, obs_sentry: SentryClient
) -> None:
    message = {"level": "error", "message": f"Basket {own_word(obs)} is lost"}
    jane = {"id": "67890", "email": "jane@example.com", "username": "jane_doe"}
    for user in (JOHN, JOHN, jane, JOHN):
        obs.get("/log", params=message, headers=headers_of(user))
    issue = obs.sentry.expect_issue(title=message["message"], count=4, user_count=2)

    counts = {value.value: value.count for value in obs_sentry.tag_values(issue, "user")}
    assert counts == {"id:12345": 3, "id:67890": 1}


@pytest.mark.claim("feature-user-information")
@pytest.mark.obs_requires("settled_errors")
def test_a_user_never_leaks_into_the_next_request(obs: Probe) -> None:
    # In turn, so that the thread that serves a request has had a user before.
    for number in range(ROUNDS):
        user = {"id": f"u{number}", "email": f"u{number}@example.com", "username": f"n{number}"}
        obs.get("/error", headers=headers_of(user))
        obs.get("/error")
        obs.get("/error", headers={"X-User-Id": f"only-{number}"})
    found = [event.user for event in obs.sentry.events()]
    assert len(found) == 3 * ROUNDS
    for number in range(ROUNDS):
        named, nobody, only_id = (
            user and {"id": user.id, "email": user.email, "username": user.username}
            for user in found[3 * number : 3 * number + 3]
        )
        assert named == {
            "id": f"u{number}",
            "email": f"u{number}@example.com",
            "username": f"n{number}",
        }
        assert nobody is None or nobody == NOBODY
        assert only_id == {**NOBODY, "id": f"only-{number}"}
