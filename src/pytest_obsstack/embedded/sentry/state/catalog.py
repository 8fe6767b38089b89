"""Organisations, teams, projects and keys: what the API creates and a DSN points at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from pytest_obsstack.embedded.sentry.state.model import Organization, Project, ProjectKey, Team

T = TypeVar("T", Organization, Team, Project)


class Catalog:
    """Looks things up by id or slug; changes come as journal entries through ``apply``.

    Ids count from 1 in the order of creation and are never given twice, so a replay gives the same.
    """

    def __init__(self) -> None:
        self.organizations: dict[int, Organization] = {}
        self.teams: dict[int, Team] = {}
        self.projects: dict[int, Project] = {}
        self.keys: dict[str, ProjectKey] = {}
        """By public key."""
        self._last_ids = {"organization": 0, "team": 0, "project": 0, "key": 0}

    def organization(self, id_or_slug: str) -> Organization | None:
        return _find(self.organizations.values(), id_or_slug)

    def team(self, organization_id: int, id_or_slug: str) -> Team | None:
        return _find(self.teams_of(organization_id), id_or_slug)

    def project(self, organization_id: int, id_or_slug: str) -> Project | None:
        return _find(self.projects_of(organization_id), id_or_slug)

    def teams_of(self, organization_id: int) -> list[Team]:
        return [team for team in self.teams.values() if team.organization_id == organization_id]

    def projects_of(self, organization_id: int) -> list[Project]:
        return [p for p in self.projects.values() if p.organization_id == organization_id]

    def keys_of(self, project_id: int) -> list[ProjectKey]:
        return [key for key in self.keys.values() if key.project_id == project_id]

    def create_organization(self, data: Mapping[str, Any], created_ns: int) -> Organization:
        organization = Organization(
            self._next_id("organization"), data["slug"], data["name"], created_ns
        )
        self.organizations[organization.id] = organization
        return organization

    def create_team(self, data: Mapping[str, Any], created_ns: int) -> Team:
        team = Team(
            self._next_id("team"), data["organization_id"], data["slug"], data["name"], created_ns
        )
        self.teams[team.id] = team
        return team

    def create_project(self, data: Mapping[str, Any], created_ns: int) -> Project:
        """With its first key, which Sentry labels "Default"."""
        project = Project(
            id=self._next_id("project"),
            organization_id=data["organization_id"],
            team_id=data["team_id"],
            slug=data["slug"],
            name=data["name"],
            platform=data["platform"],
            created_ns=created_ns,
        )
        self.projects[project.id] = project
        self.create_key({**data["key"], "project_id": project.id, "label": "Default"}, created_ns)
        return project

    def delete_project(self, data: Mapping[str, Any]) -> None:
        project = self.projects.pop(data["project_id"])
        for key in self.keys_of(project.id):
            del self.keys[key.public_key]

    def create_key(self, data: Mapping[str, Any], created_ns: int) -> ProjectKey:
        key = ProjectKey(
            id=self._next_id("key"),
            project_id=data["project_id"],
            public_key=data["public_key"],
            secret_key=data["secret_key"],
            label=data["label"],
            is_active=True,
            created_ns=created_ns,
        )
        self.keys[key.public_key] = key
        return key

    def update_key(self, data: Mapping[str, Any]) -> ProjectKey:
        key = self.keys[data["public_key"]]
        changed = replace(
            key,
            is_active=data.get("is_active", key.is_active),
            label=data.get("label", key.label),
        )
        self.keys[key.public_key] = changed
        return changed

    def delete_key(self, data: Mapping[str, Any]) -> None:
        del self.keys[data["public_key"]]

    def _next_id(self, kind: str) -> int:
        self._last_ids[kind] += 1
        return self._last_ids[kind]


def _find(candidates: Iterable[T], id_or_slug: str) -> T | None:
    """Sentry takes either in its paths; a slug is never digits alone."""
    if id_or_slug.isascii() and id_or_slug.isdigit():
        wanted = int(id_or_slug)
        return next((c for c in candidates if c.id == wanted), None)
    return next((c for c in candidates if c.slug == id_or_slug), None)
