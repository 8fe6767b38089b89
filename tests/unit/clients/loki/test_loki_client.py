from __future__ import annotations

from typing import Any

import httpx
import pytest

from pytest_obsstack.clients.loki.client import LokiClient
from pytest_obsstack.endpoints import LokiEndpoint
from pytest_obsstack.errors import BackendRefused, ObsstackError
from tests.unit.clients.answers import Answers, refusal

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
NOW_NS = 1_795_448_930_000_000_000
QUERY_RANGE = "GET /loki/api/v1/query_range"


def client(table: dict[str, Any], **options: Any) -> tuple[LokiClient, Answers]:
    answers = Answers(table)
    endpoint = LokiEndpoint("http://127.0.0.1:3100")
    return LokiClient(endpoint, transport=answers, now_ns=lambda: NOW_NS, **options), answers


def streams(*result: dict[str, Any]) -> dict[str, Any]:
    data = {"resultType": "streams", "encodingFlags": ["categorize-labels"], "result": list(result)}
    return {"status": "success", "data": data}


CATEGORIZED = streams(
    {
        "stream": {"service_name": "simple-app"},
        "values": [
            [
                "30",
                "third",
                {"structuredMetadata": {"trace_id": TRACE}, "parsed": {"user": "ann"}},
            ],
            ["10", "first", {}],
        ],
    },
    {"stream": {"service_name": "inventory"}, "values": [["20", "second"]]},
)


def test_entries_of_all_streams_come_oldest_first_with_their_fields_apart() -> None:
    loki, answers = client({QUERY_RANGE: CATEGORIZED})
    entries = loki.query_range('{a="b"}', start_ns=0, end_ns=40, limit=10)
    assert [entry.line for entry in entries] == ["first", "second", "third"]
    last = entries[-1]
    assert last.timestamp_ns == 30
    assert last.labels == {"service_name": "simple-app"}
    assert last.structured_metadata == {"trace_id": TRACE}
    assert last.parsed == {"user": "ann"}
    assert last.fields == {"service_name": "simple-app", "trace_id": TRACE, "user": "ann"}
    assert entries[1].structured_metadata == {}
    assert answers.params() == [
        ("query", '{a="b"}'),
        ("start", "0"),
        ("end", "40"),
        ("limit", "10"),
        ("direction", "forward"),
    ]
    flag = answers.requests[0].headers["x-loki-response-encoding-flags"]
    assert flag == "categorize-labels"


def test_backward_entries_come_newest_first() -> None:
    loki, _ = client({QUERY_RANGE: CATEGORIZED})
    entries = loki.query_range('{a="b"}', start_ns=0, end_ns=40, direction="backward")
    assert [entry.timestamp_ns for entry in entries] == [30, 20, 10]


def test_lines_of_a_trace_are_asked_for_by_structured_metadata() -> None:
    loki, answers = client({QUERY_RANGE: CATEGORIZED})
    loki.lines_of_trace(TRACE, since_ns=5)
    params = dict(answers.params())
    assert params["query"] == f'{{service_name=~".+"}} | trace_id="{TRACE}"'
    assert params["start"] == "5"
    assert int(params["end"]) == NOW_NS + 60_000_000_000
    loki.lines_of_trace(TRACE, since_ns=5, until_ns=99)
    assert dict(answers.params())["end"] == "99"


def paged(times_ns: list[int], monkeypatch: pytest.MonkeyPatch) -> LokiClient:
    """A Loki that gives three entries at most for one query."""
    monkeypatch.setattr("pytest_obsstack.clients.loki.client.MAX_ENTRIES", 3)

    def answer(request: httpx.Request) -> httpx.Response:
        start_ns = int(request.url.params["start"])
        values = [[str(at), f"at {at}"] for at in times_ns if at >= start_ns][:3]
        return httpx.Response(200, json=streams({"stream": {"a": "b"}, "values": values}))

    endpoint = LokiEndpoint("http://127.0.0.1:3100")
    return LokiClient(endpoint, transport=httpx.MockTransport(answer), now_ns=lambda: NOW_NS)


@pytest.mark.parametrize(
    "times_ns",
    [[1, 2], [1, 2, 3], [1, 2, 3, 4, 5, 6, 7], [1, 2, 2, 3, 4], [1, 1, 2, 2, 3, 3, 4]],
)
def test_no_line_of_a_trace_is_left_out_or_told_twice(
    times_ns: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = paged(times_ns, monkeypatch).lines_of_trace(TRACE, since_ns=0)
    assert [entry.timestamp_ns for entry in found] == times_ns


def test_more_lines_of_one_time_than_loki_gives_are_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loki = paged([1, 2, 2, 2, 2], monkeypatch)
    with pytest.raises(ObsstackError, match="more lines of one time than it gives"):
        loki.lines_of_trace(TRACE, since_ns=0)


def test_discarded_lines_by_reason() -> None:
    page = (
        "# TYPE loki_discarded_samples_total counter\n"
        'loki_discarded_samples_total{reason="line_too_long",tenant="fake"} 2\n'
        'loki_discarded_samples_total{policy="",reason="line_too_long",tenant="b"} 3\n'
        'loki_discarded_samples_total{reason="rate_limited",tenant="fake"} 1e+06\n'
        'loki_discarded_samples_total{reason="stream_limit",tenant="fake"} 0\n'
        'loki_discarded_bytes_total{reason="other",tenant="fake"} 7\n'
    )
    endpoint = LokiEndpoint("http://127.0.0.1:3100")
    transport = httpx.MockTransport(lambda _: httpx.Response(200, text=page))
    loki = LokiClient(endpoint, transport=transport)
    assert loki.discarded() == {"line_too_long": 5, "rate_limited": 1_000_000}


def test_another_page_in_place_of_the_metrics_is_not_nothing_discarded() -> None:
    loki, _ = client({"GET /metrics": "<html>Log in</html>"})
    with pytest.raises(ObsstackError, match="expected  the Prometheus text format"):
        loki.discarded()


def test_no_streams_are_no_entries() -> None:
    loki, _ = client({QUERY_RANGE: streams()})
    assert loki.lines_of_trace(TRACE, since_ns=0) == ()


def test_a_metric_query_where_lines_are_asked_for_is_an_error() -> None:
    matrix = {"status": "success", "data": {"resultType": "matrix", "result": []}}
    loki, _ = client({QUERY_RANGE: matrix})
    with pytest.raises(ObsstackError, match="found     matrix"):
        loki.query_range('rate({a="b"}[1m])', start_ns=0, end_ns=1)


def test_metric_queries_give_series() -> None:
    vector = {"resultType": "vector", "result": [{"metric": {"a": "b"}, "value": [60, "3"]}]}
    matrix = {"resultType": "matrix", "result": [{"metric": {}, "values": [[60, "3"]]}]}
    loki, answers = client(
        {
            "GET /loki/api/v1/query": {"status": "success", "data": vector},
            QUERY_RANGE: {"status": "success", "data": matrix},
        }
    )
    assert loki.query('count_over_time({a="b"}[1m])', time_ns=60_000_000_000).value == 3.0
    assert ("time", "60000000000") in answers.params()
    found = loki.query_metric_range('rate({a="b"}[1m])', start_ns=0, end_ns=9, step_s=1.5)
    assert found.series[0].samples[0].value == 3.0
    assert ("step", "1.5") in answers.params()


def test_an_empty_labels_answer_has_no_data_at_all() -> None:
    loki, _ = client(
        {
            "GET /loki/api/v1/labels": {"status": "success"},
            "GET /loki/api/v1/label/app/values": {"status": "success"},
            "GET /loki/api/v1/series": {"status": "success", "data": []},
        }
    )
    assert loki.labels() == ()
    assert loki.label_values("app") == ()
    assert loki.series('{app="x"}') == ()


def test_labels_values_and_series() -> None:
    loki, answers = client(
        {
            "GET /loki/api/v1/labels": {"status": "success", "data": ["app", "env"]},
            "GET /loki/api/v1/label/env/values": {"status": "success", "data": ["ci"]},
            "GET /loki/api/v1/series": {"status": "success", "data": [{"app": "x"}]},
        }
    )
    assert loki.labels(start_ns=1, end_ns=2) == ("app", "env")
    assert answers.params() == [("start", "1"), ("end", "2")]
    assert loki.label_values("env") == ("ci",)
    assert loki.series('{app="x"}') == ({"app": "x"},)


def test_a_refused_query_has_lokis_plain_text() -> None:
    text = "parse error at line 1, col 20: syntax error: unexpected $end\n"
    loki, _ = client({QUERY_RANGE: refusal(400, text)})
    with pytest.raises(BackendRefused) as caught:
        loki.query_range('{app="x"} | explode', start_ns=0, end_ns=1)
    assert str(caught.value) == (
        "Loki refused GET /loki/api/v1/query_range: 400 Bad Request.\n"
        "  expected  a 2xx status\n"
        "  found     parse error at line 1, col 20: syntax error: unexpected $end\n"
        "  do        correct the LogQL, the range or the entry"
    )


def test_push_sends_the_streams_as_they_are() -> None:
    loki, answers = client({"POST /loki/api/v1/push": refusal(204, "")})
    pushed = [{"stream": {"app": "x"}, "values": [["1", "line", {"trace_id": TRACE}]]}]
    loki.push(pushed)
    assert answers.body() == {"streams": pushed}


def test_a_read_only_client_does_not_push() -> None:
    loki, answers = client({}, writable=False)
    with pytest.raises(ObsstackError, match="--obs-allow-writes"):
        loki.push([])
    assert answers.requests == []


def test_version_and_readiness() -> None:
    loki, _ = client(
        {"GET /loki/api/v1/status/buildinfo": {"version": "3.8.0"}, "GET /ready": "ready\n"}
    )
    loki.ready()
    assert loki.version() == "3.8.0"


@pytest.mark.parametrize("value", [["1"], "1", {"ts": 1}])
def test_an_entry_of_another_shape_says_so(value: Any) -> None:
    loki, _ = client({QUERY_RANGE: streams({"stream": {}, "values": [value]})})
    with pytest.raises(ObsstackError, match="an entry"):
        loki.query_range('{a="b"}', start_ns=0, end_ns=1)
