"""The whole state of the server, and the one way it changes: ``apply`` of a journal entry.

Pure: no clock, no chance, no I/O. The same entries give the same state, ids included.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from pytest_obsstack.embedded.journal import JournalEntry
from pytest_obsstack.embedded.sentry.settings import IngestLimits
from pytest_obsstack.embedded.sentry.state.catalog import Catalog
from pytest_obsstack.embedded.sentry.state.envelopes import EnvelopeSink
from pytest_obsstack.embedded.sentry.state.issues import Issues
from pytest_obsstack.embedded.sentry.state.model import Issue, Organization, StoredEvent
from pytest_obsstack.embedded.sentry.state.otlp_spans import exceptions_of_otlp, span_of_otlp
from pytest_obsstack.embedded.sentry.state.outcomes import ACCEPTED, INVALID, Outcomes
from pytest_obsstack.embedded.sentry.state.releases import Releases
from pytest_obsstack.embedded.sentry.state.telemetry import Telemetry
from pytest_obsstack.wire.envelope import Envelope, parse_envelope

_DEFAULT_LIMITS = IngestLimits()
ENVELOPE, OTLP_TRACES, REFUSED = "envelope", "otlp_traces", "refused"
"""Kinds of journal entries with telemetry; those of the API are the keys of ``_CHANGES``."""


@dataclass(frozen=True)
class GroupedEvent:
    """An event that was just counted in its issue."""

    issue: Issue
    event: StoredEvent
    is_new: bool
    is_regression: bool


@dataclass
class Applied:
    """What an entry brought: told to observers after it was applied, not during a replay."""

    events: list[GroupedEvent] = field(default_factory=list)
    transactions: list[StoredEvent] = field(default_factory=list)
    statuses: list[Issue] = field(default_factory=list)
    """Issues whose status an API change has changed."""
    changed: Any = None
    """What an API change made or changed."""


class SentryStore:
    """Read it through ``catalog``, ``issues``, ``telemetry``, ``releases`` and ``outcomes``."""

    def __init__(self, limits: IngestLimits = _DEFAULT_LIMITS) -> None:
        self.catalog = Catalog()
        self.issues = Issues()
        self.telemetry = Telemetry()
        self.releases = Releases()
        self.outcomes = Outcomes()
        self._sink = EnvelopeSink(
            self.telemetry, self.outcomes, self._store_event, limits.item_bytes
        )
        self._changes: dict[str, Callable[[Mapping[str, Any], int], Any]] = {
            "organization.created": self.catalog.create_organization,
            "team.created": self.catalog.create_team,
            "project.created": self.catalog.create_project,
            "project.deleted": self._delete_project,
            "key.created": self.catalog.create_key,
            "key.updated": lambda data, _: self.catalog.update_key(data),
            "key.deleted": lambda data, _: self.catalog.delete_key(data),
            "issue.updated": self._update_issues,
            "issue.deleted": self._delete_issues,
        }
        self._applied = Applied()

    def knows(self, kind: str) -> bool:
        """Whether ``apply`` takes entries of that kind."""
        return kind in self._changes or kind in (ENVELOPE, OTLP_TRACES, REFUSED)

    def apply(self, entry: JournalEntry) -> Applied:
        """Raises ``KeyError`` for a kind that is not ``knows``n."""
        if entry.kind == ENVELOPE:
            return self.apply_envelope(entry, parse_envelope(entry.payload))
        self._applied = Applied()
        if entry.kind == OTLP_TRACES:
            self._apply_otlp_traces(entry)
        elif entry.kind == REFUSED:
            self._apply_refused(entry)
        else:
            change = self._changes[entry.kind]
            self._applied.changed = change(orjson.loads(entry.payload), entry.received_ns)
        return self._applied

    def apply_envelope(self, entry: JournalEntry, envelope: Envelope) -> Applied:
        """As ``apply``, for one whose payload has been parsed already."""
        self._applied = Applied()
        self._sink.take(
            envelope, entry.meta["project_id"], entry.meta["event_id"], entry.received_ns
        )
        return self._applied

    def _update_issues(self, data: Mapping[str, Any], received_ns: int) -> list[Issue]:
        known = self.issues.by_id
        before = {i: known[i].status for i in data["ids"] if i in known}
        changed = self.issues.update(data, received_ns)
        self._applied.statuses += [i for i in changed if i.status != before[i.id]]
        return changed

    def organization_of(self, project_id: int) -> Organization:
        return self.catalog.organizations[self.catalog.projects[project_id].organization_id]

    def issues_of(self, organization_id: int) -> list[Issue]:
        projects = {project.id for project in self.catalog.projects_of(organization_id)}
        return [issue for issue in self.issues.by_id.values() if issue.project_id in projects]

    def events_of(self, issue: Issue) -> list[StoredEvent]:
        """In the order of arrival."""
        events = self.telemetry.events
        return [events[issue.project_id, event_id] for event_id in issue.event_ids]

    def _store_event(self, event: StoredEvent, grouping_hash: str | None) -> None:
        """Called by the sink for each new event; transactions have no hash and no issue."""
        project = self.catalog.projects[event.project_id]
        is_new = False
        if grouping_hash is None:
            self.telemetry.add_event(event)
            self._applied.transactions.append(event)
        else:
            issue_id = self.issues.issue_id_for(event.project_id, grouping_hash)
            event = replace(event, issue_id=issue_id, grouping_hash=grouping_hash)
            self.telemetry.add_event(event)
            issue, is_new, is_regression = self.issues.add(event, grouping_hash, project.slug)
            self._applied.events.append(GroupedEvent(issue, event, is_new, is_regression))
        self.releases.note(event, project.organization_id, is_new_issue=is_new)

    def _apply_otlp_traces(self, entry: JournalEntry) -> None:
        from pytest_obsstack.wire.otlp import decode_traces, spans

        project_id, received_ns = entry.meta["project_id"], entry.received_ns
        for otlp_span in spans(decode_traces(entry.payload, entry.meta["encoding"])):
            span = span_of_otlp(otlp_span, project_id, self.telemetry.next_sequence(), received_ns)
            if span is None:
                self.outcomes.count(project_id, "span", INVALID, "invalid_span", received_ns)
            else:
                self.telemetry.add_span(span)
                for exception in exceptions_of_otlp(otlp_span, project_id):
                    self.telemetry.add_span_exception(span.trace_id, exception)
                self.outcomes.count(project_id, "span", ACCEPTED, "", received_ns)

    def _apply_refused(self, entry: JournalEntry) -> None:
        meta = entry.meta
        self.outcomes.count(
            meta["project_id"], meta["category"], meta["outcome"], meta["reason"], entry.received_ns
        )

    def _delete_project(self, data: Mapping[str, Any], _received_ns: int) -> None:
        project_id = data["project_id"]
        self.catalog.delete_project(data)
        self.telemetry.remove_project(project_id)
        for issue in [i for i in self.issues.by_id.values() if i.project_id == project_id]:
            self.issues.remove(issue)

    def _delete_issues(self, data: Mapping[str, Any], _received_ns: int) -> None:
        doomed = {issue_id for issue_id in data["ids"] if issue_id in self.issues.by_id}
        for issue_id in doomed:
            self.issues.remove(self.issues.by_id[issue_id])
        self.telemetry.remove_events(lambda event: event.issue_id in doomed)
