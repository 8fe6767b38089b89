"""Expectations on errors and transactions: issues, events, transactions of this test's trace."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pytest_obsstack.expect.context import Context
from pytest_obsstack.expect.matching import NOT_GIVEN, differences, given
from pytest_obsstack.expect.sentry_fields import event_fields
from pytest_obsstack.expect.sentry_groups import (
    expect_breadcrumbs,
    expect_grouping,
    of_count,
    trail,
)
from pytest_obsstack.expect.sentry_life import (
    Resolved,
    expect_no_regression,
    expect_regression,
    resolve,
    with_first_release,
)
from pytest_obsstack.expect.sentry_questions import (
    event_question,
    issue_question,
    transaction_question,
)
from pytest_obsstack.expect.soft import Expectations

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_obsstack.clients.sentry.event import Event
    from pytest_obsstack.clients.sentry.issue import Issue
    from pytest_obsstack.clients.sentry.transaction import TransactionEvent


class SentryExpectations(Expectations):
    """``obs.sentry``: what of this test's trace must be, or must not be, in the error tracker.

    Every expected field may be a value, a compiled regular expression, a callable, ``None`` (must
    be absent) or ``...`` (must be there); mappings compare only the keys that they name.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._resolved: dict[str, Resolved] = {}

    # ---- presence

    def expect_issue(
        self,
        type: Any = NOT_GIVEN,
        *,
        value: Any = NOT_GIVEN,
        title: Any = NOT_GIVEN,
        culprit: Any = NOT_GIVEN,
        level: Any = NOT_GIVEN,
        status: Any = NOT_GIVEN,
        substatus: Any = NOT_GIVEN,
        first_release: Any = NOT_GIVEN,
        last_release: Any = NOT_GIVEN,
        count: Any = NOT_GIVEN,
        user_count: Any = NOT_GIVEN,
    ) -> Issue:
        """The issue to which an error of this test belongs; waits until there is one that matches.

        ``type`` and ``value`` are the exception's; ``count`` and ``user_count`` the issue's own,
        over all its events, ``first_release`` and ``last_release`` the versions that had the first
        and the last of them. Raises ``AssertionError`` at the deadline.
        """
        __tracebackhide__ = True
        expected = given(
            type=type,
            value=value,
            title=title,
            culprit=culprit,
            level=level,
            status=status,
            substatus=substatus,
            first_release=first_release,
            last_release=last_release,
            count=count,
            user_count=user_count,
        )
        question = issue_question(self._context)
        if first_release is not NOT_GIVEN:
            context, fetch = self._context, question.fetch
            question = replace(question, fetch=lambda: with_first_release(context, fetch()))
        return question.one(self._context, expected)

    # ---- the life of an issue

    def resolve(self, issue: Issue) -> Issue:
        """The issue, resolved once all errors of this test so far have arrived.

        Needs the capabilities ``issue_status`` and ``writes``. Raises ``CannotTell`` where an error
        of the test may still be under way, which would open the issue again.
        """
        __tracebackhide__ = True
        issue, self._resolved[issue.id] = resolve(self._context, issue)
        return issue

    def expect_regression(self, issue: Issue) -> Issue:
        """An issue that was resolved is open again, because of an event of this test.

        Raises ``AssertionError`` at the deadline, ``CannotTell`` where it was never resolved.
        """
        __tracebackhide__ = True
        return expect_regression(self._context, issue, self._resolved.get(issue.id))

    def expect_no_regression(self, issue: Issue) -> None:
        """No event of this test has come to the issue since it was resolved.

        Raises ``AssertionError`` with what came, ``CannotTell`` where arrival is not proven.
        """
        __tracebackhide__ = True
        expect_no_regression(self._context, issue, self._resolved.get(issue.id))

    def expect_event(
        self,
        issue: Issue | None = None,
        *,
        event_id: Any = NOT_GIVEN,
        type: Any = NOT_GIVEN,
        value: Any = NOT_GIVEN,
        message: Any = NOT_GIVEN,
        title: Any = NOT_GIVEN,
        level: Any = NOT_GIVEN,
        tags: Any = NOT_GIVEN,
        user: Any = NOT_GIVEN,
        contexts: Any = NOT_GIVEN,
        extra: Any = NOT_GIVEN,
        environment: Any = NOT_GIVEN,
        release: Any = NOT_GIVEN,
        transaction: Any = NOT_GIVEN,
        logger: Any = NOT_GIVEN,
        handled: Any = NOT_GIVEN,
        fingerprint: Any = NOT_GIVEN,
        breadcrumbs: Any = NOT_GIVEN,
    ) -> Event:
        """An error event of this test, of ``issue`` if that is given; the latest that matches.

        ``breadcrumbs`` are mappings of ``category``, ``message``, ``level``, ``type`` and ``data``,
        which must be there in this order; others may be between them. Raises ``AssertionError`` at
        the deadline.
        """
        __tracebackhide__ = True
        expected = given(
            event_id=event_id,
            type=type,
            value=value,
            message=message,
            title=title,
            level=level,
            tags=tags,
            user=user,
            contexts=contexts,
            extra=extra,
            environment=environment,
            release=release,
            transaction=transaction,
            logger=logger,
            handled=handled,
            fingerprint=fingerprint,
            breadcrumbs=trail(self._context, breadcrumbs),
        )
        return event_question(self._context, issue).one(self._context, expected)

    def expect_transaction(
        self,
        name: Any = NOT_GIVEN,
        *,
        op: Any = NOT_GIVEN,
        status: Any = NOT_GIVEN,
        tags: Any = NOT_GIVEN,
        contexts: Any = NOT_GIVEN,
        environment: Any = NOT_GIVEN,
        release: Any = NOT_GIVEN,
        duration_s: Any = NOT_GIVEN,
    ) -> TransactionEvent:
        """A transaction that Sentry's SDK sent in this test's trace; the latest that matches."""
        __tracebackhide__ = True
        expected = given(
            name=name,
            op=op,
            status=status,
            tags=tags,
            contexts=contexts,
            environment=environment,
            release=release,
            duration_s=duration_s,
        )
        return transaction_question(self._context).one(self._context, expected)

    # ---- order, number, groups

    def expect_breadcrumbs(
        self, event: Event, breadcrumbs: Sequence[Mapping[str, Any]], *, exactly: bool = False
    ) -> None:
        """The event has these breadcrumbs in this order; ``exactly``: and no others.

        Each is a mapping of ``category``, ``message``, ``level``, ``type`` and ``data``. An event
        arrives whole, so nothing is waited for. Raises ``AssertionError`` with both sequences side
        by side, ``ObsstackError`` for an event of another test.
        """
        __tracebackhide__ = True
        expect_breadcrumbs(self._context, event, breadcrumbs, exactly=exactly)

    def expect_events(
        self,
        issue: Issue | None = None,
        *,
        count: int,
        type: Any = NOT_GIVEN,
        value: Any = NOT_GIVEN,
        message: Any = NOT_GIVEN,
        level: Any = NOT_GIVEN,
        tags: Any = NOT_GIVEN,
        fingerprint: Any = NOT_GIVEN,
    ) -> tuple[Event, ...]:
        """The events of this test that match, of ``issue`` if that is given: exactly ``count``.

        ``fingerprint`` is the client's, a sequence of texts. Raises ``AssertionError``, and
        ``CannotTell`` where more may still come.
        """
        __tracebackhide__ = True
        expected = given(
            type=type, value=value, message=message, level=level, tags=tags, fingerprint=fingerprint
        )
        question = event_question(self._context, issue)
        judge = of_count(count, expected, question.title, issue)
        events = question.together(
            self._context,
            judge,
            expected=[expected] if count else [],
            summary=f"{question.backend} has another number of events of this test",
            purpose="count the events",
        )
        return tuple(event for event in events if not differences(expected, event_fields(event)))

    def expect_same_issue(self, *events: Event) -> str:
        """These events of this test are in one issue; its id.

        Raises ``AssertionError`` with the issue and the hashes of each event.
        """
        __tracebackhide__ = True
        return expect_grouping(self._context, events, together=True)[0]

    def expect_different_issues(self, *events: Event) -> tuple[str, ...]:
        """Each of these events of this test is in an issue of its own; the ids in their order.

        Raises ``AssertionError`` with the issue and the hashes of each event.
        """
        __tracebackhide__ = True
        return expect_grouping(self._context, events, together=False)

    # ---- all that arrived, once settled

    def events(self) -> tuple[Event, ...]:
        """All error events of this test, oldest first, once arrival has settled.

        Raises ``CannotTell`` where it cannot be proven that no more will come.
        """
        __tracebackhide__ = True
        return event_question(self._context).all(self._context)

    def transactions(self) -> tuple[TransactionEvent, ...]:
        """All transactions of this test, by start time, once arrival has settled."""
        __tracebackhide__ = True
        return transaction_question(self._context).all(self._context)

    # ---- absence

    def expect_no_issue(
        self, type: Any = NOT_GIVEN, *, value: Any = NOT_GIVEN, title: Any = NOT_GIVEN
    ) -> None:
        """No error of this test belongs to such an issue; without fields: to any issue.

        Raises ``AssertionError`` with what was found, ``CannotTell`` where arrival is not proven
        settled.
        """
        __tracebackhide__ = True
        expected = given(type=type, value=value, title=title)
        issue_question(self._context).none(self._context, expected)

    def expect_no_event(
        self,
        *,
        type: Any = NOT_GIVEN,
        value: Any = NOT_GIVEN,
        message: Any = NOT_GIVEN,
        level: Any = NOT_GIVEN,
        tags: Any = NOT_GIVEN,
    ) -> None:
        """No error event of this test matches; without fields: there is none at all."""
        __tracebackhide__ = True
        expected = given(type=type, value=value, message=message, level=level, tags=tags)
        event_question(self._context).none(self._context, expected)
