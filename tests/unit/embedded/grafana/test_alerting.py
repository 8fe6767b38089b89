"""Alert rules: evaluated on what the data source really says."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from pytest_obsstack.embedded.grafana.expressions import (
    ExpressionError,
    Number,
    NumberSeries,
    evaluate,
)
from pytest_obsstack.embedded.grafana.refusal import Unsupported
from pytest_obsstack.embedded.grafana.server import GrafanaServer
from tests.unit.embedded.grafana.support import (
    NOW_NS,
    NOW_S,
    Answer,
    Products,
    get,
    grafana,
    prometheus_answer,
    provision,
)

RULES = "/api/prometheus/grafana/api/v1/rules"
QUERY = {
    "refId": "A",
    "datasourceUid": "prometheus",
    "relativeTimeRange": {"from": 60, "to": 0},
    "model": {"expr": "errors", "instant": True, "range": False},
}


def threshold(kind: str = "gt", *params: float, expression: str = "A") -> dict[str, Any]:
    condition = {"evaluator": {"type": kind, "params": list(params or (0.2,))}}
    model = {"type": "threshold", "expression": expression, "conditions": [condition]}
    return {"refId": "C", "datasourceUid": "__expr__", "model": model}


def rule(*data: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "uid": "r",
        "title": "High",
        "condition": "C",
        "for": "0s",
        "labels": {"severity": "page"},
        "annotations": {"summary": "{{ $$labels.job }}", "runbook": "http://x"},
        "data": list(data) or [QUERY, threshold()],
        **more,
    }


def series(value: float, job: str = "a") -> dict[str, Any]:
    return {"metric": {"job": job, "__name__": "x"}, "value": [NOW_S, str(value)]}


class Clock:
    def __init__(self) -> None:
        self.now_ns = NOW_NS

    def __call__(self) -> int:
        return self.now_ns


def serve(
    folder: Path, answer: Any, *, clock_ns: Callable[[], int] = lambda: NOW_NS, **changes: Any
) -> GrafanaServer:
    data = changes.pop("data", None)
    made = rule(*(data or ()), **changes)
    group = {"name": "g", "folder": "Team", "interval": "10s", "rules": [made]}
    return grafana(
        provision(folder, groups=[group]), Products(prometheus=answer), clock_ns=clock_ns
    )


def evaluated(server: GrafanaServer) -> dict[str, Any]:
    """The rule as the API tells it, after one evaluation."""

    async def run() -> None:
        (provisioned,) = server._provisioned.alert_rules
        await server.alerting.evaluate(provisioned)
        await server.stop()

    asyncio.run(run())
    (group,) = get(server, RULES).json()["data"]["groups"]
    (told,) = group["rules"]
    return dict(told)


def test_a_rule_that_was_not_evaluated_yet_says_so(tmp_path: Path) -> None:
    server = serve(tmp_path, prometheus_answer("vector", []))
    answer = get(server, RULES).json()
    (group,) = answer["data"]["groups"]
    (told,) = group["rules"]
    assert answer["status"] == "success"
    assert (group["name"], group["file"], group["interval"]) == ("g", "Team", 10.0)
    assert (told["state"], told["health"]) == ("inactive", "unknown")
    assert told["lastEvaluation"] == "0001-01-01T00:00:00Z"
    assert told["query"] == "errors"
    assert told["annotations"] == {"summary": "{{ $labels.job }}", "runbook": "http://x"}


def test_a_rule_fires_for_the_series_that_meet_it(tmp_path: Path) -> None:
    found = [series(0.5), series(0.1, "b")]
    told = evaluated(serve(tmp_path, prometheus_answer("vector", found)))
    assert (told["state"], told["health"]) == ("firing", "ok")
    assert told["lastEvaluation"] == "2023-11-14T22:13:20Z"
    assert told["totals"] == {"alerting": 1, "normal": 1}
    firing, normal = told["alerts"]
    assert firing == {
        "labels": {
            "job": "a",
            "severity": "page",
            "alertname": "High",
            "grafana_folder": "Team",
        },
        # A template is not guessed at.
        "annotations": {"runbook": "http://x"},
        "state": "Alerting",
        "activeAt": "2023-11-14T22:13:20Z",
        "value": "1e+00",
    }
    assert (normal["state"], normal["value"]) == ("Normal", "")


def test_the_rules_window_is_asked_for(tmp_path: Path) -> None:
    products = Products(prometheus=prometheus_answer("matrix", []))
    node = {**QUERY, "model": {"expr": "x", "range": True, "exemplar": True}}
    group = {
        "name": "g",
        "folder": "f",
        "interval": "10s",
        "rules": [rule(node, threshold())],
    }
    evaluated(grafana(provision(tmp_path, groups=[group]), products))
    (request,) = products.requests
    assert request.url.path == "/api/v1/query_range"
    assert products.form()["start"] == str(NOW_S - 60)


def test_a_rule_is_pending_until_it_has_held_for_its_time(tmp_path: Path) -> None:
    clock = Clock()
    values = iter([0.5, 0.5, 0.5, 0.1, 0.5])

    def answer(request: httpx.Request) -> httpx.Response:
        return prometheus_answer("vector", [series(next(values))])(request)

    server = serve(tmp_path, answer, clock_ns=clock, **{"for": "10s"})
    states = []
    for _ in range(5):
        told = evaluated(server)
        states.append((told["state"], told["alerts"][0]["activeAt"][17:19]))
        clock.now_ns += 5 * 10**9
    assert states == [
        ("pending", "20"),
        ("pending", "20"),
        ("firing", "30"),
        ("inactive", "35"),
        ("pending", "40"),
    ]


@pytest.mark.parametrize(
    ("wanted", "state", "health", "alert", "name"),
    [
        ("NoData", "inactive", "nodata", "NoData", "DatasourceNoData"),
        ("OK", "inactive", "ok", "Normal (NoData)", "High"),
        ("Alerting", "firing", "ok", "Alerting (NoData)", "High"),
        ("KeepLast", "inactive", "ok", "Normal (NoData)", "High"),
    ],
)
def test_no_data_is_taken_as_the_rule_wishes(
    tmp_path: Path, wanted: str, state: str, health: str, alert: str, name: str
) -> None:
    told = evaluated(serve(tmp_path, prometheus_answer("vector", []), noDataState=wanted))
    assert (told["state"], told["health"]) == (state, health)
    (only,) = told["alerts"]
    assert (only["state"], only["labels"]["alertname"]) == (alert, name)


@pytest.mark.parametrize(
    ("wanted", "state", "alert"),
    [
        ("Error", "inactive", "Error"),
        ("Alerting", "firing", "Alerting (Error)"),
        ("OK", "inactive", "Normal (Error)"),
    ],
)
def test_an_error_is_taken_as_the_rule_wishes_and_told(
    tmp_path: Path, wanted: str, state: str, alert: str
) -> None:
    told = evaluated(serve(tmp_path, lambda _: httpx.Response(500), execErrState=wanted))
    assert (told["state"], told["health"]) == (state, "error")
    assert told["lastError"].startswith("failed to execute query A: expected JSON, found 500")
    assert told["alerts"][0]["state"] == alert


def test_a_rule_recovers_from_an_error(tmp_path: Path) -> None:
    answers: Iterator[Answer] = iter(
        [lambda _: httpx.Response(500), prometheus_answer("vector", [series(0)])]
    )

    def answer(request: httpx.Request) -> httpx.Response:
        return next(answers)(request)

    server = serve(tmp_path, answer)
    assert evaluated(server)["health"] == "error"
    told = evaluated(server)
    assert (told["health"], told["state"]) == ("ok", "inactive")
    assert "lastError" not in told


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (
            [{**QUERY, "datasourceUid": "mimir"}, threshold()],
            "data source not found",
        ),
        (
            [{**QUERY, "model": {"expr": "x", "range": True}}, threshold()],
            (
                "invalid format of evaluation results for the alert definition C: looks like time "
                "series data, only reduced data can be alerted on."
            ),
        ),
        ([QUERY], "condition C does not exist, must be one of ['A']"),
        (
            [QUERY, {"refId": "C", "datasourceUid": "__expr__", "model": {"type": "math"}}],
            (
                "not supported by the embedded Grafana: expressions of type math; "
                "use Grafana itself, as the image grafana/grafana"
            ),
        ),
    ],
)
def test_a_rule_that_cannot_be_evaluated_says_why(
    tmp_path: Path, data: list[dict[str, Any]], error: str
) -> None:
    answer = prometheus_answer("matrix", [{"metric": {}, "values": [[NOW_S, "1"]]}])
    if "range" not in data[0]["model"] or not data[0]["model"]["range"]:
        answer = prometheus_answer("vector", [series(1)])
    told = evaluated(serve(tmp_path, answer, data=data, execErrState="Error"))
    assert (told["health"], told["lastError"]) == ("error", error)


def test_a_series_is_reduced_and_then_compared(tmp_path: Path) -> None:
    points = [[NOW_S - 1, "5"], [NOW_S, "1"]]
    answer = prometheus_answer("matrix", [{"metric": {"job": "a"}, "values": points}])
    reduce = {"type": "reduce", "expression": "A", "reducer": "max"}
    data = [
        {**QUERY, "model": {"expr": "x", "range": True}},
        {"refId": "B", "datasourceUid": "__expr__", "model": reduce},
        threshold("gte", 5, expression="B"),
    ]
    assert evaluated(serve(tmp_path, answer, data=data))["state"] == "firing"


def test_rules_are_evaluated_from_the_start_on(tmp_path: Path) -> None:
    server = serve(tmp_path, prometheus_answer("vector", [series(0.5)]))

    async def run() -> str:
        await server.start()
        for _ in range(1000):
            if server.alerting.statuses["r"].evaluated_ns:
                break
            await asyncio.sleep(0.005)
        await server.stop()
        return server.alerting.statuses["r"].state

    assert asyncio.run(run()) == "firing"


def test_a_paused_rule_is_not_evaluated(tmp_path: Path) -> None:
    server = serve(tmp_path, prometheus_answer("vector", [series(0.5)]), isPaused=True)

    async def run() -> int:
        await server.start()
        await asyncio.sleep(0.05)
        await server.stop()
        return server.alerting.statuses["r"].evaluated_ns

    assert asyncio.run(run()) == 0


def test_provisioned_rules_are_listed(tmp_path: Path) -> None:
    server = serve(tmp_path, prometheus_answer("vector", []))
    (told,) = get(server, "/api/v1/provisioning/alert-rules").json()
    assert (told["uid"], told["title"], told["ruleGroup"], told["for"]) == ("r", "High", "g", "0s")
    assert told["data"][0]["model"] == QUERY["model"]
    assert told["provenance"] == "file"
    assert get(server, "/api/v1/provisioning/alert-rules/r").json() == told
    assert get(server, "/api/v1/provisioning/alert-rules/x").status_code == 404


@pytest.mark.parametrize(
    ("kind", "params", "met"),
    [
        ("gt", (1,), [False, False, True]),
        ("lt", (1,), [True, False, False]),
        ("eq", (1,), [False, True, False]),
        ("ne", (1,), [True, False, True]),
        ("gte", (1,), [False, True, True]),
        ("lte", (1,), [True, True, False]),
        ("within_range", (0, 2), [False, True, False]),
        ("outside_range", (0, 1), [False, False, True]),
        ("within_range_included", (0, 1), [True, True, False]),
        ("outside_range_included", (0, 2), [True, False, True]),
    ],
)
def test_thresholds(kind: str, params: tuple[float, ...], met: list[bool]) -> None:
    given = [Number({}, value) for value in (0.0, 1.0, 2.0)]
    found = evaluate(threshold(kind, *params)["model"], {"A": list(given)})
    assert [each.value == 1 for each in found if isinstance(each, Number)] == met


@pytest.mark.parametrize(
    ("reducer", "expected"),
    [("last", 2), ("mean", 3), ("sum", 9), ("min", 2), ("max", 4), ("count", 3)],
)
def test_reductions(reducer: str, expected: float) -> None:
    model = {"type": "reduce", "expression": "$A", "reducer": reducer}
    (found,) = evaluate(model, {"A": [NumberSeries({"a": "1"}, [3.0, 4.0, 2.0])]})
    assert found == Number({"a": "1"}, float(expected))


def test_a_reduction_without_what_is_no_number() -> None:
    given: dict[str, Any] = {"A": [NumberSeries({}, [float("nan"), 4.0])]}
    model = {"type": "reduce", "expression": "A", "reducer": "mean"}
    (strict,) = evaluate(model, given)
    (dropped,) = evaluate({**model, "settings": {"mode": "dropNN"}}, given)
    assert isinstance(strict, Number)
    assert math.isnan(strict.value)
    assert dropped == Number({}, 4.0)


@pytest.mark.parametrize(
    ("model", "error"),
    [
        ({"type": "threshold", "refId": "C"}, "no variable specified to reference for refId C"),
        (
            {"type": "threshold", "refId": "C", "expression": "B"},
            "expression [C] depends on [B], which is not in the rule",
        ),
        (
            {"type": "threshold", "expression": "A", "conditions": []},
            "threshold expression requires exactly one condition",
        ),
        (
            threshold("within_range", 1)["model"],
            (
                "invalid condition: incorrect number of arguments for threshold function "
                "'within_range': got 1 but need 2"
            ),
        ),
    ],
)
def test_expressions_that_make_no_sense(model: dict[str, Any], error: str) -> None:
    with pytest.raises(ExpressionError) as refusal:
        evaluate(model, {"A": []})
    assert str(refusal.value) == error


@pytest.mark.parametrize(
    ("model", "what"),
    [
        ({"type": "classic_conditions"}, "expressions of type classic_conditions"),
        ({"type": "reduce", "expression": "A", "reducer": "median"}, "the reducer median"),
        (
            {
                "type": "reduce",
                "expression": "A",
                "reducer": "last",
                "settings": {"mode": "replaceNN"},
            },
            "reductions in mode replaceNN",
        ),
        (
            {"type": "threshold", "expression": "A", "conditions": [{"unloadEvaluator": {}}]},
            "thresholds with a recovery threshold",
        ),
    ],
)
def test_expressions_that_are_left_out_are_refused_by_name(
    model: dict[str, Any], what: str
) -> None:
    with pytest.raises(Unsupported) as refusal:
        evaluate(model, {"A": []})
    assert refusal.value.what == what
