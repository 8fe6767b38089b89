"""What expectations need of an error tracker.

``SentryClient`` speaks to Sentry and to the embedded server, ``GlitchTipClient`` and
``BugsinkClient`` to those two; ``open_tracker`` makes the one that fits an endpoint.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from pytest_obsstack.clients.fields import Raw
from pytest_obsstack.clients.sentry.event import Event
from pytest_obsstack.clients.sentry.explore import SpanRow
from pytest_obsstack.clients.sentry.issue import (
    Attachment,
    Issue,
    IssueStatus,
    Outcome,
    Release,
    Tag,
    TagValue,
)
from pytest_obsstack.clients.sentry.traits import TrackerTraits
from pytest_obsstack.clients.sentry.transaction import TransactionEvent
from pytest_obsstack.errors import ObsstackError


class Tracker(Protocol):
    """An error tracker, asked for one project.

    Errors: ``BackendUnavailable``, ``BackendRefused``, and ``ObsstackError`` for what the tracker
    does not have, for a listing that is too long to be read to its end, and for an answer of
    another shape. None of them ever reads as "nothing there".
    """

    @property
    def traits(self) -> TrackerTraits: ...

    @property
    def url(self) -> str:
        """Base URL, without a trailing slash."""

    def close(self) -> None: ...

    def health(self) -> None:
        """Returns when the server says that it is healthy; else ``BackendUnavailable``."""

    def version(self) -> str | None:
        """The server's version; ``None`` where it does not tell."""

    def issues_url(self, issue_id: str | None = None) -> str:
        """Where a person can look at the issue, or at the list of all."""

    # Issues

    def issue(self, issue_id: str) -> Issue: ...

    def issues(self, query: str = "", *, limit: int = 100) -> tuple[Issue, ...]:
        """The first ``limit`` issues that match, in all states; ``tag:value`` works everywhere."""

    def update_issue(self, issue: Issue | str, *, status: IssueStatus) -> Issue:
        """Resolve, ignore or reopen an issue; ``ObsstackError`` where the tracker lets nobody."""

    def issue_events(self, issue: Issue | str, *, limit: int = 100) -> tuple[Event, ...]:
        """The first ``limit`` events of an issue with their whole bodies, newest first."""

    def latest_event(self, issue: Issue | str) -> Event: ...

    def tags(self, issue: Issue | str) -> tuple[Tag, ...]: ...

    def tag_values(self, issue: Issue | str, key: str) -> tuple[TagValue, ...]: ...

    # Events

    def event(self, event_id: str) -> Event:
        """The event with the id that the SDK gave; ``BackendRefused`` (404) if there is none."""

    def event_json(self, event_id: str, *, project: str | None = None) -> Raw:
        """The event's payload as it is stored, with the client's own field names.

        ``project`` is the slug or id of another project than the endpoint's.
        """

    def attachments(self, event_id: str, *, project: str | None = None) -> tuple[Attachment, ...]:
        """None where the tracker keeps no attachments."""

    def attachment_content(
        self, event_id: str, attachment_id: str, *, project: str | None = None
    ) -> bytes: ...

    # Traces

    def events_of_trace(self, trace_id: str, *, since_s: float | None = None) -> tuple[Event, ...]:
        """The error events of a trace, oldest first.

        ``since_s`` (Unix seconds) is a time before which the trace has not begun: a tracker that
        cannot search by trace reads its events back to there. ``None`` is the beginning.
        """

    def transactions_of_trace(self, trace_id: str) -> tuple[TransactionEvent, ...]:
        """Needs the capability ``transactions``."""

    def spans_of_trace(self, trace_id: str) -> tuple[SpanRow, ...]:
        """Needs the capability ``tracker_spans``."""

    # Releases and outcomes

    def releases(self, query: str | None = None) -> tuple[Release, ...]: ...

    def release(self, version: str) -> Release | None: ...

    def outcomes(self) -> tuple[Outcome, ...]:
        """What became of the items that were sent; needs ``traits.counts_outcomes``."""


def not_shown(product: str, what: str, capability: str | None = None) -> ObsstackError:
    """The error of a question that a kind of tracker can never answer."""
    skip = "" if capability is None else f", or mark the test with obs_requires({capability!r})"
    return ObsstackError(
        f"{product} does not show {what}.",
        expected=f"an error tracker that shows {what}",
        found=product,
        advice=f"use one that does (--obs-use sentry=lite, or the URL of a Sentry){skip}",
    )


def oldest_first(events: Iterable[Event]) -> tuple[Event, ...]:
    """By the app's own clock, as Sentry sorts them; ``events`` begin with the newest."""
    # Of two with the same time the first received stays the first.
    found = reversed(list(events))
    return tuple(sorted(found, key=lambda event: event.date.timestamp() if event.date else 0.0))
