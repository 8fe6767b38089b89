"""The API's own address: version and who is asking."""

from __future__ import annotations

from pytest_obsstack.embedded.sentry.api.http import Api, Call, Reply
from pytest_obsstack.embedded.sentry.serialize.catalog import SCOPES


def get_root(api: Api, call: Call) -> Reply:
    call.only()
    user = {
        "id": "1",
        "name": api.settings.admin_email,
        "username": api.settings.admin_email,
        "email": api.settings.admin_email,
        "isActive": True,
        "isSuperuser": True,
    }
    return Reply({"version": "0", "auth": {"scopes": SCOPES}, "user": user})
