"""The structured logs of Sentry's SDKs: what there is of them, and when no more can come.

The SDK sends them in batches of its own, and nothing marks the last one of a request. Only the time
tells: no batch waits for longer than the SDK's interval.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

from pytest_obsstack.expect.settled import Settled, never_tells
from pytest_obsstack.providers.app_spec import SENTRY_LOGS
from pytest_obsstack.waiting import until

if TYPE_CHECKING:
    from pytest_obsstack.clients.sentry.client import SentryClient
    from pytest_obsstack.clients.sentry.explore import LogRow
    from pytest_obsstack.expect.context import Context


def logs_of_test(context: Context) -> Iterator[tuple[str, LogRow, dict[str, Any]]]:
    """The product's name, each log of this test's trace, and all its attributes."""
    traits = context.clients.sentry.traits
    if not traits.keeps_logs:
        return
    # Nobody but Sentry keeps them.
    client = cast("SentryClient", context.clients.sentry)
    for row in client.logs_of_trace(context.trace_id):
        attributes = {} if row.log_id is None else client.log_attributes(context.trace_id, row)
        yield traits.product, row, dict(attributes)


def sends_sentry_logs(context: Context) -> bool:
    """Whether the app is known to send such logs: it says so, or some have come."""
    if not context.clients.sentry.traits.keeps_logs:
        return False
    if any(SENTRY_LOGS in service.signals for service in context.services()):
        return True
    client = cast("SentryClient", context.clients.sentry)
    return bool(client.logs_of_trace(context.trace_id))


def sentry_logs_settled(context: Context) -> Settled:
    """The SDK's longest interval has passed since the last response."""
    unknown = never_tells(context, "logs")
    if unknown is not None:
        return unknown
    delay_s = max(service.sentry_log_delay_s for service in context.services())
    due_s = context.last_ended_s + delay_s
    left_s = due_s - time.time()
    if left_s > context.timeout_s:
        return Settled(
            f"Sentry's SDK may send its logs up to {delay_s:g} s after a response, later than this "
            f"test waits ({context.timeout_s:g} s)",
            polls=0,
            advice="give --obs-timeout more, or let the app send them sooner and say so "
            "(AppSpec.sentry_log_delay_s)",
        )
    waited = until(lambda: True if time.time() >= due_s else None, timeout_s=max(0.0, left_s) + 1)
    return Settled(None, waited.polls, waited.waited_s)
