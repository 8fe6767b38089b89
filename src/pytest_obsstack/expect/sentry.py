"""Expectations on errors and transactions: issues, events, transactions of this test's trace."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pytest_obsstack.expect.context import Context
from pytest_obsstack.expect.fence import errors_settled
from pytest_obsstack.expect.matching import NOT_GIVEN, differences, given
from pytest_obsstack.expect.question import Question
from pytest_obsstack.expect.sentry_fields import (
    event_fields,
    event_title,
    issue_fields,
    issue_title,
    transaction_fields,
    transaction_title,
)
from pytest_obsstack.expect.sentry_groups import (
    expect_breadcrumbs,
    expect_grouping,
    of_count,
    trail,
)
from pytest_obsstack.expect.sentry_hops import events_of_test, sentry_hops
from pytest_obsstack.expect.sentry_life import (
    Resolved,
    expect_no_regression,
    expect_regression,
    resolve,
    with_first_release,
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
        question = self._issue_question()
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
        return self._event_question(issue).one(self._context, expected)

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
        return self._transaction_question().one(self._context, expected)

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
        question = self._event_question(issue)
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
        return self._event_question().all(self._context)

    def transactions(self) -> tuple[TransactionEvent, ...]:
        """All transactions of this test, by start time, once arrival has settled."""
        __tracebackhide__ = True
        return self._transaction_question().all(self._context)

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
        self._issue_question().none(self._context, expected)

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
        self._event_question().none(self._context, expected)

    # ---- what is asked

    def _issue_question(self) -> Question[Issue]:
        return self._question("issue", self._issues, issue_fields, issue_title)

    def _event_question(self, issue: Issue | None = None) -> Question[Event]:
        return self._question("event", lambda: self._events(issue), event_fields, event_title)

    def _transaction_question(self) -> Question[TransactionEvent]:
        return self._question(
            "transaction", self._transactions, transaction_fields, transaction_title
        )

    def _question(self, noun: str, fetch: Any, fields: Any, title: Any) -> Question[Any]:
        return Question(
            backend=self._context.clients.sentry.traits.product,
            noun=noun,
            signal="errors",
            fetch=fetch,
            fields=fields,
            title=title,
            settle=errors_settled,
            hops=sentry_hops,
            links=self._links,
        )

    def _links(self) -> Sequence[str]:
        issues = {event.issue_id for event in self._events() if event.issue_id}
        client = self._context.clients.sentry
        pages = [client.issues_url(issue_id) for issue_id in sorted(issues)[:2]]
        return pages or [client.issues_url()]

    def _events(self, issue: Issue | None = None) -> tuple[Event, ...]:
        events = events_of_test(self._context)
        return tuple(e for e in events if issue is None or e.issue_id == issue.id)

    def _issues(self) -> tuple[Issue, ...]:
        client = self._context.clients.sentry
        ids = dict.fromkeys(event.issue_id for event in self._events() if event.issue_id)
        return tuple(client.issue(issue_id) for issue_id in ids)

    def _transactions(self) -> tuple[TransactionEvent, ...]:
        return self._context.clients.sentry.transactions_of_trace(self._context.trace_id)
