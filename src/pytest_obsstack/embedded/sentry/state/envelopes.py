"""Taking an accepted envelope apart: each item to where it belongs, each with its outcome."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import orjson

from pytest_obsstack.embedded.sentry.state.foreign import as_list
from pytest_obsstack.embedded.sentry.state.grouping import grouping_hash
from pytest_obsstack.embedded.sentry.state.logs import log_of_container
from pytest_obsstack.embedded.sentry.state.model import Attachment, KeptItem, StoredEvent
from pytest_obsstack.embedded.sentry.state.normalize import event_type_of, normalize_event
from pytest_obsstack.embedded.sentry.state.outcomes import (
    ACCEPTED,
    INVALID,
    Outcomes,
    category_of_item,
)
from pytest_obsstack.embedded.sentry.state.sdk_spans import span_of_container, spans_of_transaction
from pytest_obsstack.embedded.sentry.state.telemetry import Telemetry
from pytest_obsstack.wire.envelope import Envelope, Item

EVENT_ITEMS = ("event", "transaction")
_SPAN_CONTAINER = "application/vnd.sentry.items.span.v2+json"
_UNDERSTOOD_DEPTH = 200
"""orjson reads 1024 levels and writes 254; an event is written inside others of ours."""

Stored = Callable[[StoredEvent, str | None], None]
"""Told of each new event, with its grouping hash unless it is a transaction."""


class EnvelopeSink:
    """Puts envelopes into the store's parts."""

    def __init__(
        self, telemetry: Telemetry, outcomes: Outcomes, stored: Stored, entry_bytes: int
    ) -> None:
        self._telemetry = telemetry
        self._outcomes = outcomes
        self._stored = stored
        self._entry_bytes = entry_bytes

    def take(
        self, envelope: Envelope, project_id: int, event_id: str | None, received_ns: int
    ) -> None:
        """Store every item; ``event_id`` is that of the envelope's event, if it has one."""
        event_items = envelope.of_type(*EVENT_ITEMS)
        is_duplicate = bool(event_items) and (project_id, event_id) in self._telemetry.events
        for item in envelope.items:
            if item.type in EVENT_ITEMS and event_id is not None:
                if len(event_items) > 1:
                    # Relay: an envelope has one event; with several it is dropped as a whole.
                    self._refuse(item.type, project_id, "duplicate_item", received_ns)
                else:
                    self._take_event(item, project_id, event_id, received_ns)
            elif item.type == "attachment" and event_id is not None:
                if not is_duplicate:
                    self._take_attachment(item, project_id, event_id, received_ns)
            elif item.type == "log":
                self._take_logs(item, project_id, received_ns)
            elif item.type == "span" and item.content_type == _SPAN_CONTAINER:
                self._take_spans(item, project_id, received_ns)
            elif item.type == "client_report":
                report = _object_of(item.payload)
                if report is not None:
                    self._outcomes.count_client_report(report, project_id, received_ns)
            else:
                self._keep(item, project_id, received_ns)

    def _take_event(self, item: Item, project_id: int, event_id: str, received_ns: int) -> None:
        data = _object_of(item.payload)
        if data is None:
            self._refuse(item.type, project_id, "invalid_json", received_ns)
            return
        key = (project_id, event_id)
        self._telemetry.deliveries[key] += 1
        if key in self._telemetry.events:
            self._refuse(item.type, project_id, "duplicate", received_ns)
            return
        event_type = event_type_of(item.type, data)
        event = normalize_event(
            data,
            event_type,
            event_id,
            project_id,
            self._telemetry.next_sequence(),
            received_ns,
            len(item.payload),
        )
        if event_type == "transaction":
            self._take_transaction(event)
            return
        self._outcomes.count(project_id, "error", ACCEPTED, "", received_ns)
        self._stored(event, grouping_hash(data))

    def _take_transaction(self, event: StoredEvent) -> None:
        count = 0
        for span in spans_of_transaction(event):
            self._telemetry.add_span(span)
            count += 1
        self._outcomes.count(event.project_id, "transaction", ACCEPTED, "", event.received_ns)
        if count:
            self._outcomes.count(event.project_id, "span", ACCEPTED, "", event.received_ns, count)
        self._stored(event, None)

    def _take_attachment(
        self, item: Item, project_id: int, event_id: str, received_ns: int
    ) -> None:
        self._telemetry.add_attachment(
            Attachment(
                id=self._telemetry.next_attachment_id(),
                project_id=project_id,
                event_id=event_id,
                name=item.filename or "Untitled",
                content_type=item.content_type or "application/octet-stream",
                attachment_type=str(item.header.get("attachment_type") or "event.attachment"),
                payload=item.payload,
                received_ns=received_ns,
            )
        )
        size = len(item.payload)
        self._outcomes.count(project_id, "attachment", ACCEPTED, "", received_ns, size)
        self._outcomes.count(project_id, "attachment_item", ACCEPTED, "", received_ns)

    def _take_logs(self, item: Item, project_id: int, received_ns: int) -> None:
        for entry in self._entries(item, project_id, received_ns):
            log = log_of_container(entry, project_id, self._telemetry.next_sequence(), received_ns)
            if log is None:
                self._refuse(item.type, project_id, "invalid_log", received_ns)
            else:
                self._telemetry.add_log(log)
                self._outcomes.count(project_id, "log_item", ACCEPTED, "", received_ns)

    def _take_spans(self, item: Item, project_id: int, received_ns: int) -> None:
        for entry in self._entries(item, project_id, received_ns):
            span = span_of_container(
                entry, project_id, self._telemetry.next_sequence(), received_ns
            )
            if span is None:
                self._refuse(item.type, project_id, "invalid_span", received_ns)
            else:
                self._telemetry.add_span(span)
                self._outcomes.count(project_id, "span", ACCEPTED, "", received_ns)

    def _entries(
        self, item: Item, project_id: int, received_ns: int
    ) -> Iterator[Mapping[str, Any]]:
        container = _object_of(item.payload)
        if container is None:
            self._refuse(item.type, project_id, "invalid_json", received_ns)
            return
        for entry in as_list(container.get("items")):
            if not isinstance(entry, Mapping):
                self._refuse(item.type, project_id, "invalid_json", received_ns)
            elif self._is_too_large(entry, item):
                self._refuse(item.type, project_id, "too_large", received_ns)
            else:
                yield entry

    def _is_too_large(self, entry: Mapping[str, Any], item: Item) -> bool:
        limit = self._entry_bytes
        return len(item.payload) > limit and len(orjson.dumps(entry)) > limit

    def _keep(self, item: Item, project_id: int, received_ns: int) -> None:
        self._telemetry.kept_items.append(
            KeptItem(item.type, project_id, item.header, item.payload, received_ns)
        )
        self._outcomes.count(project_id, category_of_item(item.type), ACCEPTED, "", received_ns)

    def _refuse(self, item_type: str, project_id: int, reason: str, received_ns: int) -> None:
        self._outcomes.count(project_id, category_of_item(item_type), INVALID, reason, received_ns)


def _object_of(payload: bytes) -> Mapping[str, Any] | None:
    """The JSON object in ``payload``; ``None`` where it is none, or nested beyond any sense."""
    try:
        value = orjson.loads(payload)
        if isinstance(value, dict) and len(payload) > _UNDERSTOOD_DEPTH:
            orjson.dumps(_wrapped(value))
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return None
    return value if isinstance(value, dict) else None


def _wrapped(value: Any) -> Any:
    """``value`` so deep in lists that it can be written if it has at most the understood depth."""
    for _ in range(254 - _UNDERSTOOD_DEPTH):
        value = [value]
    return value
