"""A token in a self-hosted Sentry that runs already.

Its first user is made by ``sentry createuser`` where it was installed. The rest is what a person
does: log in with the form, then make a token of one's own. Organisation tokens would not do: their
only scope is ``org:ci``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from pytest_obsstack.clients import fields
from pytest_obsstack.clients.sentry.accounts import SentryAccounts
from pytest_obsstack.errors import BackendRefused
from pytest_obsstack.provision.tracker_login import MADE_BY, Login, WebSession

SCOPES = (
    *("event:read", "event:write", "project:read", "project:write", "project:admin"),
    *("project:releases", "team:read", "team:write", "org:read", "org:write"),
    *("alerts:read", "alerts:write", "member:read"),
)

_LOGIN = "/auth/login/"


def sentry_token(login: Login) -> str:
    """A token of the user, a new one each time: Sentry shows a token once, when it is made.

    Raises ``ObsstackError`` where Sentry does not let the user in.
    """
    with _logged_in(login) as session:
        body = {"name": MADE_BY, "scopes": list(SCOPES)}
        made = session.json("POST", "/api/0/api-tokens/", body)
        return fields.text(fields.mapping(made, "a token"), "token")


@contextlib.contextmanager
def sentry_accounts(login: Login) -> Iterator[SentryAccounts]:
    """What can be set up by the user without a token: the embedded Sentry makes none."""
    with _logged_in(login) as session:
        api = session.api("/api/0", "sentrysid")
        with contextlib.closing(api):
            yield SentryAccounts(api)


@contextlib.contextmanager
def _logged_in(login: Login) -> Iterator[WebSession]:
    with contextlib.closing(WebSession(login, csrf_cookie="sc")) as session:
        # Leads on to the page of the one organisation that a self-hosted Sentry has.
        entry = session.page(_LOGIN)
        form = {"op": "login", "username": login.email, "password": login.password}
        try:
            refused = session.submit(entry, form).path.startswith(_LOGIN)
        except BackendRefused as error:
            if error.status not in (400, 401, 403):
                raise
            refused = True
        if refused:
            raise login.refused(
                "the login page again",
                advice="give the e-mail and the password of a user of this Sentry, made with "
                "`sentry createuser`; or a token that you have made yourself (--token)",
            )
        yield session
