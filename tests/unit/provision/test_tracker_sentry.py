"""Nobody has a self-hosted Sentry at hand: the pages are those that its own tests log in to."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

import pytest

from pytest_obsstack.errors import BackendRefused, ObsstackError
from pytest_obsstack.provision.tracker_sentry import SCOPES, sentry_accounts, sentry_token
from tests.unit.clients.answers import Answers, refusal
from tests.unit.provision.tracker_answers import (
    EMAIL,
    PASSWORD,
    csrf_form,
    json_page,
    login,
    page,
    redirect,
)

ENTRY, OWN, HOME = "/auth/login/", "/auth/login/sentry/", "/organizations/sentry/issues/"
TOKENS = "POST /api/0/api-tokens/"
MADE = {"id": "1", "name": "obsstack", "scopes": list(SCOPES), "token": "sntryu_made"}


def sentry(table: dict[str, Any]) -> Answers:
    return Answers(
        {
            f"GET {ENTRY}": redirect(OWN),
            f"GET {OWN}": page(csrf_form(OWN, "at-login"), sc="first"),
            f"POST {OWN}": redirect(HOME, sentrysid="session", sc="second"),
            f"GET {HOME}": page("<html>Issues</html>"),
            TOKENS: json_page(MADE, status=201),
            **table,
        }
    )


def test_the_user_logs_in_with_the_form_and_makes_a_token() -> None:
    answers = sentry({})
    assert sentry_token(login("Sentry", answers)) == "sntryu_made"
    form = parse_qs(answers.requests[answers.lines.index(f"POST {OWN}")].content.decode())
    assert form == {
        "csrfmiddlewaretoken": ["at-login"],
        "op": ["login"],
        "username": [EMAIL],
        "password": [PASSWORD],
    }
    assert answers.body() == {"name": "obsstack", "scopes": list(SCOPES)}
    assert answers.requests[-1].headers["x-csrftoken"] == "second"
    assert "sentrysid=session" in answers.requests[-1].headers["cookie"]


@pytest.mark.parametrize("again", [page(csrf_form(OWN, "again")), refusal(403, "CSRF")])
def test_message_of_a_wrong_password(again: Any) -> None:
    with pytest.raises(ObsstackError) as caught:
        sentry_token(login("Sentry", sentry({f"POST {OWN}": again})))
    assert str(caught.value) == (
        "Sentry does not let admin@example.com in.\n"
        "  expected  a login at http://127.0.0.1:9000 with the e-mail and the password that were "
        "given\n"
        "  found     the login page again\n"
        "  do        give the e-mail and the password of a user of this Sentry, made with `sentry "
        "createuser`; or a token that you have made yourself (--token)"
    )


def test_a_token_that_may_not_be_made_is_refused_without_the_password() -> None:
    with pytest.raises(BackendRefused) as caught:
        sentry_token(login("Sentry", sentry({TOKENS: refusal(403, {"detail": PASSWORD})})))
    assert PASSWORD not in str(caught.value)


def test_whoever_is_logged_in_can_set_up_without_a_token() -> None:
    made = {"id": "1", "slug": "obsstack", "name": "obsstack"}
    answers = sentry({"POST /api/0/organizations/": made})
    with sentry_accounts(login("Sentry", answers)) as accounts:
        assert accounts.create_organization("obsstack").slug == "obsstack"
    sent = answers.requests[-1].headers
    assert (sent["cookie"], sent["x-csrftoken"]) == ("sentrysid=session; sc=second", "second")
