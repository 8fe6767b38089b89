"""Traces by TraceQL and by tags; names and values of tags."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_obsstack.embedded.tempo.settings import TempoSettings
from tests.unit.embedded.tempo.support import (
    NOW_NS,
    NOW_S,
    OTHER_TRACE,
    TRACE,
    body,
    get,
    resource_spans,
    span,
    tempo,
    whole_body,
)

FIRST, LATER = TRACE, OTHER_TRACE.lstrip("0")


def search(**params: Any) -> list[dict[str, Any]]:
    answer = get(tempo(whole_body()), "/api/search", **params)
    assert answer.status_code == 200, answer.text
    traces: list[dict[str, Any]] = answer.json()["traces"]
    return traces


def found(**params: Any) -> list[str]:
    return [trace["traceID"] for trace in search(**params)]


def test_a_trace_that_a_query_finds_is_told_with_the_spans_that_fit() -> None:
    (trace,) = search(q='{ resource.service.name = "simple-app" && status = error }')
    spanset = {
        "spans": [
            {
                "spanID": "aaaaaaaaaaaaaaa1",
                "startTimeUnixNano": str(NOW_NS),
                "durationNanos": "1500000000",
                "attributes": [
                    {"key": "service.name", "value": {"stringValue": "simple-app"}},
                    {"key": "status", "value": {"stringValue": "error"}},
                ],
            }
        ],
        "matched": 1,
    }
    assert trace == {
        "traceID": TRACE,
        "rootServiceName": "simple-app",
        "rootTraceName": "GET /error",
        "startTimeUnixNano": str(NOW_NS),
        "durationMs": 1500,
        "spanSet": spanset,
        "spanSets": [spanset],
        "serviceStats": {
            "simple-app": {"spanCount": 2, "errorCount": 1},
            "inventory": {"spanCount": 1},
        },
    }


def test_the_name_of_a_span_is_told_where_the_query_asks_for_it() -> None:
    (trace,) = search(q='{ name = "GET /stock" && span.http.route != nil && duration > 1ms }')
    (told,) = trace["spanSet"]["spans"]
    assert told["name"] == "GET /stock"
    assert told["attributes"] == [{"key": "http.route", "value": {"stringValue": "/stock"}}]


def test_the_newest_traces_come_first() -> None:
    assert found(q="{}") == [LATER, FIRST]
    assert found() == [LATER, FIRST]
    assert found(q="{}", limit=1) == [LATER]
    assert found(q="{} with (most_recent=true)") == [LATER, FIRST]


def test_spans_of_a_spanset_are_few_and_counted() -> None:
    assert [len(t["spanSet"]["spans"]) for t in search(q=f'{{ trace:id = "{TRACE}" }}')] == [3]
    (trace,) = search(q=f'{{ trace:id = "{TRACE}" }}', spss=1)
    assert (len(trace["spanSet"]["spans"]), trace["spanSet"]["matched"]) == (1, 3)


@pytest.mark.parametrize(
    ("start_s", "end_s", "traces"),
    [
        (NOW_S - 10, NOW_S + 10, [LATER, FIRST]),
        (NOW_S - 10, NOW_S + 2, [FIRST]),
        (NOW_S + 2, NOW_S + 10, [LATER]),
        (NOW_S + 6, NOW_S + 10, []),
    ],
)
def test_traces_within_a_time(start_s: int, end_s: int, traces: list[str]) -> None:
    assert found(q="{}", start=start_s, end=end_s) == traces
    assert found(start=start_s, end=end_s) == traces


@pytest.mark.parametrize(
    ("params", "traces"),
    [
        ({"tags": "service.name=SIMPLE"}, [LATER, FIRST]),
        ({"tags": "service.name=inventory"}, [FIRST]),
        ({"tags": "http.route=/error"}, [FIRST]),
        ({"tags": "http.route=/err"}, []),  # without a column of its own: the whole value
        ({"tags": 'name="get /error"'}, [FIRST]),
        ({"tags": 'name="GET /error" http.route=/stock'}, [FIRST]),
        ({"tags": "http.status_code=500"}, [FIRST]),
        ({"tags": "http.status_code=404"}, []),
        ({"tags": "status.code=error"}, [FIRST]),
        ({"tags": 'root.name="GET /" root.service.name=simple-app'}, [LATER, FIRST]),
        ({"tags": 'root.name="GET /stock"'}, []),
        ({"minDuration": "1s"}, [FIRST]),
        ({"maxDuration": "100ms"}, [LATER]),
        ({"minDuration": "1ms", "maxDuration": "2s"}, [LATER, FIRST]),
    ],
)
def test_search_by_tags(params: dict[str, str], traces: list[str]) -> None:
    assert found(**params) == traces


def test_a_trace_found_by_tags_is_told_in_short() -> None:
    assert search(tags="service.name=inventory") == [
        {
            "traceID": TRACE,
            "rootServiceName": "simple-app",
            "rootTraceName": "GET /error",
            "startTimeUnixNano": str(NOW_NS),
            "durationMs": 1500,
        }
    ]


def test_a_trace_whose_root_has_not_come_says_so() -> None:
    child = span("GET", "aaaaaaaaaaaaaaa2", parent="aaaaaaaaaaaaaaa1")
    (trace,) = get(tempo(body(resource_spans(child))), "/api/search").json()["traces"]
    assert trace["rootServiceName"] == "<root span not yet received>"
    assert "rootTraceName" not in trace


@pytest.mark.parametrize(
    ("params", "complaint"),
    [
        (
            {"q": "{ .a < }"},
            "invalid TraceQL query: parse error at line 1, col 8: syntax error: unexpected }",
        ),
        (
            {"q": '{ 1 = "a" }'},
            "invalid TraceQL query: binary operations must operate on the same type: 1 = `a`",
        ),
        ({"q": "{}", "tags": "a=b"}, "invalid request: can't specify tags and q in the same query"),
        ({"tags": "a=b a=c"}, "invalid tags: tag a has been set twice"),
        ({"tags": 'a="b'}, "invalid tags: unexpected character at pos 1"),
        (
            {"start": "x"},
            'invalid start: strconv.ParseUint: parsing "x": invalid syntax',
        ),
        (
            {"end": "4294967296"},
            'invalid end: strconv.ParseUint: parsing "4294967296": value out of range',
        ),
        (
            {"start": 20, "end": 10},
            "http parameter start must be before end. received start=20 end=10",
        ),
        (
            {"start": 1, "end": 1 + 8 * 86400},
            "range specified by start and end exceeds 168h0m0s. received start=1 end=691201",
        ),
        ({"limit": 0}, "invalid limit: must be a positive number"),
        ({"limit": 9}, "limit 9 exceeds max limit 5"),
        ({"spss": 101}, "spans per span set exceeds 100. received 101"),
        ({"minDuration": "1"}, 'invalid minDuration: time: invalid duration "1"'),
        ({"maxDuration": "1d"}, 'invalid maxDuration: time: invalid duration "1d"'),
        (
            {"minDuration": "2s", "maxDuration": "1s"},
            "invalid maxDuration: must be greater than minDuration",
        ),
        (
            {"q": "{" + " " * 60 + "}"},
            (
                "TraceQL expression exceeds the configured maximum size of 50 bytes, reduce the "
                "query expression size or contact your system administrator"
            ),
        ),
    ],
)
def test_a_bad_search_is_refused_in_tempos_words(params: dict[str, Any], complaint: str) -> None:
    settings = TempoSettings(max_result_limit=5, max_query_expression_size_bytes=50)
    answer = get(tempo(settings=settings), "/api/search", **params)
    assert (answer.status_code, answer.text) == (400, complaint)


def test_what_of_traceql_is_left_out_is_refused_by_name() -> None:
    answer = get(tempo(), "/api/search", q="{} | rate()")
    assert answer.status_code == 501
    assert answer.text == (
        "not supported by the embedded Tempo: TraceQL pipelines (rate()); "
        "use Tempo itself, as the image grafana/tempo"
    )


def test_names_of_tags() -> None:
    server = tempo(whole_body())
    every = get(server, "/api/search/tags").json()
    assert every["tagNames"] == sorted(
        {"service.name", "deployment.environment.name", "http.route", "http.status_code"}
        | {"ok", "ratio", "items", "exception.type", "n", "lib"}
    )
    assert int(every["metrics"]["inspectedBytes"]) > 0
    resource = get(server, "/api/search/tags", scope="resource").json()
    assert resource["tagNames"] == ["deployment.environment.name", "service.name"]
    assert "name" in get(server, "/api/search/tags", scope="intrinsic").json()["tagNames"]


def test_names_of_tags_by_scope() -> None:
    server = tempo(whole_body())
    scopes = get(server, "/api/v2/search/tags").json()["scopes"]
    assert [scope["name"] for scope in scopes] == [
        "resource",
        "span",
        "event",
        "instrumentation",
        "intrinsic",
    ]
    (spans,) = get(server, "/api/v2/search/tags", scope="span", limit=2).json()["scopes"]
    assert spans == {"name": "span", "tags": ["http.route", "http.status_code"]}
    narrowed = get(server, "/api/v2/search/tags", scope="span", q='{ name = "GET /stock" }').json()
    assert narrowed["scopes"] == [{"name": "span", "tags": ["http.route", "items"]}]
    wrong = get(server, "/api/v2/search/tags", scope="trace")
    assert (wrong.status_code, wrong.text) == (400, "invalid scope: trace")


@pytest.mark.parametrize(
    ("tag", "values"),
    [
        ("service.name", ["inventory", "simple-app"]),
        ("http.status_code", ["500"]),
        ("items", ["a", "b"]),
        ("ok", ["false"]),
        ("name", ["GET", "GET /", "GET /error", "GET /stock"]),
        ("status.code", ["error", "ok", "unset"]),
        ("nothing", []),
    ],
)
def test_values_of_a_tag(tag: str, values: list[str]) -> None:
    answer = get(tempo(whole_body()), f"/api/search/tag/{tag}/values").json()
    assert answer["tagValues"] == values


@pytest.mark.parametrize(
    ("tag", "values"),
    [
        ("resource.service.name", [("string", "inventory"), ("string", "simple-app")]),
        (".http.route", [("string", "/error"), ("string", "/stock")]),
        ("span.http.status_code", [("int", "500")]),
        ("span.ok", [("bool", "false")]),
        ("span.ratio", [("float", "0.5")]),
        ("event.exception.type", [("string", "ValueError")]),
        ("rootName", [("string", "GET /"), ("string", "GET /error")]),
        ("status", [("keyword", "ok"), ("keyword", "error"), ("keyword", "unset")]),
        ("span:id", []),
    ],
)
def test_typed_values_of_a_tag(tag: str, values: list[tuple[str, str]]) -> None:
    answer = get(tempo(whole_body()), f"/api/v2/search/tag/{tag}/values").json()
    assert [(each["type"], each["value"]) for each in answer["tagValues"]] == values


def test_values_are_narrowed_by_a_query_and_by_an_incomplete_one_not() -> None:
    server = tempo(whole_body())
    path = "/api/v2/search/tag/resource.service.name/values"
    narrowed = get(server, path, q='{ span.http.route = "/stock" }').json()["tagValues"]
    assert narrowed == [{"type": "string", "value": "inventory"}]
    assert len(get(server, path, q="{ resource.cluster = }").json()["tagValues"]) == 2
    assert get(server, path, limit=1).json()["tagValues"] == narrowed


def test_what_is_no_tag_is_refused() -> None:
    answer = get(tempo(), "/api/v2/search/tag/foo/values")
    assert answer.status_code == 400
    assert answer.text == (
        "please provide a valid tagName: failed to parse identifier foo: "
        "parse error at line 1, col 2: unknown identifier: foo"
    )
