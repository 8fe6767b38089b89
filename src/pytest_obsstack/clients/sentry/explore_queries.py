"""Questions to Sentry's explore datasets: errors, spans and logs of a trace.

https://docs.sentry.io/api/explore/
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from pytest_obsstack.clients import fields
from pytest_obsstack.clients.fields import Raw
from pytest_obsstack.clients.sentry.api import MAX_PAGE_SIZE, rows
from pytest_obsstack.clients.sentry.connection import TrackerConnection
from pytest_obsstack.clients.sentry.explore import (
    ERROR_FIELDS,
    LOG_FIELDS,
    SPAN_FIELDS,
    ErrorRow,
    LogRow,
    SpanRow,
    parse_attributes,
    parse_error_row,
    parse_log_row,
    parse_span_row,
)
from pytest_obsstack.clients.sentry.remembered import Remembered


class ExploreQueries:
    """The datasets of the endpoint's organisation, of all its projects."""

    def __init__(self, connection: TrackerConnection) -> None:
        self._connection = connection
        # Attributes never change: by trace and span or log.
        self._attributes: Remembered[tuple[str, str], Raw] = Remembered()

    def errors(self, trace_id: str) -> Iterator[ErrorRow]:
        """The errors of a trace, oldest first."""
        return map(parse_error_row, self._of_trace("errors", ERROR_FIELDS, trace_id, "timestamp"))

    def spans(self, trace_id: str) -> Iterator[SpanRow]:
        """The spans of a trace, by start time."""
        found = self._of_trace("spans", SPAN_FIELDS, trace_id, "precise.start_ts")
        return map(parse_span_row, found)

    def logs(self, trace_id: str) -> Iterator[LogRow]:
        """The structured logs of a trace, oldest first."""
        return map(parse_log_row, self._of_trace("logs", LOG_FIELDS, trace_id, "timestamp"))

    def spans_by(self, attribute: str, query: str) -> Iterator[Raw]:
        """``attribute``, ``id`` and ``trace`` of all spans that Sentry's search ``query`` finds."""
        found = self._rows("spans", ("id", "trace", attribute), query)
        return (fields.mapping(row, "a row of dataset 'spans'") for row in found)

    def attributes(
        self, kind: Literal["spans", "logs"], trace_id: str, item_id: str, project: str | None
    ) -> Raw:
        """All attributes of a span or a log of the trace; asked for once."""
        params = {"trace_id": trace_id, "item_type": kind}
        return self._attributes.get(
            (trace_id, item_id),
            lambda: parse_attributes(
                self._connection.api.get_json(
                    self._connection.in_project("trace-items", item_id, project=project), params
                )
            ),
        )

    def _of_trace(
        self, dataset: str, columns: tuple[str, ...], trace_id: str, sort: str
    ) -> Iterator[Any]:
        return self._rows(dataset, columns, f"trace:{trace_id}", sort)

    def _rows(
        self, dataset: str, columns: tuple[str, ...], query: str, sort: str | None = None
    ) -> Iterator[Any]:
        params = {
            "dataset": dataset,
            "field": columns,
            "query": query,
            "sort": sort,
            "per_page": MAX_PAGE_SIZE,
        }
        return rows(self._connection.api, self._connection.in_organization("events"), params)
