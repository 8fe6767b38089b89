"""Whether an error was reported both by Sentry's SDK and by OpenTelemetry, so that it is two."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from pytest_obsstack.clients.deliveries import SpanException
from pytest_obsstack.expect.context import Context
from pytest_obsstack.expect.sentry_fields import event_title
from pytest_obsstack.expect.sentry_hops import events_of_test

if TYPE_CHECKING:
    from pytest_obsstack.clients.tempo.models import TempoSpan

_Error = tuple[str, str]
"""Type without its module, and message."""


def reported_twice(
    context: Context, exceptions: Sequence[SpanException] | None
) -> tuple[list[str], list[str]]:
    """What both have reported in this trace, and what of it cannot be seen.

    ``exceptions`` are those of spans that an error tracker has kept; ``None`` where it keeps none.
    An error is told by its type and message: OpenTelemetry knows no id of Sentry's event.
    """
    kept = list(exceptions or ())
    seen = exceptions is not None
    for store in context.clients.span_stores:
        if store.store_name == "Tempo":
            seen = True
            kept += _of_tempo(context)
    by_otel: dict[_Error, list[str]] = {}
    for each in dict.fromkeys(kept):
        error = (_short(each.type), each.message)
        by_otel.setdefault(error, []).append(f"an event of span {each.span_id}")
    for error, where in _of_logs(context):
        by_otel.setdefault(error, []).append(where)
    finds = [
        f"{event_title(event)} was reported by Sentry (event {event.event_id}) and by "
        f"OpenTelemetry ({where})"
        for event in events_of_test(context)
        for exception in event.exceptions
        for where in by_otel.get((_short(exception.type or ""), exception.value or ""), ())
    ]
    hidden = "Sentry keeps no exceptions that OpenTelemetry records as events of spans"
    return list(dict.fromkeys(finds)), [] if seen else [hidden]


def _of_tempo(context: Context) -> Iterator[SpanException]:
    spans: Sequence[TempoSpan] = context.clients.tempo.otlp_spans(context.trace_id)
    for span in spans:
        for event in span.events:
            if event.name == "exception":
                facts = event.attributes
                yield SpanException(
                    span.span_id,
                    str(facts.get("exception.type", "")),
                    str(facts.get("exception.message", "")),
                )


def _of_logs(context: Context) -> Iterator[tuple[_Error, str]]:
    """Log records with an exception; Loki makes underscores of the dots in attributes' names."""
    entries = context.clients.loki.lines_of_trace(context.trace_id, since_ns=context.since_ns)
    for entry in entries:
        facts = entry.structured_metadata
        if "exception_type" in facts:
            error = (_short(facts["exception_type"]), facts.get("exception_message", ""))
            yield error, f"a log record of {entry.labels.get('service_name')}"


def _short(type_name: str) -> str:
    """Sentry leaves the module out, OpenTelemetry does not."""
    return type_name.rpartition(".")[2]
