"""A token, a team and a project in Bugsink.

The user is made by Bugsink itself at its start (``CREATE_SUPERUSER=email:password``). A token comes
from the page on which a person makes one, or, where that page is another one, from
``bugsink-manage create_auth_token`` inside the container.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Sequence

from pytest_obsstack.clients import fields
from pytest_obsstack.clients.fields import Raw
from pytest_obsstack.clients.sentry.bugsink import BugsinkClient
from pytest_obsstack.errors import BackendRefused, ObsstackError
from pytest_obsstack.provision.tracker_login import MADE_BY, Login, Page, WebSession

ExecInContainer = Callable[[Sequence[str]], str]
"""Runs a command in Bugsink's container and gives what it wrote."""

CAPABILITIES = (
    *("issues_read", "issues_triage", "events_read", "releases_read"),
    *("projects_read", "projects_manage", "teams_read", "teams_manage"),
)
"""Names of the boxes that are ticked for the token."""

_LOGIN = "/accounts/login/"
_TOKENS = "/bsmain/auth_tokens/"
_COMMAND = ("bugsink-manage", "create_auth_token")
_TOKEN = re.compile(r"\b[0-9a-f]{40}\b")


def bugsink_token(login: Login, exec_in_container: ExecInContainer | None = None) -> str:
    """A token of the whole Bugsink; the same one each time, unless it takes a command to make one.

    Raises ``ObsstackError`` where the password is another one.
    """
    with contextlib.closing(WebSession(login, csrf_cookie="csrftoken")) as session:
        entry = session.page(_LOGIN)
        inside = session.submit(
            entry, {"username": login.email, "password": login.password, "next": _TOKENS}
        )
        if inside.path == _LOGIN:
            raise login.refused(
                "the login page again",
                advice="give the e-mail and the password with which Bugsink was started for the "
                "first time (CREATE_SUPERUSER=email:password)",
            )
        found = _named_token(inside)
        return found if found is not None else _new_token(session, exec_in_container)


def _new_token(session: WebSession, exec_in_container: ExecInContainer | None) -> str:
    ticked = dict.fromkeys(CAPABILITIES, "on")
    try:
        form = session.page(f"{_TOKENS}create/")
        made = session.submit(form, {"description": MADE_BY, **ticked})
    except BackendRefused as refused:
        if exec_in_container is None or refused.status not in (404, 405):
            raise
        return _printed_token(exec_in_container)
    found = _named_token(made)
    if found is None:
        raise ObsstackError(
            "Bugsink made no token.",
            expected=f"a token named {MADE_BY} on {session.login.url}{_TOKENS}",
            found=f"the page {made.path} without one",
            advice="make a token there by hand and give it (--token), or run "
            f"`{' '.join(_COMMAND)}` where Bugsink runs",
        )
    return found


def _named_token(page: Page) -> str | None:
    """The token under whose digits its name stands, before those of the next."""
    lines = page.text.splitlines()
    current = None
    for line in lines:
        match = _TOKEN.search(line)
        if match is not None:
            current = match[0]
        elif line == MADE_BY and current is not None:
            return current
    return None


def _printed_token(exec_in_container: ExecInContainer) -> str:
    printed = exec_in_container(_COMMAND)
    match = _TOKEN.search(printed)
    if match is None:
        raise ObsstackError(
            f"`{' '.join(_COMMAND)}` gave no token.",
            expected="40 hex digits",
            found=printed.strip()[-300:] or "nothing",
            advice="look at the logs of Bugsink's container",
        )
    return match[0]


def bugsink_project(client: BugsinkClient, *, team: str, project: str) -> Raw:
    """The project of that name in the team of that name, made where it is missing."""
    own_team = next((raw for raw in client.teams() if raw.get("name") == team), None)
    if own_team is None:
        own_team = client.create_team(team)
    team_id = fields.text(own_team, "id")
    for raw in client.projects(team_id):
        if project in (raw.get("slug"), raw.get("name")):
            return raw
    return client.create_project(team_id, project)
