"""The HTTP shell: remote write with its limits and its journal, parameters, refusals."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from pytest_obsstack.embedded.journal import Journal, read_journal
from pytest_obsstack.embedded.prometheus.server import PrometheusServer
from pytest_obsstack.embedded.prometheus.settings import PrometheusSettings
from tests.contract import remote_write_message as message

NOW_S = 1_700_000_000
BODY = message.request([message.series({"__name__": "a_total", "l": "x"}, [(NOW_S, 1.0)])])


def clock_ns() -> int:
    return NOW_S * 10**9


def server_of(journal: Journal | None = None, **settings: Any) -> PrometheusServer:
    journal = journal or Journal(None, clock_ns=clock_ns)
    return PrometheusServer(PrometheusSettings(**settings), journal, clock_ns=clock_ns)


def asked(
    server: PrometheusServer, path: str, method: str = "GET", **request: Any
) -> httpx.Response:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app=server.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://prometheus") as client:
            return await client.request(method, path, **request)

    return asyncio.run(ask())


def written(server: PrometheusServer, body: bytes, **headers: str) -> httpx.Response:
    all_headers = {**message.HEADERS, **headers}
    return asked(server, "/api/v1/write", "POST", content=body, headers=all_headers)


def error(response: httpx.Response) -> tuple[int, str, str]:
    answer = response.json()
    assert answer.keys() == {"status", "errorType", "error"}
    assert answer["status"] == "error"
    return response.status_code, answer["errorType"], answer["error"]


def values(server: PrometheusServer, query: str) -> list[str]:
    answer = asked(server, "/api/v1/query", params={"query": query}).json()
    return [one["value"][1] for one in answer["data"]["result"]]


def test_written_samples_are_there_at_once_and_after_a_restart(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "prometheus.jsonl", clock_ns=clock_ns)
    assert written(server_of(journal), BODY).status_code == 204
    journal.close()
    restarted = server_of()
    for entry in read_journal(tmp_path / "prometheus.jsonl"):
        restarted.replay(entry)
    assert values(restarted, "a_total") == ["1"]


def test_nothing_of_a_bad_request_is_stored_or_journalled(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "prometheus.jsonl", clock_ns=clock_ns)
    server = server_of(journal)
    written(server, BODY)
    good = message.series({"__name__": "good"}, [(NOW_S, 1.0)])
    late = message.series({"__name__": "a_total", "l": "x"}, [(NOW_S - 1, 5.0)])
    response = written(server, message.request([good, late]))
    assert (response.status_code, response.text) == (400, "out of order sample\n")
    journal.close()
    assert values(server, "good") == []
    assert len(list(read_journal(tmp_path / "prometheus.jsonl"))) == 1


@pytest.mark.parametrize(
    ("body", "headers", "status", "text"),
    [
        (b"nope", {}, 400, "snappy: corrupt input"),
        (b"", {}, 400, "snappy: corrupt input"),
        (message.request([b"\x0a\xff"]), {}, 400, "proto: WriteRequest: unexpected EOF"),
        (message.request([b"\x0b"]), {}, 400, "proto: illegal wireType 3"),
        (
            message.request([message.series({"__name__": "h"}, histogram=True)]),
            {},
            400,
            (
                "not supported by the embedded Prometheus: native histograms in remote write; "
                "use --obs-stack=compose, or --obs-use prometheus=URL"
            ),
        ),
        (
            BODY,
            {"Content-Type": "application/x-protobuf;proto=io.prometheus.write.v2.Request"},
            415,
            (
                "not supported by the embedded Prometheus: remote write 2.0; "
                "use --obs-stack=compose, or --obs-use prometheus=URL"
            ),
        ),
        (
            BODY,
            {"Content-Type": "application/json"},
            415,
            (
                "expected application/x-protobuf as the first (media) part, "
                "got application/json content-type"
            ),
        ),
        (
            BODY,
            {"Content-Encoding": "zstd"},
            415,
            "zstd encoding (compression) is not accepted by this server; only snappy is acceptable",
        ),
        (b"\xff\xff\xff\xff\x0f", {}, 413, "unpacks to 4294967295 bytes, the limit is 1000"),
        (b"x" * 1001, {}, 413, "body of more than 1000 bytes"),
    ],
)
def test_body_that_cannot_be_taken_says_why(
    body: bytes, headers: dict[str, str], status: int, text: str
) -> None:
    response = written(server_of(max_body_bytes=1000), body, **headers)
    assert (response.status_code, response.text) == (status, text + "\n")


def test_series_without_a_name_or_with_a_label_twice_are_left_out_silently() -> None:
    server = server_of()
    nameless = message.series({"l": "x"}, [(NOW_S, 1.0)])
    assert written(server, message.request([nameless])).status_code == 204
    assert len(server.store) == 0


def test_sample_from_the_future_and_a_series_too_many_are_refused() -> None:
    server = server_of(max_series=1)
    future = message.series({"__name__": "a"}, [(NOW_S + 601, 1.0)])
    response = written(server, message.request([future]))
    assert response.text == "out of bounds: timestamp is too far in the future\n"
    both = [message.series({"__name__": name}, [(NOW_S, 1.0)]) for name in ("a", "b")]
    response = written(server, message.request(both))
    assert (response.status_code, response.text) == (
        400,
        "the embedded Prometheus holds at most 1 series\n",
    )
    assert len(server.store) == 0


def test_written_exemplars_are_found_by_their_series() -> None:
    server = server_of()
    exemplar = ({"trace_id": "ab"}, 0.5, NOW_S)
    pushed = message.series({"__name__": "a_total"}, [(NOW_S, 1.0)], [exemplar])
    written(server, message.request([pushed]))
    answer = asked(server, "/api/v1/query_exemplars", params={"query": "rate(a_total[1m])"}).json()
    assert answer["data"] == [
        {
            "seriesLabels": {"__name__": "a_total"},
            "exemplars": [{"labels": {"trace_id": "ab"}, "value": "0.5", "timestamp": NOW_S}],
        }
    ]


def test_old_samples_are_forgotten() -> None:
    now_s = NOW_S
    server = PrometheusServer(
        PrometheusSettings(retention_s=100), Journal(None), clock_ns=lambda: now_s * 10**9
    )
    entry_of = Journal(None, clock_ns=lambda: now_s * 10**9)
    server.replay(entry_of.append("remote_write", BODY))
    assert len(server.store) == 1
    now_s += 151
    newer = message.request([message.series({"__name__": "b"}, [(now_s, 1.0)])])
    server.replay(entry_of.append("remote_write", newer))
    assert server.store.label_values("__name__") == ["b"]


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("/api/v1/parse_query", "the syntax tree of a query"),
        ("/api/v1/status/config", "the configuration as YAML"),
        ("/api/v1/status/tsdb", "statistics of the storage"),
        ("/api/v1/read", "remote read"),
        ("/api/v1/otlp/v1/metrics", "OTLP metrics"),
        ("/api/v1/admin/tsdb/delete_series", "deleting series"),
    ],
)
def test_what_is_not_there_is_refused_by_name(path: str, what: str) -> None:
    text = (
        f"not supported by the embedded Prometheus: {what}; "
        "use --obs-stack=compose, or --obs-use prometheus=URL"
    )
    assert error(asked(server_of(), path, "POST")) == (501, "unavailable", text)


def test_rules_and_alerts_are_empty_in_their_own_shapes() -> None:
    server = server_of()
    assert asked(server, "/api/v1/rules").json()["data"] == {"groups": []}
    assert asked(server, "/api/v1/alerts").json()["data"] == {"alerts": []}
    assert asked(server, "/api/v1/alertmanagers").json()["data"] == {
        "activeAlertmanagers": [],
        "droppedAlertmanagers": [],
    }


def test_version_and_start_are_told() -> None:
    server = server_of()
    info = asked(server, "/api/v1/status/buildinfo").json()["data"]
    assert info["version"] == server.version == "3.5.0+obsstack.embedded"
    runtime = asked(server, "/api/v1/status/runtimeinfo").json()["data"]
    assert runtime["startTime"] == "2023-11-14T22:13:20Z"
    assert server.status() == {
        "series": 0,
        "exemplars": 0,
        "retention_s": 7200,
        "targets": [],
        "rules": 0,
        "alerts": {"pending": 0, "firing": 0},
        "alertmanagers": [],
    }


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        (
            {"query": "1", "limit": "x"},
            'invalid parameter "limit": strconv.Atoi: parsing "x": invalid syntax',
        ),
        (
            {"query": "1", "time": "Inf"},
            (
                'invalid parameter "time": invalid time value for '
                "'time': cannot parse \"Inf\" to a valid timestamp"
            ),
        ),
        (
            {"query": "1", "time": "2023-13-01T00:00:00Z"},
            (
                'invalid parameter "time": invalid time '
                "value for 'time': cannot parse \"2023-13-01T00:00:00Z\" to a valid timestamp"
            ),
        ),
        (
            {"query": "1", "timeout": "1e30"},
            (
                'invalid parameter "timeout": cannot parse "1e30" '
                "to a valid duration. It overflows int64"
            ),
        ),
    ],
)
def test_parameter_that_is_none_says_so(params: dict[str, str], expected: str) -> None:
    response = asked(server_of(), "/api/v1/query", params=params)
    assert error(response) == (400, "bad_data", expected)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2023-11-14T22:13:20Z", 1_700_000_000),
        ("2023-11-14T23:13:20.5+01:00", 1_700_000_000.5),
        ("1700000000.0015", 1_700_000_000.002),
    ],
)
def test_times_come_as_seconds_or_rfc_3339(text: str, at: float) -> None:
    answer = asked(server_of(), "/api/v1/query", params={"query": "1", "time": text}).json()
    assert answer["data"] == {"resultType": "scalar", "result": [at, "1"]}


def test_timeout_is_an_error_of_its_own() -> None:
    server = server_of()
    written(server, BODY)
    params = {"query": "a_total", "start": NOW_S, "end": NOW_S + 60, "step": 1, "timeout": "-1"}
    response = asked(server, "/api/v1/query_range", params=params)
    assert error(response) == (503, "timeout", "query timed out in expression evaluation")


def test_form_goes_before_the_query_string() -> None:
    response = asked(
        server_of(), "/api/v1/query", "POST", params={"query": "1"}, data={"query": "2"}
    )
    assert response.json()["data"]["result"][1] == "2"


def test_truncated_answer_warns() -> None:
    server = server_of()
    pushed = [message.series({"__name__": "a", "l": str(i)}, [(NOW_S, 1)]) for i in range(3)]
    written(server, message.request(pushed))
    for path, params in (
        ("query", {"query": "a"}),
        ("series", {"match[]": "a"}),
        ("label/l/values", {}),
    ):
        answer = asked(server, f"/api/v1/{path}", params={**params, "limit": 2}).json()
        assert answer["warnings"] == ["results truncated due to limit"], path


def test_selector_that_matches_all_is_refused_for_labels() -> None:
    response = asked(server_of(), "/api/v1/labels", params={"match[]": '{a=~".*"}'})
    text = "match[] must contain at least one non-empty matcher"
    assert error(response) == (400, "bad_data", text)


def test_pages_of_the_server_itself() -> None:
    server = server_of()
    assert asked(server, "/-/ready").text == "Prometheus Server is Ready.\n"
    assert asked(server, "/-/healthy").text == "Prometheus Server is Healthy.\n"
    assert asked(server, "/-/reload", "POST").status_code == 403
    assert "not supported by the embedded Prometheus" in asked(server, "/").text
    assert asked(server, "/metrics").status_code == 501
    unknown = asked(server, "/api/v1/nothing")
    assert (unknown.status_code, unknown.text) == (404, "404 page not found\n")
