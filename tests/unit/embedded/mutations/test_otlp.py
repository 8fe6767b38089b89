"""What each fault makes of spans and log records: of the trace that it is for, and of no other."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from pytest_obsstack.embedded.mutations.otlp import line_pattern, rewrite_otlp
from pytest_obsstack.embedded.mutations.rules import Mutation, Mutations
from pytest_obsstack.wire import otlp

TRACE, OTHER = bytes([10] * 16), bytes([11] * 16)
PROTOBUF = otlp.CONTENT_TYPES["protobuf"]


def traces() -> ExportTraceServiceRequest:
    """Two spans of the trace and one of another, all of one resource."""
    request = ExportTraceServiceRequest()
    resource_spans = request.resource_spans.add()
    for key, value in {"service.name": "shop", "deployment.environment": "production"}.items():
        resource_spans.resource.attributes.add(key=key).value.string_value = value
    scope = resource_spans.scope_spans.add()
    scope.scope.name = "library"
    scope.spans.add(trace_id=TRACE, span_id=bytes([1] * 8), name="GET /")
    scope.spans.add(
        trace_id=TRACE, span_id=bytes([2] * 8), parent_span_id=bytes([1] * 8), name="query"
    )
    scope.spans.add(
        trace_id=OTHER, span_id=bytes([3] * 8), parent_span_id=bytes([9] * 8), name="query"
    )
    return request


def logs() -> ExportLogsServiceRequest:
    """A record of the trace at each of two levels, and one of another trace."""
    request = ExportLogsServiceRequest()
    scope = request.resource_logs.add().scope_logs.add()
    for trace_id, number, text, body in (
        (TRACE, 17, "ERROR", "order 17 of 4bf92f3577b34da6 failed"),
        (TRACE, 9, "INFO", "done"),
        (OTHER, 17, "ERROR", "order 18 of 00f067aa0ba902b7 failed"),
    ):
        record = scope.log_records.add(
            trace_id=trace_id, severity_number=number, severity_text=text
        )
        record.body.string_value = body
    return request


def mutations(name: str, *names: str, signal: str, text: str = "") -> Mutations:
    made = Mutations()
    made.begin(Mutation(name, TRACE.hex(), frozenset({signal}), names, text))
    return made


def changed(given: Mutations) -> list[str]:
    active = given.get(TRACE.hex())
    assert active is not None
    return active.changed


def spans_after(given: Mutations, encoding: otlp.Encoding = "protobuf") -> list[otlp.OtlpSpan]:
    body = rewrite_otlp(
        "traces", otlp.CONTENT_TYPES[encoding], otlp.encode(traces(), encoding), given
    )
    assert body is not None
    return list(otlp.spans(otlp.decode_traces(body, encoding)))


def records_after(given: Mutations) -> list[otlp.OtlpLogRecord]:
    body = rewrite_otlp("logs", PROTOBUF, otlp.encode(logs(), "protobuf"), given)
    assert body is not None
    return list(otlp.log_records(otlp.decode_logs(body, "protobuf")))


SPANS = list(otlp.spans(traces()))
RECORDS = list(otlp.log_records(logs()))


@pytest.mark.parametrize("encoding", ["protobuf", "json"])
def test_spans_of_a_name_are_dropped_of_that_trace_alone(encoding: otlp.Encoding) -> None:
    given = mutations("span dropped", "query", signal="spans")
    assert spans_after(given, encoding) == [SPANS[0], SPANS[2]]
    assert changed(given) == ["span query"]


def test_without_names_all_spans_of_the_trace_are_dropped() -> None:
    given = mutations("span dropped", signal="spans")
    assert spans_after(given) == [SPANS[2]]
    assert changed(given) == ["span GET /", "span query"]


def test_a_span_is_delivered_twice() -> None:
    given = mutations("span delivered twice", "query", signal="spans")
    assert spans_after(given) == [SPANS[0], SPANS[1], SPANS[1], SPANS[2]]


def test_a_duplicate_of_a_span_has_an_id_of_its_own() -> None:
    given = mutations("span duplicated", "query", signal="spans")
    first, second, copy, other = spans_after(given)
    assert [first, second, other] == SPANS
    assert copy.span_id != second.span_id
    assert replace(copy, span_id=second.span_id) == second
    assert changed(given) == ["span query"]


def test_a_parent_is_lost_where_there_was_one() -> None:
    given = mutations("parent lost", signal="spans")
    first, second, other = spans_after(given)
    assert (first, other) == (SPANS[0], SPANS[2])
    assert second.parent_span_id not in (None, SPANS[1].parent_span_id)
    assert changed(given) == [f"span query: parent {'01' * 8}"]


def test_another_environment_is_that_of_the_traces_own_spans_alone() -> None:
    given = mutations("environment changed", signal="spans")
    found = {span.span_id: span for span in spans_after(given)}
    environments = [found[span.span_id].resource["deployment.environment"] for span in SPANS]
    assert environments == ["obs-mutated", "obs-mutated", "production"]
    assert all(span.resource["service.name"] == "shop" for span in found.values())
    assert all(span.scope.name == "library" for span in found.values())


def test_a_span_goes_to_another_trace() -> None:
    given = mutations("trace id changed", "query", signal="spans")
    first, second, other = spans_after(given)
    assert (first, other) == (SPANS[0], SPANS[2])
    assert second.trace_id not in (TRACE.hex(), OTHER.hex())


def test_a_secret_becomes_an_attribute_of_spans_and_records() -> None:
    given = mutations("secret left in", signal="spans", text="hunter2")
    assert [span.attributes for span in spans_after(given)] == [
        {"obs.mutated": "hunter2"},
        {"obs.mutated": "hunter2"},
        {},
    ]
    given = mutations("secret left in", signal="logs", text="hunter2")
    assert [record.attributes for record in records_after(given)] == [
        {"obs.mutated": "hunter2"},
        {"obs.mutated": "hunter2"},
        {},
    ]


def test_a_line_is_found_again_whatever_its_numbers_are_this_time() -> None:
    given = mutations("line dropped", "order 16 of 53995c3f42cd8ad8 failed", signal="logs")
    assert records_after(given) == RECORDS[1:]
    assert changed(given) == ["line order # of # failed"]


def test_a_line_is_delivered_twice() -> None:
    given = mutations("line delivered twice", "done", signal="logs")
    assert records_after(given) == [RECORDS[0], RECORDS[1], RECORDS[1], RECORDS[2]]


def test_a_duplicate_of_a_line_is_a_moment_later_or_loki_would_keep_one() -> None:
    given = mutations("line duplicated", "done", signal="logs")
    copy = replace(RECORDS[1], time_ns=RECORDS[1].time_ns + 1)
    assert records_after(given) == [RECORDS[0], RECORDS[1], copy, RECORDS[2]]


def test_a_level_becomes_one_of_the_other_side() -> None:
    given = mutations("level changed", signal="logs")
    found = [(each.severity_number, each.severity_text) for each in records_after(given)]
    assert found == [(9, "INFO"), (17, "ERROR"), (17, "ERROR")]
    assert changed(given) == ["line order # of # failed: level ERROR", "line done: level INFO"]


def test_log_records_go_to_another_trace() -> None:
    given = mutations("trace id changed", signal="logs")
    found = [each.trace_id for each in records_after(given)]
    assert found[2] == OTHER.hex()
    assert TRACE.hex() not in found


@pytest.mark.parametrize(
    ("signal", "name", "of"),
    [
        ("traces", "span dropped", "logs"),
        ("logs", "line dropped", "spans"),
        ("traces", "user removed", "spans"),
        ("logs", "user removed", "logs"),
    ],
)
def test_what_no_fault_concerns_is_handed_on_as_it_came(signal: str, name: str, of: str) -> None:
    request: Any = traces() if signal == "traces" else logs()
    body = otlp.encode(request, "protobuf")
    assert rewrite_otlp(signal, PROTOBUF, body, mutations(name, signal=of)) is None


@pytest.mark.parametrize("signal", ["traces", "logs", "metrics"])
@pytest.mark.parametrize("content_type", ["text/plain", None, PROTOBUF])
def test_what_is_no_request_is_left_to_the_collector(signal: str, content_type: str | None) -> None:
    given = mutations("span dropped", signal="spans")
    assert rewrite_otlp(signal, content_type, b"\xff\xff", given) is None


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("order 17 failed", "order # failed"),
        ("event 4bf92f3577b34da6a3ce929d0e0e4736 sent", "event # sent"),
        ("Shelf ghijklmnopqrstuvghijklmnopqrstuv is empty", "Shelf # is empty"),
        ("Intentional error for testing", "Intentional error for testing"),
    ],
)
def test_numbers_ids_and_words_of_a_run_are_left_out_of_a_lines_pattern(
    text: str, pattern: str
) -> None:
    assert line_pattern(text) == pattern
