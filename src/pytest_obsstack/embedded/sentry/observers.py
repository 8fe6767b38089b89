"""Who wants to be told of what was just accepted: alert rules, and whatever comes after them."""

from __future__ import annotations

from collections.abc import Callable

from pytest_obsstack.embedded.sentry.state.model import Issue, StoredEvent
from pytest_obsstack.embedded.sentry.state.store import Applied

OnEvent = Callable[[Issue, StoredEvent, bool, bool], None]
"""(issue, event, is_new, is_regression)"""
OnTransaction = Callable[[StoredEvent], None]
OnStatus = Callable[[Issue], None]
"""Its status was changed by a person or a program, not by an event."""
OnAccepted = Callable[[Applied], None]
"""Whatever an entry brought, telemetry that has no observer of its own too."""


class Observers:
    """Called after an entry was applied, before its sender is answered; never during a replay.

    They must return at once: work that takes time goes into a task of its own.
    """

    def __init__(self) -> None:
        self.on_event: list[OnEvent] = []
        self.on_transaction: list[OnTransaction] = []
        self.on_status: list[OnStatus] = []
        self.on_accepted: list[OnAccepted] = []

    def tell(self, applied: Applied) -> None:
        for grouped in applied.events:
            for on_event in self.on_event:
                on_event(grouped.issue, grouped.event, grouped.is_new, grouped.is_regression)
        for issue in applied.statuses:
            for on_status in self.on_status:
                on_status(issue)
        for event in applied.transactions:
            for on_transaction in self.on_transaction:
                on_transaction(event)
        for on_accepted in self.on_accepted:
            on_accepted(applied)
