"""``/api/ds/query``: what is asked of each product, and the frames that are made of its answer."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.unit.embedded.grafana.support import (
    DATA_SOURCES,
    NOW_S,
    Products,
    frames,
    grafana,
    prometheus_answer,
    provision,
    query,
)

PROMETHEUS = {"datasource": {"uid": "prometheus"}, "refId": "A", "intervalMs": 1000}
LOKI = {"datasource": {"uid": "loki"}, "refId": "A", "intervalMs": 1000}
TEMPO = {"datasource": {"uid": "tempo"}, "refId": "A", "queryType": "traceId"}
LABELS = {"__name__": "up", "job": "a"}
TRACE = "5b8efff798038103d269b633813fc60c"


def b64(hex_id: str) -> str:
    return base64.b64encode(bytes.fromhex(hex_id)).decode()


# Prometheus


def test_a_range_query_becomes_a_frame_a_series(tmp_path: Path) -> None:
    points = [[NOW_S - 1, "1.5"], [NOW_S, "NaN"], [NOW_S + 0.25, "+Inf"]]
    products = Products(
        prometheus=prometheus_answer("matrix", [{"metric": LABELS, "values": points}])
    )
    server = grafana(provision(tmp_path), products)
    (frame,) = frames(query(server, {**PROMETHEUS, "expr": "up[$__rate_interval]"}))
    assert products.last.method == "POST"
    assert products.last.url == "http://prometheus:9090/api/v1/query_range"
    assert products.form() == {
        "query": "up[4s]",
        "start": str(NOW_S - 60),
        "end": str(NOW_S),
        "step": "1",
    }
    assert frame["schema"] == {
        "refId": "A",
        "meta": {
            "type": "timeseries-multi",
            "typeVersion": [0, 1],
            "custom": {"resultType": "matrix"},
            "executedQueryString": "Expr: up[4s]\nStep: 1s",
        },
        "fields": [
            {
                "name": "Time",
                "type": "time",
                "typeInfo": {"frame": "time.Time"},
                "config": {"interval": 1000},
            },
            {
                "name": "up",
                "type": "number",
                "typeInfo": {"frame": "float64"},
                "labels": LABELS,
                "config": {"displayNameFromDS": 'up{job="a"}'},
            },
        ],
    }
    assert frame["data"] == {
        "values": [
            [(NOW_S - 1) * 1000, NOW_S * 1000, NOW_S * 1000 + 250],
            [1.5, None, None],
        ],
        "entities": [None, {"NaN": [1], "Inf": [2]}],
    }


def test_an_instant_query_asks_at_the_end_of_the_range(tmp_path: Path) -> None:
    result = [{"metric": {"job": "a"}, "value": [NOW_S, "2"]}]
    products = Products(prometheus=prometheus_answer("vector", result))
    server = grafana(provision(tmp_path), products)
    (frame,) = frames(query(server, {**PROMETHEUS, "expr": "x", "instant": True, "range": False}))
    assert products.form() == {"query": "x", "time": str(NOW_S)}
    assert frame["schema"]["meta"]["type"] == "numeric-multi"
    assert frame["schema"]["fields"][1]["name"] == "Value"
    assert frame["data"]["values"] == [[NOW_S * 1000], [2.0]]


def test_a_scalar_is_a_number_without_labels(tmp_path: Path) -> None:
    products = Products(prometheus=prometheus_answer("scalar", [NOW_S, "2"]))
    server = grafana(provision(tmp_path), products)
    (frame,) = frames(query(server, {**PROMETHEUS, "expr": "1+1", "instant": True}))
    assert frame["schema"]["fields"][1]["labels"] == {}
    assert frame["schema"]["fields"][1]["config"] == {"displayNameFromDS": "1+1"}


@pytest.mark.parametrize(
    ("legend", "name"),
    [
        ("{{job}} of {{ nothing }}!", "a of !"),
        ("fixed", "fixed"),
        ("", 'up{job="a"}'),
        ("__auto", None),
    ],
)
def test_legends(tmp_path: Path, legend: str, name: str | None) -> None:
    result = [{"metric": LABELS, "value": [NOW_S, "2"]}]
    products = Products(prometheus=prometheus_answer("vector", result))
    model = {**PROMETHEUS, "expr": "up", "instant": True, "legendFormat": legend}
    (frame,) = frames(query(grafana(provision(tmp_path), products), model))
    config = frame["schema"]["fields"][1].get("config")
    assert config == (None if name is None else {"displayNameFromDS": name})


def test_both_kinds_of_a_query_give_frames_of_both(tmp_path: Path) -> None:
    products = Products(prometheus=prometheus_answer("vector", []))
    server = grafana(provision(tmp_path), products)
    found = frames(query(server, {**PROMETHEUS, "expr": "up", "instant": True, "range": True}))
    assert [request.url.path for request in products.requests] == [
        "/api/v1/query",
        "/api/v1/query_range",
    ]
    # Nothing found is a frame without columns, which tells what was asked.
    assert [frame["schema"]["fields"] for frame in found] == [[], []]
    assert found[0]["schema"]["meta"] == {"executedQueryString": "Expr: up\nStep: 1s"}


def test_warnings_are_notices(tmp_path: Path) -> None:
    result = [{"metric": {}, "value": [NOW_S, "2"]}]
    answer = prometheus_answer("vector", result, warnings=["w"], infos=["i"])
    server = grafana(provision(tmp_path), Products(prometheus=answer))
    (frame,) = frames(query(server, {**PROMETHEUS, "expr": "up", "instant": True}))
    assert frame["schema"]["meta"]["notices"] == [
        {"severity": "warning", "text": "w"},
        {"severity": "info", "text": "i"},
    ]


def test_a_data_source_may_wish_for_get(tmp_path: Path) -> None:
    source = {**DATA_SOURCES[0], "jsonData": {"httpMethod": "GET"}}
    products = Products(prometheus=prometheus_answer("vector", []))
    server = grafana(provision(tmp_path, sources=[source]), products)
    query(server, {**PROMETHEUS, "expr": "up[$__rate_interval]", "instant": True})
    assert products.last.method == "GET"
    # Without an interval of the source's own a scrape is thought to come every 15 s.
    assert products.form()["query"] == "up[1m0s]"


@pytest.mark.parametrize(
    ("interval", "text"),
    [
        ("", "4s 1000 60s 60 60000"),
        ("5s", "20s 5000 60s 60 60000"),
        ("$__rate_interval", "4s 4000 60s 60 60000"),
        ("$__interval", "4s 1000 60s 60 60000"),
    ],
)
def test_macros_of_an_expression(tmp_path: Path, interval: str, text: str) -> None:
    products = Products(prometheus=prometheus_answer("matrix", []))
    expression = "$__rate_interval $__interval_ms ${__range} $__range_s $__range_ms"
    model = {**PROMETHEUS, "expr": expression, "interval": interval, "maxDataPoints": 500}
    query(grafana(provision(tmp_path), products), model)
    assert products.form()["query"] == text


def test_a_query_that_prometheus_refuses_has_its_words(tmp_path: Path) -> None:
    def refuse(_: httpx.Request) -> httpx.Response:
        content = {"status": "error", "errorType": "bad_data", "error": "parse error"}
        return httpx.Response(400, json=content)

    answer = query(grafana(provision(tmp_path), Products(prometheus=refuse)), PROMETHEUS)
    assert answer.status_code == 400
    assert answer.json() == {
        "results": {
            "A": {
                "error": "bad_data: parse error",
                "errorSource": "downstream",
                "status": 400,
                "frames": [],
            }
        }
    }


def test_a_product_that_is_down_fails_its_queries_alone(tmp_path: Path) -> None:
    products = Products(prometheus=prometheus_answer("vector", []))
    answer = query(
        grafana(provision(tmp_path), products),
        {**PROMETHEUS, "expr": "up"},
        {**LOKI, "refId": "B", "expr": "{}"},
    )
    assert answer.status_code == 400
    results = answer.json()["results"]
    assert results["A"]["status"] == 200
    assert results["B"]["status"] == 502
    assert results["B"]["error"].startswith('Get "http://loki:3100/loki/api/v1/query_range": ')


def test_an_answer_that_is_no_json_is_told(tmp_path: Path) -> None:
    products = Products(prometheus=lambda _: httpx.Response(404, text="<h1>nginx</h1>"))
    answer = query(grafana(provision(tmp_path), products), PROMETHEUS).json()["results"]["A"]
    assert answer["error"] == "expected JSON, found 404 Not Found: <h1>nginx</h1>"


def exemplars(*values: tuple[float, float]) -> list[dict[str, Any]]:
    return [
        {
            "seriesLabels": LABELS,
            "exemplars": [
                {"labels": {"trace_id": f"t{n}"}, "value": str(value), "timestamp": NOW_S + at_s}
                for n, (at_s, value) in enumerate(values)
            ],
        }
    ]


def test_exemplars_come_as_a_frame_of_their_own_and_thinned_out(tmp_path: Path) -> None:
    found = exemplars((0.1, 1.0), (0.2, 1.1), (0.3, 100.0), (2.5, 1.0), (2.6, 1.0), (2.7, 1.0))

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("query_exemplars"):
            return httpx.Response(200, json={"status": "success", "data": found})
        return prometheus_answer("matrix", [])(request)

    server = grafana(provision(tmp_path), Products(prometheus=answer))
    _, frame = frames(query(server, {**PROMETHEUS, "expr": "up", "exemplar": True}))
    assert frame["schema"]["name"] == "exemplar"
    assert frame["schema"]["meta"]["custom"] == {"resultType": "exemplar"}
    assert [f["name"] for f in frame["schema"]["fields"]] == [
        "Time",
        "Value",
        "__name__",
        "job",
        "trace_id",
    ]
    # In each step the highest, and what is two standard deviations below it.
    assert frame["data"]["values"][1] == [1.1, 100.0, 1.0]
    assert frame["data"]["values"][4] == ["t1", "t2", "t3"]


def test_a_prometheus_without_exemplars_is_no_error(tmp_path: Path) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("query_exemplars"):
            return httpx.Response(404, text="404 page not found")
        return prometheus_answer("matrix", [])(request)

    server = grafana(provision(tmp_path), Products(prometheus=answer))
    assert len(frames(query(server, {**PROMETHEUS, "expr": "up", "exemplar": True}))) == 1


# Loki


def loki_streams(*values: list[Any]) -> Any:
    result = [{"stream": {"service_name": "a"}, "values": list(values)}]
    data = {"resultType": "streams", "encodingFlags": ["categorize-labels"], "result": result}
    return lambda _: httpx.Response(200, json={"status": "success", "data": data})


def test_lines_become_one_frame_with_all_their_labels(tmp_path: Path) -> None:
    time_ns = str(NOW_S * 10**9 + 1_000_005)
    metadata = {"structuredMetadata": {"trace_id": "t"}, "parsed": {"level": "info"}}
    products = Products(loki=loki_streams([time_ns, "hello", metadata], [time_ns, "hello", {}]))
    server = grafana(provision(tmp_path), products)
    model = {**LOKI, "expr": '{service_name="a"} [$__auto]', "queryType": "range", "maxLines": 7}
    (frame,) = frames(query(server, model))
    assert products.last.url.path == "/loki/api/v1/query_range"
    assert products.last.headers["x-loki-response-encoding-flags"] == "categorize-labels"
    assert products.form() == {
        "query": '{service_name="a"} [1s]',
        "direction": "backward",
        "limit": "7",
        "start": f"{NOW_S - 60}000000000",
        "end": f"{NOW_S}000000000",
        "step": "1000ms",
    }
    columns = dict(
        zip((f["name"] for f in frame["schema"]["fields"]), frame["data"]["values"], strict=True)
    )
    assert columns["labels"] == [
        {"level": "info", "service_name": "a", "trace_id": "t"},
        {"service_name": "a"},
    ]
    assert columns["labelTypes"][0] == {"level": "P", "service_name": "I", "trace_id": "S"}
    assert columns["Time"] == [NOW_S * 1000 + 1] * 2
    assert frame["data"]["nanos"][1] == [5, 5]
    assert columns["tsNs"] == [time_ns] * 2
    assert columns["Line"] == ["hello"] * 2
    assert frame["schema"]["meta"]["custom"] == {"frameType": "LabeledTimeValues"}
    assert len(set(columns["id"])) == 2


def test_a_line_that_is_there_twice_has_two_ids(tmp_path: Path) -> None:
    same = [str(NOW_S * 10**9), "hello", {}]
    server = grafana(provision(tmp_path), Products(loki=loki_streams(same, same)))
    (frame,) = frames(query(server, {**LOKI, "expr": "{}"}))
    first, second = frame["data"]["values"][5]
    assert second == f"{first}_1"


def test_a_metric_query_of_loki(tmp_path: Path) -> None:
    result = [{"metric": {"b": "2", "a": "1"}, "values": [[NOW_S, "3"]]}]
    products = Products(loki=prometheus_answer("matrix", result))
    (frame,) = frames(query(grafana(provision(tmp_path), products), {**LOKI, "expr": "x"}))
    schema = frame["schema"]
    assert schema["meta"] == {
        "type": "timeseries-multi",
        "typeVersion": [0, 1],
        "executedQueryString": "Expr: x\nStep: 1s",
    }
    assert schema["fields"][0]["config"] == {"interval": 1000}
    assert schema["fields"][1]["config"] == {"displayNameFromDS": '{a="1", b="2"}'}


def test_an_instant_query_of_loki(tmp_path: Path) -> None:
    result = [{"metric": {"a": "1"}, "value": [NOW_S, "3"]}]
    products = Products(loki=prometheus_answer("vector", result))
    server = grafana(provision(tmp_path), products)
    model = {**LOKI, "expr": "x[$__auto]", "queryType": "instant", "legendFormat": "<{{a}}>"}
    (frame,) = frames(query(server, model))
    assert products.form() == {
        "query": "x[60s]",
        "direction": "backward",
        "time": f"{NOW_S}000000000",
    }
    assert frame["schema"]["meta"]["executedQueryString"] == "Expr: x[60s]"
    assert frame["schema"]["fields"][1]["config"] == {"displayNameFromDS": "<1>"}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"queryType": "stream"}, "invalid queryType: stream"),
        ({"direction": "up"}, "invalid queryDirection: up"),
        ({"step": "fast"}, "expected a duration, found 'fast'"),
    ],
)
def test_a_query_that_makes_no_sense(
    tmp_path: Path, change: dict[str, str], complaint: str
) -> None:
    answer = query(grafana(provision(tmp_path)), {**LOKI, "expr": "{}", **change})
    assert answer.json()["results"]["A"]["error"] == complaint


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ({"text": "parse error : x"}, "parse error : x"),
        ({"json": {"message": "too much"}}, "too much"),
        ({"json": {"code": 1}}, '{"code":1}'),
    ],
)
def test_a_query_that_loki_refuses_has_its_words(
    tmp_path: Path, content: dict[str, Any], text: str
) -> None:
    products = Products(loki=lambda _: httpx.Response(400, **content))
    answer = query(grafana(provision(tmp_path), products), {**LOKI, "expr": "{"})
    result = answer.json()["results"]["A"]
    assert (result["status"], result["error"]) == (400, text)


# Tempo


def tempo_answer(_: httpx.Request) -> httpx.Response:
    span = {
        "traceId": b64(TRACE),
        "spanId": b64("aaaaaaaaaaaaaaa1"),
        "name": "GET /error",
        "kind": "SPAN_KIND_SERVER",
        "startTimeUnixNano": str(NOW_S * 10**9),
        "endTimeUnixNano": str(NOW_S * 10**9 + 1_500_000),
        "attributes": [
            {"key": "http.status_code", "value": {"intValue": "500"}},
            {"key": "list", "value": {"arrayValue": {"values": [{"stringValue": "x"}]}}},
        ],
        "events": [{"name": "exception", "timeUnixNano": str(NOW_S * 10**9)}],
        "status": {"code": "STATUS_CODE_ERROR", "message": "no"},
    }
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "app"}}]}
    scope_spans = [{"scope": {"name": "flask"}, "spans": [span]}]
    trace = {"resourceSpans": [{"resource": resource, "scopeSpans": scope_spans}]}
    return httpx.Response(200, json={"trace": trace, "metrics": {}})


def test_a_trace_becomes_a_table_of_spans(tmp_path: Path) -> None:
    products = Products(tempo=tempo_answer)
    (frame,) = frames(query(grafana(provision(tmp_path), products), {**TEMPO, "query": TRACE}))
    assert products.last.url.path == f"/api/v2/traces/{TRACE}"
    assert products.form() == {"start": str(NOW_S - 60), "end": str(NOW_S)}
    assert frame["schema"]["name"] == "Trace"
    assert frame["schema"]["meta"]["preferredVisualisationType"] == "trace"
    row = {
        f["name"]: values[0]
        for f, values in zip(frame["schema"]["fields"], frame["data"]["values"], strict=True)
    }
    assert row == {
        "traceID": TRACE,
        "spanID": "aaaaaaaaaaaaaaa1",
        "parentSpanID": "",
        "operationName": "GET /error",
        "serviceName": "app",
        "kind": "server",
        "statusCode": 2,
        "statusMessage": "no",
        "instrumentationLibraryName": "flask",
        "instrumentationLibraryVersion": "",
        "traceState": "",
        "serviceTags": [{"value": "app", "key": "service.name"}],
        "startTime": NOW_S * 1000.0,
        "duration": 1.5,
        "logs": [
            {
                "timestamp": NOW_S * 1000.0,
                "fields": [{"value": "exception", "key": "message"}],
            }
        ],
        "references": None,
        "tags": [
            {"value": 500, "key": "http.status_code"},
            {"value": '["x"]', "key": "list"},
        ],
    }


def test_a_trace_that_tempo_does_not_know_is_404(tmp_path: Path) -> None:
    products = Products(tempo=lambda _: httpx.Response(200, json={"trace": {}, "metrics": {}}))
    answer = query(grafana(provision(tmp_path), products), {**TEMPO, "query": TRACE})
    assert answer.status_code == 400
    result = answer.json()["results"]["A"]
    assert (result["status"], result["error"]) == (
        404,
        f"failed to get trace with id: {TRACE} Status: Not Found",
    )


def test_a_trace_that_tempo_refuses_has_its_words(tmp_path: Path) -> None:
    products = Products(tempo=lambda _: httpx.Response(400, text="no hex"))
    answer = query(grafana(provision(tmp_path), products), {**TEMPO, "query": "x"})
    assert answer.json()["results"]["A"]["error"] == (
        "failed to get trace with id: x Status: 400 Bad Request Body: no hex"
    )


@pytest.mark.parametrize(
    ("model", "error"),
    [
        ({**TEMPO, "query": ""}, "trace id is required"),
        (
            {**TEMPO, "queryType": "search"},
            "unsupported query type: 'search' for query with refID 'A'",
        ),
    ],
)
def test_tempo_queries_that_make_no_sense(
    tmp_path: Path, model: dict[str, Any], error: str
) -> None:
    answer = query(grafana(provision(tmp_path)), model)
    assert answer.json()["results"]["A"]["error"] == error


def test_traceql_through_the_query_endpoint_is_refused_by_name(tmp_path: Path) -> None:
    answer = query(grafana(provision(tmp_path)), {**TEMPO, "queryType": "traceql", "query": "{}"})
    assert answer.status_code == 501
    assert answer.json()["message"].startswith(
        "not supported by the embedded Grafana: Tempo queries of type traceql, other than by "
        "trace id (traceId); "
    )
