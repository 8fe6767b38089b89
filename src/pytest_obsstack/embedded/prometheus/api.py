"""HTTP API v1 of Prometheus, on a store (https://prometheus.io/docs/prometheus/latest/querying/api/)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from pytest_obsstack.embedded.prometheus.answers import (
    ApiError,
    execution_error,
    failure,
    invalid_parameter,
    json_time,
    limited,
    query_answer,
    success,
    unsupported,
)
from pytest_obsstack.embedded.prometheus.engine.query import (
    NotForRange,
    QueryOptions,
    instant_query,
    range_query,
)
from pytest_obsstack.embedded.prometheus.engine.values import QueryError
from pytest_obsstack.embedded.prometheus.format import sample_value
from pytest_obsstack.embedded.prometheus.params import (
    MAX_TIME_MS,
    MIN_TIME_MS,
    Params,
    parse_seconds_or_duration_ms,
)
from pytest_obsstack.embedded.prometheus.promql.ast import Matcher, VectorSelector, walk
from pytest_obsstack.embedded.prometheus.promql.errors import PromqlParseError
from pytest_obsstack.embedded.prometheus.promql.parser import parse
from pytest_obsstack.embedded.prometheus.promql.printer import pretty
from pytest_obsstack.embedded.prometheus.store import Series, SeriesStore

Endpoint = Callable[[Request, Params], Awaitable[Response] | Response]

_MAX_POINTS = 11_000
_REFUSED = {
    "/parse_query": "the syntax tree of a query",
    "/status/config": "the configuration as YAML",
    "/status/flags": "flags",
    "/status/tsdb": "statistics of the storage",
    "/status/walreplay": "the state of a write-ahead log",
    "/notifications": "notifications",
    "/read": "remote read",
    "/otlp/v1/metrics": "OTLP metrics",
    "/admin/tsdb/delete_series": "deleting series",
    "/admin/tsdb/clean_tombstones": "deleting series",
    "/admin/tsdb/snapshot": "snapshots",
}


@dataclass(frozen=True)
class QueryApi:
    """The endpoints that ask the store."""

    store: SeriesStore
    options: QueryOptions
    now_ms: Callable[[], int]

    def routes(self) -> list[Route]:
        both = ["GET", "POST"]
        return [
            _route("/query", self.query, both),
            _route("/query_range", self.query_range, both),
            _route("/query_exemplars", self.query_exemplars, both),
            _route("/format_query", self.format_query, both),
            _route("/series", self.series, both),
            _route("/labels", self.labels, both),
            _route("/label/{name}/values", self.label_values, ["GET"]),
            *(_refused(path, what) for path, what in _REFUSED.items()),
        ]

    def query(self, _: Request, params: Params) -> Response:
        limit = params.limit()
        at_ms = params.time_ms("time", self.now_ms())
        options = self._options(params)
        try:
            answer = instant_query(self.store, params.get("query"), at_ms, options)
        except PromqlParseError as error:
            raise invalid_parameter("query", str(error)) from None
        except QueryError as error:
            raise execution_error(error) from None
        return query_answer(answer, limit)

    def query_range(self, _: Request, params: Params) -> Response:
        limit = params.limit()
        start_ms, end_ms = params.required_time_ms("start"), params.required_time_ms("end")
        if end_ms < start_ms:
            raise invalid_parameter("end", "end timestamp must not be before start time")
        step_ms = params.duration_ms("step")
        if step_ms <= 0:
            reason = (
                "zero or negative query resolution step widths are not accepted. "
                "Try a positive integer"
            )
            raise invalid_parameter("step", reason)
        if (end_ms - start_ms) // step_ms > _MAX_POINTS:
            raise ApiError(
                "bad_data",
                "exceeded maximum resolution of 11,000 points per timeseries. "
                "Try decreasing the query resolution (?step=XX)",
            )
        options = self._options(params)
        step = max(1, int(step_ms))
        try:
            answer = range_query(self.store, params.get("query"), start_ms, end_ms, step, options)
        except (PromqlParseError, NotForRange) as error:
            raise invalid_parameter("query", str(error)) from None
        except QueryError as error:
            raise execution_error(error) from None
        return query_answer(answer, limit)

    def _options(self, params: Params) -> QueryOptions:
        options = self.options
        if params.get("timeout"):
            timeout_s = params.duration_ms("timeout") / 1000
            options = replace(options, timeout_s=min(options.timeout_s, timeout_s))
        if params.get("lookback_delta"):
            try:
                lookback_ms = int(parse_seconds_or_duration_ms(params.get("lookback_delta")))
            except ValueError as error:
                text = f"error parsing lookback delta duration: {error}"
                raise ApiError("bad_data", text) from None
            if lookback_ms > 0:
                options = replace(options, lookback_ms=lookback_ms)
        return options

    def query_exemplars(self, _: Request, params: Params) -> Response:
        start_ms = params.time_ms("start", MIN_TIME_MS)
        end_ms = params.time_ms("end", MAX_TIME_MS)
        if end_ms < start_ms:
            raise ApiError("bad_data", "end timestamp must not be before start timestamp")
        try:
            expr = parse(params.get("query"))
        except PromqlParseError as error:
            raise ApiError("bad_data", str(error)) from None
        selectors = [node.matchers for node in walk(expr) if isinstance(node, VectorSelector)]
        if not selectors:
            return success()
        found = sorted(self._selected(selectors), key=lambda series: series.labels)
        answers = (_exemplars(series, start_ms, end_ms) for series in found)
        return success([answer for answer in answers if answer["exemplars"]])

    def format_query(self, _: Request, params: Params) -> Response:
        try:
            return success(pretty(parse(params.get("query"))))
        except PromqlParseError as error:
            raise invalid_parameter("query", str(error)) from None

    def series(self, _: Request, params: Params) -> Response:
        if not params.all("match[]"):
            raise ApiError("bad_data", "no match[] parameter provided")
        limit = params.limit()
        start_ms = params.time_ms("start", MIN_TIME_MS)
        end_ms = params.time_ms("end", MAX_TIME_MS)
        try:
            selectors = params.selectors()
        except ValueError as error:
            raise invalid_parameter("match[]", str(error)) from None
        found = [
            series.metric
            for series in self._selected(selectors)
            if series.timestamps[0] <= end_ms and series.timestamps[-1] >= start_ms
        ]
        shown, warnings = limited(found, limit)
        return success(shown, warnings=warnings)

    def labels(self, _: Request, params: Params) -> Response:
        limit = params.limit()
        selected = self._label_lookup(params)
        if selected is None:
            names = self.store.label_names()
        else:
            names = sorted({name for series in selected for name in series.metric})
        shown, warnings = limited(names, limit)
        return success(shown, warnings=warnings)

    def label_values(self, request: Request, params: Params) -> Response:
        name = request.path_params["name"]
        limit = params.limit()
        selected = self._label_lookup(params)
        if selected is None:
            values = self.store.label_values(name)
        else:
            values = sorted({s.metric[name] for s in selected if name in s.metric})
        shown, warnings = limited(values, limit)
        return success(shown, warnings=warnings)

    def _label_lookup(self, params: Params) -> list[Series] | None:
        """The series whose labels are asked for; ``None`` where all are.

        As in Prometheus' head block the times only matter where they miss all that is stored.
        """
        start_ms = params.time_ms("start", MIN_TIME_MS)
        end_ms = params.time_ms("end", MAX_TIME_MS)
        try:
            selectors = params.selectors()
        except ValueError as error:
            raise ApiError("bad_data", str(error)) from None
        stored = self.store.time_range()
        if stored is None or start_ms > stored[1] or end_ms < stored[0]:
            return []
        return self._selected(selectors) if selectors else None

    def _selected(self, selectors: list[tuple[Matcher, ...]]) -> list[Series]:
        """The series of any of the selectors, each once, in the order of their labels if many."""
        if len(selectors) == 1:
            return self.store.select(selectors[0])
        found = {
            series.id: series for matchers in selectors for series in self.store.select(matchers)
        }
        return sorted(found.values(), key=lambda series: series.labels)


def _exemplars(series: Series, start_ms: int, end_ms: int) -> dict[str, Any]:
    return {
        "seriesLabels": series.metric,
        "exemplars": [
            {
                "labels": dict(exemplar.labels),
                "value": sample_value(exemplar.value),
                "timestamp": json_time(exemplar.timestamp_ms),
            }
            for exemplar in series.exemplars
            if start_ms <= exemplar.timestamp_ms <= end_ms
        ],
    }


def _refused(path: str, what: str) -> Route:
    def endpoint(_: Request, __: Params) -> Response:
        raise unsupported(what)

    return _route(path, endpoint, ["GET", "POST", "PUT", "DELETE"])


def _route(path: str, endpoint: Endpoint, methods: list[str]) -> Route:
    return Route(f"/api/v1{path}", answering(endpoint), methods=methods)


def answering(endpoint: Endpoint) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint with its parameters read and its errors in the API's envelope."""

    async def answer(request: Request) -> Response:
        try:
            response = endpoint(request, await Params.of(request))
            return response if isinstance(response, Response) else await response
        except ApiError as error:
            return failure(error)

    return answer


async def page_not_found(_: Request, __: Exception) -> Response:
    return PlainTextResponse("404 page not found\n", 404)
