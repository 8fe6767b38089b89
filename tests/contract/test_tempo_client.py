"""``TempoClient`` against the embedded server, over HTTP; the spans come by OTLP."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import (
    AnyValue,
    ArrayValue,
    KeyValue,
    KeyValueList,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from pytest_obsstack.clients.tempo.client import TempoClient
from pytest_obsstack.clients.tempo.models import SpanEvent, SpanLink
from pytest_obsstack.endpoints import TempoEndpoint
from pytest_obsstack.errors import BackendRefused, BackendUnavailable, ObsstackError
from tests.contract.embedded_tempo import RunningTempo, running_embedded_tempo

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SHORT_TRACE = "0000000000000000d6e9329d67b6146a"
CALLER = "00f067aa0ba902b7"
SERVER = "1" * 16
CLIENT = "2" * 16
ANSWER = "3" * 16
MS_NS = 1_000_000
BASE_NS = time.time_ns() // MS_NS * MS_NS - 1000 * MS_NS
"""A second ago, in whole milliseconds."""


def text(key: str, value: str) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(string_value=value))


def span(trace_id: str, span_id: str, parent: str, name: str, kind: int, **more: int) -> Span:
    made = Span(
        trace_id=bytes.fromhex(trace_id),
        span_id=bytes.fromhex(span_id),
        parent_span_id=bytes.fromhex(parent),
        name=name,
        kind=kind,  # type: ignore[arg-type]
        start_time_unix_nano=BASE_NS + more.get("start_ms", 0) * MS_NS,
        end_time_unix_nano=BASE_NS + more.get("end_ms", 100) * MS_NS,
    )
    made.status.code = more.get("status", 0)  # type: ignore[assignment]
    return made


def request_of(service: str, *spans: Span) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    group.resource.attributes.extend(
        [text("service.name", service), text("deployment.environment.name", "test")]
    )
    scope = group.scope_spans.add()
    scope.scope.name = "contract"
    scope.spans.extend(spans)
    return request


def send(tempo: RunningTempo, request: ExportTraceServiceRequest) -> None:
    httpx.post(
        f"{tempo.otlp_url}/v1/traces",
        content=request.SerializeToString(),
        headers={"content-type": "application/x-protobuf"},
        trust_env=False,
    ).raise_for_status()


def server_span() -> Span:
    """A span with every kind of value, an event and a link."""
    made = span(TRACE, SERVER, CALLER, "GET /error", Span.SPAN_KIND_SERVER, status=2)
    made.status.message = "ValueError: no"
    made.attributes.extend(
        [
            text("http.route", "/error"),
            KeyValue(key="int", value=AnyValue(int_value=2**60)),
            KeyValue(key="float", value=AnyValue(double_value=0.5)),
            KeyValue(key="bool", value=AnyValue(bool_value=True)),
            KeyValue(key="bytes", value=AnyValue(bytes_value=b"\x00\xff")),
            KeyValue(
                key="list",
                value=AnyValue(array_value=ArrayValue(values=[AnyValue(string_value="a")])),
            ),
            KeyValue(
                key="map",
                value=AnyValue(kvlist_value=KeyValueList(values=[text("inner", "b")])),
            ),
        ]
    )
    event = made.events.add(name="exception", time_unix_nano=BASE_NS + MS_NS)
    event.attributes.append(text("exception.type", "ValueError"))
    made.links.add(trace_id=bytes.fromhex("a" * 32), span_id=bytes.fromhex("b" * 16))
    return made


@pytest.fixture(scope="module")
def tempo() -> Iterator[RunningTempo]:
    with running_embedded_tempo() as running:
        call = span(TRACE, CLIENT, SERVER, "GET", Span.SPAN_KIND_CLIENT, start_ms=10, end_ms=90)
        answer = span(TRACE, ANSWER, CLIENT, "GET /stock", Span.SPAN_KIND_SERVER, start_ms=20)
        # The called service's spans come first, as they do where each exports by itself.
        send(running, request_of("inventory", answer))
        send(running, request_of("simple-app", server_span(), call))
        other = span(SHORT_TRACE, "4" * 16, "", "job", Span.SPAN_KIND_INTERNAL)
        send(running, request_of("worker", other))
        yield running


@pytest.fixture(scope="module")
def client(tempo: RunningTempo) -> Iterator[TempoClient]:
    client = TempoClient(TempoEndpoint(tempo.url))
    yield client
    client.close()


def test_a_trace_has_the_spans_of_all_services_by_start_time(client: TempoClient) -> None:
    found = client.otlp_spans(TRACE)
    assert [(each.service, each.name, each.kind, each.status) for each in found] == [
        ("simple-app", "GET /error", "server", "error"),
        ("simple-app", "GET", "client", "unset"),
        ("inventory", "GET /stock", "server", "unset"),
    ]
    assert [(each.span_id, each.parent_span_id) for each in found] == [
        (SERVER, CALLER),
        (CLIENT, SERVER),
        (ANSWER, CLIENT),
    ]
    assert {(each.trace_id, each.environment, each.scope) for each in found} == {
        (TRACE, "test", "contract")
    }
    assert (found[1].start_ns, found[1].end_ns) == (BASE_NS + 10 * MS_NS, BASE_NS + 90 * MS_NS)
    assert found[1].duration_ms == 80.0


def test_a_span_keeps_what_it_was_sent_with(client: TempoClient) -> None:
    first = client.otlp_spans(TRACE)[0]
    assert first.own_attributes == {
        "http.route": "/error",
        "int": 2**60,
        "float": 0.5,
        "bool": True,
        "bytes": b"\x00\xff",
        "list": ["a"],
        "map": {"inner": "b"},
    }
    assert first.resource == {"service.name": "simple-app", "deployment.environment.name": "test"}
    assert first.status_message == "ValueError: no"
    assert first.events == (
        SpanEvent("exception", BASE_NS + MS_NS, {"exception.type": "ValueError"}),
    )
    assert first.links == (SpanLink("a" * 32, "b" * 16, {}),)


def test_the_texts_of_a_trace_have_what_is_in_its_spans(client: TempoClient) -> None:
    texts = dict(client.span_texts(TRACE))
    assert set(texts) == {
        "Tempo span GET /error",
        "Tempo span GET",
        "Tempo span GET /stock",
    }
    for part in ("http.route", "exception.type", "deployment.environment.name"):
        assert part in texts["Tempo span GET /error"]


def test_an_unknown_trace_has_no_spans(client: TempoClient) -> None:
    assert client.trace("f" * 32).spans == ()
    assert client.trace("f" * 32).incomplete is None


def test_a_trace_id_that_is_none_is_refused(client: TempoClient) -> None:
    with pytest.raises(BackendRefused) as caught:
        client.trace("not-hex")
    assert caught.value.status == 400


def test_a_search_by_traceql_finds_the_trace_and_the_spans_that_match(client: TempoClient) -> None:
    (found,) = client.search('{ resource.service.name = "simple-app" && status = error }')
    assert (found.trace_id, found.matched) == (TRACE, 1)
    assert [each.span_id for each in found.spans] == [SERVER]
    assert found.start_ns == BASE_NS
    assert client.search('{ resource.service.name = "nobody" }') == ()


def test_a_search_by_tags_finds_the_trace(client: TempoClient) -> None:
    (found,) = client.search(tags={"service.name": "worker"})
    assert (found.trace_id, found.root_service, found.root_name) == (SHORT_TRACE, "worker", "job")
    assert client.search(tags={"service.name": "worker", "http.route": "/error"}) == ()


def test_a_search_is_within_its_range(client: TempoClient) -> None:
    begin_s = BASE_NS / 1e9
    assert client.search("{ }", start_s=begin_s - 60, end_s=begin_s + 60, limit=10)
    assert client.search("{ }", start_s=begin_s - 600, end_s=begin_s - 300) == ()


def test_the_server_is_ready_and_tells_its_version(client: TempoClient) -> None:
    client.ready()
    assert client.version()


def test_what_is_not_tempo_is_told() -> None:
    with running_embedded_tempo() as running:
        # The receiver's port answers 404 to every path of the API.
        client = TempoClient(TempoEndpoint(running.otlp_url))
        with pytest.raises(ObsstackError):
            client.trace(TRACE)
        client.close()


def test_a_tempo_that_has_stopped_is_unavailable() -> None:
    with running_embedded_tempo() as running:
        client = TempoClient(TempoEndpoint(running.url), timeout_s=1.0)
        client.ready()
    with pytest.raises(BackendUnavailable):
        client.trace(TRACE)
    client.close()


def test_traces_are_found_by_the_header_that_their_request_had(tempo: RunningTempo) -> None:
    """Whether the attribute is a list, as of a header, or a text."""
    trace_ids = ["e" * 31 + digit for digit in "123"]
    header = "http.request.header.x_request_id"
    values = [
        AnyValue(array_value=ArrayValue(values=[AnyValue(string_value="test-1")])),
        AnyValue(string_value="test-2"),
        AnyValue(array_value=ArrayValue(values=[AnyValue(string_value="other")])),
    ]
    for trace_id, value in zip(trace_ids, values, strict=True):
        made = span(trace_id, "7" * 16, "", "GET /", Span.SPAN_KIND_SERVER)
        made.attributes.append(KeyValue(key=header, value=value))
        send(tempo, request_of("simple-app", made))
    with contextlib.closing(TempoClient(TempoEndpoint(tempo.url))) as client:
        found = client.found_by(header, "test-", since_s=BASE_NS / 1e9 - 60)
    by_trace = {trace_id: text for text, trace_id in found}
    assert by_trace.keys() == {trace_ids[0], trace_ids[1]}
    assert "test-1" in by_trace[trace_ids[0]]
    assert "test-2" in by_trace[trace_ids[1]]
