"""Expectations on errors and transactions: issues, events, transactions of this test's trace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_obsstack.expect.context import Context
from pytest_obsstack.expect.fence import errors_settled
from pytest_obsstack.expect.matching import ABSENT, NOT_GIVEN, given
from pytest_obsstack.expect.question import Question
from pytest_obsstack.expect.sentry_hops import events_of_test, sentry_hops
from pytest_obsstack.expect.soft import Expectations

if TYPE_CHECKING:
    from collections.abc import Sequence

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
        count: Any = NOT_GIVEN,
        user_count: Any = NOT_GIVEN,
    ) -> Issue:
        """The issue to which an error of this test belongs; waits until there is one that matches.

        ``type`` and ``value`` are the exception's; ``count`` and ``user_count`` the issue's own,
        over all its events. Raises ``AssertionError`` at the deadline.
        """
        __tracebackhide__ = True
        expected = given(
            type=type,
            value=value,
            title=title,
            culprit=culprit,
            level=level,
            status=status,
            count=count,
            user_count=user_count,
        )
        return self._issue_question().one(self._context, expected)

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
    ) -> Event:
        """An error event of this test, of ``issue`` if that is given; the latest that matches.

        Raises ``AssertionError`` at the deadline.
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
        return self._question("issue", self._issues, _issue_fields, _issue_title)

    def _event_question(self, issue: Issue | None = None) -> Question[Event]:
        return self._question("event", lambda: self._events(issue), _event_fields, _event_title)

    def _transaction_question(self) -> Question[TransactionEvent]:
        return self._question(
            "transaction", self._transactions, _transaction_fields, _transaction_title
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


def _issue_fields(issue: Issue) -> dict[str, Any]:
    return {
        "type": _or_absent(issue.type),
        "value": _or_absent(issue.value),
        "title": issue.title,
        "culprit": _or_absent(issue.culprit),
        "level": _or_absent(issue.level),
        "status": _or_absent(issue.status),
        "count": issue.count,
        "user_count": issue.user_count,
    }


def _issue_title(issue: Issue) -> str:
    return f'{issue.short_id or issue.id} {issue.type or ""} "{issue.value or issue.title}"'


def _event_fields(event: Event) -> dict[str, Any]:
    exception = event.exception
    user = event.user
    return {
        "event_id": event.event_id,
        "type": _or_absent(exception and exception.type),
        "value": _or_absent(exception and exception.value),
        "message": _or_absent(event.message),
        "title": event.title,
        "level": _or_absent(event.level),
        "tags": event.tags,
        "user": ABSENT
        if user is None
        else {
            **user.data,
            "id": user.id,
            "email": user.email,
            "username": user.username,
            "ip_address": user.ip_address,
        },
        "contexts": event.contexts,
        "extra": event.extra,
        "environment": _or_absent(event.environment),
        "release": _or_absent(event.release),
        "transaction": _or_absent(event.transaction),
        "logger": _or_absent(event.tags.get("logger")),
        "handled": _or_absent(None if exception is None else exception.handled),
    }


def _event_title(event: Event) -> str:
    exception = event.exception
    if exception is None:
        return f'{event.level or "event"} "{event.message or event.title}"'
    return f'{exception.type} "{exception.value}"'


def _transaction_fields(transaction: TransactionEvent) -> dict[str, Any]:
    return {
        "name": transaction.name,
        "op": _or_absent(transaction.op),
        "status": _or_absent(transaction.status),
        "tags": transaction.tags,
        "contexts": transaction.contexts,
        "environment": _or_absent(transaction.environment),
        "release": _or_absent(transaction.release),
        "duration_s": _or_absent(transaction.duration_s),
    }


def _transaction_title(transaction: TransactionEvent) -> str:
    return f"{transaction.name} ({transaction.op}, {transaction.status})"


def _or_absent(value: Any) -> Any:
    return ABSENT if value is None else value
