"""Organisations, teams, projects and keys as Sentry's API shows them."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

from pytest_obsstack.embedded.sentry.state.model import Organization, Project, ProjectKey, Team
from pytest_obsstack.embedded.sentry.state.store import SentryStore
from pytest_obsstack.embedded.sentry.times import iso
from pytest_obsstack.wire.dsn import Dsn

SCOPES = sorted(
    f"{thing}:{right}"
    for thing, rights in {
        "org": "read write admin integrations",
        "team": "read write admin",
        "project": "read write admin releases",
        "event": "read write admin",
        "member": "read write admin",
        "alerts": "read write",
    }.items()
    for right in rights.split()
)
_AVATAR = {"avatarType": "letter_avatar", "avatarUuid": None, "avatarUrl": None}
# What a project has seen of features that this server only keeps as they came.
_NEVER_SEEN = {
    f"has{name}": False
    for name in [
        "Feedbacks",
        "Flags",
        "MinifiedStackTrace",
        "Monitors",
        "NewFeedbacks",
        "Profiles",
        "Replays",
        "Sessions",
        "InsightsHttp",
        "InsightsDb",
        "InsightsAssets",
        "InsightsAppStart",
        "InsightsScreenLoad",
        "InsightsVitals",
        "InsightsCaches",
        "InsightsQueues",
        "InsightsAgentMonitoring",
        "InsightsMCP",
        "TraceMetrics",
    ]
}


def organization_json(organization: Organization, public_url: str) -> dict[str, Any]:
    return {
        "id": str(organization.id),
        "slug": organization.slug,
        "status": {"id": "active", "name": "active"},
        "name": organization.name,
        "dateCreated": iso(organization.created_ns),
        "isEarlyAdopter": False,
        "require2FA": False,
        "avatar": _AVATAR,
        "links": {
            "organizationUrl": f"{public_url}/organizations/{organization.slug}",
            "regionUrl": public_url,
        },
        "hasAuthProvider": False,
        "allowMemberInvite": True,
        "allowMemberProjectCreation": True,
        "allowSuperuserAccess": False,
        "features": [],
        "access": SCOPES,
    }


def team_json(team: Team) -> dict[str, Any]:
    return {
        "id": str(team.id),
        "slug": team.slug,
        "name": team.name,
        "dateCreated": iso(team.created_ns),
        "isMember": True,
        "teamRole": "admin",
        "flags": {"idp:provisioned": False},
        "access": SCOPES,
        "hasAccess": True,
        "isPending": False,
        "memberCount": 1,
        "avatar": _AVATAR,
    }


def project_json(project: Project, store: SentryStore) -> dict[str, Any]:
    """The form that lists and creation give; ``project_detail_json`` has more."""
    team = store.catalog.teams[project.team_id]
    team_ref = {"id": str(team.id), "slug": team.slug, "name": team.name}
    telemetry = store.telemetry
    events = [event for event in telemetry.errors if event.project_id == project.id]
    transactions = any(e.project_id == project.id for e in telemetry.transactions)
    releases = [event.release for event in reversed(events) if event.release]
    return {
        "id": str(project.id),
        "slug": project.slug,
        "name": project.name,
        "platform": project.platform,
        "dateCreated": iso(project.created_ns),
        "isBookmarked": False,
        "isMember": True,
        "features": [],
        "firstEvent": iso(events[0].received_ns) if events else None,
        "firstTransactionEvent": transactions,
        "access": SCOPES,
        "hasAccess": True,
        **_NEVER_SEEN,
        "hasLogs": any(log.project_id == project.id for log in telemetry.logs),
        "isInternal": False,
        "isPublic": False,
        "avatar": _AVATAR,
        "color": f"#{hashlib.md5(project.slug.encode(), usedforsecurity=False).hexdigest()[:6]}",
        "status": "active",
        "team": team_ref,
        "teams": [team_ref],
        "platforms": sorted({event.platform for event in events}),
        "hasUserReports": False,
        "environments": sorted({event.environment or "" for event in events}),
        "latestRelease": {"version": releases[0]} if releases else None,
    }


def project_detail_json(project: Project, store: SentryStore, public_url: str) -> dict[str, Any]:
    organization = store.catalog.organizations[project.organization_id]
    return {
        **project_json(project, store),
        "organization": organization_json(organization, public_url),
        "options": {},
        "subjectPrefix": "",
        "allowedDomains": ["*"],
        "resolveAge": 0,
        "dataScrubber": False,
        "dataScrubberDefaults": False,
        "safeFields": [],
        "sensitiveFields": [],
        "scrubIPAddresses": False,
        "verifySSL": False,
        "defaultEnvironment": None,
        "fingerprintingRules": "",
        "groupingEnhancements": "",
    }


def key_json(key: ProjectKey, public_url: str) -> dict[str, Any]:
    """With the DSN by which the app reaches this server; only what this server serves is listed."""
    dsn = dsn_of(key, public_url)
    secret = replace(dsn, secret_key=key.secret_key)
    return {
        "id": key.public_key,
        "name": key.label,
        "label": key.label,
        "public": key.public_key,
        "secret": key.secret_key,
        "projectId": key.project_id,
        "isActive": key.is_active,
        "rateLimit": None,
        "dsn": {
            "secret": str(secret),
            "public": str(dsn),
            "otlp_traces": dsn.otlp_traces_url,
        },
        "browserSdkVersion": "latest",
        "browserSdk": {"choices": []},
        "dateCreated": iso(key.created_ns),
        "dynamicSdkLoaderOptions": {
            "hasReplay": False,
            "hasPerformance": False,
            "hasDebug": False,
            "hasFeedback": False,
            "hasLogsAndMetrics": False,
        },
    }


def dsn_of(key: ProjectKey, public_url: str) -> Dsn:
    scheme, _, rest = public_url.partition("://")
    return Dsn.parse(f"{scheme}://{key.public_key}@{rest}/{key.project_id}")
