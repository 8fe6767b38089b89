"""What the embedded servers answer and refuse, found out by looking at them and asking them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from docs.sections import codes, table
from pytest_obsstack.embedded.collector.server import CollectorServer
from pytest_obsstack.embedded.collector.settings import CollectorSettings
from pytest_obsstack.embedded.journal import Journal
from pytest_obsstack.embedded.loki.api import _NOT_SUPPORTED_PATHS
from pytest_obsstack.embedded.loki.api import QueryApi as LokiQueries
from pytest_obsstack.embedded.loki.logql.lexer import RANGE_OPERATIONS, VECTOR_OPERATIONS
from pytest_obsstack.embedded.loki.logql.template import functions as template
from pytest_obsstack.embedded.loki.server import LokiServer
from pytest_obsstack.embedded.loki.settings import LokiSettings
from pytest_obsstack.embedded.otlp_receiver import UNSUPPORTED_ENCODINGS
from pytest_obsstack.embedded.prometheus.api import _REFUSED
from pytest_obsstack.embedded.prometheus.promql.lexer import AGGREGATORS
from pytest_obsstack.embedded.prometheus.promql.signatures import FUNCTIONS, Signature
from pytest_obsstack.embedded.prometheus.server import PrometheusServer
from pytest_obsstack.embedded.prometheus.settings import PrometheusSettings
from pytest_obsstack.embedded.sentry.api.issue_search import _ISSUE_FIELDS, _SORTS
from pytest_obsstack.embedded.sentry.api.routes import ENDPOINTS
from pytest_obsstack.embedded.sentry.discover import aggregates, datasets, event_fields, span_fields
from pytest_obsstack.embedded.sentry.server import SentryServer
from pytest_obsstack.embedded.sentry.settings import SentrySettings

_ARGUMENTS: Mapping[str, str] = {
    "vector": "m",
    "matrix": "m[1m]",
    "scalar": "0.5",
    "string": '"a"',
}
_NEED_PARAMETER = frozenset({"topk", "bottomk", "quantile", "limitk", "limit_ratio", "approx_topk"})
_OWN_PREFIX = "/api/0"
_REFUSALS = ("not supported by the embedded", "is not enabled", "must be enabled with")


def sections() -> dict[str, str]:
    """The bodies of all sections about the servers."""
    sentry = SentryServer(SentrySettings(), Journal(None))
    api = {**ENDPOINTS, **sentry.alerts.endpoints()}
    catalog, issues = sentry.store.catalog, sentry.store.issues
    return {
        "sentry-api": _endpoints({path: list(methods) for path, methods in api.items()}),
        "sentry-others": paths(
            r for r in sentry.app.routes if not _path(r).startswith(_OWN_PREFIX)
        ),
        "sentry-search": _sentry_search(event_fields.event_fields(catalog, issues)._built_in),
        "sentry-datasets": _sentry_datasets(sentry),
        "collector-paths": paths(_collector().routes),
        "collector-refused": codes(sorted(UNSUPPORTED_ENCODINGS)),
        "prometheus-paths": paths(_prometheus_routes(), without=_PROMETHEUS_REFUSED),
        "prometheus-refused": table(
            ("path", "what"),
            [
                ("`/`", "the web interface"),
                ("`/metrics`", "metrics of the server itself"),
                *((f"`/api/v1{path}`", what) for path, what in _REFUSED.items()),
            ],
        ),
        "promql": asyncio.run(_promql()),
        "loki-paths": paths(_loki_routes(), without=_NOT_SUPPORTED_PATHS),
        "loki-refused": codes(_NOT_SUPPORTED_PATHS),
        "logql": asyncio.run(_logql()),
    }


# Paths


_PROMETHEUS_REFUSED = ["/", "/metrics", *(f"/api/v1{path}" for path in _REFUSED)]


def _collector() -> Starlette:
    return CollectorServer(CollectorSettings(), Journal(None)).app


def _prometheus_routes() -> list[BaseRoute]:
    server = PrometheusServer(PrometheusSettings(), Journal(None))
    return [*routes_of(server.app), *routes_of(server._query_api())]


def _loki_routes() -> list[BaseRoute]:
    server = LokiServer(LokiSettings(), Journal(None))
    queries = LokiQueries(server._store, LokiSettings(), lambda: 0)
    return [*routes_of(server.app), *queries.routes()]


def routes_of(app: ASGIApp) -> list[BaseRoute]:
    if not isinstance(app, Starlette):
        raise TypeError(f"expected a Starlette application, found {app!r}")
    return app.routes


def _path(route: BaseRoute) -> str:
    return route.path if isinstance(route, Route) else ""


def paths(routes: Iterable[BaseRoute], without: Iterable[str] = ()) -> str:
    hidden = set(without)
    found: dict[str, Iterable[str]] = {}
    for route in routes:
        # What takes the rest of a path refuses it.
        if not isinstance(route, Route) or "{rest:path}" in route.path or route.path in hidden:
            continue
        if route.path.rstrip("/") not in {path.rstrip("/") for path in found}:
            # The one kind of endpoint without methods is that for OTLP, which looks at them itself.
            found[route.path] = (route.methods or {"POST"}) - {"HEAD"}
    return _endpoints(found)


def _endpoints(found: Mapping[str, Iterable[str]]) -> str:
    rows = [(f"`{path}`", " ".join(sorted(methods))) for path, methods in found.items()]
    return table(("path", "methods"), rows)


# Sentry


def _sentry_search(event: Mapping[str, Any]) -> str:
    refused = codes(sorted(event_fields._REFUSED - {"is"}))
    prefixes = codes(event_fields._REFUSED_PREFIXES)
    return "\n".join(
        [
            f"- of the issue: {codes(sorted(_ISSUE_FIELDS))}",
            f"- of its events: {codes(sorted(event))}, and every tag by its name",
            f"- sorted by {codes(sorted(_SORTS))}",
            f"- refused: {refused} and what begins with {prefixes}",
        ]
    )


def _sentry_datasets(sentry: SentryServer) -> str:
    rows = []
    for name in datasets.NAMES:
        fields = datasets.dataset(name, sentry.store).fields._built_in
        rows.append((f"`{name}`", codes(sorted(fields))))
    calls = ["count", "count_unique", *aggregates._OF_NUMBERS, *aggregates._PERCENTILES]
    refused = codes(sorted(span_fields._REFUSED - {"is"}))
    return "\n\n".join(
        [
            table(("dataset", "fields, beside tags and attributes by their names"), rows),
            f"Functions: {codes(f'{name}(…)' for name in calls)}. Refused of spans: {refused}.",
        ]
    )


# Query languages: each word is asked of the server itself.


async def _promql() -> str:
    server = PrometheusServer(PrometheusSettings(), Journal(None))
    asked = {name: _call(signature) for name, signature in FUNCTIONS.items()}
    functions = await answers(server.app, "/api/v1/query", asked)
    aggregators = await answers(
        server.app,
        "/api/v1/query",
        {name: f"{name}({_parameter(name)}m)" for name in AGGREGATORS},
    )
    refused = {**functions.refused, **aggregators.refused}
    return "\n".join(
        [
            f"- functions: {codes(functions.answered)}",
            f"- aggregations: {codes(aggregators.answered)}",
            f"- refused, as a Prometheus with its defaults does: {codes(sorted(refused))}",
        ]
    )


def _call(signature: Signature) -> str:
    arguments = list(signature.takes)
    if signature.variadic:
        arguments = arguments[:-1]
    return f"{signature.name}({', '.join(_ARGUMENTS[kind] for kind in arguments)})"


def _parameter(aggregation: str) -> str:
    if aggregation == "count_values":
        return '"value", '
    return "1, " if aggregation in _NEED_PARAMETER else ""


async def _logql() -> str:
    server = LokiServer(LokiSettings(), Journal(None))
    stream = '{a="b"}'
    over_time = {name: f"{name}({_range(name, stream)}[1m])" for name in RANGE_OPERATIONS}
    of_vectors = {
        name: f"{name}({_parameter(name)}rate({stream}[1m]))" for name in VECTOR_OPERATIONS
    }
    stages = {
        "|= != |~ !~": '|= "a"',
        "|> !>": '|> "<_>a"',
        "ip(…)": '|= ip("10.0.0.0/8")',
        "json": "| json",
        "logfmt": "| logfmt",
        "pattern": '| pattern "<a>"',
        "regexp": '| regexp "(?P<x>a)"',
        "unpack": "| unpack",
        "line_format": '| line_format "{{.a}}"',
        "label_format": "| label_format x=a",
        "decolorize": "| decolorize",
        "drop": "| drop a",
        "keep": "| keep a",
        "label filters": '| a="b" or c > 5ms and d < 1KB',
    }
    stage_queries = {name: f"{stream} {text}" for name, text in stages.items()}
    path = "/loki/api/v1/query_range"
    found = [
        await answers(server.app, path, asked) for asked in (stage_queries, over_time, of_vectors)
    ]
    lines, ranges, vectors = found
    refused = codes(sorted({name for answers in found for name in answers.refused} | {"variants"}))
    in_templates = codes(sorted(template.REFUSED))
    return "\n".join(
        [
            f"- stages: {codes(lines.answered)}",
            f"- range aggregations: {codes(ranges.answered)}",
            f"- aggregations: {codes(vectors.answered)}",
            f"- functions of templates: {codes(sorted(template.FUNCTIONS, key=str.lower))}",
            f"- refused: {refused}",
            f"- refused in templates: {in_templates}; in regular expressions: `\\p` `(?U)`",
        ]
    )


def _range(operation: str, stream: str) -> str:
    plain = ("count_over_time", "rate", "bytes_over_time", "bytes_rate", "absent_over_time")
    parameter = "0.5, " if operation == "quantile_over_time" else ""
    return parameter + stream + ("" if operation in plain else " | unwrap a")


class Answers:
    """Words that a server answered, and those that it refused with what it said."""

    def __init__(self) -> None:
        self.answered: list[str] = []
        self.refused: dict[str, str] = {}


async def answers(
    app: ASGIApp, path: str, queries: Mapping[str, str], *, parameter: str = "query"
) -> Answers:
    """Which words are answered and which are refused; an error of another kind is raised."""
    found = Answers()
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://embedded") as client:
        for name, query in sorted(queries.items()):
            response = await client.get(path, params={parameter: query})
            if response.status_code == 200:
                found.answered.append(name)
            elif any(text in response.text for text in _REFUSALS):
                found.refused[name] = response.text
            else:
                raise ValueError(f"{query}: {response.status_code} {response.text}")
    return found
