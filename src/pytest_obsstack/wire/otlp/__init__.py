"""OTLP, the OpenTelemetry protocol: requests, their answers, and plain views of what they hold.

Sources: the OTLP specification 1.x (opentelemetry.io/docs/specs/otlp), sections "OTLP/HTTP
Request", "OTLP/HTTP Response", "JSON Protobuf Encoding", and opentelemetry-proto. Messages are the
generated protobuf classes; they are imported inside functions, since loading them takes 50 ms.
"""

from __future__ import annotations

from pytest_obsstack.wire.malformed import WireError
from pytest_obsstack.wire.otlp.codec import (
    CONTENT_TYPES,
    Encoding,
    Signal,
    decode_logs,
    decode_metrics,
    decode_traces,
    encode,
    encoding_of,
)
from pytest_obsstack.wire.otlp.response import (
    RpcStatus,
    error_body,
    read_error_body,
    read_partial_success,
    success_body,
)
from pytest_obsstack.wire.otlp.values import attributes, hex_id, plain_value, text_of
from pytest_obsstack.wire.otlp.views import (
    OtlpEvent,
    OtlpLink,
    OtlpLogRecord,
    OtlpScope,
    OtlpSpan,
    log_records,
    spans,
)

__all__ = [
    "CONTENT_TYPES",
    "Encoding",
    "OtlpEvent",
    "OtlpLink",
    "OtlpLogRecord",
    "OtlpScope",
    "OtlpSpan",
    "RpcStatus",
    "Signal",
    "WireError",
    "attributes",
    "decode_logs",
    "decode_metrics",
    "decode_traces",
    "encode",
    "encoding_of",
    "error_body",
    "hex_id",
    "log_records",
    "plain_value",
    "read_error_body",
    "read_partial_success",
    "spans",
    "success_body",
    "text_of",
]
