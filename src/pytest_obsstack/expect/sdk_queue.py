"""Whether the queue of a Sentry SDK can have overflowed while a test ran.

An SDK sends from a queue of bounded length, and what finds it full is dropped. The transaction of
the request may find room again, so its arrival does not prove that the errors before it were sent.
The SDK tells of the loss, but only with a client report half a minute later or at its end, so a
report that is not there proves nothing either.

What proves it is a number. A queue that was full during the test held as many items as fit, and all
of these were sent afterwards: at least so many have reached the error tracker since. Where fewer
than half as many have done so since the test began (the other half is left to what is not counted
here: sessions, reports, batches of logs), no queue was full.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_obsstack.clients.sentry.explore import OTLP_ORIGIN
from pytest_obsstack.expect.losses import OutcomeCounts, counts
from pytest_obsstack.expect.settled import Settled

if TYPE_CHECKING:
    from pytest_obsstack.expect.clients import Clients
    from pytest_obsstack.expect.context import Context

OVERFLOW_REASONS = ("queue_overflow", "sample_queue_overflow")
DRAINED_S = 60.0
"""After so long nothing of an earlier test is still waiting in a queue."""
_ENVELOPE_S = 0.2
"""What sending one takes at most, to a slow server far away; a queue is drained one by one."""
_RAISE = (
    "raise transport_queue_size in the app's sentry_sdk.init and say so: "
    "AppSpec(sentry_queue_size=…)"
)
_ENVELOPES = ("error", "default", "security", "transaction", "session", "monitor", "feedback")


def lost_in_queue(context: Context) -> Settled | None:
    """Why errors may have been dropped from a full queue; ``None`` where none can have been."""
    outcomes = _outcomes(context.clients)
    context.history.queue_overflows = overflows(outcomes)
    # Since the test began, and not since the last look: asking twice gives the same answer.
    lost = context.history.queue_overflows - context.overflows_before
    if lost > 0:
        return Settled(
            f"the SDK reported that it dropped {lost} items because its queue was full",
            polls=0,
            advice=_RAISE,
        )
    service = min(context.services(), key=lambda service: service.sentry_queue_size)
    limit = max(1, service.sentry_queue_size // 2)
    sent = _sent_at_most(context, outcomes, limit)
    if sent < limit:
        _worked_off(context)
        return None
    return Settled(
        f"{sent} items or more may have been waiting in the queue of {service.service}'s Sentry "
        f"SDK, which holds {service.sentry_queue_size}: an error may have been dropped, and the "
        "SDK's report of that comes half a minute later",
        polls=0,
        advice=_RAISE,
    )


def _worked_off(context: Context) -> None:
    """Nothing of this test or an earlier one waits any more, in the one queue that there is.

    A service that is called has a queue of its own, which this test need not have seen.
    """
    if context.app.processes == 1 and not context.app.companions:
        context.history.unsettled.clear()
        context.worked_off = len(context.exchanges.all)


def queue_overflows(clients: Clients) -> int:
    """How many items the SDKs of the project have dropped so far because their queue was full.

    0 where the error tracker does not tell; there, absence of errors is never asserted.
    """
    return overflows(_outcomes(clients))


def taken(outcomes: OutcomeCounts) -> int:
    """How many items of SDKs had reached the project, whatever became of them there."""
    return sum(
        count
        for (category, outcome, _), count in outcomes.items()
        if outcome != "client_discard" and category in _ENVELOPES
    )


def overflows(outcomes: OutcomeCounts) -> int:
    """How many items SDKs had dropped because their queue was full."""
    return sum(
        count
        for (_, outcome, reason), count in outcomes.items()
        if outcome == "client_discard" and reason in OVERFLOW_REASONS
    )


def _outcomes(clients: Clients) -> OutcomeCounts:
    return counts(clients.sentry.outcomes()) if clients.sentry.traits.counts_outcomes else {}


def _sent_at_most(context: Context, outcomes: OutcomeCounts, limit: int) -> int:
    """No fewer items than may have been waiting at one time; exact only beyond ``limit``."""
    before = context.taken_before
    if before is not None and context.stack.steerable:
        # Of everybody on the stack, which is more than this test's; a Sentry elsewhere counts late.
        everybodys = taken(outcomes) - before
        if everybodys < limit:
            return everybodys
    sent = _items(context, context.trace_id)
    began_s = context.exchanges.first_started_s or context.started_s
    # A queue of twice the limit, as long as it takes to be worked off.
    drained_s = min(DRAINED_S, 2 * limit * _ENVELOPE_S)
    for trace_id, ended_s in reversed(context.history.unsettled):
        if sent >= limit or began_s - ended_s > drained_s:
            break
        sent += _items(context, trace_id)
    return sent


def _items(context: Context, trace_id: str) -> int:
    tracker = context.clients.sentry
    rows = tracker.spans_of_trace(trace_id)
    transactions = sum(1 for row in rows if row.is_transaction and row.origin != OTLP_ORIGIN)
    return transactions + len(tracker.events_of_trace(trace_id))
