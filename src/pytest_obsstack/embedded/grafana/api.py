"""The HTTP API."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from pytest_obsstack.embedded.body import BodyError, BodyLimits, read_body
from pytest_obsstack.embedded.grafana import documents
from pytest_obsstack.embedded.grafana.alerting import Alerting
from pytest_obsstack.embedded.grafana.expressions import EXPRESSIONS
from pytest_obsstack.embedded.grafana.login import error_answer
from pytest_obsstack.embedded.grafana.plugins import plugin_of, result_of
from pytest_obsstack.embedded.grafana.provisioning import DataSource, Provisioned
from pytest_obsstack.embedded.grafana.queries.query import Query
from pytest_obsstack.embedded.grafana.refusal import Unsupported, unsupported_text
from pytest_obsstack.embedded.grafana.settings import GrafanaSettings
from pytest_obsstack.embedded.grafana.times import BadTime, TimeRange
from pytest_obsstack.embedded.grafana.upstream import Unreachable, Upstream

_MIB = 1024 * 1024
_LIMITS = BodyLimits(packed=8 * _MIB, unpacked=8 * _MIB)
_EVERY_METHOD = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_SEARCH_PARAMETERS = frozenset({"type", "query", "limit", "page", "tag", "folderUIDs"})
_RULES_PARAMETERS = frozenset({"includeInternalLabels"})
_HOP_HEADERS = frozenset(
    {"connection", "keep-alive", "transfer-encoding", "content-length", "content-encoding"}
    | {"date", "server", "set-cookie"}
)
_PROXIED_HEADERS = ("accept", "content-type", "x-loki-response-encoding-flags")

_Handler = Callable[[Request], Awaitable[Response]]


class ApiError(Exception):
    """An answer with an error's status and message."""

    def __init__(self, status: int, message: str, message_id: str = "") -> None:
        super().__init__(message)
        self.answer = error_answer(status, message, message_id)


class Api:
    """The endpoints on what was provisioned."""

    def __init__(
        self,
        provisioned: Provisioned,
        settings: GrafanaSettings,
        upstream: Upstream,
        alerting: Alerting,
        version: str,
        clock_ns: Callable[[], int],
    ) -> None:
        self._provisioned = provisioned
        self._settings = settings
        self._upstream = upstream
        self._alerting = alerting
        self._version = version
        self._clock_ns = clock_ns
        self._loaded = documents.time_text(clock_ns())

    def routes(self) -> list[Route]:
        return [
            Route("/", _to_login),
            Route("/login", _login_page),
            Route("/healthz", _alive),
            Route("/api/health", _guarded(self._health)),
            Route("/api/frontend/settings", _guarded(self._frontend_settings)),
            Route("/api/org", _guarded(self._org)),
            Route("/api/user", _guarded(self._user)),
            Route("/api/datasources", _guarded(self._data_sources)),
            Route("/api/datasources/uid/{uid}", _guarded(self._data_source)),
            Route("/api/datasources/uid/{uid}/health", _guarded(self._data_source_health)),
            Route(
                "/api/datasources/proxy/uid/{uid}/{path:path}",
                _guarded(self._proxied),
                methods=["GET", "POST"],
            ),
            Route("/api/ds/query", _guarded(self._query), methods=["POST"]),
            Route("/api/search", _guarded(self._search)),
            Route("/api/dashboards/uid/{uid}", _guarded(self._dashboard)),
            Route("/api/v1/provisioning/alert-rules", _guarded(self._provisioned_rules)),
            Route("/api/v1/provisioning/alert-rules/{uid}", _guarded(self._provisioned_rule)),
            Route("/api/prometheus/grafana/api/v1/rules", _guarded(self._rules)),
            Route("/{path:path}", _refused, methods=_EVERY_METHOD),
        ]

    # The server

    async def _health(self, _: Request) -> Response:
        return JSONResponse({"database": "ok", "version": self._version, "commit": "embedded"})

    async def _frontend_settings(self, _: Request) -> Response:
        """What tells the version; the rest of it is for the pages, which there are none of."""
        build = {"version": self._version, "commit": "embedded", "edition": "Open Source"}
        return JSONResponse({"buildInfo": {**build, "env": "production", "hideVersion": False}})

    async def _org(self, _: Request) -> Response:
        address = dict.fromkeys(("address1", "address2", "city", "zipCode", "state", "country"), "")
        return JSONResponse({"id": 1, "name": "Main Org.", "address": address})

    async def _user(self, _: Request) -> Response:
        user = self._settings.admin_user
        return JSONResponse(
            {
                "id": 1,
                "email": f"{user}@localhost",
                "name": user,
                "login": user,
                "theme": "",
                "orgId": 1,
                "isGrafanaAdmin": True,
                "isDisabled": False,
                "isExternal": False,
                "authLabels": [],
            }
        )

    # Data sources

    async def _data_sources(self, _: Request) -> Response:
        found = sorted(self._provisioned.data_sources, key=lambda each: each.name.lower())
        return JSONResponse([documents.data_source_item(each) for each in found])

    async def _data_source(self, request: Request) -> Response:
        return JSONResponse(documents.data_source(self._source(request)))

    async def _data_source_health(self, request: Request) -> Response:
        source = self._source(request)
        well, message = await plugin_of(source).health(source, self._upstream)
        content = {"status": "OK" if well else "ERROR", "message": message}
        return JSONResponse(content, 200 if well else 400)

    async def _proxied(self, request: Request) -> Response:
        source = self._source(request, "Unable to find datasource")
        url = f"{source.url}/{request.path_params['path']}"
        if request.url.query:
            url += f"?{request.url.query}"
        # Neither the login nor cookies are the product's affair.
        headers = {
            name: request.headers[name] for name in _PROXIED_HEADERS if name in request.headers
        }
        content = await read_body(request, _LIMITS) if request.method == "POST" else None
        try:
            answer = await self._upstream.request(
                request.method, url, headers=headers, content=content
            )
        except Unreachable:
            return Response(status_code=502)
        kept = {name: value for name, value in answer.headers.items() if name not in _HOP_HEADERS}
        return Response(answer.content, answer.status_code, kept)

    def _source(self, request: Request, missing: str = "Data source not found") -> DataSource:
        source = self._provisioned.data_source(request.path_params["uid"])
        if source is None:
            raise ApiError(404, missing)
        return source

    # Queries

    async def _query(self, request: Request) -> Response:
        asked = await _json_object(request)
        queries = asked.get("queries")
        if not isinstance(queries, list) or not queries:
            raise ApiError(400, "no queries found", "query.noQueries")
        now_ns = self._clock_ns()
        results: dict[str, Any] = {}
        status = 200
        for model in queries:
            if not isinstance(model, dict):
                raise ApiError(400, "bad request data")
            query = Query.of(model, self._source_of(model), _time_range(asked, model, now_ns))
            result = await result_of(query, self._upstream)
            results[query.ref_id] = result.to_json(query.ref_id)
            status = 400 if result.error else status
        # The standard library's JSON would write NaN; frames have none left.
        return Response(orjson.dumps({"results": results}), status, media_type="application/json")

    def _source_of(self, model: Mapping[str, Any]) -> DataSource:
        told = model.get("datasource")
        uid = told.get("uid") if isinstance(told, dict) else told
        if uid == EXPRESSIONS:
            raise Unsupported("expressions in /api/ds/query (alert rules have them)")
        if uid in ("-- Grafana --", "grafana", "-- Mixed --"):
            raise Unsupported(f"the data source {uid}")
        if not uid:
            raise ApiError(400, "missing data source ID/UID", "query.missingDataSourceInfo")
        source = self._provisioned.data_source(str(uid))
        if source is None:
            raise ApiError(404, "Data source not found")
        return source

    # Dashboards

    async def _search(self, request: Request) -> Response:
        given = request.query_params
        _only(given, _SEARCH_PARAMETERS, "searches")
        kind, wanted = given.get("type"), given.get("query", "").lower()
        tags = set(given.getlist("tag"))
        found: list[dict[str, Any]] = []
        if kind in (None, "dash-folder"):
            folders = {each.folder_uid: each.folder for each in self._provisioned.dashboards}
            found += [
                documents.found_folder(number, uid, title)
                for number, (uid, title) in enumerate(folders.items(), start=1)
                if uid and not tags
            ]
        if kind in (None, "dash-db"):
            within = set(given.getlist("folderUIDs"))
            found += [
                documents.found_dashboard(each)
                for each in self._provisioned.dashboards
                if not within or each.folder_uid in within
            ]
        found = [
            each for each in found if wanted in each["title"].lower() and tags <= set(each["tags"])
        ]
        limit = _positive(given.get("limit", "1000"), "limit")
        start = (_positive(given.get("page", "1"), "page") - 1) * limit
        found.sort(key=lambda each: str(each["title"]).lower())
        return JSONResponse(found[start : start + limit])

    async def _dashboard(self, request: Request) -> Response:
        found = self._provisioned.dashboard(request.path_params["uid"])
        if found is None:
            raise ApiError(404, "Dashboard not found")
        return JSONResponse(documents.dashboard(found, self._loaded))

    # Alert rules

    async def _provisioned_rules(self, _: Request) -> Response:
        rules = self._provisioned.alert_rules
        return JSONResponse([documents.provisioned_rule(rule, self._loaded) for rule in rules])

    async def _provisioned_rule(self, request: Request) -> Response:
        for rule in self._provisioned.alert_rules:
            if rule.uid == request.path_params["uid"]:
                return JSONResponse(documents.provisioned_rule(rule, self._loaded))
        return Response(status_code=404)

    async def _rules(self, request: Request) -> Response:
        _only(request.query_params, _RULES_PARAMETERS, "lists of rules")
        groups = documents.rule_groups(self._provisioned.alert_rules, self._alerting.statuses)
        data = {"groups": groups, "totals": documents.totals(groups)}
        return JSONResponse({"status": "success", "data": data})


def _guarded(handler: _Handler) -> _Handler:
    async def endpoint(request: Request) -> Response:
        try:
            return await handler(request)
        except ApiError as error:
            return error.answer
        except Unsupported as error:
            return error_answer(501, str(error))
        except BadTime as error:
            return error_answer(400, str(error))
        except BodyError as error:
            return error_answer(error.status, str(error))

    return endpoint


async def _json_object(request: Request) -> dict[str, Any]:
    content = await read_body(request, _LIMITS)
    try:
        found = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise ApiError(400, "bad request data") from error
    if not isinstance(found, dict):
        raise ApiError(400, "bad request data")
    return found


def _time_range(asked: Mapping[str, Any], model: Mapping[str, Any], now_ns: int) -> TimeRange:
    """The request's, or the query's own."""
    own = model.get("timeRange")
    told = own if isinstance(own, dict) else asked
    return TimeRange.parse(str(told.get("from", "now-1h")), str(told.get("to", "now")), now_ns)


def _only(given: Mapping[str, str], known: frozenset[str], what: str) -> None:
    for name in given:
        if name not in known:
            raise Unsupported(f"{what} with the parameter {name}")


def _positive(text: str, name: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise ApiError(400, f"{name} is invalid")
    return int(text)


async def _alive(_: Request) -> Response:
    return Response("Ok", media_type="text/plain")


async def _to_login(_: Request) -> Response:
    return RedirectResponse("/login", 302)


async def _login_page(_: Request) -> Response:
    return HTMLResponse(
        "<!DOCTYPE html><html lang=en><title>A stand-in for Grafana</title>"
        "<p>This is a stand-in for Grafana: it answers a part of the HTTP API and has no pages. "
        "Use Grafana itself, as the image grafana/grafana."
    )


async def _refused(request: Request) -> Response:
    return error_answer(501, unsupported_text(f"{request.method} {request.url.path}"))
