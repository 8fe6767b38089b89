"""Traces in by OTLP, traces out by id; what is refused."""

from __future__ import annotations

import base64
import gzip
import logging
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from pytest_obsstack.embedded.journal import Journal, read_journal
from pytest_obsstack.embedded.tempo.api import REFUSED_PATHS
from pytest_obsstack.embedded.tempo.settings import TempoSettings
from pytest_obsstack.wire import otlp
from tests.unit.embedded.tempo.support import (
    JSON,
    NOW_NS,
    OTHER_TRACE,
    ROOT,
    TRACE,
    ask,
    body,
    get,
    push,
    resource_spans,
    span,
    tempo,
    whole_body,
)

PROTOBUF = {"content-type": "application/x-protobuf"}


def b64(hex_id: str) -> str:
    return base64.b64encode(bytes.fromhex(hex_id)).decode()


def test_a_trace_is_told_as_protobufs_own_json() -> None:
    answer = get(tempo(whole_body()), f"/api/traces/{TRACE}")
    first, second = answer.json()["batches"]
    assert answer.headers["content-type"] == "application/json"
    assert list(answer.json()) == ["batches"]
    assert first["resource"]["attributes"][0] == {
        "key": "service.name",
        "value": {"stringValue": "simple-app"},
    }
    assert second["resource"]["attributes"][0]["value"] == {"stringValue": "inventory"}
    root, child = first["scopeSpans"][0]["spans"]
    assert first["scopeSpans"][0]["scope"]["name"] == "flask"
    assert (root["traceId"], root["spanId"]) == (b64(TRACE), b64("aaaaaaaaaaaaaaa1"))
    assert child["parentSpanId"] == root["spanId"]
    assert root["kind"] == "SPAN_KIND_SERVER"
    assert root["startTimeUnixNano"] == str(NOW_NS)
    assert root["status"] == {"message": "ValueError: no", "code": "STATUS_CODE_ERROR"}
    assert {"key": "http.status_code", "value": {"intValue": "500"}} in root["attributes"]


def test_the_second_version_nests_the_trace() -> None:
    answer = get(tempo(whole_body()), f"/api/v2/traces/{TRACE}").json()
    assert len(answer["trace"]["resourceSpans"]) == 2
    assert int(answer["metrics"]["inspectedBytes"]) > 100


def test_a_trace_as_protobuf() -> None:
    server = tempo(whole_body())
    first = get(server, f"/api/traces/{TRACE}", accept="application/protobuf")
    assert first.headers["content-type"] == "application/protobuf"
    trace = ExportTraceServiceRequest.FromString(first.content)
    assert [s.name for s in otlp.spans(trace)] == ["GET /error", "GET", "GET /stock"]
    second = get(server, f"/api/v2/traces/{TRACE}", accept="application/protobuf").content
    # TraceByIDResponse: the trace is field 1, of two bytes' length.
    assert second[:1] == b"\x0a"
    assert first.content in second


def test_an_unknown_trace_is_404_and_in_the_second_version_empty() -> None:
    server = tempo()
    first = get(server, f"/api/traces/{TRACE}")
    assert (first.status_code, first.text) == (404, "")
    second = get(server, f"/api/v2/traces/{TRACE}")
    assert (second.status_code, second.json()) == (200, {"trace": {}, "metrics": {}})


@pytest.mark.parametrize("written", [OTHER_TRACE, OTHER_TRACE[16:], OTHER_TRACE[16:].upper()])
def test_an_id_of_64_bits_finds_its_trace(written: str) -> None:
    answer = get(tempo(whole_body()), f"/api/traces/{written}").json()
    assert answer["batches"][0]["scopeSpans"][0]["spans"][0]["name"] == "GET /"


@pytest.mark.parametrize("version", ["/api", "/api/v2"])
@pytest.mark.parametrize(
    ("written", "complaint"),
    [
        (
            "5b8g",
            "trace IDs can only contain hex characters: invalid character 'g' at position 4",
        ),
        ("0" * 33, "trace IDs can't be larger than 128 bits"),
    ],
)
def test_what_is_no_id_is_refused(version: str, written: str, complaint: str) -> None:
    answer = get(tempo(), f"{version}/traces/{written}")
    assert (answer.status_code, answer.text) == (400, complaint)


def test_parts_of_a_trace_come_together_and_doubles_go() -> None:
    first = body(resource_spans(ROOT))
    later = span("GET", "aaaaaaaaaaaaaaa2", parent="aaaaaaaaaaaaaaa1", kind=3)
    server = tempo(first, first, body(resource_spans(ROOT, later)))
    answer = get(server, f"/api/traces/{TRACE}").json()
    names = [s["name"] for b in answer["batches"] for s in b["scopeSpans"][0]["spans"]]
    assert names == ["GET /error", "GET"]
    assert server.status()["spans"] == 2
    assert server.status()["spans_received"] == 4


def test_a_packed_request_is_taken() -> None:
    server = tempo()
    packed = gzip.compress(whole_body())
    assert push(server, packed, {**JSON, "content-encoding": "gzip"}).status_code == 200
    assert server.status()["traces"] == 2


def test_protobuf_is_taken() -> None:
    server = tempo()
    content = otlp.encode(otlp.decode_traces(whole_body(), "json"), "protobuf")
    answer = push(server, content, PROTOBUF)
    assert (answer.status_code, answer.content) == (200, b"")
    assert server.status()["spans"] == 4


@pytest.mark.parametrize(
    ("made", "complaint"),
    [
        (span("x", "aaaaaaaaaaaaaaa1", trace=""), "trace ids must be 128 bit, received 0 bits"),
        (
            span("x", "aaaaaaaaaaaaaaa1", trace="0" * 32),
            "trace ids must be 128 bit, received 0 bits",
        ),
        (span("x", "0" * 16), "span ids must be 64 bit and not all zero, received 0 bits"),
        (
            span("x", "aa"),
            "invalid length for span id: expected 8 bytes, found 1",
        ),
    ],
)
def test_a_span_without_ids_is_refused_and_nothing_is_stored(
    made: dict[str, object], complaint: str
) -> None:
    server = tempo()
    answer = push(server, body(resource_spans(ROOT, made)))
    assert answer.status_code == 400
    assert answer.json() == {"code": 3, "message": complaint}
    assert server.status()["traces"] == 0


def test_what_of_a_trace_is_too_large_is_discarded_and_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = tempo(settings=TempoSettings(max_bytes_per_trace=400))
    big = span("big", "aaaaaaaaaaaaaaa9", attributes={"text": "x" * 400})
    with caplog.at_level(logging.WARNING):
        assert push(server, body(resource_spans(big))).status_code == 200
    assert caplog.messages == ["TRACE_TOO_LARGE: 1 spans discarded, max_bytes_per_trace is 400"]
    assert server.status()["discarded_spans"] == {"trace_too_large": 1}
    assert get(server, f"/api/traces/{TRACE}").status_code == 404


def test_a_request_that_is_too_large_is_refused() -> None:
    server = tempo(settings=TempoSettings(max_request_bytes=10))
    answer = push(server, whole_body())
    assert answer.status_code == 400
    assert "http: request body too large" in answer.json()["message"]


def test_an_encoding_that_is_left_out_is_refused_by_name() -> None:
    answer = push(tempo(), b"x", {**JSON, "content-encoding": "snappy"})
    assert answer.json()["message"] == (
        "not supported by the embedded Tempo: Content-Encoding snappy; "
        "use Tempo itself, as the image grafana/tempo"
    )


def test_old_traces_go() -> None:
    times = iter([NOW_NS, NOW_NS + 11 * 10**9])
    server = tempo(
        body(resource_spans(ROOT)),
        body(resource_spans(span("later", "bbbbbbbbbbbbbbb1", trace=OTHER_TRACE))),
        settings=TempoSettings(retention_s=10),
        journal=Journal(None, clock_ns=lambda: next(times)),
    )
    assert get(server, f"/api/traces/{TRACE}").status_code == 404
    assert get(server, f"/api/traces/{OTHER_TRACE}").status_code == 200


def test_of_too_many_traces_the_first_goes() -> None:
    server = tempo(whole_body(), settings=TempoSettings(max_traces=1))
    assert [get(server, f"/api/traces/{t}").status_code for t in (TRACE, OTHER_TRACE)] == [404, 200]


@pytest.mark.parametrize("encoding", ["json", "protobuf"])
def test_what_was_taken_is_there_after_a_restart(tmp_path: Path, encoding: otlp.Encoding) -> None:
    journal = Journal(tmp_path / "tempo.jsonl")
    server = tempo(journal=journal)
    content = otlp.encode(otlp.decode_traces(whole_body(), "json"), encoding)
    push(server, content, JSON if encoding == "json" else PROTOBUF)
    push(server, b"{", JSON)
    journal.close()
    again = tempo()
    for entry in read_journal(tmp_path / "tempo.jsonl"):
        again.replay(entry)
    path = f"/api/traces/{TRACE}"
    assert get(again, path).json() == get(server, path).json()
    assert again.status() == server.status()


def test_the_small_endpoints() -> None:
    server = tempo()
    assert get(server, "/ready").text == "ready\n"
    assert get(server, "/api/echo").text == "echo\n"
    assert get(server, "/api/status/buildinfo").json()["version"] == "3.0.3-embedded"
    assert get(server, "/nowhere").text == "404 page not found\n"
    assert ask(server.receiver, "GET", "/ready").status_code == 404


@pytest.mark.parametrize("path", REFUSED_PATHS)
def test_a_path_that_is_left_out_is_refused_by_name(path: str) -> None:
    answer = get(tempo(), path.replace("{rest:path}", "x/y"))
    assert answer.status_code == 501
    assert answer.text == (
        f"not supported by the embedded Tempo: {REFUSED_PATHS[path]}; "
        "use Tempo itself, as the image grafana/tempo"
    )


@pytest.mark.parametrize(
    ("params", "what"),
    [({"q": "{}"}, "a filter on a trace by id (q)"), ({"span_pruning": "true"}, "span pruning")],
)
def test_parameters_that_would_change_a_trace_are_refused(
    params: dict[str, str], what: str
) -> None:
    answer = get(tempo(), f"/api/v2/traces/{TRACE}", **params)
    assert answer.status_code == 501
    assert answer.text.startswith(f"not supported by the embedded Tempo: {what}; ")


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match=r"Tempo settings: expected some of .* found 'limits'"):
        TempoSettings.from_json({"limits": 1})
    with pytest.raises(ValueError, match="expected max_traces as a number of at least 0, found -1"):
        TempoSettings.from_json({"max_traces": -1})
    assert TempoSettings.from_json({"retention_s": 60}).retention_s == 60
