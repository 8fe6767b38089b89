"""The query API: what is asked, of which store, and the answer as JSON or plain text.

Source: Loki's HTTP API reference, and the recorded answers of a real server.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from pytest_obsstack.embedded.body import BodyError
from pytest_obsstack.embedded.loki import answers
from pytest_obsstack.embedded.loki.logql.entries import find_entries
from pytest_obsstack.embedded.loki.logql.errors import LogQLError, NotSupported, QueryLimitError
from pytest_obsstack.embedded.loki.logql.evaluate import Value, evaluate, keeps_order
from pytest_obsstack.embedded.loki.logql.matchers import labels_test
from pytest_obsstack.embedded.loki.logql.parse import parse_matchers, parse_query
from pytest_obsstack.embedded.loki.logql.syntax import LogQuery
from pytest_obsstack.embedded.loki.logql.text import query_text
from pytest_obsstack.embedded.loki.params import (
    Bounds,
    ParameterError,
    Params,
    bounds_of,
    check_length,
    instant_params,
    range_params,
    read_params,
)
from pytest_obsstack.embedded.loki.settings import LokiSettings
from pytest_obsstack.embedded.loki.store import Store, Stream

_NS_PER_S = 1_000_000_000
_LABELS_DEFAULT_NS = 6 * 3600 * _NS_PER_S
_LONGEST_FORMATTED = 100
_TOO_DEEP = "parse error : the query is nested too deeply"
_NOT_SUPPORTED_PATHS = (
    "/loki/api/v1/tail",
    "/loki/api/v1/index/stats",
    "/loki/api/v1/index/volume",
    "/loki/api/v1/index/volume_range",
    "/loki/api/v1/index/shards",
    "/loki/api/v1/detected_fields",
    "/loki/api/v1/detected_field/{name}/values",
    "/loki/api/v1/detected_labels",
    "/loki/api/v1/patterns",
    "/loki/api/v1/delete",
    "/loki/api/v1/rules",
    "/loki/api/v1/rules/{rest:path}",
    "/prometheus/api/v1/rules",
    "/prometheus/api/v1/alerts",
    "/api/prom/{rest:path}",
)

Handler = Callable[[Request], Awaitable[Response]]
Answer = Callable[[Request, Params], dict[str, Any]]


class QueryApi:
    """Read-only answers from a store."""

    def __init__(self, store: Store, settings: LokiSettings, clock_ns: Callable[[], int]) -> None:
        self._store = store
        self._settings = settings
        self._clock_ns = clock_ns

    def routes(self) -> list[Route]:
        both = ["GET", "POST"]
        v1 = "/loki/api/v1"
        answered: list[tuple[str, Answer]] = [
            (f"{v1}/query", self._query),
            (f"{v1}/query_range", self._query_range),
            (f"{v1}/labels", self._labels),
            (f"{v1}/label", self._labels),
            (f"{v1}/label/{{name}}/values", self._label_values),
            (f"{v1}/series", self._series),
        ]
        found = [Route(path, _handler(answer), methods=both) for path, answer in answered]
        found.append(Route(f"{v1}/format_query", self._format_query, methods=both))
        every = [*both, "PUT", "DELETE"]
        found.extend(Route(path, _refused, methods=every) for path in _NOT_SUPPORTED_PATHS)
        return found

    # Queries --------------------------------------------------------------------------------------

    def _query_range(self, request: Request, params: Params) -> dict[str, Any]:
        asked = range_params(params, self._settings, self._clock_ns())
        query = parse_query(asked.query)
        check_length(asked.bounds, self._settings)
        if isinstance(query, LogQuery):
            most = self._settings.max_entries_limit_per_query
            if asked.limit > most:
                raise QueryLimitError(
                    "max entries limit per query exceeded, limit > max_entries_limit_per_query "
                    f"({asked.limit} > {most})"
                )
            entries = find_entries(
                self._store,
                query,
                asked.bounds.start_ns,
                asked.bounds.end_ns,
                newest_first=asked.newest_first,
            )
            flags = request.headers.get("x-loki-response-encoding-flags", "")
            categorized = answers.CATEGORIZE in [flag.strip() for flag in flags.split(",")]
            found = answers.streams(
                entries, asked.limit, asked.interval_ns, categorized=categorized
            )
            return {"status": "success", "data": found}
        steps_ns = asked.steps_ns()
        values = evaluate(self._store, query, steps_ns)
        self._check_series(values)
        return {"status": "success", "data": answers.matrix(steps_ns, values)}

    def _query(self, _request: Request, params: Params) -> dict[str, Any]:
        asked = instant_params(params, self._clock_ns())
        query = parse_query(asked.query)
        if isinstance(query, LogQuery):
            raise LogQLError(
                "log queries are not supported as an instant query type, "
                "please change your query to a range query type"
            )
        value = evaluate(self._store, query, [asked.time_ns])[0]
        self._check_series([value])
        data = answers.vector(value, asked.time_ns, keep_order=keeps_order(query))
        return {"status": "success", "data": data}

    def _check_series(self, values: Iterable[Value]) -> None:
        most = self._settings.max_query_series
        series = {key for value in values if isinstance(value, dict) for key in value}
        if len(series) > most:
            raise QueryLimitError(
                f"maximum number of series ({most}) reached for a single query; consider reducing "
                "query cardinality by adding more specific stream selectors, reducing the time "
                "range, or aggregating results with functions like sum(), count() or topk()"
            )

    async def _format_query(self, request: Request) -> Response:
        query = (await read_params(request)).get("query")
        try:
            text = query_text(parse_query(query))
            if len(text) > _LONGEST_FORMATTED:
                raise NotSupported("format_query of a query that takes more than one line")
        except RecursionError:
            return _json({"status": "invalid-query", "error": _TOO_DEEP}, 400)
        except LogQLError as error:
            return _json({"status": "invalid-query", "error": str(error)}, 400)
        return _json({"status": "success", "data": text})

    # Labels ---------------------------------------------------------------------------------------

    def _labels(self, _request: Request, params: Params) -> dict[str, Any]:
        streams = self._selected(params, params.get("query"))
        return _listed(sorted({name for stream in streams for name in stream.labels}))

    def _label_values(self, request: Request, params: Params) -> dict[str, Any]:
        name = request.path_params["name"]
        streams = self._selected(params, params.get("query"))
        return _listed(sorted({s.labels[name] for s in streams if name in s.labels}))

    def _series(self, _request: Request, params: Params) -> dict[str, Any]:
        selectors = params.all("match[]", "match") or ["{}"]
        found = {s.key: s.labels for text in selectors for s in self._selected(params, text)}
        return {"status": "success", "data": [found[key] for key in sorted(found)]}

    def _selected(self, params: Params, selector: str) -> list[Stream]:
        """The streams of a selector (empty: all) that have an entry within the bounds."""
        bounds = bounds_of(params, self._clock_ns(), _LABELS_DEFAULT_NS)
        matchers = parse_matchers(selector) if selector else ()
        _check_order(bounds)
        check_length(bounds, self._settings)
        return [
            stream
            for stream in self._store.select(labels_test(matchers))
            if stream.has_between(bounds.start_ns, bounds.end_ns)
        ]


def _check_order(bounds: Bounds) -> None:
    if bounds.end_ns < bounds.start_ns:
        raise ParameterError(
            "this data is no longer available, it is past now - max_query_lookback (0s)"
        )


def _listed(names: list[str]) -> dict[str, Any]:
    """An empty list is left out."""
    return {"status": "success", "data": names} if names else {"status": "success"}


def _handler(answer: Answer) -> Handler:
    async def handle(request: Request) -> Response:
        try:
            return _json(answer(request, await read_params(request)))
        except LogQLError as error:
            return PlainTextResponse(f"{error}\n", error.status)
        except (ParameterError, BodyError) as error:
            return PlainTextResponse(f"{error}\n", 400)
        except RecursionError:
            return PlainTextResponse(f"{_TOO_DEEP}\n", 400)

    return handle


async def _refused(request: Request) -> Response:
    error = NotSupported(f"{request.method} {request.url.path}")
    return PlainTextResponse(f"{error}\n", 501)


def _json(content: dict[str, Any], status: int = 200) -> Response:
    return Response(orjson.dumps(content), status, media_type="application/json")
