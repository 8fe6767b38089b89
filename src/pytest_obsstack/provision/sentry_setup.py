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
    from pytest_obsstack.clients.sentry.client import SentryClient

KEY_NAME = "obsstack"


@dataclass(frozen=True)
class SentryProject:
    """A project that can be reported to."""

    organization: str
    """Slug."""
    project: str
    """Slug."""
    project_id: str
    """The number at the end of the DSN."""
    public_key: str
    dsn: str = field(repr=False)


def sentry_setup(
    client: SentryClient,
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
    accounts = client.accounts
    if accounts.organization(organization) is None:
        accounts.create_organization(organization)
    if accounts.team(organization, team) is None:
        accounts.create_team(organization, team)
    found = accounts.project(organization, project)
    if found is None:
        found = accounts.create_project(organization, team, project, platform=platform)
    elif found.platform not in (None, platform):
        raise ObsstackError(
            f"The project {organization}/{project} is another one than the app's.",
            expected=f"platform {platform}",
            found=f"platform {found.platform}",
            advice="give another project name in the fixture obs_settings",
        )
    key = _active_key(client, organization, project)
    return SentryProject(organization, project, found.id, key.public, _checked(key))


def _active_key(client: SentryClient, organization: str, project: str) -> ProjectKey:
    """The first active key; a project whose keys are all switched off gets a new one."""
    for key in client.accounts.keys(organization, project):
        if key.is_active:
            return key
    return client.accounts.create_key(organization, project, name=KEY_NAME)


def _checked(key: ProjectKey) -> str:
    try:
        Dsn.parse(key.dsn)
    except InvalidDsn as error:
        raise ObsstackError(
            "The error tracker gave a DSN that no SDK can use.",
            expected="scheme://key@host:port/project",
            found=str(error),
            advice="check the URL under which the tracker believes to be reached",
        ) from error
    return key.dsn
