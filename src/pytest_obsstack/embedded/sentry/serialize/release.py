"""Releases as Sentry's API shows them."""

from __future__ import annotations

import re
from typing import Any

from pytest_obsstack.embedded.sentry.state.releases import Release
from pytest_obsstack.embedded.sentry.state.store import SentryStore
from pytest_obsstack.embedded.sentry.times import iso

_COMMIT = re.compile(r"[0-9a-f]{12,40}")


def release_json(release: Release, store: SentryStore) -> dict[str, Any]:
    """With its projects; commits, deploys and health are none of this server's."""
    projects: list[dict[str, Any]] = [
        {
            "id": project.id,
            "slug": project.slug,
            "name": project.name,
            "platform": project.platform,
            "platforms": [],
            "hasHealthData": False,
            "newGroups": groups,
        }
        for project_id, groups in release.new_groups.items()
        if (project := store.catalog.projects.get(project_id)) is not None
    ]
    package, _, version = release.version.rpartition("@")
    return {
        "id": release.id,
        "version": release.version,
        "status": "open",
        "shortVersion": _short(version),
        "versionInfo": {
            "package": package or None,
            "version": {"raw": version},
            "description": _short(version),
            "buildHash": None,
        },
        "ref": None,
        "url": None,
        "dateReleased": None,
        "dateCreated": iso(release.created_ns),
        "dateStarted": None,
        "owner": None,
        "lastCommit": None,
        "lastDeploy": None,
        "firstEvent": iso(release.first_event_ns),
        "lastEvent": iso(release.last_event_ns),
        "newGroups": sum(release.new_groups.values()),
        "data": {},
        "commitCount": 0,
        "deployCount": 0,
        "authors": [],
        "projects": projects,
    }


def release_ref_json(
    version: str | None, organization_id: int, store: SentryStore
) -> dict[str, Any] | None:
    """The release as events and issues refer to it."""
    release = None if version is None else store.releases.get(organization_id, version)
    return None if release is None else release_json(release, store)


def _short(version: str) -> str:
    return version[:12] if _COMMIT.fullmatch(version) else version
