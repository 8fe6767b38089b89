"""A user and a token in GlitchTip, over HTTP alone.

Its login is django-allauth's "headless" API
(https://docs.allauth.org/en/latest/headless/openapi-specification/), its tokens are Sentry's
``/api/0/api-tokens/``, which shows them in full.
"""

from __future__ import annotations

import contextlib
from typing import Any

from pytest_obsstack.clients import fields
from pytest_obsstack.errors import BackendRefused
from pytest_obsstack.provision.tracker_login import MADE_BY, Login, WebSession

SCOPES = (
    *("event:read", "event:write", "project:read", "project:write", "project:admin"),
    *("project:releases", "team:read", "team:write", "org:read", "org:write", "member:read"),
)

_AUTH = "/_allauth/browser/v1"


def glitchtip_token(login: Login) -> str:
    """A token of the user, who is created where there is none; the same one each time.

    Raises ``ObsstackError`` where the password is another one, and where nobody may sign up.
    """
    with contextlib.closing(WebSession(login, csrf_cookie="csrftoken")) as session:
        config = session.json("GET", f"{_AUTH}/config")
        if not _logged_in(session):
            _sign_up(session, config)
        return _token(session)


def _logged_in(session: WebSession) -> bool:
    """Whether the user exists and the password is right."""
    try:
        session.json("POST", f"{_AUTH}/auth/login", _credentials(session.login))
    except BackendRefused as refused:
        # GlitchTip does not tell an unknown user from a wrong password.
        if refused.status == 400:
            return False
        if refused.status == 401:
            raise _more_is_asked(session.login) from refused
        raise
    return True


def _sign_up(session: WebSession, config: Any) -> None:
    login = session.login
    try:
        session.json("POST", f"{_AUTH}/auth/signup", _credentials(login))
    except BackendRefused as refused:
        if refused.status == 401:
            raise _more_is_asked(login) from refused
        if refused.status == 403 or not _open(config):
            raise login.refused(
                "no such user, or another password; nobody may sign up",
                advice="give the password of an existing user, or start GlitchTip with "
                "ENABLE_USER_REGISTRATION=true",
            ) from refused
        if "email_taken" in (refused.found or ""):
            raise login.refused(
                "a user with this e-mail and another password",
                advice="give that password, or another e-mail",
            ) from refused
        raise


def _more_is_asked(login: Login) -> Exception:
    return login.refused(
        "GlitchTip asks for more than a password",
        advice="confirm the e-mail or switch the second factor off; or give a token that you "
        "have made yourself (--token)",
    )


def _open(config: Any) -> bool:
    data = fields.optional_mapping(fields.mapping(config, "the login's configuration"), "data")
    return fields.optional_mapping(data, "account").get("is_open_for_signup") is not False


def _token(session: WebSession) -> str:
    for raw in fields.items(session.json("GET", "/api/0/api-tokens/"), "the tokens"):
        token = fields.mapping(raw, "a token")
        scopes = set(fields.optional_items(token, "scopes"))
        if token.get("label") == MADE_BY and scopes >= set(SCOPES):
            return fields.text(token, "token")
    body = {"label": MADE_BY, "scopes": list(SCOPES)}
    made = session.json("POST", "/api/0/api-tokens/", body)
    return fields.text(fields.mapping(made, "a token"), "token")


def _credentials(login: Login) -> dict[str, str]:
    return {"email": login.email, "password": login.password}
