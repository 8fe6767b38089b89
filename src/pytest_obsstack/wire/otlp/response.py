"""OTLP/HTTP answers: success, partial success, and errors as ``google.rpc.Status``."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_obsstack.wire.malformed import WireError
from pytest_obsstack.wire.otlp.codec import Encoding, Signal

# gRPC codes, as in google/rpc/code.proto.
_UNKNOWN = 2
_RPC_CODES = {
    400: 3,  # INVALID_ARGUMENT
    401: 16,  # UNAUTHENTICATED
    403: 7,  # PERMISSION_DENIED
    404: 12,  # UNIMPLEMENTED
    429: 8,  # RESOURCE_EXHAUSTED
    502: 14,  # UNAVAILABLE
    503: 14,
    504: 14,
}
_REJECTED_FIELDS: dict[Signal, str] = {
    "traces": "rejectedSpans",
    "metrics": "rejectedDataPoints",
    "logs": "rejectedLogRecords",
}
_VARINT, _LENGTH_DELIMITED = 0, 2


@dataclass(frozen=True)
class RpcStatus:
    """``google.rpc.Status`` without details: a gRPC code and a text for developers."""

    code: int
    message: str


def success_body(
    signal: Signal, encoding: Encoding, *, rejected: int = 0, message: str = ""
) -> bytes:
    """The body of a 200: empty, or a partial success that says how many items were rejected.

    A message without rejected items is a warning. On full success protobuf leaves the field unset
    ("Full Success"); the collector's JSON has it empty.
    """
    if encoding == "json":
        import orjson

        partial: dict[str, str] = {}
        if rejected:
            partial[_REJECTED_FIELDS[signal]] = str(rejected)
        if message:
            partial["errorMessage"] = message
        return orjson.dumps({"partialSuccess": partial})
    partial_bytes = b""
    if rejected:
        partial_bytes += _tag(1, _VARINT) + _varint(rejected)
    if message:
        partial_bytes += _text_field(2, message)
    return _delimited_field(1, partial_bytes) if partial_bytes else b""


def error_body(http_status: int, message: str, encoding: Encoding) -> bytes:
    """The body of an error: ``google.rpc.Status`` in the request's encoding ("Failures").

    Written by hand: ``opentelemetry-proto`` does not bring the class, and it has two fields here.
    """
    code = _RPC_CODES.get(http_status, _UNKNOWN)
    if encoding == "json":
        import orjson

        return orjson.dumps({"code": code, "message": message})
    return _tag(1, _VARINT) + _varint(code) + _text_field(2, message)


def read_error_body(body: bytes, encoding: Encoding) -> RpcStatus:
    """The status in an error's body; raises ``WireError`` where there is none."""
    if encoding == "json":
        import orjson

        try:
            document = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise WireError(f"not a JSON google.rpc.Status: {error}") from error
        if not isinstance(document, dict):
            raise WireError("not a JSON google.rpc.Status: expected an object")
        code, message = document.get("code", 0), document.get("message", "")
        if not isinstance(code, int) or not isinstance(message, str):
            raise WireError("not a JSON google.rpc.Status: expected a number and a text")
        return RpcStatus(code, message)
    # ExportTracePartialSuccess has the shape of Status (1: integer, 2: text), so protobuf's own
    # parser serves for both.
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTracePartialSuccess

    status = ExportTracePartialSuccess()
    try:
        status.ParseFromString(body)
    except DecodeError as error:
        raise WireError(f"not a protobuf google.rpc.Status: {error}") from error
    return RpcStatus(status.rejected_spans, status.error_message)


def read_partial_success(signal: Signal, body: bytes, encoding: Encoding) -> tuple[int, str]:
    """(rejected items, message) of a 200; (0, "") is full success. Raises ``WireError``.

    In protobuf the three response messages differ by their names alone: the traces one reads all.
    """
    if encoding == "json":
        import orjson

        try:
            document = orjson.loads(body or b"{}")
            partial = document.get("partialSuccess") or {}
            return int(partial.get(_REJECTED_FIELDS[signal], 0)), str(
                partial.get("errorMessage", "")
            )
        except (AttributeError, ValueError, TypeError) as error:
            raise WireError(f"not a JSON OTLP response for {signal}: {error}") from error
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

    response = ExportTraceServiceResponse()
    try:
        response.ParseFromString(body)
    except DecodeError as error:
        raise WireError(f"not a protobuf OTLP response for {signal}: {error}") from error
    return response.partial_success.rejected_spans, response.partial_success.error_message


def _tag(field: int, wire_type: int) -> bytes:
    return _varint(field << 3 | wire_type)


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def _text_field(field: int, text: str) -> bytes:
    return _delimited_field(field, text.encode("utf-8"))


def _delimited_field(field: int, content: bytes) -> bytes:
    return _tag(field, _LENGTH_DELIMITED) + _varint(len(content)) + content
