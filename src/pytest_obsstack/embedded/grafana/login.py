"""The one user, known by HTTP basic authentication."""

from __future__ import annotations

import base64
import binascii
import secrets
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

OPEN_PATHS = frozenset({"/api/health", "/healthz", "/login", "/"})


def error_answer(status: int, message: str, message_id: str = "") -> Response:
    """Grafana's error form."""
    content: dict[str, Any] = {"message": message}
    if message_id:
        content |= {"messageId": message_id, "statusCode": status, "traceID": ""}
    return JSONResponse(content, status)


class Login:
    """Lets a request through to ``app`` if it comes with the user's password."""

    def __init__(self, app: ASGIApp, user: str, password: str) -> None:
        self._app = app
        self._expected = f"{user}:{password}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in OPEN_PATHS:
            await self._app(scope, receive, send)
            return
        refused = self._refused(Request(scope).headers.get("authorization", ""))
        await (refused or self._app)(scope, receive, send)

    def _refused(self, header: str) -> Response | None:
        scheme, _, given = header.partition(" ")
        if scheme.lower() != "basic":
            return error_answer(401, "Unauthorized", "auth.unauthorized")
        try:
            login = base64.b64decode(given.strip(), validate=True)
        except (binascii.Error, ValueError):
            login = b""
        if secrets.compare_digest(login, self._expected):
            return None
        return error_answer(401, "Invalid username or password", "password-auth.failed")
