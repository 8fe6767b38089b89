"""A collector that lets items wait: what it has accepted may not have been sent, and out of order.

With a sending queue (or a batch processor) several consumers send at the same time, so that the
span or the record which the app sent last may be stored before an earlier one. What proves that
nothing waits is the size of the queue, of which the collector tells: it is empty. What it has
accepted and sent so far proves nothing, because what was refused, filtered or sampled since its
start makes these numbers differ for good.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_obsstack.expect.settled import Settled
from pytest_obsstack.waiting import until

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_obsstack.clients.collector import Signal
    from pytest_obsstack.expect.context import Context

EXPORTERS = {
    "Sentry": "otlp_http/sentry",
    "Tempo": "otlp_http/tempo",
    "Loki": "otlp_http/loki",
}
"""Exporters of stack/otel-collector-config.yaml, by what they send to."""


_QUEUE = "otelcol_exporter_queue_capacity"
_OF_EXPORTERS = '{__name__=~"otelcol_exporter_.+"}'
"""The collector tells of its queues from its start on, so with any of these."""
_SWITCH_OFF = (
    "switch it off in tests (sending_queue: enabled: false), as stack/otel-collector-config.yaml "
    "does"
)


def waiting_in_collector(context: Context, signal: Signal, backend: str, fence: Settled) -> Settled:
    """``fence``, or why items may still wait in the collector although it is passed."""
    client = context.clients.collector
    if not fence.proven:
        return fence
    if client is None:
        return _told_by_prometheus(context) or fence
    sizes: Mapping[str, int] = {}

    def poll() -> bool | None:
        nonlocal sizes
        sizes = client.reading().waiting(signal, EXPORTERS[backend])
        return None if any(sizes.values()) else True

    waited = until(poll, timeout_s=context.timeout_s)
    if not sizes:
        return fence
    polls, waited_s = fence.polls + waited.polls, fence.waited_s + waited.waited_s
    if waited.value:
        return Settled(None, polls, waited_s)
    exporter, size = max(sizes.items(), key=lambda queue: queue[1])
    return Settled(
        f"the collector's exporter {exporter} has a sending queue, which does not keep the order, "
        f"and it is not empty (otelcol_exporter_queue_size {size})",
        polls,
        waited_s,
        _SWITCH_OFF,
    )


def _told_by_prometheus(context: Context) -> Settled | None:
    """A queue of a collector that is not asked itself, where Prometheus scrapes it.

    What it holds now cannot be known from that: the last scrape is older than the last response.
    """
    if "metrics" not in context.stack.capabilities:
        return None
    known = context.history.collector_queues
    if known is None:
        told = [series.labels for series in context.clients.prometheus.query(_OF_EXPORTERS).series]
        queues = [labels for labels in told if labels.get("__name__") == _QUEUE]
        known = tuple(sorted({labels.get("exporter", "") for labels in queues}))
        # Where nothing is told the collector may not have been scraped yet: asked again.
        context.history.collector_queues = known if told else None
    if not known:
        return None
    return Settled(
        f"by its metrics the collector has a sending queue ({', '.join(known)}), which does not "
        "keep the order",
        polls=0,
        advice=_SWITCH_OFF,
    )
