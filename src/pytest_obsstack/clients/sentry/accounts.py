"""Create, find and list organisations, teams, projects and keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from pytest_obsstack.clients import fields
from pytest_obsstack.clients.http import ApiClient
from pytest_obsstack.clients.sentry.account import (
    Organization,
    Project,
    ProjectKey,
    Team,
    parse_key,
    parse_organization,
    parse_project,
    parse_team,
)
from pytest_obsstack.clients.sentry.api import if_there, listed, path

T = TypeVar("T")


class SentryAccounts:
    """The part of the API that a stack is set up with.

    Finders give ``None`` for what does not exist; creators raise ``BackendRefused`` (409 or 400)
    for what exists already.
    """

    def __init__(self, api: ApiClient) -> None:
        self._api = api

    def organizations(self) -> tuple[Organization, ...]:
        """The organisations that the token may see."""
        return tuple(map(parse_organization, listed(self._api, path("organizations"))))

    def organization(self, slug: str) -> Organization | None:
        return self._find(path("organizations", slug), parse_organization)

    def create_organization(self, slug: str, *, name: str | None = None) -> Organization:
        body = {"name": name or slug, "slug": slug, "agreeTerms": True}
        return parse_organization(self._post(path("organizations"), body))

    def teams(self, organization: str) -> tuple[Team, ...]:
        return tuple(
            map(parse_team, listed(self._api, path("organizations", organization, "teams")))
        )

    def team(self, organization: str, slug: str) -> Team | None:
        # From the list: not every compatible server answers for one team.
        return next((team for team in self.teams(organization) if team.slug == slug), None)

    def create_team(self, organization: str, slug: str) -> Team:
        body = {"slug": slug, "name": slug}
        return parse_team(self._post(path("organizations", organization, "teams"), body))

    def projects(self, organization: str) -> tuple[Project, ...]:
        found = listed(self._api, path("organizations", organization, "projects"))
        return tuple(map(parse_project, found))

    def project(self, organization: str, slug: str) -> Project | None:
        return self._find(path("projects", organization, slug), parse_project)

    def create_project(
        self,
        organization: str,
        team: str,
        slug: str,
        *,
        platform: str | None = None,
        default_rules: bool = False,
    ) -> Project:
        """A project of the team; ``default_rules`` lets Sentry add its own alert rule."""
        body = {"name": slug, "slug": slug, "platform": platform, "default_rules": default_rules}
        return parse_project(self._post(path("teams", organization, team, "projects"), body))

    def keys(self, organization: str, project: str) -> tuple[ProjectKey, ...]:
        """The client keys, in the server's order, inactive ones too."""
        found = listed(self._api, path("projects", organization, project, "keys"))
        return tuple(map(parse_key, found))

    def create_key(self, organization: str, project: str, *, name: str) -> ProjectKey:
        return parse_key(
            self._post(path("projects", organization, project, "keys"), {"name": name})
        )

    def set_key_active(
        self, organization: str, project: str, key_id: str, *, active: bool
    ) -> ProjectKey:
        """Switch a key off or on; the server refuses what is sent with an inactive one."""
        url_path = path("projects", organization, project, "keys", key_id)
        return parse_key(self._api.send_json("PUT", url_path, {"isActive": active}))

    def _post(self, url_path: str, body: fields.Raw) -> Any:
        return self._api.send_json("POST", url_path, body)

    def _find(self, url_path: str, parse: Callable[[Any], T]) -> T | None:
        return if_there(lambda: parse(self._api.get_json(url_path)))
