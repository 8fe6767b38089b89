"""Organisations, teams, projects and their keys."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from pytest_obsstack.embedded.sentry.api.http import (
    Api,
    ApiError,
    Call,
    Reply,
    invalid_field,
    not_found,
    unsupported,
)
from pytest_obsstack.embedded.sentry.api.lookup import organization_of, project_of
from pytest_obsstack.embedded.sentry.api.pagination import paginate
from pytest_obsstack.embedded.sentry.serialize.catalog import (
    key_json,
    organization_json,
    project_detail_json,
    project_json,
    team_json,
)
from pytest_obsstack.embedded.sentry.state.model import ProjectKey

_SLUG = re.compile(r"(?![0-9]+$)[a-z0-9_-]{1,50}")
_MAX_NAME = 200


def list_organizations(api: Api, call: Call) -> Reply:
    call.only("cursor", "per_page")
    page, headers = paginate(api, call, list(api.store.catalog.organizations.values()))
    return Reply([organization_json(o, api.settings.public_url) for o in page], headers=headers)


def create_organization(api: Api, call: Call) -> Reply:
    body = call.fields(name=str, slug=str, agreeTerms=bool)
    name = _name(body.get("name"))
    slug = _slug(body.get("slug"), name, (o.slug for o in api.store.catalog.organizations.values()))
    made = api.ledger.change("organization.created", {"name": name, "slug": slug})
    return Reply(organization_json(made, api.settings.public_url), 201)


def get_organization(api: Api, call: Call) -> Reply:
    call.only("detailed")
    organization = organization_of(api, call)
    body = organization_json(organization, api.settings.public_url)
    if call.one("detailed") != "0":
        catalog = api.store.catalog
        body["teams"] = [team_json(team) for team in catalog.teams_of(organization.id)]
        body["projects"] = [
            project_json(p, api.store) for p in catalog.projects_of(organization.id)
        ]
    return Reply(body)


def list_teams(api: Api, call: Call) -> Reply:
    call.only("cursor", "per_page", "detailed")
    page, headers = paginate(api, call, api.store.catalog.teams_of(organization_of(api, call).id))
    return Reply([team_json(team) for team in page], headers=headers)


def create_team(api: Api, call: Call) -> Reply:
    organization = organization_of(api, call)
    body = call.fields(name=str, slug=str)
    name = _name(body.get("name") or body.get("slug"))
    slugs = (team.slug for team in api.store.catalog.teams_of(organization.id))
    slug = _slug(body.get("slug"), name, slugs)
    data = {"organization_id": organization.id, "name": name, "slug": slug}
    return Reply(team_json(api.ledger.change("team.created", data)), 201)


def list_projects(api: Api, call: Call) -> Reply:
    call.only("cursor", "per_page")
    projects = api.store.catalog.projects_of(organization_of(api, call).id)
    page, headers = paginate(api, call, projects)
    return Reply([project_json(project, api.store) for project in page], headers=headers)


def list_all_projects(api: Api, call: Call) -> Reply:
    call.only("cursor", "per_page")
    page, headers = paginate(api, call, list(api.store.catalog.projects.values()))
    return Reply([project_json(project, api.store) for project in page], headers=headers)


def create_project(api: Api, call: Call) -> Reply:
    """With a first key; no alert rule is made, whatever ``default_rules`` says."""
    organization = organization_of(api, call)
    team = api.store.catalog.team(organization.id, call.params["team"])
    if team is None:
        raise not_found()
    body = call.fields(name=str, slug=str, platform=str, default_rules=bool)
    name = _name(body.get("name"))
    slugs = (project.slug for project in api.store.catalog.projects_of(organization.id))
    data = {
        "organization_id": organization.id,
        "team_id": team.id,
        "name": name,
        "slug": _slug(body.get("slug"), name, slugs),
        "platform": body.get("platform"),
        "key": {"public_key": api.new_key(), "secret_key": api.new_key()},
    }
    return Reply(project_json(api.ledger.change("project.created", data), api.store), 201)


def get_project(api: Api, call: Call) -> Reply:
    call.only()
    return Reply(project_detail_json(project_of(api, call), api.store, api.settings.public_url))


def delete_project(api: Api, call: Call) -> Reply:
    call.only()
    api.ledger.change("project.deleted", {"project_id": project_of(api, call).id})
    return Reply(status=204)


def list_keys(api: Api, call: Call) -> Reply:
    call.only("cursor", "status")
    keys = api.store.catalog.keys_of(project_of(api, call).id)
    status = call.one("status")
    if status is not None:
        if status not in ("active", "inactive"):
            raise unsupported(f"status {status!r} of keys")
        keys = [key for key in keys if key.is_active is (status == "active")]
    page, headers = paginate(api, call, keys)
    return Reply([key_json(key, api.settings.public_url) for key in page], headers=headers)


def create_key(api: Api, call: Call) -> Reply:
    project = project_of(api, call)
    body = call.fields(name=str, rateLimit=dict)
    _refuse_rate_limit(body.get("rateLimit"))
    data = {
        "project_id": project.id,
        "public_key": api.new_key(),
        "secret_key": api.new_key(),
        "label": body.get("name") or "",
    }
    made = api.ledger.change("key.created", data)
    return Reply(key_json(made, api.settings.public_url), 201)


def get_key(api: Api, call: Call) -> Reply:
    call.only()
    return Reply(key_json(_key_of(api, call), api.settings.public_url))


def update_key(api: Api, call: Call) -> Reply:
    key = _key_of(api, call)
    body = call.fields(name=str, isActive=bool, rateLimit=dict)
    _refuse_rate_limit(body.get("rateLimit"))
    data: dict[str, object] = {"public_key": key.public_key}
    if body.get("isActive") is not None:
        data["is_active"] = body["isActive"]
    if body.get("name") is not None:
        data["label"] = body["name"]
    return Reply(key_json(api.ledger.change("key.updated", data), api.settings.public_url))


def delete_key(api: Api, call: Call) -> Reply:
    call.only()
    api.ledger.change("key.deleted", {"public_key": _key_of(api, call).public_key})
    return Reply(status=204)


def _key_of(api: Api, call: Call) -> ProjectKey:
    project = project_of(api, call)
    key = api.store.catalog.keys.get(call.params["key_id"].lower())
    if key is None or key.project_id != project.id:
        raise not_found()
    return key


def _refuse_rate_limit(value: object) -> None:
    if value is not None:
        raise unsupported("rateLimit of keys")


def _name(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise invalid_field("name", "This field is required.")
    if len(value) > _MAX_NAME:
        raise invalid_field("name", f"Ensure this field has no more than {_MAX_NAME} characters.")
    return value.strip()


def _slug(wanted: str | None, name: str, taken: Iterable[str]) -> str:
    """The wanted slug, or one made of the name; a taken one is a conflict, as in Sentry."""
    if wanted is None:
        plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
        wanted = re.sub(r"[^a-z0-9_]+", "-", plain).strip("-")[:50]
    if not _SLUG.fullmatch(wanted):
        raise invalid_field(
            "slug",
            "Enter a valid slug consisting of lowercase letters, numbers, underscores or hyphens. "
            "It cannot be entirely numeric.",
        )
    if wanted in set(taken):
        raise ApiError(409, {"detail": f"The slug {wanted!r} is already in use."})
    return wanted
