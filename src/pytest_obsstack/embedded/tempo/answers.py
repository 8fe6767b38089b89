"""What the query API answers, as ``jsonpb`` prints Tempo's messages: 64 bits are text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import orjson
from starlette.responses import PlainTextResponse, Response

from pytest_obsstack.embedded.tempo.spans import ROOT_NOT_RECEIVED, SpanView, TraceView
from pytest_obsstack.embedded.tempo.traceql.evaluate import Field, Found
from pytest_obsstack.embedded.tempo.traceql.syntax import Attribute, go_duration
from pytest_obsstack.embedded.tempo.traceql.values import Duration, Keyword, Value, type_of

if TYPE_CHECKING:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

PROTOBUF = "application/protobuf"
# These are told in fields of their own.
_NOT_AMONG_ATTRIBUTES = frozenset(
    {"name", "duration", "traceDuration", "rootName", "rootServiceName", "trace:id", "span:id"}
)
_VALUE_TYPES = {"string": "string", "bool": "bool", "int": "int", "float": "float"}


def json_answer(content: Any) -> Response:
    return Response(orjson.dumps(content), media_type="application/json")


def text_answer(status: int, text: str) -> Response:
    return PlainTextResponse(text, status)


def trace_v1(trace: ExportTraceServiceRequest, *, protobuf: bool) -> Response:
    """A ``Trace``; its JSON calls ``resourceSpans`` by their old name ``batches``."""
    if protobuf:
        return Response(trace.SerializeToString(), media_type=PROTOBUF)
    return json_answer({"batches": _json(trace).get("resourceSpans", [])})


def trace_v2(trace: ExportTraceServiceRequest, *, protobuf: bool) -> Response:
    """A ``TraceByIDResponse``; an unknown trace is an empty one."""
    inspected = trace.ByteSize()
    if protobuf:
        # trace = 1 and metrics = 2, whose inspectedBytes = 1 is a number. Trace has the fields of
        # OTLP's request.
        metrics = b"\x08" + _varint(inspected) if inspected else b""
        content = _delimited(1, trace.SerializeToString()) + _delimited(2, metrics)
        return Response(content, media_type=PROTOBUF)
    return json_answer({"trace": _json(trace), "metrics": metadata_metrics(inspected)})


def metadata_metrics(inspected_bytes: int) -> dict[str, Any]:
    return {"inspectedBytes": str(inspected_bytes)} if inspected_bytes else {}


def found_trace(trace: TraceView, found: Sequence[Found], most_spans: int) -> dict[str, Any]:
    """A trace that a TraceQL query found, with the first of its spans that fit."""
    spans = [_found_span(each) for each in found[: most_spans or None]]
    spanset = {"spans": spans, "matched": len(found)}
    # The lone spanset is there for clients of old.
    return {
        **summary(trace),
        "spanSet": spanset,
        "spanSets": [spanset],
        "serviceStats": {
            service: {
                "spanCount": stats.spans,
                **({"errorCount": stats.errors} if stats.errors else {}),
            }
            for service, stats in trace.services().items()
        },
    }


def summary(trace: TraceView) -> dict[str, Any]:
    """What a search by tags tells of a trace."""
    told = {
        "traceID": trace.trace_id.lstrip("0"),
        "rootServiceName": trace.root_service or ROOT_NOT_RECEIVED,
        "rootTraceName": trace.root_name,
        "startTimeUnixNano": str(trace.start_ns),
        "durationMs": trace.duration_ns // 10**6,
    }
    return {name: value for name, value in told.items() if value not in ("", 0, "0")}


def tag_value(value: Value) -> dict[str, str] | None:
    """A value as ``/api/v2/search/tag/…/values`` tells it; None for one that it leaves out."""
    kind = type_of(value)
    if isinstance(value, Duration):
        return {"type": "duration", "value": go_duration(value.ns)}
    if isinstance(value, Keyword):
        return {"type": "keyword", "value": value.word}
    if kind not in _VALUE_TYPES:
        return None
    return {"type": _VALUE_TYPES[kind], "value": value_text(value)}


def value_text(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def _found_span(found: Found) -> dict[str, Any]:
    span = found.span
    if not isinstance(span, SpanView):
        raise TypeError(f"expected a SpanView, found {span!r}")
    told: dict[str, Any] = {"spanID": span.otlp.span_id}
    if any(_name(each) == "name" for each in found.values if not isinstance(each, Attribute)):
        told["name"] = span.otlp.name
    told["startTimeUnixNano"] = str(span.otlp.start_ns)
    told["durationNanos"] = str(span.duration_ns)
    attributes = [
        {"key": _name(asked), "value": _any_value(value)}
        for asked, value in found.values.items()
        if isinstance(asked, Attribute) or asked.name not in _NOT_AMONG_ATTRIBUTES
    ]
    if attributes:
        told["attributes"] = attributes
    return told


def _name(asked: Field) -> str:
    return asked.name


def _any_value(value: Value) -> dict[str, Any]:
    if isinstance(value, tuple):
        return {"arrayValue": {"values": [_any_value(each) for each in value]}}
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, Duration):
        return {"stringValue": go_duration(value.ns)}
    return {"stringValue": value.word if isinstance(value, Keyword) else str(value)}


def _json(trace: ExportTraceServiceRequest) -> dict[str, Any]:
    """Protobuf's own JSON: ids are base64, unlike OTLP/JSON, and enums go by name."""
    from google.protobuf import json_format

    document: dict[str, Any] = json_format.MessageToDict(trace)
    return document


def _delimited(field: int, content: bytes) -> bytes:
    return bytes([field << 3 | 2]) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
