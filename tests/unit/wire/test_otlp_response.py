from __future__ import annotations

import json

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsPartialSuccess,
    ExportLogsServiceResponse,
)

from pytest_obsstack.wire import otlp


@pytest.mark.parametrize("encoding", ["protobuf", "json"])
@pytest.mark.parametrize("signal", ["traces", "metrics", "logs"])
def test_partial_success_reads_back(signal: otlp.Signal, encoding: otlp.Encoding) -> None:
    body = otlp.success_body(signal, encoding, rejected=300, message="too old")
    assert otlp.read_partial_success(signal, body, encoding) == (300, "too old")
    full = otlp.success_body(signal, encoding)
    assert otlp.read_partial_success(signal, full, encoding) == (0, "")


def test_full_success_is_empty_in_protobuf_and_an_empty_object_in_json() -> None:
    assert otlp.success_body("traces", "protobuf") == b""
    assert json.loads(otlp.success_body("traces", "json")) == {"partialSuccess": {}}


def test_partial_success_is_the_generated_message() -> None:
    body = otlp.success_body("logs", "protobuf", rejected=2**40, message="é")
    assert ExportLogsServiceResponse.FromString(body) == ExportLogsServiceResponse(
        partial_success=ExportLogsPartialSuccess(rejected_log_records=2**40, error_message="é")
    )
    document = json.loads(otlp.success_body("logs", "json", rejected=2, message="é"))
    assert document == {"partialSuccess": {"rejectedLogRecords": "2", "errorMessage": "é"}}


@pytest.mark.parametrize("encoding", ["protobuf", "json"])
@pytest.mark.parametrize(
    ("http_status", "code"),
    [(400, 3), (401, 16), (403, 7), (404, 12), (429, 8), (503, 14), (500, 2)],
)
def test_error_body_is_a_status(http_status: int, code: int, encoding: otlp.Encoding) -> None:
    body = otlp.error_body(http_status, "no “thanks”" * 30, encoding)
    assert otlp.read_error_body(body, encoding) == otlp.RpcStatus(code, "no “thanks”" * 30)


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (b"entry too far behind", "protobuf"),
        (b"oops", "json"),
        (b"[]", "json"),
        (b'{"code": "x", "message": 1}', "json"),
    ],
)
def test_error_bodies_that_are_no_status_are_wire_errors(
    body: bytes, encoding: otlp.Encoding
) -> None:
    with pytest.raises(otlp.WireError, match=r"not a \w+ google.rpc.Status"):
        otlp.read_error_body(body, encoding)


def test_an_answer_that_is_no_response_is_a_wire_error() -> None:
    with pytest.raises(otlp.WireError, match="not a JSON OTLP response for logs"):
        otlp.read_partial_success("logs", b"[]", "json")
    with pytest.raises(otlp.WireError, match="not a protobuf OTLP response for logs"):
        otlp.read_partial_success("logs", b"\xff", "protobuf")
