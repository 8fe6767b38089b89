"""Organisations, teams, projects and keys of a Sentry server."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pytest_obsstack.clients import fields
from pytest_obsstack.clients.fields import Raw


@dataclass(frozen=True)
class Organization:
    """What teams, projects and issues belong to."""

    id: str
    slug: str
    name: str
    raw: Raw = field(repr=False, compare=False)


@dataclass(frozen=True)
class Team:
    """What a project is created for."""

    id: str
    slug: str
    name: str
    raw: Raw = field(repr=False, compare=False)


@dataclass(frozen=True)
class Project:
    """What events are sent to."""

    id: str
    """The number that a DSN's path ends with."""
    slug: str
    name: str
    platform: str | None
    teams: tuple[str, ...]
    """Slugs; empty where the answer does not carry them."""
    raw: Raw = field(repr=False, compare=False)


@dataclass(frozen=True)
class ProjectKey:
    """A client key: what a DSN is made of."""

    id: str
    name: str
    public: str
    """The public key."""
    dsn: str = field(repr=False)
    """The public DSN."""
    is_active: bool
    project_id: str | None
    otlp_traces_url: str | None
    """Where the project takes OTLP traces; ``None`` on servers without OTLP."""
    otlp_logs_url: str | None
    raw: Raw = field(repr=False, compare=False)


def parse_organization(raw: Any) -> Organization:
    raw = fields.mapping(raw, "an organisation")
    slug = fields.text(raw, "slug")
    return Organization(
        fields.text(raw, "id"), slug, fields.optional_text(raw, "name") or slug, raw
    )


def parse_team(raw: Any) -> Team:
    raw = fields.mapping(raw, "a team")
    slug = fields.text(raw, "slug")
    return Team(fields.text(raw, "id"), slug, fields.optional_text(raw, "name") or slug, raw)


def parse_project(raw: Any) -> Project:
    raw = fields.mapping(raw, "a project")
    slug = fields.text(raw, "slug")
    return Project(
        id=fields.text(raw, "id"),
        slug=slug,
        name=fields.optional_text(raw, "name") or slug,
        platform=fields.optional_text(raw, "platform"),
        teams=tuple(
            fields.text(item, "slug")
            for item in fields.optional_mappings(raw, "teams", "a project's team")
        ),
        raw=raw,
    )


def parse_key(raw: Any) -> ProjectKey:
    raw = fields.mapping(raw, "a key")
    dsn = fields.optional_mapping(raw, "dsn")
    active = fields.optional_bool(raw, "isActive")
    return ProjectKey(
        id=fields.text(raw, "id"),
        name=fields.optional_text(raw, "name") or fields.optional_text(raw, "label") or "",
        public=fields.text(raw, "public"),
        dsn=fields.text(dsn, "public"),
        # GlitchTip has no such field: there, a key that exists is active.
        is_active=True if active is None else active,
        project_id=fields.optional_text(raw, "projectId") or fields.optional_text(raw, "projectID"),
        otlp_traces_url=fields.optional_text(dsn, "otlp_traces"),
        otlp_logs_url=fields.optional_text(dsn, "otlp_logs"),
        raw=raw,
    )
