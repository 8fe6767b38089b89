"""One span with all of its attributes, as Sentry's trace view shows it beside the waterfall."""

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
from pytest_obsstack.embedded.sentry.state.model import Span
from pytest_obsstack.embedded.sentry.times import iso

_SHOWN = (
    "trace", "parent_span", "span.op", "span.name", "span.description", "span.status",
    "span.duration", "kind", "precise.start_ts", "precise.finish_ts", "is_transaction", "origin",
    "environment", "release", "platform", "sdk.name", "sdk.version", "user",
)  # fmt: skip
_OTHER_TYPES = ("logs", "tracemetrics", "uptime_results", "replays")


def get_trace_item(api: Api, call: Call) -> Reply:
    """The span of the id in the path, within the trace that the parameters name."""
    call.only("trace_id", "item_type", "referrer")
    project = project_of(api, call)
    kind, trace = call.one("item_type"), call.one("trace_id")
    for name, value in (("trace_id", trace), ("item_type", kind)):
        if not value:
            raise invalid_field(name, "This field is required.")
    if kind in _OTHER_TYPES:
        raise unsupported(f"item_type {kind!r} of trace items")
    if kind != "spans":
        raise invalid_field("item_type", f'"{kind}" is not a valid choice.')
    trace_id = hex_id(trace, 32)
    if trace_id is None:
        raise invalid_field("trace_id", "Must be a valid UUID.")
    wanted = hex_id(call.params["item_id"], 16)
    if wanted is None:
        raise bad_request(f"Not a span id: {call.params['item_id']!r}")
    for span in api.store.telemetry.trace(trace_id).spans:
        if span.span_id == wanted and span.project_id == project.id:
            return Reply(_item_json(span))
    raise not_found()


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
    for name, value in span.attributes.items():
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        yield _attribute(f"tags[{name},number]" if is_number else name, value)


def _attribute(name: str, value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"name": name, "type": "bool", "value": value}
    if isinstance(value, int):
        # 64-bit integers are text in protobuf's JSON.
        return {"name": name, "type": "int", "value": str(value)}
    if isinstance(value, float):
        return {"name": name, "type": "float", "value": value}
    return {"name": name, "type": "str", "value": str(value)}
