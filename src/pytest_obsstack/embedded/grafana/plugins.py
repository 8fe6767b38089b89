"""The data sources' plugins by their type."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from pytest_obsstack.embedded.grafana.frames import Frame
from pytest_obsstack.embedded.grafana.provisioning import DataSource
from pytest_obsstack.embedded.grafana.queries import loki, prometheus, tempo
from pytest_obsstack.embedded.grafana.queries.query import Query, QueryFailed, Result
from pytest_obsstack.embedded.grafana.refusal import Unsupported
from pytest_obsstack.embedded.grafana.times import BadTime
from pytest_obsstack.embedded.grafana.upstream import Upstream


@dataclass(frozen=True)
class Plugin:
    """``run`` makes frames of a query, ``health`` tells (well, in which words)."""

    title: str
    run: Callable[[Query, Upstream], Awaitable[tuple[Frame, ...]]]
    health: Callable[[DataSource, Upstream], Awaitable[tuple[bool, str]]]


PLUGINS: Mapping[str, Plugin] = {
    "prometheus": Plugin("Prometheus", prometheus.run, prometheus.health),
    "loki": Plugin("Loki", loki.run, loki.health),
    "tempo": Plugin("Tempo", tempo.run, tempo.health),
}


def plugin_of(source: DataSource) -> Plugin:
    """Raises ``Unsupported`` for a type or a way to log in that is left out."""
    if source.raw.get("basicAuth") or source.raw.get("withCredentials"):
        raise Unsupported("data sources with a login of their own")
    if source.type not in PLUGINS:
        raise Unsupported(f"data sources of type {source.type}")
    return PLUGINS[source.type]


async def result_of(query: Query, upstream: Upstream) -> Result:
    """The query's result, an error included; raises ``Unsupported``."""
    try:
        return Result(await plugin_of(query.source).run(query, upstream))
    except QueryFailed as error:
        return Result(error=str(error), status=error.status)
    except BadTime as error:
        return Result(error=str(error), status=400)
