"""Create what an app needs in an error tracker: organisation, team, project and key.

Everything goes through the tracker's own API. What exists already is used, so that a second run
changes nothing and finds the same DSN.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_obsstack.errors import ObsstackError
from pytest_obsstack.wire.dsn import Dsn, InvalidDsn

if TYPE_CHECKING:
    from pytest_obsstack.clients.sentry.account import ProjectKey
    from pytest_obsstack.clients.sentry.accounts import SentryAccounts
    from pytest_obsstack.clients.sentry.client import SentryClient
    from pytest_obsstack.clients.sentry.glitchtip import GlitchTipClient

KEY_NAME = "obsstack"


@dataclass(frozen=True)
class SentryProject:
    """A project that can be reported to."""

    organization: str
    """Slug; empty where the tracker has no organisations."""
    project: str
    """Slug."""
    project_id: str
    """The number at the end of the DSN."""
    public_key: str
    dsn: str = field(repr=False)
    otlp_traces_url: str | None = None
    """Where the project takes OTLP traces; ``None`` where the tracker takes none."""
    token: str | None = field(default=None, repr=False)
    """Bearer token of the tracker's API; ``None`` where the caller has had it before."""


def sentry_setup(
    client: SentryClient | GlitchTipClient,
    *,
    organization: str = "obsstack",
    team: str = "obsstack",
    project: str = "simple-app",
    platform: str = "python-flask",
) -> SentryProject:
    """Make sure that the project exists and has an active key, and return its DSN.

    All names are slugs. Raises ``BackendRefused`` where the token may not create something, and
    ``ObsstackError`` where an existing project has another platform or its DSN is not one.
    """
    return set_up_accounts(
        client.accounts, organization=organization, team=team, project=project, platform=platform
    )


def set_up_accounts(
    accounts: SentryAccounts, *, organization: str, team: str, project: str, platform: str
) -> SentryProject:
    """What ``sentry_setup`` does, for whoever is logged in some other way."""
    if accounts.organization(organization) is None:
        _require_slug("organisation", organization, accounts.create_organization(organization).slug)
    if accounts.team(organization, team) is None:
        _require_slug("team", team, accounts.create_team(organization, team).slug)
    found = accounts.project(organization, project)
    if found is None:
        found = accounts.create_project(organization, team, project, platform=platform)
        _require_slug("project", project, found.slug)
    elif found.platform not in (None, platform):
        raise ObsstackError(
            f"The project {organization}/{project} is another one than the app's.",
            expected=f"platform {platform}",
            found=f"platform {found.platform}",
            advice="give another project name in the fixture obs_settings",
        )
    key = _active_key(accounts, organization, project)
    dsn = checked_dsn(key.dsn)
    return SentryProject(
        organization,
        project,
        found.id,
        # As it stands in the DSN: GlitchTip writes its keys with dashes elsewhere.
        Dsn.parse(dsn).public_key,
        dsn,
        otlp_traces_url=key.otlp_traces_url,
    )


def _require_slug(what: str, wanted: str, made: str) -> None:
    """What was just created has the name that a second run looks for."""
    if made != wanted:
        raise ObsstackError(
            f"The {what} {wanted} could not be had.",
            expected=f"a new {what} with the slug {wanted}",
            found=f"one with the slug {made}: {wanted} belongs to somebody else, or cannot be one",
            advice="give another name, in lower case and with dashes (--organization, --team, "
            "--project; in tests the fixture obs_settings)",
        )


def _active_key(accounts: SentryAccounts, organization: str, project: str) -> ProjectKey:
    """The first active key; a project whose keys are all switched off gets a new one."""
    for key in accounts.keys(organization, project):
        if key.is_active:
            return key
    return accounts.create_key(organization, project, name=KEY_NAME)


def checked_dsn(dsn: str) -> str:
    """The DSN, if an SDK can use it."""
    try:
        Dsn.parse(dsn)
    except InvalidDsn as error:
        raise ObsstackError(
            "The error tracker gave a DSN that no SDK can use.",
            expected="scheme://key@host:port/project",
            found=str(error),
            advice="check the URL under which the tracker believes to be reached",
        ) from error
    return dsn
