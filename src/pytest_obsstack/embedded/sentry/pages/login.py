"""Logging in and out, and what a browser's request has to show to be let in."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from pytest_obsstack.embedded.body import BodyError, BodyLimits, read_body
from pytest_obsstack.embedded.sentry.pages.render import Renderer
from pytest_obsstack.embedded.sentry.pages.security import safe_next
from pytest_obsstack.embedded.sentry.pages.sessions import (
    CSRF_COOKIE,
    SESSION_COOKIE,
    Session,
    Sessions,
    new_token,
    same_token,
)
from pytest_obsstack.embedded.sentry.settings import SentrySettings

CSRF_FIELD = "csrfmiddlewaretoken"
_FORM_LIMITS = BodyLimits(packed=64 * 1024, unpacked=64 * 1024)
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
_WRONG = "The email or the password is not correct."
_CLOSED = "This server was started without an admin password, so nobody can log in."
_EXPIRED = "The form has expired. Please try again."


class Login:
    """The way in; the fields of its form are named as in Sentry's own."""

    def __init__(self, settings: SentrySettings, sessions: Sessions, renderer: Renderer) -> None:
        self._settings = settings
        self._sessions = sessions
        self._renderer = renderer

    def session_of(self, request: Request) -> Session | None:
        return self._sessions.get(request.cookies.get(SESSION_COOKIE))

    def lets_in(self, request: Request) -> bool:
        """For the API: a session may read, and change what it shows its token for."""
        session = self.session_of(request)
        if session is None:
            return False
        token = request.headers.get("x-csrftoken")
        return request.method in _SAFE_METHODS or same_token(token, session.csrf_token)

    async def login(self, request: Request) -> Response:
        """As in Sentry a wrong password is answered 200, with the form and what is wrong."""
        wanted = safe_next(request.query_params.get("next"))
        if request.method != "POST":
            if self.session_of(request) is not None:
                return RedirectResponse(wanted, 302)
            return self._form(request, wanted)
        form = await read_form(request)
        wanted = safe_next(form.get("next") or wanted)
        email = form.get("username", "").strip()
        if not same_token(form.get(CSRF_FIELD), request.cookies.get(CSRF_COOKIE)):
            return self._form(request, wanted, email, _EXPIRED, 403)
        if not self._settings.admin_password:
            return self._form(request, wanted, email, _CLOSED)
        if not self._is_admin(email, form.get("password", "")):
            return self._form(request, wanted, email, _WRONG)
        session = self._sessions.begin(self._settings.admin_email)
        response = RedirectResponse(wanted, 302)
        self._set_cookie(response, SESSION_COOKIE, session.id)
        self._set_cookie(response, CSRF_COOKIE, session.csrf_token)
        return response

    async def logout(self, request: Request) -> Response:
        """Asks first: a link elsewhere must not be able to log anybody out."""
        session = self.session_of(request)
        if session is None:
            return RedirectResponse("/auth/login/", 302)
        if request.method != "POST":
            return self._renderer.page("logout.html", session=session)
        if not await self.is_own_form(request, session):
            return self.refuse_form(session)
        self._sessions.end(session)
        response = RedirectResponse("/auth/login/", 302)
        response.delete_cookie(SESSION_COOKIE)
        response.delete_cookie(CSRF_COOKIE)
        return response

    async def is_own_form(self, request: Request, session: Session) -> bool:
        form = await read_form(request)
        return same_token(form.get(CSRF_FIELD), session.csrf_token)

    def refuse_form(self, session: Session) -> Response:
        return self._renderer.page(
            "message.html", 403, session=session, heading="CSRF Verification Failed", text=_EXPIRED
        )

    def _form(
        self, request: Request, wanted: str, email: str = "", problem: str = "", status: int = 200
    ) -> Response:
        token = request.cookies.get(CSRF_COOKIE) or new_token()
        response = self._renderer.page(
            "login.html", status, token=token, email=email, next=wanted, problem=problem
        )
        self._set_cookie(response, CSRF_COOKIE, token)
        return response

    def _is_admin(self, email: str, password: str) -> bool:
        # Both are compared, so that the time tells nothing about which of them was wrong.
        known = hmac.compare_digest(
            email.lower().encode(), self._settings.admin_email.lower().encode()
        )
        right = hmac.compare_digest(password.encode(), self._settings.admin_password.encode())
        return known and right

    def _set_cookie(self, response: Response, name: str, value: str) -> None:
        response.set_cookie(
            name,
            value,
            path="/",
            httponly=True,
            samesite="lax",
            secure=self._settings.public_url.startswith("https://"),
        )


async def read_form(request: Request) -> Mapping[str, str]:
    """The fields of a urlencoded form, none of any other body.

    The last of a name counts. A body can be read once only, so the fields stay with the request.
    """
    if not hasattr(request.state, "form"):
        request.state.form = await _parse_form(request)
    form: Mapping[str, str] = request.state.form
    return form


async def _parse_form(request: Request) -> Mapping[str, str]:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/x-www-form-urlencoded":
        return {}
    try:
        body = await read_body(request, _FORM_LIMITS)
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=100))
    except (BodyError, ValueError):
        return {}
