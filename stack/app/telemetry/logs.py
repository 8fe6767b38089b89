"""Log records as JSON lines on stdout and, over OTLP, to the collector, both with the trace id."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from datetime import datetime, timezone
from typing import Any

from opentelemetry import trace
from opentelemetry._logs import LoggerProvider, LogRecord, SeverityNumber
from opentelemetry.context import get_current
from opentelemetry.util.types import AnyValue

# Attributes that every record has; what else there is came in through `extra`.
_OWN_ATTRIBUTES = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

_SEVERITIES = {
    logging.DEBUG: (SeverityNumber.DEBUG, "DEBUG"),
    logging.INFO: (SeverityNumber.INFO, "INFO"),
    # The names of OpenTelemetry's log data model, as its own handlers for Python give them.
    logging.WARNING: (SeverityNumber.WARN, "WARN"),
    logging.ERROR: (SeverityNumber.ERROR, "ERROR"),
    logging.CRITICAL: (SeverityNumber.FATAL, "FATAL"),
}


class JsonFormatter(logging.Formatter):
    """One JSON object a line.

    ``timestamp`` (RFC 3339, UTC), ``level`` (Python's name), ``service``, ``logger``, ``message``;
    inside a request ``trace_id`` and ``span_id`` in hex; what was given as ``extra``; after an
    exception ``exception`` with the traceback.
    """

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        timestamp = datetime.fromtimestamp(record.created, timezone.utc)
        line: dict[str, Any] = {
            "timestamp": timestamp.isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "level": record.levelname,
            "service": self._service,
            "logger": record.name,
            "message": record.getMessage(),
        }
        context = trace.get_current_span().get_span_context()
        if context.is_valid:
            line["trace_id"] = trace.format_trace_id(context.trace_id)
            line["span_id"] = trace.format_span_id(context.span_id)
        for name, value in _extra(record).items():
            line.setdefault(name, value)
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


class OtlpHandler(logging.Handler):
    """Hands records to an OpenTelemetry logger of the same name, in the current trace context."""

    def __init__(self, provider: LoggerProvider) -> None:
        super().__init__()
        self._provider = provider
        self.addFilter(_not_from_the_exporters)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._provider.get_logger(record.name).emit(_otel_record(record))
        except Exception:  # noqa: BLE001 - as every logging handler: never break the caller
            self.handleError(record)


def configure_logging(service: str, level: int) -> None:
    """Makes the root logger write JSON lines to stdout, in place of whatever it did before."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter(service))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # One INFO line for each call that /chain makes says nothing that its span does not say better.
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)


def _not_from_the_exporters(record: logging.LogRecord) -> bool:
    # An exporter that cannot reach the collector would be asked to export its own complaint.
    return record.name.partition(".")[0] not in {"opentelemetry", "urllib3", "requests"}


def _otel_record(record: logging.LogRecord) -> LogRecord:
    number, text = _SEVERITIES.get(record.levelno, (SeverityNumber.UNSPECIFIED, record.levelname))
    attributes: dict[str, AnyValue] = dict(_extra(record))
    if record.exc_info and record.exc_info[0] is not None:
        attributes["exception.type"] = record.exc_info[0].__name__
        attributes["exception.message"] = str(record.exc_info[1])
        attributes["exception.stacktrace"] = "".join(traceback.format_exception(*record.exc_info))
    return LogRecord(
        timestamp=int(record.created * 1e9),
        context=get_current(),
        severity_number=number,
        severity_text=text,
        body=record.getMessage(),
        attributes=attributes,
    )


def _extra(record: logging.LogRecord) -> dict[str, str | bool | int | float]:
    return {
        name: value if isinstance(value, str | bool | int | float) else str(value)
        for name, value in vars(record).items()
        if name not in _OWN_ATTRIBUTES
    }
