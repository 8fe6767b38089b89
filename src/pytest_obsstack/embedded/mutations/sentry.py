"""What is changed in envelopes: events and transactions of a trace, before Sentry sees them."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import orjson

from pytest_obsstack.embedded.mutations.rules import LOOK, Active, Mutations
from pytest_obsstack.wire.envelope import (
    Envelope,
    EnvelopeError,
    Item,
    parse_envelope,
    serialize_envelope,
)

_SIGNALS = {"event": "errors", "transaction": "transactions"}
_OTHER_ENVIRONMENT = "obs-mutated"
_PLANTED = "obs_mutated"
_DROPPED_WITH = ("attachment", "user_report")
"""Items that belong to the event of their envelope."""

Change = Callable[[Active, dict[str, Any]], str]
"""Changes an event in place and says what was changed; nothing where there was nothing to."""


def rewrite_envelope(body: bytes, mutations: Mutations) -> list[bytes] | None:
    """What is handed on in the envelope's place, more than one if it is duplicated.

    ``None`` where no mutation concerns it, or where it is none: Sentry is to say so.
    """
    try:
        envelope = parse_envelope(body)
    except EnvelopeError:
        return None
    for index, item in enumerate(envelope.items):
        signal = _SIGNALS.get(item.type)
        if signal is None:
            continue
        event = _object(item.payload)
        if event is None:
            continue
        active = mutations.of(_trace_of(event, envelope), signal)
        if active is not None:
            return _mutated(envelope, index, event, active)
    return None


def _mutated(
    envelope: Envelope, index: int, event: dict[str, Any], active: Active
) -> list[bytes] | None:
    item = envelope.items[index]
    mutation = active.rule.mutation
    if mutation == LOOK:
        active.note(_title(item, event))
        return None
    if mutation == "event dropped":
        active.note(_title(item, event))
        kept = [each for each in envelope.items if each.type not in (item.type, *_DROPPED_WITH)]
        return [serialize_envelope(replace(envelope, items=tuple(kept)))]
    if mutation == "event delivered twice":
        active.note(_title(item, event))
        return [serialize_envelope(envelope)] * 2
    if mutation == "event duplicated":
        active.note(_title(item, event))
        event_id = uuid.uuid4().hex
        copy = _with_event(envelope, index, {**event, "event_id": event_id})
        header = {**envelope.header, "event_id": event_id}
        return [
            serialize_envelope(envelope),
            serialize_envelope(replace(copy, header=header)),
        ]
    changed = _CHANGES[mutation](active, event) if mutation in _CHANGES else ""
    if not changed:
        return None
    active.note(f"{_title(item, event)}: {changed}")
    return [serialize_envelope(_with_event(envelope, index, event))]


def _with_event(envelope: Envelope, index: int, event: Mapping[str, Any]) -> Envelope:
    items = list(envelope.items)
    items[index] = replace(items[index], payload=orjson.dumps(event))
    return replace(envelope, items=tuple(items))


def _tag_removed(active: Active, event: dict[str, Any]) -> str:
    tags = event.get("tags")
    if isinstance(tags, dict):
        gone = [key for key in tags if active.rule.concerns(key)]
        event["tags"] = {key: value for key, value in tags.items() if key not in gone}
    elif isinstance(tags, list):
        # The older form: pairs.
        gone = [pair[0] for pair in tags if _is_pair(pair) and active.rule.concerns(pair[0])]
        event["tags"] = [pair for pair in tags if not _is_pair(pair) or pair[0] not in gone]
    else:
        return ""
    return ", ".join(gone)


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str)


def _context_removed(active: Active, event: dict[str, Any]) -> str:
    contexts = event.get("contexts")
    if not isinstance(contexts, dict):
        return ""
    # Without its trace an event belongs to no test: that is a mutation of its own.
    gone = [name for name in contexts if name != "trace" and active.rule.concerns(name)]
    for name in gone:
        del contexts[name]
    return ", ".join(gone)


def _user_removed(_: Active, event: dict[str, Any]) -> str:
    return "user" if event.pop("user", None) else ""


def _breadcrumbs_removed(_: Active, event: dict[str, Any]) -> str:
    # SDKs send an empty list, too, which is no loss.
    if not _values(event, "breadcrumbs"):
        return ""
    del event["breadcrumbs"]
    return "breadcrumbs"


def _stack_trace_removed(_: Active, event: dict[str, Any]) -> str:
    found = 0
    for holder in (event, *_values(event, "exception"), *_values(event, "threads")):
        found += holder.pop("stacktrace", None) is not None
    return "stack trace" if found else ""


def _environment_changed(_: Active, event: dict[str, Any]) -> str:
    before = event.get("environment") or "none"
    event["environment"] = _OTHER_ENVIRONMENT
    return f"environment {before}"


def _trace_id_changed(_: Active, event: dict[str, Any]) -> str:
    trace = _trace_context(event)
    if trace is None:
        return ""
    before, trace["trace_id"] = trace["trace_id"], uuid.uuid4().hex
    return f"trace id {before}"


def _level_changed(_: Active, event: dict[str, Any]) -> str:
    before = event.get("level") or "error"
    event["level"] = "info" if before in ("error", "fatal") else "error"
    return f"level {before}"


def _secret_left_in(active: Active, event: dict[str, Any]) -> str:
    extra = event.get("extra")
    event["extra"] = {**(extra if isinstance(extra, dict) else {}), _PLANTED: active.rule.text}
    return "extra"


_CHANGES: Mapping[str, Change] = {
    "tag removed": _tag_removed,
    "breadcrumbs removed": _breadcrumbs_removed,
    "user removed": _user_removed,
    "context removed": _context_removed,
    "stack trace removed": _stack_trace_removed,
    "environment changed": _environment_changed,
    "trace id changed": _trace_id_changed,
    "level changed": _level_changed,
    "secret left in": _secret_left_in,
}


def _trace_of(event: Mapping[str, Any], envelope: Envelope) -> str | None:
    trace = _trace_context(event)
    found = envelope.trace.get("trace_id") if trace is None else trace["trace_id"]
    return found if isinstance(found, str) else None


def _trace_context(event: Mapping[str, Any]) -> dict[str, Any] | None:
    contexts = event.get("contexts")
    trace = contexts.get("trace") if isinstance(contexts, dict) else None
    return trace if isinstance(trace, dict) and isinstance(trace.get("trace_id"), str) else None


def _values(event: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    holder = event.get(name)
    values = holder.get("values") if isinstance(holder, dict) else holder
    return [each for each in values if isinstance(each, dict)] if isinstance(values, list) else []


def _title(item: Item, event: Mapping[str, Any]) -> str:
    types = [str(each.get("type")) for each in _values(event, "exception")]
    return " ".join([item.type, *(types[-1:] or [str(event.get("transaction") or "")])]).strip()


def _object(payload: bytes) -> dict[str, Any] | None:
    try:
        value = orjson.loads(payload)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None
