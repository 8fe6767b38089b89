"""Fields of the ``logs`` dataset."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pytest_obsstack.embedded.sentry.search.fields import Field, FieldSet
from pytest_obsstack.embedded.sentry.search.match import FieldType
from pytest_obsstack.embedded.sentry.state.catalog import Catalog
from pytest_obsstack.embedded.sentry.state.model import LogRecord

LogFields = FieldSet[LogRecord]


def log_fields(catalog: Catalog) -> LogFields:
    def slug(log: LogRecord) -> str:
        return catalog.projects[log.project_id].slug

    built_in: dict[str, Field[LogRecord]] = {
        "project": Field("string", slug),
        "project.name": Field("string", slug),
        **{name: Field(kind, read) for name, (kind, read) in _FIELDS.items()},
    }
    return FieldSet(built_in, _own, {"is", "payload_size"}.__contains__)


def _own(log: LogRecord, name: str) -> Any:
    """Attributes of the SDK are found with and without their ``sentry.``."""
    value = log.attributes.get(name)
    return log.attributes.get(f"sentry.{name}") if value is None else value


_FIELDS: dict[str, tuple[FieldType, Callable[[LogRecord], Any]]] = {
    "id": ("string", lambda log: log.id),
    "sentry.item_id": ("string", lambda log: log.id),
    "timestamp": ("date", lambda log: log.timestamp_ns),
    "timestamp_precise": ("integer", lambda log: log.timestamp_ns),
    "trace": ("string", lambda log: log.trace_id),
    "span_id": ("string", lambda log: log.span_id),
    "trace.parent_span_id": ("string", lambda log: log.span_id),
    "trace.parent_span": ("string", lambda log: log.span_id),
    "severity": ("string", lambda log: log.severity),
    "level": ("string", lambda log: log.severity),
    "severity_number": ("integer", lambda log: log.severity_number),
    "message": ("string", lambda log: log.body),
    "log.body": ("string", lambda log: log.body),
    "environment": ("string", lambda log: log.environment),
    "release": ("string", lambda log: log.release),
    "project.id": ("integer", lambda log: log.project_id),
    "project_id": ("integer", lambda log: log.project_id),
}
