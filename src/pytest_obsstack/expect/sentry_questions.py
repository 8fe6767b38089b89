"""What is asked of an error tracker: the events, issues and transactions of one test."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_obsstack.expect.context import Context
from pytest_obsstack.expect.fence import errors_settled
from pytest_obsstack.expect.question import Question
from pytest_obsstack.expect.sentry_fields import (
    event_fields,
    event_title,
    issue_fields,
    issue_title,
    transaction_fields,
    transaction_title,
)
from pytest_obsstack.expect.sentry_hops import events_of_test, sentry_hops
from pytest_obsstack.expect.settled import Settled
from pytest_obsstack.waiting import until

if TYPE_CHECKING:
    from pytest_obsstack.clients.sentry.event import Event
    from pytest_obsstack.clients.sentry.issue import Issue
    from pytest_obsstack.clients.sentry.transaction import TransactionEvent

T = TypeVar("T")


def issue_question(context: Context) -> Question[Issue]:
    """The issues to which errors of the test belong."""
    question = _question(context, "issue", partial(_issues, context), issue_fields, issue_title)
    return replace(question, settle=_issues_settled)


def event_question(context: Context, issue: Issue | None = None) -> Question[Event]:
    """The test's error events, of ``issue`` if that is given."""
    fetch = partial(_events, context, issue)
    return _question(context, "event", fetch, event_fields, event_title)


def transaction_question(context: Context) -> Question[TransactionEvent]:
    """The transactions that Sentry's SDK has sent in the test's trace."""
    fetch = partial(_transactions, context)
    return _question(context, "transaction", fetch, transaction_fields, transaction_title)


def _question(
    context: Context,
    noun: str,
    fetch: Callable[[], Sequence[T]],
    fields: Callable[[T], dict[str, Any]],
    title: Callable[[T], str],
) -> Question[T]:
    return Question(
        backend=context.clients.sentry.traits.product,
        noun=noun,
        signal="errors",
        fetch=fetch,
        fields=fields,
        title=title,
        settle=errors_settled,
        hops=sentry_hops,
        links=partial(_links, context),
    )


def _issues_settled(context: Context) -> Settled:
    """All errors have arrived, and each is in its issue: trackers may show it before that."""
    settled = errors_settled(context)
    if not settled.proven:
        return settled
    alone: list[Event] = []

    def poll() -> bool | None:
        alone[:] = [event for event in events_of_test(context) if event.issue_id is None]
        return None if alone else True

    waited = until(poll, timeout_s=context.timeout_s)
    polls, waited_s = settled.polls + waited.polls, settled.waited_s + waited.waited_s
    if waited.value:
        return Settled(None, polls, waited_s)
    reason = f"{event_title(alone[0])} belongs to no issue yet"
    return Settled(reason, polls, waited_s, "look at the logs of the tracker and its workers")


def _links(context: Context) -> Sequence[str]:
    issues = {event.issue_id for event in events_of_test(context) if event.issue_id}
    client = context.clients.sentry
    pages = [client.issues_url(issue_id) for issue_id in sorted(issues)[:2]]
    return pages or [client.issues_url()]


def _events(context: Context, issue: Issue | None) -> tuple[Event, ...]:
    events = events_of_test(context)
    return tuple(e for e in events if issue is None or e.issue_id == issue.id)


def _issues(context: Context) -> tuple[Issue, ...]:
    client = context.clients.sentry
    ids = dict.fromkeys(event.issue_id for event in events_of_test(context) if event.issue_id)
    return tuple(client.issue(issue_id) for issue_id in ids)


def _transactions(context: Context) -> tuple[TransactionEvent, ...]:
    return context.clients.sentry.transactions_of_trace(context.trace_id)
