"""What can be expected of issues, events and transactions: their fields by name, and their titles.

A field that a thing has not is ``ABSENT``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_obsstack.expect.matching import ABSENT

if TYPE_CHECKING:
    from pytest_obsstack.clients.sentry.event import Event
    from pytest_obsstack.clients.sentry.issue import Issue
    from pytest_obsstack.clients.sentry.transaction import TransactionEvent


def issue_fields(issue: Issue) -> dict[str, Any]:
    return {
        "type": _or_absent(issue.type),
        "value": _or_absent(issue.value),
        "title": issue.title,
        "culprit": _or_absent(issue.culprit),
        "level": _or_absent(issue.level),
        "status": _or_absent(issue.status),
        "substatus": _or_absent(issue.substatus),
        "first_release": _or_absent(issue.first_release),
        "last_release": _or_absent(issue.last_release),
        "count": issue.count,
        "user_count": issue.user_count,
    }


def issue_title(issue: Issue) -> str:
    return f'{issue.short_id or issue.id} {issue.type or ""} "{issue.value or issue.title}"'


def event_fields(event: Event) -> dict[str, Any]:
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
        "fingerprint": event.fingerprint or ABSENT,
        "breadcrumbs": breadcrumb_fields(event),
    }


def breadcrumb_fields(event: Event) -> list[dict[str, Any]]:
    """What of the breadcrumbs can be compared, oldest first."""
    return [
        {
            "category": _or_absent(crumb.category),
            "message": _or_absent(crumb.message),
            "level": _or_absent(crumb.level),
            "type": _or_absent(crumb.type),
            "data": crumb.data,
        }
        for crumb in event.breadcrumbs
    ]


def event_title(event: Event) -> str:
    exception = event.exception
    if exception is None:
        return f'{event.level or "event"} "{event.message or event.title}"'
    return f'{exception.type} "{exception.value}"'


def transaction_fields(transaction: TransactionEvent) -> dict[str, Any]:
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


def transaction_title(transaction: TransactionEvent) -> str:
    return f"{transaction.name} ({transaction.op}, {transaction.status})"


def _or_absent(value: Any) -> Any:
    return ABSENT if value is None else value
