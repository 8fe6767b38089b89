"""The datasets of ``/events/``: which records each has and how an index narrows them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_obsstack.embedded.sentry.discover.event_fields import event_fields
from pytest_obsstack.embedded.sentry.discover.log_fields import log_fields
from pytest_obsstack.embedded.sentry.discover.span_fields import span_fields
from pytest_obsstack.embedded.sentry.search.fields import FieldSet
from pytest_obsstack.embedded.sentry.search.syntax import Filter
from pytest_obsstack.embedded.sentry.state.model import StoredEvent
from pytest_obsstack.embedded.sentry.state.store import SentryStore
from pytest_obsstack.embedded.sentry.state.telemetry import TraceContents

NAMES = ("errors", "transactions", "spans", "logs", "ourlogs")
"""``ourlogs`` is what older Sentry versions call ``logs``."""


@dataclass(frozen=True)
class Dataset:
    """One of ``NAMES`` over the current state."""

    name: str
    fields: FieldSet[Any]
    duration_field: str | None
    """What a percentile without an argument is taken of."""
    everything: Sequence[Any]
    """In the order of arrival; each has ``project_id``, ``environment``, ``sequence``."""
    of_trace: Callable[[TraceContents], Sequence[Any]]
    time_ns: Callable[[Any], int]
    """When a record happened, for time windows."""
    _store: SentryStore

    def candidates(self, required: Iterable[Filter]) -> Sequence[Any]:
        """All records that fulfil ``required``, and as few others as the indexes allow."""
        for term in required:
            if term.key == "trace":
                telemetry = self._store.telemetry
                ids = dict.fromkeys(value.replace("-", "").lower() for value in term.values)
                return [r for trace in ids for r in self.of_trace(telemetry.trace(trace))]
            if term.key == "id" and self.name in ("errors", "transactions"):
                found = [
                    event
                    for value in dict.fromkeys(term.values)
                    for event in self._store.telemetry.events_with_id(value)
                ]
                return [event for event in found if self._holds(event)]
        return self.everything

    def _holds(self, event: StoredEvent) -> bool:
        return (event.type == "transaction") is (self.name == "transactions")


def dataset(name: str, store: SentryStore) -> Dataset:
    """The dataset called ``name``, which must be one of ``NAMES``."""
    telemetry = store.telemetry
    if name == "spans":
        return Dataset(
            name=name,
            fields=span_fields(store.catalog, telemetry),
            duration_field="span.duration",
            everything=telemetry.spans,
            of_trace=lambda trace: trace.spans,
            time_ns=lambda span: int(span.start_ns),
            _store=store,
        )
    if name in ("logs", "ourlogs"):
        return Dataset(
            name=name,
            fields=log_fields(store.catalog),
            duration_field=None,
            everything=telemetry.logs,
            of_trace=lambda trace: trace.logs,
            time_ns=lambda log: int(log.timestamp_ns),
            _store=store,
        )
    is_transactions = name == "transactions"
    return Dataset(
        name=name,
        fields=event_fields(store.catalog, store.issues),
        duration_field="transaction.duration" if is_transactions else None,
        everything=telemetry.transactions if is_transactions else telemetry.errors,
        of_trace=lambda trace: trace.transactions if is_transactions else trace.events,
        time_ns=lambda event: int(event.timestamp_ns),
        _store=store,
    )
