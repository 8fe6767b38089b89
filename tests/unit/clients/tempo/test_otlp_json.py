"""Protobuf's own JSON, in which Tempo answers, and OTLP/JSON, in which it may answer one day.

The mapping is https://protobuf.dev/programming-guides/json/; the messages are those of
opentelemetry-proto.
"""

from __future__ import annotations

import math
from typing import Any

import pytest
from google.protobuf import json_format
from opentelemetry.proto.common.v1 import common_pb2 as common
from opentelemetry.proto.trace.v1 import trace_pb2 as trace

from pytest_obsstack.clients.tempo import otlp_json
from pytest_obsstack.errors import ObsstackError

TRACE_ID = bytes.fromhex("5b8efff798038103d269b633813fc700")
SPAN_ID = bytes.fromhex("eee19b7ec3c1b100")

VALUES: list[tuple[common.AnyValue, Any]] = [
    (common.AnyValue(string_value="text"), "text"),
    (common.AnyValue(string_value=""), ""),
    (common.AnyValue(bool_value=True), True),
    (common.AnyValue(bool_value=False), False),
    (common.AnyValue(int_value=-(2**62)), -(2**62)),
    (common.AnyValue(int_value=0), 0),
    (common.AnyValue(double_value=0.5), 0.5),
    (common.AnyValue(double_value=math.inf), math.inf),
    (common.AnyValue(double_value=-math.inf), -math.inf),
    (common.AnyValue(bytes_value=b"\x00\xff"), b"\x00\xff"),
    (common.AnyValue(), None),
    (
        common.AnyValue(
            array_value=common.ArrayValue(
                values=[common.AnyValue(string_value="a"), common.AnyValue(int_value=1)]
            )
        ),
        ["a", 1],
    ),
    (common.AnyValue(array_value=common.ArrayValue()), []),
    (
        common.AnyValue(
            kvlist_value=common.KeyValueList(
                values=[common.KeyValue(key="k", value=common.AnyValue(bool_value=True))]
            )
        ),
        {"k": True},
    ),
]


@pytest.mark.parametrize(("message", "expected"), VALUES)
def test_every_kind_of_value_that_protobuf_prints_is_read(
    message: common.AnyValue, expected: Any
) -> None:
    found = otlp_json.any_value(json_format.MessageToDict(message))
    assert found == expected
    assert type(found) is type(expected)


def test_not_a_number_is_read() -> None:
    printed = json_format.MessageToDict(common.AnyValue(double_value=math.nan))
    assert math.isnan(otlp_json.any_value(printed))


def test_whole_numbers_may_come_as_numbers() -> None:
    assert otlp_json.any_value({"intValue": 3}) == 3


def test_a_value_of_an_unknown_kind_is_an_error() -> None:
    with pytest.raises(ObsstackError) as caught:
        otlp_json.any_value({"decimalValue": "1"})
    assert caught.value.expected == (
        "one of stringValue, boolValue, intValue, doubleValue, bytesValue, arrayValue, kvlistValue"
    )
    assert caught.value.found == '{"decimalValue": "1"}'


def test_bytes_that_are_no_base64_are_an_error() -> None:
    with pytest.raises(ObsstackError, match="field 'bytesValue'"):
        otlp_json.any_value({"bytesValue": "%"})


def test_attributes_are_read_by_name_and_may_have_no_value() -> None:
    raw = {"attributes": [{"key": "a", "value": {"stringValue": "x"}}, {"key": "b"}]}
    assert otlp_json.attributes(raw) == {"a": "x", "b": None}
    assert otlp_json.attributes({}) == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("W47/95gDgQPSabYzgT/HAA==", TRACE_ID.hex()),
        (TRACE_ID.hex(), TRACE_ID.hex()),
        (TRACE_ID.hex().upper(), TRACE_ID.hex()),
        ("AAAAAAAAAAAAAAAAAAAAAA==", None),
        ("0" * 32, None),
        ("", None),
    ],
)
def test_trace_ids_come_in_base64_or_hex(text: str, expected: str | None) -> None:
    assert otlp_json.hex_id({"traceId": text}, "traceId", 16) == expected


@pytest.mark.parametrize("text", ["7uGbfsPBsQA=", SPAN_ID.hex()])
def test_span_ids_come_in_base64_or_hex(text: str) -> None:
    assert otlp_json.hex_id({"spanId": text}, "spanId", 8) == SPAN_ID.hex()


def test_an_absent_id_is_none() -> None:
    assert otlp_json.hex_id({}, "parentSpanId", 8) is None


@pytest.mark.parametrize("text", ["xyz", "W47/95gDgQPSabYzgT/HAA==", "abcd"])
def test_an_id_of_another_length_is_an_error(text: str) -> None:
    with pytest.raises(ObsstackError) as caught:
        otlp_json.hex_id({"spanId": text}, "spanId", 8)
    assert caught.value.expected == "an id of 8 bytes in base64 or hex"
    assert caught.value.found == text


@pytest.mark.parametrize("by_number", [False, True])
@pytest.mark.parametrize(
    ("number", "expected"),
    [(0, None), (1, "internal"), (2, "server"), (3, "client"), (4, "producer"), (5, "consumer")],
)
def test_kinds_come_by_name_or_number(number: Any, expected: str | None, by_number: bool) -> None:
    message = trace.Span(kind=number)
    printed = json_format.MessageToDict(message, use_integers_for_enums=by_number)
    assert otlp_json.kind(printed) == expected


@pytest.mark.parametrize("by_number", [False, True])
@pytest.mark.parametrize(("number", "expected"), [(0, "unset"), (1, "ok"), (2, "error")])
def test_status_codes_come_by_name_or_number(number: Any, expected: str, by_number: bool) -> None:
    message = trace.Status(code=number)
    printed = json_format.MessageToDict(message, use_integers_for_enums=by_number)
    assert otlp_json.status_code(printed) == expected


def test_a_number_that_is_not_known_yet_says_nothing() -> None:
    assert otlp_json.kind({"kind": 9}) is None
    assert otlp_json.status_code({"code": 9}) == "unset"


def test_a_name_that_is_none_of_theirs_is_an_error() -> None:
    with pytest.raises(ObsstackError) as caught:
        otlp_json.status_code({"code": "FAILED"})
    assert caught.value.expected == "STATUS_CODE_UNSET, STATUS_CODE_OK, STATUS_CODE_ERROR"
