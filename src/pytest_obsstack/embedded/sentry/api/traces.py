"""A trace: its spans as a tree with the errors that happened in them, and its counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from pytest_obsstack.embedded.sentry.api.http import Api, Call, Reply, not_found
from pytest_obsstack.embedded.sentry.api.lookup import organization_of, times_of
from pytest_obsstack.embedded.sentry.discover.span_fields import segment_of
from pytest_obsstack.embedded.sentry.state.foreign import hex_id
from pytest_obsstack.embedded.sentry.state.model import Organization, Span, StoredEvent
from pytest_obsstack.embedded.sentry.state.store import SentryStore
from pytest_obsstack.embedded.sentry.state.telemetry import TraceContents
from pytest_obsstack.embedded.sentry.times import seconds

_TIMES = ("statsPeriod", "start", "end")


def get_trace(api: Api, call: Call) -> Reply:
    """Roots first; errors without a span of theirs stand beside the roots, as in Sentry."""
    call.only(*_TIMES, "referrer", "additional_attributes", "project", "limit", "timestamp")
    organization = organization_of(api, call)
    contents = _contents(api, call, organization)
    tree = TraceTree(api.store, contents, call.all("additional_attributes"))
    return Reply(tree.json())


def get_trace_meta(api: Api, call: Call) -> Reply:
    call.only(*_TIMES, "project", "timestamp", "referrer")
    contents = _contents(api, call, organization_of(api, call))
    children = Counter(span.transaction_event_id for span in contents.spans if not span.is_segment)
    return Reply(
        {
            "errorsCount": len(contents.events),
            "logsCount": len(contents.logs),
            "metricsCount": 0,
            "performanceIssuesCount": 0,
            "spansCount": len(contents.spans),
            "transactionChildCountMap": [
                {"transaction.event_id": event.event_id, "count()": children[event.event_id]}
                for event in contents.transactions
            ],
            "spansCountMap": dict(Counter(span.op for span in contents.spans)),
            "uptimeCount": 0,
        }
    )


class TraceTree:
    """The spans of a trace under their parents."""

    def __init__(self, store: SentryStore, contents: TraceContents, additional: list[str]) -> None:
        self._store = store
        self._additional = additional
        self._spans = sorted(contents.spans, key=lambda span: (span.start_ns, span.sequence))
        self._events = contents.events
        self._ids = {span.span_id for span in self._spans}

    def json(self) -> list[dict[str, Any]]:
        nodes = {id(span): self._span_json(span) for span in self._spans}
        by_span_id = {span.span_id: nodes[id(span)] for span in reversed(self._spans)}
        roots: list[dict[str, Any]] = []
        for span in self._spans:
            node = nodes[id(span)]
            parent = by_span_id.get(span.parent_span_id or "")
            # A span that is its own ancestor would vanish from the answer: it becomes a root.
            if parent is None or self._is_own_ancestor(span):
                roots.append(node)
            else:
                parent["children"].append(node)
        for event in self._events:
            node = self._error_json(event)
            span_node = by_span_id.get(event.span_id or "")
            (roots if span_node is None else span_node["errors"]).append(node)
        return roots

    def _is_own_ancestor(self, span: Span) -> bool:
        parents: Mapping[str, str | None] = {s.span_id: s.parent_span_id for s in self._spans}
        seen = {span.span_id}
        current = span.parent_span_id
        while current is not None and current in parents:
            if current in seen:
                return True
            seen.add(current)
            current = parents[current]
        return False

    def _span_json(self, span: Span) -> dict[str, Any]:
        segment = None
        if span.transaction is None:
            segment = segment_of(span, self._store.telemetry)
        transaction = span.transaction or (None if segment is None else segment.transaction)
        project = self._store.catalog.projects[span.project_id]
        node: dict[str, Any] = {
            "event_type": "span",
            "event_id": span.span_id,
            "description": span.description,
            "name": span.name,
            "op": span.op,
            "parent_span_id": span.parent_span_id,
            "project_id": span.project_id,
            "project_slug": project.slug,
            "transaction": transaction or "",
            "transaction_id": span.transaction_event_id or span.segment_id or "",
            "is_transaction": span.is_segment,
            "start_timestamp": seconds(span.start_ns),
            "end_timestamp": seconds(span.end_ns),
            "duration": span.duration_ms,
            "sdk_name": span.sdk_name or "",
            "measurements": {},
            "browser_web_vital": {},
            "mobile_app_vital": {},
            "profile_id": "",
            "profiler_id": "",
            "children": [],
            "errors": [],
            "occurrences": [],
        }
        if self._additional:
            known = {
                "span.status": span.status,
                "span.kind": span.kind,
                "sentry.origin": span.origin,
            }
            values = {**span.attributes, **known, "service.name": span.service_name}
            node["additional_attributes"] = {
                name: values[name] for name in self._additional if values.get(name) is not None
            }
        return node

    def _error_json(self, event: StoredEvent) -> dict[str, Any]:
        issue = self._store.issues.by_id[event.issue_id] if event.issue_id is not None else None
        timestamp_s = seconds(event.timestamp_ns)
        return {
            "event_type": "error",
            "event_id": event.event_id,
            "description": event.title,
            "project_id": event.project_id,
            "project_slug": self._store.catalog.projects[event.project_id].slug,
            "transaction": event.transaction or "",
            "issue_id": event.issue_id,
            "level": event.level,
            "start_timestamp": timestamp_s,
            "end_timestamp": timestamp_s,
            "culprit": event.culprit,
            "short_id": None if issue is None else issue.short_id,
            "issue_type": 1,
        }


def _contents(api: Api, call: Call, organization: Organization) -> TraceContents:
    trace_id = hex_id(call.params["trace_id"], 32)
    if trace_id is None:
        raise not_found()
    times_of(api, call)  # checked, but not needed: a trace id says enough
    wanted = [value for value in call.all("project") if value != "-1"]
    projects = {
        project.id
        for project in api.store.catalog.projects_of(organization.id)
        if not wanted or str(project.id) in wanted or project.slug in wanted
    }
    found = api.store.telemetry.trace(trace_id)
    return TraceContents(
        events=[event for event in found.events if event.project_id in projects],
        transactions=[event for event in found.transactions if event.project_id in projects],
        spans=[span for span in found.spans if span.project_id in projects],
        logs=[log for log in found.logs if log.project_id in projects],
    )
