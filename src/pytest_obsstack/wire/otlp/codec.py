"""OTLP requests from and to bytes, as binary protobuf or as OTLP/JSON."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pytest_obsstack.wire.malformed import WireError

if TYPE_CHECKING:
    from google.protobuf.message import Message
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
        ExportMetricsServiceRequest,
    )
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    MessageT = TypeVar("MessageT", bound=Message)

Encoding = Literal["protobuf", "json"]
Signal = Literal["traces", "metrics", "logs"]

CONTENT_TYPES: dict[Encoding, str] = {
    "protobuf": "application/x-protobuf",
    "json": "application/json",
}

_ID_KEYS = frozenset({"traceId", "spanId", "parentSpanId"})
# Where ids are found in OTLP/JSON: the walk follows these keys alone, because whatever else a
# sender puts into an object is to be ignored, and attributes may hold anything.
_CONTAINERS = frozenset(
    {"resourceSpans", "scopeSpans", "spans", "links"}
    | {"resourceLogs", "scopeLogs", "logRecords"}
    | {"resourceMetrics", "scopeMetrics", "metrics", "dataPoints", "exemplars"}
    | {"gauge", "sum", "histogram", "exponentialHistogram"}
)


def encoding_of(content_type: str | None) -> Encoding | None:
    """The encoding that a ``Content-Type`` header names; None for a type OTLP/HTTP has not."""
    media_type = (content_type or "").partition(";")[0].strip().lower()
    for encoding, known in CONTENT_TYPES.items():
        if media_type == known:
            return encoding
    return None


def decode_traces(body: bytes, encoding: Encoding) -> ExportTraceServiceRequest:
    """A traces request whose ids have the right length; raises ``WireError``."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    request = _decode(ExportTraceServiceRequest(), body, encoding)
    for resource_spans in request.resource_spans:
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                _check_id("trace id", span.trace_id, 16)
                _check_id("span id", span.span_id, 8)
                _check_id("span id", span.parent_span_id, 8)
                for link in span.links:
                    _check_id("trace id", link.trace_id, 16)
                    _check_id("span id", link.span_id, 8)
    return request


def decode_logs(body: bytes, encoding: Encoding) -> ExportLogsServiceRequest:
    """A logs request whose ids have the right length; raises ``WireError``."""
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

    request = _decode(ExportLogsServiceRequest(), body, encoding)
    for resource_logs in request.resource_logs:
        for scope_logs in resource_logs.scope_logs:
            for record in scope_logs.log_records:
                _check_id("trace id", record.trace_id, 16)
                _check_id("span id", record.span_id, 8)
    return request


def decode_metrics(body: bytes, encoding: Encoding) -> ExportMetricsServiceRequest:
    """A metrics request; raises ``WireError``.

    The ids of exemplars are not looked at here: metrics come several times a second, and only a
    reader of exemplars needs them (``hex_id`` checks them).
    """
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
        ExportMetricsServiceRequest,
    )

    return _decode(ExportMetricsServiceRequest(), body, encoding)


def encode(message: Message, encoding: Encoding) -> bytes:
    """A request or response message as bytes; JSON has hex ids, integer enums, 64 bits as text."""
    if encoding == "protobuf":
        return message.SerializeToString()
    import orjson
    from google.protobuf import json_format

    document = json_format.MessageToDict(message, use_integers_for_enums=True)
    _convert_ids(document, _hex_from_base64)
    return orjson.dumps(document)


def _decode(message: MessageT, body: bytes, encoding: Encoding) -> MessageT:
    if encoding == "protobuf":
        from google.protobuf.message import DecodeError

        try:
            message.ParseFromString(body)
        except DecodeError as error:
            raise WireError(f"not a protobuf {message.DESCRIPTOR.name}: {error}") from error
        return message
    return _decode_json(message, body)


def _decode_json(message: MessageT, body: bytes) -> MessageT:
    import orjson
    from google.protobuf import json_format

    name = message.DESCRIPTOR.name
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise WireError(f"not a JSON {name}: {error}") from error
    if not isinstance(document, dict):
        raise WireError(f"not a JSON {name}: expected an object, found {type(document).__name__}")
    _convert_ids(document, _base64_from_hex)
    try:
        # "OTLP/JSON receivers MUST ignore message fields with unknown names".
        json_format.ParseDict(document, message, ignore_unknown_fields=True)
    except (json_format.ParseError, ValueError, TypeError, RecursionError) as error:
        raise WireError(f"not a JSON {name}: {error}") from error
    return message


def _convert_ids(node: Any, convert: Callable[[str], str]) -> None:
    """Rewrite the ids below ``node`` in place.

    OTLP/JSON differs from protobuf's own JSON here: "traceId and spanId byte arrays are represented
    as case-insensitive hex-encoded strings; they are not base64-encoded".
    """
    if isinstance(node, list):
        for item in node:
            _convert_ids(item, convert)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key in _ID_KEYS and isinstance(value, str):
                node[key] = convert(value)
            elif key in _CONTAINERS:
                _convert_ids(value, convert)


def _base64_from_hex(text: str) -> str:
    try:
        return base64.b64encode(binascii.unhexlify(text)).decode("ascii")
    except ValueError as error:
        raise WireError(f"expected an id in hex digits, found {text!r}") from error


def _hex_from_base64(text: str) -> str:
    return base64.b64decode(text).hex()


def _check_id(what: str, raw: bytes, size: int) -> None:
    if raw and len(raw) != size:
        raise WireError(f"invalid length for {what}: expected {size} bytes, found {len(raw)}")
