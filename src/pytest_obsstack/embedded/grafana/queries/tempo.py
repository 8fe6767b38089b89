"""The Tempo data source: traces by id, health.

Source: pkg/tsdb/tempo (``getTrace``, ``TraceToFrame``, ``CheckHealth``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pytest_obsstack.embedded.grafana.frames import Field, FieldType, Frame
from pytest_obsstack.embedded.grafana.provisioning import DataSource
from pytest_obsstack.embedded.grafana.queries.query import Query, QueryFailed
from pytest_obsstack.embedded.grafana.refusal import Unsupported
from pytest_obsstack.embedded.grafana.times import SECOND
from pytest_obsstack.embedded.grafana.upstream import Unreachable, Upstream
from pytest_obsstack.wire import otlp

_STATUS_CODES = {"unset": 0, "ok": 1, "error": 2}
_NO_SERVICE = "OTLPResourceNoServiceName"
_COLUMNS: Mapping[str, FieldType] = {
    "traceID": "string",
    "spanID": "string",
    "parentSpanID": "string",
    "operationName": "string",
    "serviceName": "string",
    "kind": "string",
    "statusCode": "int64",
    "statusMessage": "string",
    "instrumentationLibraryName": "string",
    "instrumentationLibraryVersion": "string",
    "traceState": "string",
    "serviceTags": "json",
    "startTime": "float64",
    "duration": "float64",
    "logs": "json",
    "references": "json",
    "tags": "json",
}


async def run(query: Query, upstream: Upstream) -> tuple[Frame, ...]:
    """The frame of a trace; raises ``QueryFailed``."""
    kind = query.text("queryType")
    if kind in ("traceql", "traceqlSearch", "nativeSearch", "serviceMap"):
        raise Unsupported(f"Tempo queries of type {kind}, other than by trace id (traceId)")
    if kind != "traceId":
        raise QueryFailed(
            f"unsupported query type: '{kind}' for query with refID '{query.ref_id}'", status=500
        )
    trace_id = query.text("query")
    if not trace_id:
        raise QueryFailed("trace id is required", status=500)
    return (await _trace_frame(trace_id, query, upstream),)


async def health(source: DataSource, upstream: Upstream) -> tuple[bool, str]:
    """Whether the product answers, and the plugin's words for it."""
    try:
        response = await upstream.request("GET", f"{source.url}/api/echo")
    except Unreachable as error:
        return False, str(error)
    if response.status_code != 200:
        return False, f"Tempo echo endpoint returned status {response.status_code}"
    return True, "Data source is working"


async def _trace_frame(trace_id: str, query: Query, upstream: Upstream) -> Frame:
    url = f"{query.source.url}/api/v2/traces/{trace_id}"
    params = {
        "start": str(query.time_range.start_ns // SECOND),
        "end": str(query.time_range.end_ns // SECOND),
    }
    try:
        # The plugin asks for protobuf; Tempo's JSON of the same message says the same.
        response = await upstream.request(
            "GET", url, params=params, headers={"accept": "application/json"}
        )
    except Unreachable as error:
        raise QueryFailed(f"failed get to tempo: {error}", status=500) from error
    if response.status_code != 200:
        raise QueryFailed(
            f"failed to get trace with id: {trace_id} Status: {response.status_code} "
            f"{response.reason_phrase} Body: {response.text}",
            status=500,
        )
    answer = response.json()
    spans = otlp.spans(_request(answer.get("trace") or {}))
    if not spans:
        raise QueryFailed(f"failed to get trace with id: {trace_id} Status: Not Found", status=404)
    rows = [_row(span) for span in spans]
    return Frame(
        tuple(Field(name, kind, [row[name] for row in rows]) for name, kind in _COLUMNS.items()),
        name="Trace",
        meta={
            "typeVersion": [0, 0],
            "custom": {
                "partial": answer.get("status") == "PARTIAL",
                "message": answer.get("message", ""),
            },
            "preferredVisualisationType": "trace",
        },
    )


def _request(trace: Mapping[str, Any]) -> Any:
    from google.protobuf import json_format
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    try:
        return json_format.ParseDict(
            dict(trace), ExportTraceServiceRequest(), ignore_unknown_fields=True
        )
    except json_format.ParseError as error:
        text = f"failed to convert tempo response to Otlp: {error}"
        raise QueryFailed(text, status=500) from error


def _row(span: otlp.OtlpSpan) -> dict[str, Any]:
    return {
        "traceID": (span.trace_id or "").removeprefix("0" * 16),
        "spanID": span.span_id or "",
        "parentSpanID": span.parent_span_id or "",
        "operationName": span.name,
        "serviceName": str(span.resource.get("service.name", _NO_SERVICE)),
        "kind": "" if span.kind == "unspecified" else span.kind,
        "statusCode": _STATUS_CODES[span.status_code],
        "statusMessage": span.status_message,
        "instrumentationLibraryName": span.scope.name,
        "instrumentationLibraryVersion": span.scope.version,
        "traceState": span.trace_state,
        "serviceTags": _tags(span.resource.items()),
        "startTime": span.start_ns / 1e6,
        "duration": (span.end_ns - span.start_ns) / 1e6,
        "logs": [_log(event) for event in span.events] or None,
        "references": [
            {
                "spanID": link.span_id or "",
                "traceID": (link.trace_id or "").lstrip("0"),
                "tags": _tags(link.attributes.items()),
            }
            for link in span.links
        ]
        or None,
        "tags": _tags(span.attributes.items()) or None,
    }


def _log(event: otlp.OtlpEvent) -> dict[str, Any]:
    name = [{"value": event.name, "key": "message"}] if event.name else []
    return {
        "timestamp": event.time_ns / 1e6,
        "fields": [*name, *_tags(event.attributes.items())],
    }


def _tags(attributes: Iterable[tuple[str, Any]]) -> list[dict[str, Any]]:
    return [
        {"value": value if _is_plain(value) else otlp.text_of(value), "key": key}
        for key, value in attributes
    ]


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, (str, bool, int, float))
