"""Releases of an organisation."""

from __future__ import annotations

from pytest_obsstack.embedded.sentry.api.http import Api, Call, Reply, not_found, unsupported
from pytest_obsstack.embedded.sentry.api.lookup import organization_of, window_of
from pytest_obsstack.embedded.sentry.api.pagination import paginate
from pytest_obsstack.embedded.sentry.serialize.release import release_json


def list_releases(api: Api, call: Call) -> Reply:
    """The newest first; ``query`` is a part of the version, in any case."""
    call.only("project", "query", "per_page", "cursor")
    organization = organization_of(api, call)
    projects = window_of(api, call, organization).project_ids
    part = (call.one("query") or "").lower()
    found = [
        release
        for release in api.store.releases.of_organization(organization.id)
        if projects & release.new_groups.keys() and part in release.version.lower()
    ]
    page, headers = paginate(api, call, found)
    return Reply([release_json(release, api.store) for release in page], headers=headers)


def get_release(api: Api, call: Call) -> Reply:
    call.only("project")
    organization = organization_of(api, call)
    release = api.store.releases.get(organization.id, call.params["version"])
    if release is None:
        version, slash, part = call.params["version"].rpartition("/")
        if slash and api.store.releases.get(organization.id, version) is not None:
            raise unsupported(f"{part} of releases", 404)
        raise not_found()
    return Reply(release_json(release, api.store))
