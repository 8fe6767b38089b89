"""One span or log with all of its attributes, as Sentry's trace view shows it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pytest_obsstack.embedded.sentry.api.http import (
    Api,
    Call,
    Reply,
    bad_request,
    invalid_field,
    not_found,
    unsupported,
)
from pytest_obsstack.embedded.sentry.api.lookup import project_of
from pytest_obsstack.embedded.sentry.discover.span_fields import FIELDS
from pytest_obsstack.embedded.sentry.state.foreign import hex_id
from pytest_obsstack.embedded.sentry.state.model import LogRecord, Span
from pytest_obsstack.embedded.sentry.times import iso

_SHOWN = (
    "trace", "parent_span", "span.op", "span.name", "span.description", "span.status",
    "span.duration", "kind", "precise.start_ts", "precise.finish_ts", "is_transaction", "origin",
    "environment", "release", "platform", "sdk.name", "sdk.version", "user",
)  # fmt: skip
_OTHER_TYPES = ("tracemetrics", "uptime_results", "replays")


def get_trace_item(api: Api, call: Call) -> Reply:
    """The span or log of the id in the path, within the trace that the parameters name."""
    call.only("trace_id", "item_type", "referrer")
    project = project_of(api, call)
    kind, trace = call.one("item_type"), call.one("trace_id")
    for name, value in (("trace_id", trace), ("item_type", kind)):
        if not value:
            raise invalid_field(name, "This field is required.")
    if kind in _OTHER_TYPES:
        raise unsupported(f"item_type {kind!r} of trace items")
    if kind not in ("spans", "logs"):
        raise invalid_field("item_type", f'"{kind}" is not a valid choice.')
    trace_id = hex_id(trace, 32)
    if trace_id is None:
        raise invalid_field("trace_id", "Must be a valid UUID.")
    digits, noun = (16, "span") if kind == "spans" else (32, "log")
    wanted = hex_id(call.params["item_id"], digits)
    if wanted is None:
        raise bad_request(f"Not a {noun} id: {call.params['item_id']!r}")
    if kind == "logs":
        for log in api.store.telemetry.trace(trace_id).logs:
            if log.id == wanted and log.project_id == project.id:
                return Reply(_log_json(log))
        raise not_found()
    for span in api.store.telemetry.trace(trace_id).spans:
        if span.span_id == wanted and span.project_id == project.id:
            return Reply(_item_json(span))
    raise not_found()


def _log_json(log: LogRecord) -> dict[str, Any]:
    built_in = {
        "message": log.body,
        "severity": log.severity,
        "severity_number": log.severity_number,
        "trace": log.trace_id,
        "span_id": log.span_id,
        "environment": log.environment,
        "release": log.release,
    }
    attributes = [_attribute(name, value) for name, value in built_in.items() if value is not None]
    attributes += map(_own_attribute, log.attributes.items())
    return {
        "itemId": log.id,
        "timestamp": iso(log.timestamp_ns),
        "attributes": sorted(attributes, key=lambda item: (item["type"], item["name"])),
        "meta": {},
    }


def _item_json(span: Span) -> dict[str, Any]:
    return {
        "itemId": span.span_id,
        "timestamp": iso(span.start_ns),
        "attributes": sorted(_attributes(span), key=lambda item: (item["type"], item["name"])),
        "meta": {},
    }


def _attributes(span: Span) -> Iterator[dict[str, Any]]:
    """The public columns, then the sender's own attributes, of which numbers are marked as such."""
    for name in _SHOWN:
        value = FIELDS[name][1](span)
        if value is not None:
            yield _attribute(name, value)
    yield from map(_own_attribute, span.attributes.items())


def _own_attribute(attribute: tuple[str, Any]) -> dict[str, Any]:
    name, value = attribute
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return _attribute(f"tags[{name},number]" if is_number else name, value)


def _attribute(name: str, value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"name": name, "type": "bool", "value": value}
    if isinstance(value, int):
        # 64-bit integers are text in protobuf's JSON.
        return {"name": name, "type": "int", "value": str(value)}
    if isinstance(value, float):
        return {"name": name, "type": "float", "value": value}
    return {"name": name, "type": "str", "value": str(value)}
