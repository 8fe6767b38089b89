"""Prometheus' own engine tests, through remote write and the HTTP API of the embedded server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from pytest_obsstack.embedded.journal import Journal
from pytest_obsstack.embedded.prometheus.promql.ast import VectorSelector, walk
from pytest_obsstack.embedded.prometheus.promql.errors import PromqlParseError
from pytest_obsstack.embedded.prometheus.promql.parser import parse
from pytest_obsstack.embedded.prometheus.server import PrometheusServer
from pytest_obsstack.embedded.prometheus.settings import PrometheusSettings
from tests.contract import remote_write_message as message
from tests.contract.promqltest import Clear, Eval, Load, Series, nearly_equal, parse_file

FILES = Path(__file__).parents[3] / "shared" / "contract" / "promqltest"
REFUSAL = (
    "not supported by the embedded Prometheus: native histograms in remote write; "
    "use --obs-stack=compose, or --obs-use prometheus=URL"
)

_DELAYED = "needs --enable-feature=promql-delayed-name-removal, which is off by default"
_NEWER = "a function that came with Prometheus 3.7"
_MERGED = "merges series that differ in name alone over the steps, since Prometheus 3.9"
_FILTERED = "looks for ambiguous matches also among what a comparison filters out, since 3.9"
_EXPERIMENTAL = "needs --enable-feature=promql-experimental-functions, which is off by default"
_SORT = "warns that sort does nothing over a range, since Prometheus 3.11"
_ORDER = "names the duplicate series of a match in a stable order, in 2026 not yet released"

# What differs, by file and line, because the embedded Prometheus answers as a 3.5 with its
# defaults; checked against a real 3.5.
DIFFERENCES: dict[str, dict[int, str]] = {
    "name_label_dropping": {
        47: _NEWER,
        **dict.fromkeys((59, 64, 69, 74, 89, 115, 119, 123), _DELAYED),
    },
    "operators": {329: _FILTERED, 333: _FILTERED, 997: _MERGED, 1027: _ORDER},
    "range_queries": {
        **dict.fromkeys((109, 112, 121), _SORT),
        **dict.fromkeys((115, 118), _EXPERIMENTAL),
    },
}
# Lines that select native histograms, which are refused when they are to be stored.
REFUSED: dict[str, set[int]] = {
    "operators": {
        *(292, 296, 299, 302, 305, 308, 312, 316),
        *(564, 568, 572, 576, 588, 592, 596, 600, 612, 616, 620, 624),
        *(636, 640, 644, 648, 660, 664, 668, 672, 684, 688, 692, 696),
        *range(745, 841, 4),
        *range(887, 935, 4),
    },
    "range_queries": {93, 106},
}


@dataclass
class Outcome:
    line: int
    query: str
    refused: bool
    found: str
    """Empty where all is as expected."""


class Runner:
    def __init__(self) -> None:
        self._start()

    def _start(self) -> None:
        settings = PrometheusSettings(retention_s=10**10)
        transport = httpx.ASGITransport(app=PrometheusServer(settings, Journal(None)).app)
        self._client = httpx.AsyncClient(transport=transport, base_url="http://prometheus")
        self._refused: list[dict[str, str]] = []

    async def run(self, text: str) -> list[Outcome]:
        outcomes = []
        for command in parse_file(text):
            if isinstance(command, Clear):
                self._start()
            elif isinstance(command, Load):
                for series in command.series:
                    await self._load(series, command.step_s)
            else:
                refused = self._asks_for_refused(command.query)
                found = await self._evaluate(command)
                outcomes.append(Outcome(command.line, command.query, refused, found))
        return outcomes

    async def _load(self, series: Series, step_s: float) -> None:
        samples = [
            (index * step_s, message.STALE if value == "stale" else value)
            for index, value in enumerate(series.values)
            if value is not None
        ]
        body = message.request([message.series(series.labels, samples, (), series.histogram)])
        response = await self._client.post("/api/v1/write", content=body, headers=message.HEADERS)
        if series.histogram:
            assert (response.status_code, response.text.strip()) == (400, REFUSAL)
            self._refused.append(series.labels)
        else:
            assert response.status_code == 204, response.text

    def _asks_for_refused(self, query: str) -> bool:
        try:
            selectors = [node for node in walk(parse(query)) if isinstance(node, VectorSelector)]
        except PromqlParseError:
            return False
        return any(
            all(matcher.matches(labels.get(matcher.name, "")) for matcher in selector.matchers)
            for selector in selectors
            for labels in self._refused
        )

    async def _evaluate(self, command: Eval) -> str:
        parameters: dict[str, str | float] = {"query": command.query}
        if command.end_s is None:
            path, times = "query", {"time": command.start_s}
        else:
            path = "query_range"
            times = {"start": command.start_s, "end": command.end_s, "step": command.step_s}
        response = await self._client.post(f"/api/v1/{path}", data={**parameters, **times})
        return "; ".join(differences(command, response.json()))


def differences(command: Eval, answer: dict[str, Any]) -> Iterable[str]:
    if command.fails:
        if answer["status"] != "error":
            yield f"expected a failure, got {answer['data']}"
        elif command.fail_text not in (None, answer["error"]):
            yield f"expected the failure {command.fail_text!r}, got {answer['error']!r}"
        return
    if answer["status"] == "error":
        yield f"unexpected failure {answer['error']!r}"
        return
    yield from _annotation_differences(command, answer)
    kind, result = answer["data"]["resultType"], answer["data"]["result"]
    if kind == "string":
        if result[1] != command.text:
            yield f"expected the string {command.text!r}, got {result[1]!r}"
    elif kind == "scalar":
        if command.expected_scalar is None or not nearly_equal(
            float(result[1]), command.expected_scalar
        ):
            yield f"expected the scalar {command.expected_scalar}, got {result[1]}"
    else:
        yield from _series_differences(command, result)


def _annotation_differences(command: Eval, answer: dict[str, Any]) -> Iterable[str]:
    for what, text in command.annotations:
        found = answer.get("warnings" if what.endswith("warn") else "infos", [])
        if what.startswith("no_"):
            if found:
                yield f"unexpected {what.removeprefix('no_')}: {found}"
        elif what in ("warn", "info") and (not found or (text and text not in found)):
            yield f"expected {what} {text!r}, got {found}"


def _series_differences(command: Eval, result: list[dict[str, Any]]) -> Iterable[str]:
    found = {_key(one["metric"]): one.get("values") or [one["value"]] for one in result}
    for series in command.expected:
        points = found.pop(_key(series.labels), [])
        expected = _expected_points(command, series)
        actual = [(float(at), float(value)) for at, value in points]
        if [at for at, _ in actual] != [at for at, _ in expected] or not all(
            nearly_equal(mine, theirs)
            for (_, mine), (_, theirs) in zip(actual, expected, strict=True)
        ):
            yield f"{series.labels}: expected {expected}, got {actual}"
    if found:
        yield f"unexpected series {found}"


def _expected_points(command: Eval, series: Series) -> list[tuple[float, float]]:
    start_s, step_s = command.start_s, command.step_s
    if command.window is not None:
        start_s, _, step_s = command.window
    return [
        (start_s + index * step_s, value)
        for index, value in enumerate(series.values)
        if isinstance(value, (int, float))
    ]


def _key(labels: dict[str, str]) -> frozenset[tuple[str, str]]:
    return frozenset(labels.items())


@pytest.mark.skipif(not FILES.is_dir(), reason=f"{FILES} with Prometheus' own tests is not there")
@pytest.mark.parametrize("path", sorted(FILES.glob("*.test")), ids=lambda path: path.stem)
def test_engine_tests_of_prometheus_pass_but_for_known_lines(path: Path) -> None:
    outcomes = asyncio.run(Runner().run(path.read_text("utf-8")))
    failed = {o.line: f"{o.query}: {o.found}" for o in outcomes if o.found and not o.refused}
    refused = {o.line for o in outcomes if o.refused}
    known = DIFFERENCES.get(path.stem, {})

    assert outcomes, "no eval in the file"
    assert {line: text for line, text in failed.items() if line not in known} == {}
    assert sorted(known) == sorted(failed), "a line that is listed passes by now"
    assert refused == REFUSED.get(path.stem, set())
