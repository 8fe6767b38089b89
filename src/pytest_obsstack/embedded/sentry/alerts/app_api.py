"""Internal integrations in ``/api/0``: what the webhooks of alert rules belong to."""

from __future__ import annotations

import re
import secrets
import unicodedata
import uuid
from collections.abc import Mapping
from typing import Any

from pytest_obsstack.embedded.sentry.alerts.issue_hooks import ISSUE_EVENTS
from pytest_obsstack.embedded.sentry.alerts.model import SentryApp
from pytest_obsstack.embedded.sentry.alerts.state import APP_CREATED, APP_DELETED, AlertState
from pytest_obsstack.embedded.sentry.alerts.webhook import destination_problem
from pytest_obsstack.embedded.sentry.api.http import (
    Api,
    ApiError,
    Call,
    Reply,
    invalid_field,
    not_found,
    unsupported,
)
from pytest_obsstack.embedded.sentry.api.lookup import organization_of
from pytest_obsstack.embedded.sentry.api.pagination import paginate
from pytest_obsstack.embedded.sentry.serialize.catalog import SCOPES

_MASKED = "**********"
_MAX_NAME = 57
# Features of integrations that no alert rule needs; empty they change nothing.
_ONLY_EMPTY = (
    *("schema", "allowedOrigins", "webhookHeaders"),
    *("author", "overview", "redirectUrl"),
)


class AppApi:
    """The endpoints."""

    def __init__(self, state: AlertState) -> None:
        self._state = state

    def list_apps(self, api: Api, call: Call) -> Reply:
        call.only("cursor", "per_page", "status")
        apps = self._state.apps_of(organization_of(api, call).id)
        page, headers = paginate(api, call, apps)
        return Reply([_app_json(api, app, _MASKED) for app in page], headers=headers)

    def list_installations(self, api: Api, call: Call) -> Reply:
        """An internal integration is installed from its beginning."""
        call.only("cursor", "per_page")
        organization = organization_of(api, call)
        page, headers = paginate(api, call, self._state.apps_of(organization.id))
        body = [
            {
                "app": {"uuid": app.uuid, "slug": app.slug, "sentryAppId": app.id},
                "organization": {"slug": organization.slug, "id": organization.id},
                "uuid": app.installation_uuid,
                "status": "installed",
            }
            for app in page
        ]
        return Reply(body, headers=headers)

    def create_app(self, api: Api, call: Call) -> Reply:
        """The answer is the only one that shows the client secret."""
        call.only()
        body = call.fields(
            name=str,
            organization=(str, int),
            isInternal=bool,
            isAlertable=bool,
            verifyInstall=bool,
            webhookUrl=str,
            redirectUrl=str,
            scopes=list,
            events=list,
            schema=dict,
            author=str,
            overview=str,
            allowedOrigins=list,
            webhookHeaders=list,
        )
        organization = api.store.catalog.organization(str(body.get("organization") or ""))
        if organization is None:
            raise ApiError(
                404, {"organization": "Please provide a valid value for the 'organization' field."}
            )
        name = _name(body.get("name"))
        if body.get("isInternal") is not True:
            raise unsupported("integrations that are not internal")
        for field in _ONLY_EMPTY:
            if body.get(field):
                raise unsupported(f"{field!r} of integrations")
        unique = uuid.uuid4()
        data = {
            "uuid": str(unique),
            "installation_uuid": str(uuid.uuid4()),
            "organization_id": organization.id,
            # As Sentry does for internal integrations: the same name may be given twice.
            "slug": f"{_slug(name)}-{unique.hex[:6]}",
            "name": name,
            "webhook_url": _webhook_url(api, body),
            "is_alertable": body.get("isAlertable") is True,
            "events": _events(body.get("events") or []),
            "verify_install": body.get("verifyInstall") is not False,
            "scopes": _scopes(body.get("scopes")),
            "client_id": secrets.token_hex(32),
            "client_secret": secrets.token_hex(32),
        }
        app: SentryApp = api.ledger.change(APP_CREATED, data)
        return Reply(_app_json(api, app, app.client_secret), 201)

    def get_app(self, api: Api, call: Call) -> Reply:
        call.only()
        return Reply(_app_json(api, self._app_of(call), _MASKED))

    def delete_app(self, api: Api, call: Call) -> Reply:
        """Rules that notify it stay, and notify nobody, as in Sentry."""
        call.only()
        api.ledger.change(APP_DELETED, {"slug": self._app_of(call).slug})
        return Reply(status=204)

    def _app_of(self, call: Call) -> SentryApp:
        wanted = call.params["app"]
        for app in self._state.apps.values():
            if wanted in (app.slug, str(app.id)):
                return app
        raise not_found()


def _app_json(api: Api, app: SentryApp, client_secret: str) -> dict[str, Any]:
    organization = api.store.catalog.organizations[app.organization_id]
    return {
        "uuid": app.uuid,
        "slug": app.slug,
        "name": app.name,
        "status": "internal",
        "scopes": list(app.scopes),
        "events": list(app.events),
        "webhookEvents": [],
        "webhookHeaders": [],
        "webhookUrl": app.webhook_url,
        "redirectUrl": None,
        "isAlertable": app.is_alertable,
        "isDisabled": False,
        "verifyInstall": app.verify_install,
        "allowedOrigins": [],
        "author": organization.name,
        "avatars": [],
        "overview": None,
        "popularity": 1,
        "schema": "",
        "metadata": "",
        "featureData": [],
        "clientId": app.client_id,
        "clientSecret": client_secret,
        "owner": {"id": organization.id, "slug": organization.slug},
    }


def _webhook_url(api: Api, body: Mapping[str, Any]) -> str | None:
    url: str | None = body.get("webhookUrl") or None
    if url is None:
        if body.get("isAlertable"):
            raise invalid_field("webhookUrl", "webhookUrl required if webhook events are enabled")
        return None
    problem = destination_problem(url, api.settings.webhook_hosts)
    if problem is not None:
        raise invalid_field("webhookUrl", problem)
    return url


def _events(value: list[Any]) -> list[str]:
    for event in value:
        if event != ISSUE_EVENTS:
            raise unsupported(f"the event {event!r} of integrations")
    return list(value)


def _scopes(value: object) -> list[str]:
    if not isinstance(value, list):
        raise invalid_field("scopes", "This field is required.")
    for scope in value:
        if scope not in SCOPES:
            raise invalid_field("scopes", f"{scope} not a valid scope")
    return sorted(value)


def _name(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise invalid_field("name", "This field is required.")
    if len(value) > _MAX_NAME:
        raise invalid_field("name", f"Ensure this field has no more than {_MAX_NAME} characters.")
    return value.strip()


def _slug(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-") or "integration"
