from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList

from pytest_obsstack.wire import otlp

TRACE = "5b8efff798038103d269b633813fc60c"
SPAN = "eee19b7ec3c1b174"
PARENT = "eee19b7ec3c1b173"

# The shape of the specification's own example, with fields that no version knows.
TRACES_JSON: dict[str, Any] = {
    "resourceSpans": [
        {
            "resource": {
                "attributes": [{"key": "service.name", "value": {"stringValue": "my.service"}}]
            },
            "scopeSpans": [
                {
                    "scope": {"name": "my.library", "version": "1.0.0", "madeUp": {"traceId": "?"}},
                    "spans": [
                        {
                            "traceId": TRACE.upper(),
                            "spanId": SPAN,
                            "parentSpanId": PARENT,
                            "name": "I'm a server span",
                            "startTimeUnixNano": "1544712660000000000",
                            "endTimeUnixNano": "1544712661000000000",
                            "kind": 2,
                            "status": {"code": 2, "message": "ValueError: no"},
                            "attributes": [
                                {"key": "http.status_code", "value": {"intValue": "500"}}
                            ],
                            "events": [
                                {
                                    "timeUnixNano": "1544712660300000000",
                                    "name": "exception",
                                    "attributes": [
                                        {
                                            "key": "exception.type",
                                            "value": {"stringValue": "ValueError"},
                                        }
                                    ],
                                }
                            ],
                            "links": [{"traceId": TRACE, "spanId": PARENT}],
                            "fromTheFuture": [1, 2],
                        }
                    ],
                }
            ],
        }
    ]
}


def traces_request() -> ExportTraceServiceRequest:
    return otlp.decode_traces(json.dumps(TRACES_JSON).encode(), "json")


@pytest.mark.parametrize(
    ("content_type", "encoding"),
    [
        ("application/x-protobuf", "protobuf"),
        ("application/json", "json"),
        ("Application/JSON; charset=utf-8", "json"),
        ("text/plain", None),
        ("", None),
        (None, None),
    ],
)
def test_content_type_names_the_encoding(content_type: str | None, encoding: str | None) -> None:
    assert otlp.encoding_of(content_type) == encoding


def test_json_and_protobuf_give_the_same_request() -> None:
    from_json = traces_request()
    from_protobuf = otlp.decode_traces(otlp.encode(from_json, "protobuf"), "protobuf")
    assert from_protobuf == from_json


def test_span_view_holds_all_fields() -> None:
    (span,) = otlp.spans(traces_request())
    assert span == otlp.OtlpSpan(
        trace_id=TRACE,
        span_id=SPAN,
        parent_span_id=PARENT,
        name="I'm a server span",
        kind="server",
        start_ns=1544712660000000000,
        end_ns=1544712661000000000,
        status_code="error",
        status_message="ValueError: no",
        attributes={"http.status_code": 500},
        events=(
            otlp.OtlpEvent("exception", 1544712660300000000, {"exception.type": "ValueError"}),
        ),
        links=(otlp.OtlpLink(TRACE, PARENT, {}),),
        trace_state="",
        flags=0,
        resource={"service.name": "my.service"},
        scope=otlp.OtlpScope("my.library", "1.0.0", {}),
    )


def test_root_span_has_no_parent_and_unknown_enums_say_nothing() -> None:
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add()
    span.trace_id, span.span_id, span.parent_span_id = b"\1" * 16, b"\2" * 8, bytes(8)
    span.kind = 77  # type: ignore[assignment]
    span.status.code = 9  # type: ignore[assignment]
    (view,) = otlp.spans(request)
    assert (view.parent_span_id, view.kind, view.status_code) == (None, "unspecified", "unset")


def test_log_record_view_holds_all_fields() -> None:
    document = {
        "resourceLogs": [
            {
                "resource": {
                    "attributes": [{"key": "service.name", "value": {"stringValue": "app"}}]
                },
                "scopeLogs": [
                    {
                        "scope": {"name": "root"},
                        "logRecords": [
                            {
                                "timeUnixNano": "1700000000000000001",
                                "observedTimeUnixNano": 1700000000000000002,
                                "severityNumber": 17,
                                "severityText": "ERROR",
                                "body": {"stringValue": "it failed"},
                                "attributes": [{"key": "code.lineno", "value": {"intValue": 7}}],
                                "flags": 1,
                                "traceId": TRACE,
                                "spanId": SPAN,
                                "eventName": "failure",
                            },
                            {"body": {}},
                        ],
                    }
                ],
            }
        ]
    }
    request = otlp.decode_logs(json.dumps(document).encode(), "json")
    full, empty = otlp.log_records(request)
    assert full == otlp.OtlpLogRecord(
        time_ns=1700000000000000001,
        observed_ns=1700000000000000002,
        severity_number=17,
        severity_text="ERROR",
        body="it failed",
        attributes={"code.lineno": 7},
        trace_id=TRACE,
        span_id=SPAN,
        flags=1,
        event_name="failure",
        resource={"service.name": "app"},
        scope=otlp.OtlpScope("root", "", {}),
    )
    assert (empty.body, empty.trace_id, empty.time_ns) == (None, None, 0)
    assert empty.resource is full.resource


def test_encoded_json_has_hex_ids_integer_enums_and_64_bits_as_text() -> None:
    document = json.loads(otlp.encode(traces_request(), "json"))
    span = document["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    assert (span["traceId"], span["spanId"], span["parentSpanId"]) == (TRACE, SPAN, PARENT)
    assert span["links"] == [{"traceId": TRACE, "spanId": PARENT}]
    assert (span["kind"], span["startTimeUnixNano"]) == (2, "1544712660000000000")
    assert span["attributes"][0]["value"] == {"intValue": "500"}


def test_exemplar_ids_of_json_metrics_are_hex() -> None:
    document = {
        "resourceMetrics": [
            {
                "scopeMetrics": [
                    {
                        "metrics": [
                            {
                                "name": "requests",
                                "sum": {
                                    "aggregationTemporality": 2,
                                    "isMonotonic": True,
                                    "dataPoints": [
                                        {
                                            "asInt": "3",
                                            "exemplars": [
                                                {"asDouble": 1, "traceId": TRACE, "spanId": SPAN}
                                            ],
                                        }
                                    ],
                                },
                            }
                        ]
                    }
                ]
            }
        ]
    }
    request = otlp.decode_metrics(json.dumps(document).encode(), "json")
    point = request.resource_metrics[0].scope_metrics[0].metrics[0].sum.data_points[0]
    assert point.as_int == 3
    assert point.exemplars[0].trace_id == bytes.fromhex(TRACE)
    assert json.loads(otlp.encode(request, "json")) == document


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "not a JSON ExportTraceServiceRequest: unexpected end"),
        (b"[]", "not a JSON ExportTraceServiceRequest: expected an object, found list"),
        (b'{"resourceSpans": 7}', "not a JSON ExportTraceServiceRequest: "),
        (
            b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"xyz"}]}]}]}',
            "expected an id in hex digits, found 'xyz'",
        ),
        (
            b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"abcd"}]}]}]}',
            "invalid length for trace id: expected 16 bytes, found 2",
        ),
    ],
)
def test_malformed_json_says_what_was_expected(body: bytes, message: str) -> None:
    with pytest.raises(otlp.WireError, match=message):
        otlp.decode_traces(body, "json")


def test_malformed_protobuf_is_a_wire_error() -> None:
    with pytest.raises(otlp.WireError, match="not a protobuf ExportLogsServiceRequest"):
        otlp.decode_logs(b"\xff\xff", "protobuf")


@pytest.mark.parametrize("field", ["trace_id", "span_id", "parent_span_id"])
def test_ids_of_the_wrong_length_are_refused_in_protobuf(field: str) -> None:
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add()
    setattr(span, field, b"abc")
    with pytest.raises(otlp.WireError, match=r"invalid length for (trace|span) id"):
        otlp.decode_traces(request.SerializeToString(), "protobuf")


@pytest.mark.parametrize("encoding", ["protobuf", "json"])
def test_empty_request_is_valid_where_its_encoding_allows(encoding: otlp.Encoding) -> None:
    body = b"" if encoding == "protobuf" else b"{}"
    assert otlp.decode_metrics(body, encoding) == ExportMetricsServiceRequest()


def test_deeply_nested_values_are_a_wire_error_not_a_crash() -> None:
    value: dict[str, Any] = {"stringValue": "x"}
    for _ in range(300):
        value = {"arrayValue": {"values": [value]}}
    body = json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": [{"body": value}]}]}]})
    with pytest.raises(otlp.WireError, match="not a JSON ExportLogsServiceRequest"):
        otlp.decode_logs(body.encode(), "json")


@given(st.binary(max_size=200))
def test_any_bytes_are_a_request_or_a_wire_error(body: bytes) -> None:
    for encoding in otlp.CONTENT_TYPES:
        with contextlib.suppress(otlp.WireError):
            encoded = otlp.encode(otlp.decode_traces(body, encoding), encoding)
            assert otlp.encode(otlp.decode_traces(encoded, encoding), encoding) == encoded


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["scopeSpans", "spans", "traceId", "attributes", "key", "value", "intValue", "kind"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(JSON_VALUES)
def test_any_json_is_a_request_or_a_wire_error(document: Any) -> None:
    body = json.dumps({"resourceSpans": document}).encode()
    with contextlib.suppress(otlp.WireError):
        request = otlp.decode_traces(body, "json")
        assert len(otlp.spans(request)) == sum(
            len(scope_spans.spans)
            for resource_spans in request.resource_spans
            for scope_spans in resource_spans.scope_spans
        )


def test_plain_value_of_each_kind() -> None:
    nested = AnyValue(
        kvlist_value=KeyValueList(
            values=[
                KeyValue(key="flag", value=AnyValue(bool_value=False)),
                KeyValue(
                    key="list",
                    value=AnyValue(
                        array_value=ArrayValue(values=[AnyValue(int_value=0), AnyValue()])
                    ),
                ),
                KeyValue(key="raw", value=AnyValue(bytes_value=b"\x00")),
                KeyValue(key="pi", value=AnyValue(double_value=3.5)),
            ]
        )
    )
    assert otlp.plain_value(nested) == {
        "flag": False,
        "list": [0, None],
        "raw": b"\x00",
        "pi": 3.5,
    }


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("as it is <&>", "as it is <&>"),
        (None, ""),
        (True, "true"),
        (7, "7"),
        (1.0, "1"),
        (0.25, "0.25"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (1.5e-7, "1.5e-7"),
        (float("nan"), "NaN"),
        (float("-inf"), "-Inf"),
        (b"\x00\xff", "AP8="),
        ([1, "a", None, 2.0], '[1,"a",null,2]'),
        ({"b": {"x": b"\x00"}, "a": "<é>"}, '{"a":"\\u003cé\\u003e","b":{"x":"AA=="}}'),
    ],
)
def test_text_of_values(value: Any, text: str) -> None:
    assert otlp.text_of(value) == text


def test_absent_ids_are_none() -> None:
    assert otlp.hex_id(b"", 16) is None
    assert otlp.hex_id(bytes(16), 16) is None
    assert otlp.hex_id(bytes.fromhex(TRACE), 16) == TRACE
    with pytest.raises(otlp.WireError, match="expected 8 bytes, found 16"):
        otlp.hex_id(bytes.fromhex(TRACE), 8)


def test_encoding_a_logs_request_keeps_it() -> None:
    request = ExportLogsServiceRequest()
    record = request.resource_logs.add().scope_logs.add().log_records.add()
    record.body.bytes_value = b"\x01\x02"
    record.trace_id = bytes.fromhex(TRACE)
    for encoding in otlp.CONTENT_TYPES:
        assert otlp.decode_logs(otlp.encode(request, encoding), encoding) == request
