"""An error tracker of any kind, from "it starts" to a project that can be reported to.

Nobody has to click: see ``tracker_glitchtip``, ``tracker_bugsink`` and ``tracker_sentry`` for how a
token is come by. All is done over HTTP, and what exists already is used, so that a second run finds
the same project and the same DSN.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import httpx

from pytest_obsstack.clients import fields
from pytest_obsstack.endpoints import SentryEndpoint, TrackerFlavour
from pytest_obsstack.errors import BackendRefused, ObsstackError
from pytest_obsstack.provision.sentry_setup import (
    SentryProject,
    checked_dsn,
    sentry_setup,
    set_up_accounts,
)
from pytest_obsstack.provision.tracker_login import Login
from pytest_obsstack.waiting import until
from pytest_obsstack.wire.dsn import Dsn

if TYPE_CHECKING:
    from pytest_obsstack.provision.tracker_bugsink import ExecInContainer

START_TIMEOUT_S = 120.0
"""Seconds for the tracker to become healthy and to be set up, its migrations included."""
_RETRY_S = 0.5
"""Seconds between two tries: each is a login, and trackers count those."""

_PRODUCTS: dict[TrackerFlavour, str] = {
    "embedded": "Sentry",
    "sentry": "Sentry",
    "glitchtip": "GlitchTip",
    "bugsink": "Bugsink",
}


def set_up_tracker(
    flavour: TrackerFlavour,
    url: str,
    *,
    email: str | None = None,
    password: str | None = None,
    token: str | None = None,
    organization: str = "obsstack",
    team: str = "obsstack",
    project: str = "simple-app",
    platform: str = "python-flask",
    timeout_s: float = START_TIMEOUT_S,
    exec_in_container: ExecInContainer | None = None,
    transport: httpx.BaseTransport | None = None,
) -> SentryProject:
    """Wait for the tracker, and make sure that it has a token and the project with a key.

    ``token`` is used where given; otherwise the user of ``email`` and ``password`` makes one,
    except with the embedded Sentry, where the result has none.
    ``exec_in_container`` helps where Bugsink's page for tokens is another one. ``transport``
    replaces the network in tests.

    Raises ``BackendUnavailable`` where the tracker does not answer in time, ``BackendRefused``
    where something may not be done, and ``ObsstackError`` where nobody is let in.
    """
    url = url.rstrip("/")
    login = None if token else _login(flavour, url, email, password, transport)
    endpoint = SentryEndpoint(
        url, token=token, organization=organization, project=project, flavour=flavour
    )

    def attempt() -> SentryProject:
        # All of it anew where the tracker fails half-way, as it does until it has migrated.
        nonlocal endpoint
        _require_health(endpoint, transport)
        if endpoint.token is None and login is not None:
            if flavour == "embedded":
                return _embedded_project(endpoint, login, team, platform)
            endpoint = replace(endpoint, token=_token(flavour, login, exec_in_container))
        return _project(endpoint, team, platform, transport)

    waited = until(attempt, timeout_s=timeout_s, sleep=lambda s: time.sleep(max(s, _RETRY_S)))
    if waited.value is None:
        raise AssertionError("a wait ends with a value or raises")
    return waited.value


def _login(
    flavour: TrackerFlavour,
    url: str,
    email: str | None,
    password: str | None,
    transport: httpx.BaseTransport | None,
) -> Login:
    product = _PRODUCTS[flavour]
    if not email or not password:
        raise ObsstackError(
            f"{product} needs a token to be set up, or a user who can make one.",
            expected="a token, or an e-mail and a password",
            found="an e-mail without a password" if email else "none of them",
            advice="give --token, or --email and --password",
        )
    return Login(product, url, email, password, transport)


def _require_health(endpoint: SentryEndpoint, transport: httpx.BaseTransport | None) -> None:
    from pytest_obsstack.clients.sentry.open import open_tracker

    with contextlib.closing(open_tracker(endpoint, transport=transport)) as client:
        try:
            client.health()
        except BackendRefused as refused:
            product = client.traits.product
            raise ObsstackError(
                f"There seems to be no {product} at {endpoint.url}.",
                expected=f"the health page of {product}",
                found=refused.summary,
                advice="check the URL, and which error tracker it is (--flavour)",
            ) from refused


def _token(flavour: TrackerFlavour, login: Login, exec_in_container: ExecInContainer | None) -> str:
    if flavour == "glitchtip":
        from pytest_obsstack.provision.tracker_glitchtip import glitchtip_token

        return glitchtip_token(login)
    if flavour == "bugsink":
        from pytest_obsstack.provision.tracker_bugsink import bugsink_token

        return bugsink_token(login, exec_in_container)
    from pytest_obsstack.provision.tracker_sentry import sentry_token

    return sentry_token(login)


def _project(
    endpoint: SentryEndpoint, team: str, platform: str, transport: httpx.BaseTransport | None
) -> SentryProject:
    organization, project = endpoint.organization or "", endpoint.project or ""
    if endpoint.flavour == "bugsink":
        found = _bugsink_project(endpoint, team, project, transport)
    else:
        from pytest_obsstack.clients.sentry.client import SentryClient
        from pytest_obsstack.clients.sentry.glitchtip import GlitchTipClient

        kind = GlitchTipClient if endpoint.flavour == "glitchtip" else SentryClient
        with contextlib.closing(kind(endpoint, transport=transport)) as client:
            found = sentry_setup(
                client, organization=organization, team=team, project=project, platform=platform
            )
    return replace(found, token=endpoint.token)


def _embedded_project(
    endpoint: SentryEndpoint, login: Login, team: str, platform: str
) -> SentryProject:
    """Without a token in the end: the embedded Sentry has the one with which it was started."""
    from pytest_obsstack.provision.tracker_sentry import sentry_accounts

    with sentry_accounts(login) as accounts:
        return set_up_accounts(
            accounts,
            organization=endpoint.organization or "",
            team=team,
            project=endpoint.project or "",
            platform=platform,
        )


def _bugsink_project(
    endpoint: SentryEndpoint, team: str, project: str, transport: httpx.BaseTransport | None
) -> SentryProject:
    from pytest_obsstack.clients.sentry.bugsink import BugsinkClient
    from pytest_obsstack.provision.tracker_bugsink import bugsink_project

    with contextlib.closing(BugsinkClient(endpoint, transport=transport)) as client:
        raw = bugsink_project(client, team=team, project=project)
    dsn = checked_dsn(fields.text(raw, "dsn"))
    return SentryProject(
        # Bugsink has none: whatever asks for one asks something else than Bugsink.
        organization="",
        project=fields.text(raw, "slug"),
        project_id=fields.text(raw, "id"),
        public_key=Dsn.parse(dsn).public_key,
        dsn=dsn,
    )
