"""What the embedded Tempo and Grafana answer and refuse, which stand in containers alone."""

from __future__ import annotations

import asyncio

from docs.sections import codes, table
from docs.servers import answers, paths, routes_of
from pytest_obsstack.embedded.grafana.alerting import Alerting
from pytest_obsstack.embedded.grafana.api import Api
from pytest_obsstack.embedded.grafana.expressions import _PREDICATES, _REDUCERS
from pytest_obsstack.embedded.grafana.plugins import PLUGINS
from pytest_obsstack.embedded.grafana.provisioning import Provisioned
from pytest_obsstack.embedded.grafana.settings import GrafanaSettings
from pytest_obsstack.embedded.grafana.upstream import Upstream
from pytest_obsstack.embedded.journal import Journal
from pytest_obsstack.embedded.tempo.api import REFUSED_PATHS
from pytest_obsstack.embedded.tempo.server import TempoServer
from pytest_obsstack.embedded.tempo.settings import TempoSettings
from pytest_obsstack.embedded.tempo.traceql.parse import (
    _INTRINSICS,
    _SCOPED_INTRINSICS,
    _UNSUPPORTED_INTRINSICS,
)

_EVERYTHING_ELSE = "/{path:path}"

_TRACEQL = {
    "{ }": "{}",
    "&& ||": '{ .a = "b" && .c != 1 } || { .d = true }',
    "= != < <= > >=": "{ .a >= 1 && .b != 2 && duration < 5ms }",
    "=~ !~": '{ name =~ "GET.*" && .a !~ "b" }',
    "= nil": "{ .a = nil }",
    "!": "{ !(.a = 1) }",
    "span. resource. event. instrumentation.": (
        '{ span.a = 1 && resource.b = "c" && event.d = 2 && instrumentation.e = "f" }'
    ),
    "with (most_recent=true)": "{} with (most_recent=true)",
    "pipelines (`|`)": "{} | count() > 1",
    "structural operators (`>` `>>` `~` …)": "{} >> {}",
    "arithmetic": "{ .a + 1 = 2 }",
    "parent.": "{ parent.a = 1 }",
    "link.": '{ link.a = "b" }',
}


def sections() -> dict[str, str]:
    """The bodies of the sections about Tempo and Grafana."""
    tempo = TempoServer(TempoSettings(), Journal(None))
    refused = [(f"`{path}`", what) for path, what in REFUSED_PATHS.items()]
    return {
        "tempo-paths": paths(
            [*routes_of(tempo.receiver), *routes_of(tempo.app)], without=REFUSED_PATHS
        ),
        "tempo-refused": table(("path", "what"), refused),
        "traceql": asyncio.run(_traceql(tempo)),
        "grafana-paths": paths(_grafana().routes(), without=[_EVERYTHING_ELSE]),
        "grafana-queries": _grafana_queries(),
    }


def _grafana_queries() -> str:
    thresholds = f"`threshold` with {codes(_PREDICATES)}"
    return "\n".join(
        [
            f"- data sources of type {codes(sorted(PLUGINS))}",
            f"- expressions of alert rules: {thresholds}; `reduce` with {codes(_REDUCERS)}",
        ]
    )


async def _traceql(server: TempoServer) -> str:
    intrinsics = {name: f"{{ {name} != nil }}" for name in sorted(_INTRINSICS)}
    # Of no span may one of these be without a value, so they are compared.
    scoped = [name for name in sorted(_SCOPED_INTRINSICS) if ":" in name]
    found = await answers(server.app, "/api/search", _TRACEQL, parameter="q")
    words = await answers(server.app, "/api/search", intrinsics, parameter="q")
    refused = [name for name in _TRACEQL if name in found.refused]
    return "\n".join(
        [
            f"- answered: {codes(name for name in _TRACEQL if name in found.answered)}",
            f"- intrinsics: {codes([*words.answered, *scoped])}",
            f"- refused: {', '.join(refused)}; intrinsics {codes(sorted(_UNSUPPORTED_INTRINSICS))}",
        ]
    )


def _grafana() -> Api:
    """Its API on nothing that is provisioned: the paths are the same."""
    nothing = Provisioned((), (), ())
    upstream = Upstream(1.0)
    alerting = Alerting(nothing, upstream, lambda: 0)
    return Api(nothing, GrafanaSettings(), upstream, alerting, "", lambda: 0)
