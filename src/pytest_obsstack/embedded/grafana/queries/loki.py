"""The Loki data source: log and metric queries, health."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import httpx
import orjson

from pytest_obsstack.embedded.grafana.frames import Field, Frame
from pytest_obsstack.embedded.grafana.provisioning import DataSource
from pytest_obsstack.embedded.grafana.queries.query import Query, QueryFailed, legend
from pytest_obsstack.embedded.grafana.queries.series import (
    Series,
    frame_type,
    quoted_labels,
    series_of,
)
from pytest_obsstack.embedded.grafana.times import (
    MS,
    SECOND,
    TimeRange,
    duration_ns,
    go_duration,
    interval_text,
    range_macros,
    with_macros,
)
from pytest_obsstack.embedded.grafana.upstream import Unreachable, Upstream

_RESOLUTIONS = (1, 2, 3, 4, 5, 10)
_MOST_POINTS = 11000
_HEADERS = {"X-Loki-Response-Encoding-Flags": "categorize-labels"}
# The kinds of labels as Loki tells them, and the letters that Grafana has for them.
_OTHER_LABELS = {"structuredMetadata": "S", "parsed": "P"}
_FNV_OFFSET, _FNV_PRIME = 0x811C9DC5, 0x01000193


async def run(query: Query, upstream: Upstream) -> tuple[Frame, ...]:
    """The frames; raises ``QueryFailed``."""
    kind = query.model.get("queryType")
    if kind not in (None, "range", "instant"):
        raise QueryFailed(f"invalid queryType: {kind}", status=400)
    direction = query.model.get("direction") or "backward"
    if direction not in ("backward", "forward", "scan"):
        raise QueryFailed(f"invalid queryDirection: {direction}", status=400)
    is_range = kind != "instant"
    step = _step_ns(query)
    expression = _with_macros(query, step, is_range=is_range)
    params = {
        "query": expression,
        "direction": "backward" if direction == "scan" else str(direction),
    }
    lines = query.model.get("maxLines")
    if isinstance(lines, int) and lines > 0:
        params["limit"] = str(lines)
    if is_range:
        params["start"] = str(query.time_range.start_ns)
        params["end"] = str(query.time_range.end_ns)
        params["step"] = f"{step // MS}ms"
    else:
        params["time"] = str(query.time_range.end_ns)
    endpoint = "query_range" if is_range else "query"
    data = await _ask(f"{query.source.url}/loki/api/v1/{endpoint}", params, upstream)
    if data.get("resultType") == "streams":
        return (_logs_frame(data, expression),)
    executed = f"Expr: {expression}" + (f"\nStep: {go_duration(step)}" if is_range else "")
    try:
        found = series_of(data)
    except (KeyError, TypeError, ValueError) as error:
        raise QueryFailed(str(error), status=500) from error
    return tuple(
        _metric_frame(each, data["resultType"], query, executed, step if is_range else None)
        for each in found
    )


async def health(source: DataSource, upstream: Upstream) -> tuple[bool, str]:
    """Whether the product answers, and the plugin's words for it."""
    model = {"expr": "vector(1)+vector(1)", "queryType": "instant", "step": "1s"}
    failed = "There was an error returned querying the Loki API."
    query = Query.of(model, source, TimeRange(SECOND, 4 * SECOND))
    try:
        frames = await run(query, upstream)
    except QueryFailed as error:
        return False, f"{failed}: {error}"
    if len(frames) != 1 or list(frames[0].fields[1].values) != [2.0]:
        return False, f"{failed}: invalid response"
    return True, "Successfully queried the Loki API."


async def _ask(url: str, params: Mapping[str, str], upstream: Upstream) -> dict[str, Any]:
    try:
        response = await upstream.request("GET", url, params=params, headers=_HEADERS)
    except Unreachable as error:
        raise QueryFailed(str(error), status=502) from error
    if response.status_code // 100 != 2:
        raise QueryFailed(_error_text(response), status=response.status_code)
    try:
        data = response.json()["data"]
    except (ValueError, KeyError, TypeError) as error:
        raise QueryFailed(f"expected Loki's JSON: {error}", status=502) from error
    if not isinstance(data, dict):
        raise QueryFailed("expected object type", status=502)
    return data


def _error_text(response: httpx.Response) -> str:
    """The field ``message`` of JSON, else the whole text."""
    try:
        answer = response.json()
    except ValueError:
        return response.text
    message = answer.get("message") if isinstance(answer, dict) else None
    return message if isinstance(message, str) and message else response.text


def _step_ns(query: Query) -> int:
    resolution = query.model.get("resolution")
    factor = resolution if resolution in _RESOLUTIONS else 1
    wanted = query.text("step")
    if wanted:
        return duration_ns(wanted) * factor
    step = max(query.interval_ns * factor, query.time_range.length_ns // _MOST_POINTS)
    return math.ceil(step / MS) * MS


def _with_macros(query: Query, step: int, *, is_range: bool) -> str:
    whole = range_macros(query.time_range)
    return with_macros(
        query.text("expr"),
        {
            "interval_ms": str(query.interval_ns // MS),
            "interval": interval_text(query.interval_ns),
            "auto": interval_text(step) if is_range else whole["range"],
            **whole,
        },
    )


def _metric_frame(
    series: Series, result_type: str, query: Query, executed: str, step: int | None
) -> Frame:
    template = query.text("legendFormat")
    name = legend(template, series.labels) if template else f"{{{quoted_labels(series.labels)}}}"
    return Frame(
        (
            Field(
                "Time",
                "time",
                series.times_ns,
                config=None if step is None else {"interval": step // MS},
            ),
            Field(
                "Value",
                "float64",
                series.values,
                labels=series.labels,
                config={"displayNameFromDS": name},
            ),
        ),
        meta={
            "type": frame_type(result_type),
            "typeVersion": [0, 1],
            "executedQueryString": executed,
        },
    )


def _logs_frame(data: Mapping[str, Any], expression: str) -> Frame:
    """All lines in one frame, in Loki's order; the names are those of before the data plane."""
    labels: list[dict[str, str]] = []
    kinds: list[dict[str, str]] = []
    times: list[str] = []
    lines: list[str] = []
    for stream in data.get("result") or ():
        own = stream["stream"]
        for time_ns, line, *rest in stream["values"]:
            all_labels, all_kinds = dict(own), dict.fromkeys(own, "I")
            for key, letter in _OTHER_LABELS.items():
                for name, value in (rest[0].get(key) or {} if rest else {}).items():
                    all_labels[name], all_kinds[name] = value, letter
            labels.append(dict(sorted(all_labels.items())))
            kinds.append(dict(sorted(all_kinds.items())))
            times.append(time_ns)
            lines.append(line)
    return Frame(
        (
            Field("labels", "json", labels),
            Field("Time", "time", [int(each) for each in times]),
            Field("Line", "string", lines),
            Field("tsNs", "string", times),
            Field("labelTypes", "json", kinds, config={"custom": {"hidden": True}}),
            Field("id", "string", _ids(times, lines, labels)),
        ),
        meta={
            "typeVersion": [0, 0],
            "custom": {"frameType": "LabeledTimeValues"},
            "executedQueryString": f"Expr: {expression}",
        },
    )


def _ids(times: list[str], lines: list[str], labels: list[dict[str, str]]) -> list[str]:
    """Time and checksum, and a number behind what would be there twice."""
    seen: dict[str, int] = {}
    made: list[str] = []
    for time_ns, line, own in zip(times, lines, labels, strict=True):
        checksum = _fnv32(line.encode() + b"_" + orjson.dumps(own))
        text = f"{time_ns}_{checksum:x}"
        count = seen.get(text, 0)
        seen[text] = count + 1
        made.append(f"{text}_{count}" if count else text)
    return made


def _fnv32(content: bytes) -> int:
    value = _FNV_OFFSET
    for byte in content:
        value = (value * _FNV_PRIME & 0xFFFFFFFF) ^ byte
    return value
