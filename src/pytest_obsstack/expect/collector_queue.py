"""A collector that lets items wait: what it has accepted may not have been sent, and out of order.

With a sending queue (or a batch processor) several consumers send at the same time, so that the
span or the record which the app sent last may be stored before an earlier one. What proves that
nothing waits is the collector's own count: everything that it has accepted was sent, or lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_obsstack.expect.settled import Settled
from pytest_obsstack.waiting import until

if TYPE_CHECKING:
    from pytest_obsstack.clients.collector import Signal
    from pytest_obsstack.expect.context import Context

EXPORTERS = {
    "Sentry": "otlp_http/sentry",
    "Tempo": "otlp_http/tempo",
    "Loki": "otlp_http/loki",
}
"""Exporters of stack/otel-collector-config.yaml, by what they send to."""


def waiting_in_collector(context: Context, signal: Signal, backend: str, fence: Settled) -> Settled:
    """``fence``, or why items may still wait in the collector although it is passed."""
    client = context.clients.collector
    if not fence.proven or client is None:
        return fence
    exporter = EXPORTERS[backend]
    reading = client.reading()
    if not reading.has_queue(exporter):
        return fence
    waiting = 0

    def poll() -> bool | None:
        nonlocal waiting
        now = client.reading()
        counts = now.exported(signal, exporter)
        handled = counts.sent + counts.send_failed + counts.enqueue_failed
        waiting = now.received(signal).accepted - handled
        return True if waiting <= 0 else None

    waited = until(poll, timeout_s=context.timeout_s)
    polls, waited_s = fence.polls + waited.polls, fence.waited_s + waited.waited_s
    if waited.value:
        return Settled(None, polls, waited_s)
    noun = signal.replace("_", " ")
    return Settled(
        f"the collector's exporter {exporter} has a sending queue, which does not keep the order, "
        f"and {waiting} {noun} that it has accepted were not sent",
        polls,
        waited_s,
        "switch it off in tests (sending_queue: enabled: false), as "
        "stack/otel-collector-config.yaml does; a processor that filters or samples makes these "
        "numbers differ for good",
    )
