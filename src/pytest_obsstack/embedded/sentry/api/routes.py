"""Every path of ``/api/0`` that this server answers, and a request's way to its endpoint."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pytest_obsstack.embedded.body import BodyError, BodyLimits, read_body
from pytest_obsstack.embedded.sentry.api import (
    catalog,
    discover,
    events,
    issue_tags,
    issues,
    releases,
    root,
    stats,
    trace_items,
    traces,
)
from pytest_obsstack.embedded.sentry.api.http import (
    Api,
    ApiError,
    Call,
    Handler,
    Reply,
    bad_request,
    unsupported,
)

Authenticator = Callable[[Request], bool]
"""Another way to be let in, such as a browser's session."""

ORGANIZATION = "/api/0/organizations/{organization}"
PROJECT = "/api/0/projects/{organization}/{project}"
_BODY_LIMITS = BodyLimits(packed=1024 * 1024, unpacked=1024 * 1024)
_WITH_BODY = ("POST", "PUT", "PATCH")
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

_ISSUE: Mapping[str, Mapping[str, Handler]] = {
    "": {"GET": issues.get_issue, "PUT": issues.update_issue, "DELETE": issues.delete_issue},
    "events/": {"GET": events.list_issue_events},
    "events/{event_id}/": {"GET": events.get_issue_event},
    "tags/": {"GET": issue_tags.list_tags},
    "tags/{key}/": {"GET": issue_tags.get_tag},
    "tags/{key}/values/": {"GET": issue_tags.list_tag_values},
    "hashes/": {"GET": issue_tags.list_hashes},
}
ENDPOINTS: Mapping[str, Mapping[str, Handler]] = {
    "/api/0/": {"GET": root.get_root},
    "/api/0/organizations/": {
        "GET": catalog.list_organizations,
        "POST": catalog.create_organization,
    },
    f"{ORGANIZATION}/": {"GET": catalog.get_organization},
    f"{ORGANIZATION}/teams/": {"GET": catalog.list_teams, "POST": catalog.create_team},
    f"{ORGANIZATION}/projects/": {"GET": catalog.list_projects},
    "/api/0/projects/": {"GET": catalog.list_all_projects},
    "/api/0/teams/{organization}/{team}/projects/": {"POST": catalog.create_project},
    f"{PROJECT}/": {"GET": catalog.get_project, "DELETE": catalog.delete_project},
    f"{PROJECT}/keys/": {"GET": catalog.list_keys, "POST": catalog.create_key},
    f"{PROJECT}/keys/{{key_id}}/": {
        "GET": catalog.get_key,
        "PUT": catalog.update_key,
        "DELETE": catalog.delete_key,
    },
    f"{ORGANIZATION}/issues/": {
        "GET": issues.list_issues,
        "PUT": issues.update_issues,
        "DELETE": issues.delete_issues,
    },
    **{f"{ORGANIZATION}/issues/{{issue_id}}/{path}": methods for path, methods in _ISSUE.items()},
    # The same without the organisation, as older clients ask.
    **{f"/api/0/issues/{{issue_id}}/{path}": methods for path, methods in _ISSUE.items()},
    f"{PROJECT}/issues/": {"GET": issues.list_project_issues},
    f"{PROJECT}/events/": {"GET": events.list_project_events},
    f"{PROJECT}/events/{{event_id}}/": {"GET": events.get_project_event},
    f"{PROJECT}/events/{{event_id}}/json/": {"GET": events.get_raw_event},
    f"{PROJECT}/events/{{event_id}}/attachments/": {"GET": events.list_attachments},
    f"{PROJECT}/events/{{event_id}}/attachments/{{attachment_id}}/": {"GET": events.get_attachment},
    f"{PROJECT}/trace-items/{{item_id}}/": {"GET": trace_items.get_trace_item},
    f"{ORGANIZATION}/eventids/{{event_id}}/": {"GET": events.get_event_id},
    f"{ORGANIZATION}/events/": {"GET": discover.query_events},
    f"{ORGANIZATION}/trace/{{trace_id}}/": {"GET": traces.get_trace},
    f"{ORGANIZATION}/trace-meta/{{trace_id}}/": {"GET": traces.get_trace_meta},
    f"{ORGANIZATION}/releases/": {"GET": releases.list_releases},
    f"{ORGANIZATION}/releases/{{version:path}}/": {"GET": releases.get_release},
    f"{ORGANIZATION}/stats_v2/": {"GET": stats.get_stats},
}


class ApiShell:
    """HTTP around the endpoints: authentication, bodies, errors."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self.authenticators: list[Authenticator] = [self._has_token]

    def routes(self, endpoints: Mapping[str, Mapping[str, Handler]] = ENDPOINTS) -> list[Route]:
        """Each path takes its methods, and answers 405 to others as Sentry does."""
        return [
            Route(path, self._endpoint(methods), methods=_METHODS)
            for path, methods in endpoints.items()
        ]

    def fallback(self) -> Route:
        """For every path under ``/api/0`` that no route before it took."""

        async def refuse(request: Request) -> Response:
            return await self._answer(request, _refuse_path)

        return Route("/api/0/{rest:path}", refuse, methods=_METHODS)

    def is_authenticated(self, request: Request) -> bool:
        return any(authenticator(request) for authenticator in self.authenticators)

    def _endpoint(self, methods: Mapping[str, Handler]) -> Callable[[Request], object]:
        async def answer(request: Request) -> Response:
            method = "GET" if request.method == "HEAD" else request.method
            return await self._answer(request, methods.get(method, _refuse_method))

        return answer

    async def _answer(self, request: Request, handler: Handler) -> Response:
        try:
            self._authenticate(request)
            call = Call(
                path=request.url.path,
                params=request.path_params,
                query=request.query_params.multi_items(),
                body=await _json_body(request),
            )
            return handler(self._api, call).response()
        except ApiError as error:
            headers = {"WWW-Authenticate": 'xBasic realm="api"'} if error.status == 401 else None
            return Response(
                orjson.dumps(error.body), error.status, headers, media_type="application/json"
            )

    def _authenticate(self, request: Request) -> None:
        if self.is_authenticated(request):
            return
        scheme = request.headers.get("authorization", "").partition(" ")[0].lower()
        detail = (
            "Invalid token"
            if scheme in ("bearer", "token")
            else "Authentication credentials were not provided."
        )
        raise ApiError(401, {"detail": detail})

    def _has_token(self, request: Request) -> bool:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        expected = self._api.settings.api_token
        return (
            scheme.lower() == "bearer"
            and expected != ""
            and hmac.compare_digest(token.strip().encode(), expected.encode())
        )


async def _json_body(request: Request) -> object:
    if request.method not in _WITH_BODY:
        return None
    try:
        body = await read_body(request, _BODY_LIMITS)
    except BodyError as error:
        raise ApiError(error.status, {"detail": str(error)}) from error
    try:
        return orjson.loads(body) if body else None
    except orjson.JSONDecodeError as error:
        raise bad_request(f"JSON parse error - {error}") from error


def _refuse_path(_api: Api, call: Call) -> Reply:
    raise unsupported(f"path {call.path}", 404)


def _refuse_method(_api: Api, call: Call) -> Reply:
    raise ApiError(405, {"detail": f"Method not allowed on {call.path}."})
