"""Server-rendered pages beside the API: every path of them, and who may see it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from pytest_obsstack.embedded.sentry.alerts.state import AlertState
from pytest_obsstack.embedded.sentry.api.catalog import list_keys, list_projects
from pytest_obsstack.embedded.sentry.api.http import Api, ApiError, Call, not_found
from pytest_obsstack.embedded.sentry.api.issues import update_issue
from pytest_obsstack.embedded.sentry.api.routes import ApiShell
from pytest_obsstack.embedded.sentry.pages.alerts_page import alerts_page, incident_page
from pytest_obsstack.embedded.sentry.pages.issue_list import issue_list
from pytest_obsstack.embedded.sentry.pages.issue_page import issue_page
from pytest_obsstack.embedded.sentry.pages.login import Login, read_form
from pytest_obsstack.embedded.sentry.pages.render import Renderer
from pytest_obsstack.embedded.sentry.pages.sessions import Session, Sessions
from pytest_obsstack.embedded.sentry.pages.trace_page import trace_page
from pytest_obsstack.embedded.sentry.refusal import not_supported
from pytest_obsstack.embedded.sentry.state.model import Organization

View = Callable[[Request, Session], Awaitable[Response]]

ORGANIZATION = "/organizations/{organization}"
ISSUE = f"{ORGANIZATION}/issues/{{issue_id}}"
_SECTIONS = {
    "issues.html": "issues",
    "issue.html": "issues",
    "trace.html": "issues",
    "projects.html": "projects",
    "keys.html": "projects",
    "alerts.html": "alerts",
    "incident.html": "alerts",
}
"""Which entry of the main navigation a page belongs to."""


class Pages:
    """The pages; a session of theirs is let into the API too."""

    def __init__(self, api: Api, shell: ApiShell, alerts: AlertState) -> None:
        self._api = api
        self._alerts = alerts
        self._renderer = Renderer(api.clock_ns)
        self._login = Login(api.settings, Sessions(api.clock_ns), self._renderer)
        shell.authenticators.append(self._login.lets_in)

    def routes(self) -> list[Route]:
        views: Mapping[str, View] = {
            "/": self._home,
            f"{ORGANIZATION}/": self._organization_home,
            f"{ORGANIZATION}/issues/": self._issues,
            f"{ISSUE}/": self._issue,
            f"{ISSUE}/events/{{event_id}}/": self._issue,
            f"{ORGANIZATION}/traces/trace/{{trace_id}}/": self._trace,
            f"{ORGANIZATION}/projects/": self._projects,
            "/settings/{organization}/projects/{project}/keys/": self._keys,
            f"{ORGANIZATION}/alerts/rules/": self._alert_rules,
            f"{ORGANIZATION}/alerts/{{incident_id}}/": self._incident,
        }
        both = ["GET", "POST"]
        return [
            Route("/auth/login/", self._login.login, methods=both),
            Route("/auth/login/{organization}/", self._login.login, methods=both),
            Route("/auth/logout/", self._login.logout, methods=both),
            *(Route(path, self._private(view)) for path, view in views.items()),
            # Not a path of Sentry's, whose own page changes the issue through the API.
            Route(f"{ISSUE}/status/", self._private(self._set_status), methods=["POST"]),
        ]

    def exception_handlers(self) -> Mapping[int, Callable[..., Awaitable[Response]]]:
        """For paths that nothing took."""
        return {404: self._answer_404}

    def _private(self, view: View) -> Callable[[Request], Awaitable[Response]]:
        """``view`` for those who are logged in; others are led to the login and back."""

        async def answer(request: Request) -> Response:
            session = self._login.session_of(request)
            if session is None:
                return self._to_login(request)
            try:
                return await view(request, session)
            except ApiError as error:
                text = str(error.body.get("detail", error.body))
                heading = "Page Not Found" if error.status == 404 else "This cannot be shown"
                return self._message(session, heading, text, error.status)

        return answer

    def _to_login(self, request: Request) -> Response:
        path = request.url.path
        if request.method not in ("GET", "HEAD") or path == "/":
            return RedirectResponse("/auth/login/", 302)
        wanted = f"{path}?{request.url.query}" if request.url.query else path
        return RedirectResponse(f"/auth/login/?next={quote(wanted, safe='/')}", 302)

    async def _home(self, _request: Request, session: Session) -> Response:
        organizations = self._api.store.catalog.organizations.values()
        first = next(iter(organizations), None)
        if first is None:
            return self._message(
                session,
                "There is no organization yet",
                "Make one through the API: POST /api/0/organizations/",
            )
        return RedirectResponse(f"/organizations/{first.slug}/issues/", 302)

    async def _organization_home(self, request: Request, _session: Session) -> Response:
        slug = self._organization(request).slug
        return RedirectResponse(f"/organizations/{slug}/issues/", 302)

    async def _issues(self, request: Request, session: Session) -> Response:
        slug = self._organization(request).slug
        listed = issue_list(self._api, slug, request.query_params.multi_items())
        status = 200 if listed.error is None else 400
        return self._page("issues.html", request, session, status, page=listed)

    async def _issue(self, request: Request, session: Session) -> Response:
        params = request.path_params
        event_id = params.get("event_id", "latest")
        page = issue_page(self._api, params["organization"], params["issue_id"], event_id)
        return self._page("issue.html", request, session, page=page)

    async def _set_status(self, request: Request, session: Session) -> Response:
        if not await self._login.is_own_form(request, session):
            return self._login.refuse_form(session)
        params = request.path_params
        body = {"status": (await read_form(request)).get("status")}
        issue = update_issue(self._api, Call(request.url.path, params, (), body)).body
        slug = params["organization"]
        return RedirectResponse(f"/organizations/{slug}/issues/{issue['id']}/", 303)

    async def _trace(self, request: Request, session: Session) -> Response:
        params = request.path_params
        page = trace_page(self._api, params["organization"], params["trace_id"])
        return self._page("trace.html", request, session, page=page)

    async def _projects(self, request: Request, session: Session) -> Response:
        projects = list_projects(self._api, Call("", request.path_params, ())).body
        return self._page("projects.html", request, session, projects=projects)

    async def _keys(self, request: Request, session: Session) -> Response:
        keys = list_keys(self._api, Call("", request.path_params, ())).body
        project = request.path_params["project"]
        return self._page("keys.html", request, session, keys=keys, project=project)

    async def _alert_rules(self, request: Request, session: Session) -> Response:
        page = alerts_page(self._api, self._alerts, self._organization(request))
        return self._page("alerts.html", request, session, page=page)

    async def _incident(self, request: Request, session: Session) -> Response:
        incident = incident_page(
            self._alerts, self._organization(request), request.path_params["incident_id"]
        )
        return self._page("incident.html", request, session, incident=incident)

    async def _answer_404(self, request: Request, error: Exception) -> Response:
        """A page for browsers; under ``/api/`` nobody expects one."""
        session = self._login.session_of(request)
        if request.url.path.startswith("/api/") or session is None:
            detail = error.detail if isinstance(error, HTTPException) else "Not Found"
            return PlainTextResponse(detail, 404)
        text = not_supported(f"page {request.url.path}")
        return self._message(session, "Page Not Found", text, 404)

    def _organization(self, request: Request) -> Organization:
        found = self._api.store.catalog.organization(request.path_params["organization"])
        if found is None:
            raise not_found()
        return found

    def _page(
        self, template: str, request: Request, session: Session, status: int = 200, **context: Any
    ) -> Response:
        return self._renderer.page(
            template,
            status,
            session=session,
            organization=self._organization(request).slug,
            section=_SECTIONS[template],
            **context,
        )

    def _message(self, session: Session, heading: str, text: str, status: int = 200) -> Response:
        return self._renderer.page(
            "message.html", status, session=session, heading=heading, text=text
        )
