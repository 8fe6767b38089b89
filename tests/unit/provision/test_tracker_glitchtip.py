from __future__ import annotations

from typing import Any

import pytest

from pytest_obsstack.errors import BackendRefused, BackendUnavailable, ObsstackError
from pytest_obsstack.provision.tracker_glitchtip import SCOPES, glitchtip_token
from tests.unit.clients.answers import Answers, refusal
from tests.unit.provision.tracker_answers import EMAIL, PASSWORD, json_page, login

AUTH = "/_allauth/browser/v1"
CONFIG = f"GET {AUTH}/config"
LOGIN = f"POST {AUTH}/auth/login"
SIGNUP = f"POST {AUTH}/auth/signup"
TOKENS = "/api/0/api-tokens/"

OPEN = {"status": 200, "data": {"account": {"is_open_for_signup": True}}}
CLOSED = {"status": 200, "data": {"account": {"is_open_for_signup": False}}}
USER = {"status": 200, "meta": {"is_authenticated": True}}
MADE = {"id": 1, "label": "obsstack", "scopes": list(SCOPES), "token": "made-token"}
UNKNOWN = {
    "status": 400,
    "errors": [{"message": "not correct", "code": "email_password_mismatch", "param": "password"}],
}
TAKEN = {"status": 400, "errors": [{"message": "taken", "code": "email_taken", "param": "email"}]}


def token(table: dict[str, Any]) -> tuple[str, Answers]:
    answers = Answers({CONFIG: json_page(OPEN, csrftoken="first"), f"GET {TOKENS}": [], **table})
    return glitchtip_token(login("GlitchTip", answers)), answers


def test_a_new_user_signs_up_and_makes_a_token() -> None:
    found, answers = token(
        {
            LOGIN: refusal(400, UNKNOWN),
            SIGNUP: json_page(USER, sessionid="session", csrftoken="second"),
            f"POST {TOKENS}": MADE,
        }
    )
    assert found == "made-token"
    assert answers.lines == [CONFIG, LOGIN, SIGNUP, f"GET {TOKENS}", f"POST {TOKENS}"]
    assert answers.body(2) == {"email": EMAIL, "password": PASSWORD}
    assert answers.body(4) == {"label": "obsstack", "scopes": list(SCOPES)}


def test_what_changes_anything_has_the_csrf_token_of_that_moment() -> None:
    _, answers = token(
        {
            LOGIN: json_page(USER, sessionid="session", csrftoken="second"),
            f"POST {TOKENS}": MADE,
        }
    )
    sent = [request.headers.get("x-csrftoken") for request in answers.requests]
    assert sent == [None, "first", "second", "second"]
    assert "sessionid=session" in answers.requests[-1].headers["cookie"]
    assert answers.requests[-1].headers["referer"] == "http://127.0.0.1:9000/"


def test_a_second_run_finds_its_token_and_makes_none() -> None:
    found, answers = token(
        {
            LOGIN: json_page(USER, sessionid="session"),
            f"GET {TOKENS}": [
                {**MADE, "label": "somebody's", "token": "other"},
                {**MADE, "scopes": ["event:read"], "token": "too-weak"},
                MADE,
            ],
        }
    )
    assert found == "made-token"
    assert answers.lines == [CONFIG, LOGIN, f"GET {TOKENS}"]


def message(table: dict[str, Any]) -> str:
    with pytest.raises(ObsstackError) as caught:
        token(table)
    assert PASSWORD not in str(caught.value)
    return str(caught.value)


def test_message_of_another_password() -> None:
    table = {LOGIN: refusal(400, UNKNOWN), SIGNUP: refusal(400, TAKEN)}
    assert message(table) == (
        "GlitchTip does not let admin@example.com in.\n"
        "  expected  a login at http://127.0.0.1:9000 with the e-mail and the password that were "
        "given\n"
        "  found     a user with this e-mail and another password\n"
        "  do        give that password, or another e-mail"
    )


@pytest.mark.parametrize("status", [400, 403])
def test_message_where_nobody_may_sign_up(status: int) -> None:
    table = {
        CONFIG: json_page(CLOSED, csrftoken="first"),
        LOGIN: refusal(400, UNKNOWN),
        SIGNUP: refusal(status, {"status": status}),
    }
    text = message(table)
    assert "found     no such user, or another password; nobody may sign up" in text
    assert "ENABLE_USER_REGISTRATION=true" in text


@pytest.mark.parametrize("at", ["login", "signup"])
def test_message_where_a_password_is_not_enough(at: str) -> None:
    pending = refusal(401, {"data": {"flows": [{"id": "mfa_authenticate", "is_pending": True}]}})
    table = {LOGIN: pending if at == "login" else refusal(400, UNKNOWN), SIGNUP: pending}
    text = message(table)
    assert "found     GlitchTip asks for more than a password" in text
    assert "--token" in text


def test_a_password_that_glitchtip_does_not_take_is_told_in_its_own_words() -> None:
    short = {"status": 400, "errors": [{"message": "This password is too short.", "code": "x"}]}
    with pytest.raises(BackendRefused, match="This password is too short"):
        token({LOGIN: refusal(400, UNKNOWN), SIGNUP: refusal(400, short)})


def test_a_glitchtip_that_fails_is_unavailable_and_not_a_wrong_password() -> None:
    with pytest.raises(BackendUnavailable, match="500"):
        token({LOGIN: refusal(500, "Server Error")})
    with pytest.raises(BackendUnavailable, match="500"):
        token({LOGIN: refusal(400, UNKNOWN), SIGNUP: refusal(500, "Server Error")})


def test_another_product_is_told_by_its_missing_login() -> None:
    with pytest.raises(BackendRefused) as caught:
        token({CONFIG: refusal(404, "Not Found")})
    assert "check that http://127.0.0.1:9000 is a GlitchTip" in str(caught.value)
