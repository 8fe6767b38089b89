"""Everything that arrived anywhere for a test's trace, as texts, each with its place."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

from pytest_obsstack.clients.deliveries import deliveries_of
from pytest_obsstack.expect.metric_fence import own_matcher
from pytest_obsstack.expect.own_traces import lines_of_test, spans_of_test
from pytest_obsstack.expect.sentry_hops import events_of_test
from pytest_obsstack.expect.sentry_logs import logs_of_test

if TYPE_CHECKING:
    from pytest_obsstack.clients.sentry.client import SentryClient
    from pytest_obsstack.expect.context import Context

_CLOCKS_APART_S = 60.0


def places(context: Context) -> Iterator[tuple[str, str]]:
    """Name and text of each."""
    have = context.stack.capabilities
    if "issues" in have:
        yield from _in_events(context)
        for name, log, attributes in logs_of_test(context):
            yield f"{name} log", _json({**log.raw, **attributes})
    if "tracker_spans" in have:
        yield from _in_span_events(context)
    for store in context.clients.span_stores:
        # Also those that undecided requests have begun.
        spans_of_test(context, store)
        for trace_id in (context.trace_id, *dict.fromkeys(context.found_traces.values())):
            yield from store.span_texts(trace_id)
    if "logs" in have:
        for entry in lines_of_test(context):
            facts = {**entry.labels, **entry.structured_metadata}
            yield f"log line of {entry.labels.get('service_name')}", entry.line
            yield "labels and metadata of a log line", _json(facts)
    if "metrics" in have:
        yield from _in_metrics(context)


def _in_events(context: Context) -> Iterator[tuple[str, str]]:
    client = context.clients.sentry
    found: list[tuple[str, str, str | None]] = [
        ("event", event.event_id, event.project_id) for event in events_of_test(context)
    ]
    if "transactions" in client.traits.capabilities:
        found += [
            ("transaction", transaction.event_id, transaction.project_id)
            for transaction in client.transactions_of_trace(context.trace_id)
        ]
    for kind, event_id, project in found:
        where = f"{client.traits.product} {kind} {event_id}"
        yield where, _json(client.event_json(event_id, project=project))
        for attachment in client.attachments(event_id, project=project):
            content = client.attachment_content(event_id, attachment.id, project=project)
            yield f"attachment {attachment.name} of {where}", content.decode("utf-8", "replace")


def _in_span_events(context: Context) -> Iterator[tuple[str, str]]:
    """Sentry drops the events of OpenTelemetry's spans; the embedded one keeps their exceptions."""
    # Nobody but Sentry shows spans by trace.
    client = cast("SentryClient", context.clients.sentry)
    for trace_id in (context.trace_id, *dict.fromkeys(context.found_traces.values())):
        deliveries = deliveries_of(client, trace_id)
        for exception in () if deliveries is None else deliveries.exceptions:
            yield f"exception of span {exception.span_id}", f"{exception.type}: {exception.message}"


def _in_metrics(context: Context) -> Iterator[tuple[str, str]]:
    prometheus = context.clients.prometheus
    for service in context.services():
        selector = f"{{{own_matcher(service)}}}"
        for labels in prometheus.series(selector):
            yield f"labels of {labels.get('__name__')}", _json(dict(labels))
        if "exemplars" in context.stack.capabilities:
            for exemplar in prometheus.exemplars(
                selector,
                start_s=context.started_s - _CLOCKS_APART_S,
                end_s=context.last_ended_s + _CLOCKS_APART_S,
            ):
                if exemplar.trace_id == context.trace_id:
                    name = exemplar.series.get("__name__")
                    yield f"exemplar of {name}", _json(dict(exemplar.labels))


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
