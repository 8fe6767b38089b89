"""The Prometheus data source: instant and range queries, exemplars, health."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx

from pytest_obsstack.embedded.grafana.frames import Field, Frame
from pytest_obsstack.embedded.grafana.provisioning import DataSource
from pytest_obsstack.embedded.grafana.queries.exemplars import exemplar_frame
from pytest_obsstack.embedded.grafana.queries.query import Query, QueryFailed, legend
from pytest_obsstack.embedded.grafana.queries.series import (
    Series,
    frame_type,
    quoted_labels,
    series_of,
)
from pytest_obsstack.embedded.grafana.refusal import Unsupported
from pytest_obsstack.embedded.grafana.times import (
    MS,
    SECOND,
    TimeRange,
    duration_ns,
    go_duration,
    interval_text,
    range_macros,
    step_ns,
    with_macros,
)
from pytest_obsstack.embedded.grafana.upstream import Unreachable, Upstream

_DEFAULT_SCRAPE_INTERVAL = "15s"
_VARIABLE_INTERVALS = frozenset(
    {"$__interval", "$__interval_ms", "$__rate_interval", "$__rate_interval_ms"}
    | {"${__interval}", "${__interval_ms}", "${__rate_interval}", "${__rate_interval_ms}"}
)


async def run(query: Query, upstream: Upstream) -> tuple[Frame, ...]:
    """The frames, of tables and heatmaps too: the browser makes them; raises ``QueryFailed``."""
    if query.model.get("scope") or query.model.get("adhocFilters"):
        raise Unsupported("scopes and ad hoc filters")
    asked = _Asked(query)
    wants_range = query.flag("range") or not query.flag("instant")
    frames: list[Frame] = []
    if query.flag("instant"):
        frames += await asked.instant(upstream)
    if wants_range:
        frames += await asked.range(upstream)
    if query.flag("exemplar"):
        frames += await asked.exemplars(upstream)
    return tuple(frames)


async def health(source: DataSource, upstream: Upstream) -> tuple[bool, str]:
    """Whether the product answers, and the plugin's words for it."""
    model = {"refId": "__healthcheck__", "expr": "1+1", "instant": True}
    query = Query.of(model, source, TimeRange(SECOND, 4 * SECOND))
    try:
        await run(query, upstream)
    except QueryFailed as error:
        return False, f"{error} - There was an error returned querying the Prometheus API."
    return True, "Successfully queried the Prometheus API."


class _Asked:
    """A query with its step and its macros replaced."""

    def __init__(self, query: Query) -> None:
        self._query = query
        self._source = query.source
        scrape = str(query.source.json_data.get("timeInterval") or "")
        wanted = query.text("interval")
        self._step_ns = self._calculated_step_ns(wanted, scrape)
        self.expression = self._with_macros(wanted, scrape)
        start, end = query.time_range.start_ns, query.time_range.end_ns
        # Ranges begin and end at multiples of the step.
        self._start_ns = start - start % self._step_ns
        self._end_ns = end - end % self._step_ns

    async def instant(self, upstream: Upstream) -> list[Frame]:
        params = {"query": self.expression, "time": _seconds(self._query.time_range.end_ns)}
        return await self._series_frames(upstream, "query", params)

    async def range(self, upstream: Upstream) -> list[Frame]:
        params = {
            "query": self.expression,
            "start": _seconds(self._start_ns),
            "end": _seconds(self._end_ns),
            "step": _seconds(self._step_ns),
        }
        return await self._series_frames(upstream, "query_range", params)

    async def exemplars(self, upstream: Upstream) -> list[Frame]:
        params = {
            "query": self.expression,
            "start": _seconds(self._start_ns),
            "end": _seconds(self._end_ns),
        }
        try:
            answer = await self._ask(upstream, "query_exemplars", params)
        except QueryFailed:
            # The plugin logs that and goes on without: not every Prometheus keeps exemplars.
            return []
        meta = {"custom": {"resultType": "exemplar"}, "executedQueryString": self._executed()}
        frame = exemplar_frame(answer["data"] or [], self._step_ns, meta)
        return [] if frame is None else [frame]

    async def _series_frames(
        self, upstream: Upstream, endpoint: str, params: Mapping[str, str]
    ) -> list[Frame]:
        answer = await self._ask(upstream, endpoint, params)
        data = answer["data"]
        try:
            found = series_of(data)
        except (KeyError, TypeError, ValueError) as error:
            raise QueryFailed(str(error), status=500) from error
        notices = [
            {"severity": severity, "text": text}
            for severity, key in (("warning", "warnings"), ("info", "infos"))
            for text in answer.get(key) or ()
        ]
        frames = [self._frame(each, data["resultType"], notices) for each in found]
        if not frames:
            frames = [Frame((), meta={"notices": notices} if notices else {})]
        first = frames[0]
        frames[0] = Frame(
            first.fields, first.name, {**first.meta, "executedQueryString": self._executed()}
        )
        return frames

    def _frame(self, series: Series, result_type: str, notices: list[Any]) -> Frame:
        name = self._legend(series.labels)
        return Frame(
            (
                Field("Time", "time", series.times_ns, config={"interval": self._step_ns // MS}),
                Field(
                    series.labels.get("__name__", "Value"),
                    "float64",
                    series.values,
                    labels=series.labels,
                    config={"displayNameFromDS": name} if name else None,
                ),
            ),
            meta={
                "type": frame_type(result_type),
                "typeVersion": [0, 1],
                "custom": {"resultType": result_type},
                **({"notices": notices} if notices else {}),
            },
        )

    def _legend(self, labels: Mapping[str, str]) -> str:
        template = self._query.text("legendFormat")
        if template == "__auto" and labels:
            return ""
        if template and template != "__auto":
            made = legend(template, labels)
        else:
            others = {name: value for name, value in labels.items() if name != "__name__"}
            made = labels.get("__name__", "")
            made += f"{{{quoted_labels(others)}}}" if others or not made else ""
        return self.expression if made == "{}" else made

    def _executed(self) -> str:
        return f"Expr: {self.expression}\nStep: {go_duration(self._step_ns)}"

    async def _ask(
        self, upstream: Upstream, endpoint: str, params: Mapping[str, str]
    ) -> dict[str, Any]:
        url = f"{self._source.url}/api/v1/{endpoint}"
        method = str(self._source.json_data.get("httpMethod") or "POST").upper()
        try:
            if method == "POST":
                response = await upstream.request("POST", url, form=params)
            else:
                response = await upstream.request("GET", url, params=params)
        except Unreachable as error:
            raise QueryFailed(str(error), status=502) from error
        return _checked(response)

    def _calculated_step_ns(self, wanted: str, scrape: str) -> int:
        query = self._query
        least_ns = query.interval_ns
        if wanted and wanted not in _VARIABLE_INTERVALS:
            least_ns = duration_ns(wanted)
        step = step_ns(query.time_range, least_ns, query.max_data_points)
        if wanted in ("$__rate_interval", "${__rate_interval}"):
            return _rate_interval_ns(step, scrape)
        factor = query.model.get("intervalFactor")
        return step * factor if isinstance(factor, int) and factor > 0 else step

    def _with_macros(self, wanted: str, scrape: str) -> str:
        if wanted in ("$__rate_interval", "${__rate_interval}"):
            rate_ns = self._step_ns
        elif wanted in ("$__interval", "${__interval}"):
            rate_ns = _rate_interval_ns(self._query.interval_ns, go_duration(self._step_ns))
        else:
            rate_ns = _rate_interval_ns(self._query.interval_ns, wanted or scrape)
        return with_macros(
            self._query.text("expr"),
            {
                "interval_ms": str(self._step_ns // MS),
                "interval": interval_text(self._step_ns),
                "rate_interval_ms": str(rate_ns // MS),
                "rate_interval": go_duration(rate_ns),
                **range_macros(self._query.time_range),
            },
        )


def _rate_interval_ns(interval_ns: int, scrape: str) -> int:
    """Wide enough for four scrapes."""
    scrape_ns = duration_ns(scrape or _DEFAULT_SCRAPE_INTERVAL)
    return max(interval_ns + scrape_ns, 4 * scrape_ns)


def _checked(response: httpx.Response) -> dict[str, Any]:
    try:
        answer = response.json()
    except ValueError as error:
        text = " ".join(response.text.split())[:300]
        raise QueryFailed(
            f"expected JSON, found {response.status_code} {response.reason_phrase}: {text}",
            status=response.status_code if response.status_code >= 400 else 502,
        ) from error
    if not isinstance(answer, dict) or answer.get("status") != "success":
        told = answer if isinstance(answer, dict) else {}
        raise QueryFailed(
            f"{told.get('errorType', '')}: {told.get('error', '')}", status=response.status_code
        )
    return answer


def _seconds(time_ns: int) -> str:
    whole, rest = divmod(time_ns, SECOND)
    digits = f"{rest:09d}".rstrip("0")
    return f"{whole}.{digits}" if digits else str(whole)
