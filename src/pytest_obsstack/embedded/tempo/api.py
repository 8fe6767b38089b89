"""Tempo's query API: traces by id, search, tags."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pytest_obsstack.embedded.tempo import answers, tags
from pytest_obsstack.embedded.tempo.params import (
    BadRequest,
    SearchRequest,
    check_query_size,
    search_request,
    times,
    trace_id,
    whole_number,
)
from pytest_obsstack.embedded.tempo.refusal import unsupported_text
from pytest_obsstack.embedded.tempo.settings import TempoSettings
from pytest_obsstack.embedded.tempo.spans import SpanView, TraceView
from pytest_obsstack.embedded.tempo.store import TraceStore
from pytest_obsstack.embedded.tempo.traceql.errors import ParseError, QueryError, Unsupported
from pytest_obsstack.embedded.tempo.traceql.evaluate import Found, matching
from pytest_obsstack.embedded.tempo.traceql.parse import Query, parse, parse_attribute

REFUSED_PATHS: Mapping[str, str] = {
    "/api/metrics/query": "TraceQL metrics",
    "/api/metrics/query_range": "TraceQL metrics",
    "/api/metrics/summary": "metrics summaries",
    "/api/v2/traces/diff": "the difference of traces",
    "/api/overrides": "overrides by the API",
    "/api/mcp": "the MCP server",
    "/metrics": "metrics of the server itself",
    "/status": "the status pages",
    "/status/{rest:path}": "the status pages",
    "/querier/{rest:path}": "the querier's own API",
    "/debug/pprof/{rest:path}": "profiles",
}
_REFUSED_PARAMETERS: Mapping[str, str] = {
    "q": "a filter on a trace by id (q)",
    "span_pruning": "span pruning",
}
_LLM = "application/vnd.grafana.llm"
_EVERY_METHOD = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]

_Handler = Callable[[Request], Awaitable[Response]]


class QueryApi:
    """The endpoints on one store."""

    def __init__(self, store: TraceStore, settings: TempoSettings) -> None:
        self._store = store
        self._settings = settings

    def routes(self) -> list[Route]:
        found = [
            Route("/api/search", _guarded(self._search)),
            Route("/api/search/tags", _guarded(self._tags)),
            Route("/api/v2/search/tags", _guarded(self._tags_v2)),
            Route("/api/search/tag/{tag:path}/values", _guarded(self._tag_values)),
            Route("/api/v2/search/tag/{tag:path}/values", _guarded(self._tag_values_v2)),
        ]
        # Before the traces by id, whose paths would take in that of the difference.
        found.extend(Route(path, _refused, methods=_EVERY_METHOD) for path in REFUSED_PATHS)
        return [
            *found,
            Route("/api/traces/{trace_id}", _guarded(self._trace_v1)),
            Route("/api/v2/traces/{trace_id}", _guarded(self._trace_v2)),
        ]

    # Traces by id

    async def _trace_v1(self, request: Request) -> Response:
        key = trace_id(request.path_params["trace_id"])
        times(request.query_params)
        found = self._store.request_of(key)
        if found is None:
            return Response(status_code=404)
        return answers.trace_v1(found, protobuf=_wants_protobuf(request))

    async def _trace_v2(self, request: Request) -> Response:
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
            ExportTraceServiceRequest,
        )

        key = trace_id(request.path_params["trace_id"])
        times(request.query_params)
        for name, what in _REFUSED_PARAMETERS.items():
            if request.query_params.get(name):
                raise Unsupported(what)
        # An unknown trace is 200 and empty here: so it is since Tempo 2.7.
        found = self._store.request_of(key) or ExportTraceServiceRequest()
        return answers.trace_v2(found, protobuf=_wants_protobuf(request))

    # Search

    async def _search(self, request: Request) -> Response:
        if _wants_protobuf(request):
            raise Unsupported("search results as protobuf")
        asked = search_request(request.query_params, self._settings)
        traces = [trace for trace in self._traces() if trace.overlaps(asked.start_s, asked.end_s)]
        found = self._by_query(asked, traces) if asked.query else _by_tags(asked, traces)
        return answers.json_answer(
            {
                "traces": found[: asked.limit],
                "metrics": {
                    **({"inspectedTraces": len(traces)} if traces else {}),
                    **answers.metadata_metrics(self._store.size_bytes),
                    "completedJobs": 1,
                    "totalJobs": 1,
                },
            }
        )

    def _by_query(self, asked: SearchRequest, traces: Iterable[TraceView]) -> list[Any]:
        query = _parsed(asked.query)
        return [
            answers.found_trace(trace, found, asked.spans_per_span_set)
            for trace in traces
            if (found := matching(query.spanset, trace.spans))
        ]

    def _traces(self) -> list[TraceView]:
        return self._store.views()

    # Tags

    async def _tags(self, request: Request) -> Response:
        scope = _scope(request)
        names = set(self._scoped_names(request, scope).get(scope, ()))
        if scope in ("", "none"):
            names = {name for each in self._scoped_names(request, scope).values() for name in each}
        return answers.json_answer({"tagNames": sorted(names), "metrics": self._metrics()})

    async def _tags_v2(self, request: Request) -> Response:
        scope = _scope(request)
        by_scope = self._scoped_names(request, scope)
        if scope in ("", "none"):
            by_scope["intrinsic"] = list(tags.INTRINSICS)
        return answers.json_answer(
            {
                "scopes": [
                    {"name": name, "tags": found}
                    for name, found in by_scope.items()
                    if scope in ("", "none", name)
                ],
                "metrics": self._metrics(),
            }
        )

    def _scoped_names(self, request: Request, scope: str) -> dict[str, list[str]]:
        if scope == "intrinsic":
            return {scope: list(tags.INTRINSICS)}
        limit = whole_number(request.query_params, "limit", 0)
        by_scope = tags.names_by_scope(self._spans(request))
        return {name: found[: limit or None] for name, found in by_scope.items()}

    async def _tag_values(self, request: Request) -> Response:
        limit = whole_number(request.query_params, "limit", 0)
        found = tags.plain_values_of(request.path_params["tag"], self._spans(request))
        return answers.json_answer(
            {"tagValues": found[: limit or None], "metrics": self._metrics()}
        )

    async def _tag_values_v2(self, request: Request) -> Response:
        limit = whole_number(request.query_params, "limit", 0)
        try:
            asked = parse_attribute(request.path_params["tag"])
        except QueryError as error:
            raise BadRequest(f"please provide a valid tagName: {error}") from error
        found = tags.values_of(asked, self._spans(request))
        return answers.json_answer(
            {"tagValues": found[: limit or None], "metrics": self._metrics()}
        )

    def _spans(self, request: Request) -> Iterator[SpanView]:
        """The spans within ``start`` and ``end`` that ``q`` finds."""
        start_s, end_s = times(request.query_params)
        text = request.query_params.get("q", "")
        check_query_size(text, self._settings)
        query = _lenient(text)
        for trace in self._traces():
            if not trace.overlaps(start_s, end_s):
                continue
            if query is None:
                yield from trace.spans
            else:
                yield from _views(matching(query.spanset, trace.spans))

    def _metrics(self) -> dict[str, Any]:
        return answers.metadata_metrics(self._store.size_bytes)


def _by_tags(asked: SearchRequest, traces: Iterable[TraceView]) -> list[Any]:
    return [
        answers.summary(trace)
        for trace in traces
        if tags.has_tags(trace, asked.tags)
        and trace.duration_ns >= asked.min_duration_ms * 10**6
        and (not asked.max_duration_ms or trace.duration_ns <= asked.max_duration_ms * 10**6)
    ]


def _views(found: Iterable[Found]) -> Iterator[SpanView]:
    for each in found:
        if isinstance(each.span, SpanView):
            yield each.span


def _parsed(text: str) -> Query:
    try:
        return parse(text)
    except QueryError as error:
        raise BadRequest(f"invalid TraceQL query: {error}") from error


def _lenient(text: str) -> Query | None:
    """The query, or None for one that does not narrow: "Queries can be incomplete"."""
    if not text:
        return None
    try:
        return parse(text)
    except ParseError:
        return None
    except QueryError as error:
        raise BadRequest(f"invalid TraceQL query: {error}") from error


def _scope(request: Request) -> str:
    scope = request.query_params.get("scope", "")
    if scope not in ("", "none", "intrinsic", *tags.SCOPES):
        raise BadRequest(f"invalid scope: {scope}")
    return scope


def _wants_protobuf(request: Request) -> bool:
    accept = request.headers.get("accept", "")
    if answers.PROTOBUF in accept:
        return True
    if _LLM in accept and "application/json" not in accept:
        raise Unsupported(f"answers as {_LLM}")
    return False


def _guarded(handler: _Handler) -> _Handler:
    async def endpoint(request: Request) -> Response:
        try:
            return await handler(request)
        except BadRequest as error:
            return answers.text_answer(400, str(error))
        except Unsupported as error:
            return answers.text_answer(501, unsupported_text(error.what))

    return endpoint


async def _refused(request: Request) -> Response:
    route = request.scope["route"].path
    return answers.text_answer(501, unsupported_text(REFUSED_PATHS[route]))
