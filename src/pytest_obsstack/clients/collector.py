"""What the OpenTelemetry Collector says about itself: how much it took, passed on and lost.

The app gets 200 even where an exporter fails, so a loss shows only here.
Metrics: https://opentelemetry.io/docs/collector/internal-telemetry/#lists-of-internal-metrics.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from pytest_obsstack.clients.exposition import exposed
from pytest_obsstack.clients.http import ApiClient, HttpOptions
from pytest_obsstack.endpoints import CollectorEndpoint
from pytest_obsstack.errors import BackendUnavailable, ObsstackError

if TYPE_CHECKING:
    from typing_extensions import Unpack

Signal = Literal["spans", "metric_points", "log_records"]
SIGNALS: tuple[Signal, ...] = ("spans", "metric_points", "log_records")
_DATA_TYPES: dict[Signal, str] = {
    "spans": "traces",
    "metric_points": "metrics",
    "log_records": "logs",
}
"""What the metrics of a queue call a signal."""

_METRIC = re.compile(
    r"otelcol_(receiver|exporter)_"
    r"(accepted|refused|failed|sent|send_failed|enqueue_failed)_"
    r"(spans|metric_points|log_records)(?:_total)?$"
)
_QUEUE_SIZE = "otelcol_exporter_queue_size"


@dataclass(frozen=True)
class Counts:
    """The counters of one receiver or exporter for one signal, since the collector's start."""

    accepted: int = 0
    """Receiver: taken over into the pipeline."""
    refused: int = 0
    """Receiver: not taken over; also what failed by the receiver's own fault."""
    sent: int = 0
    """Exporter: taken by the backend."""
    send_failed: int = 0
    """Exporter: lost, because the backend did not take it."""
    enqueue_failed: int = 0
    """Exporter: lost, because its queue was full."""

    def __sub__(self, other: Counts) -> Counts:
        return Counts(
            self.accepted - other.accepted,
            self.refused - other.refused,
            self.sent - other.sent,
            self.send_failed - other.send_failed,
            self.enqueue_failed - other.enqueue_failed,
        )

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.accepted + other.accepted,
            self.refused + other.refused,
            self.sent + other.sent,
            self.send_failed + other.send_failed,
            self.enqueue_failed + other.enqueue_failed,
        )

    @property
    def lost(self) -> int:
        """Everything that did not go on."""
        return self.refused + self.send_failed + self.enqueue_failed


@dataclass(frozen=True)
class CollectorReading:
    """All counters at one time. ``later - earlier`` gives what happened in between."""

    receivers: Mapping[tuple[str, Signal], Counts]
    """By receiver (``otlp``) and signal, all transports together."""
    exporters: Mapping[tuple[str, Signal], Counts]
    """By exporter (``otlp_http/sentry``) and signal."""
    queues: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """How much waits in the sending queue of an exporter, by its name and its ``data_type``.

    In what the queue is measured in: requests unless configured otherwise. Since v0.121 of the
    collector what is being sent counts until it has been sent.
    """

    def waiting(self, signal: Signal, exporter: str) -> Mapping[str, int]:
        """How much waits in queues of that signal, by exporter; empty where there is no queue.

        Of every exporter where the collector has none of that name.
        """
        ours = {
            name: size
            for (name, data_type), size in self.queues.items()
            if data_type in (_DATA_TYPES[signal], "")
        }
        named = (exporter, signal) in self.exporters or exporter in ours
        return {name: size for name, size in ours.items() if name == exporter or not named}

    def received(self, signal: Signal) -> Counts:
        """The sum over all receivers."""
        return _sum(self.receivers, signal)

    def exported(self, signal: Signal, exporter: str | None = None) -> Counts:
        """The counters of that exporter, or the sum over all."""
        return _sum(self.exporters, signal, exporter)

    def __sub__(self, earlier: CollectorReading) -> CollectorReading:
        return CollectorReading(
            _difference(self.receivers, earlier.receivers),
            _difference(self.exporters, earlier.exporters),
            self.queues,
        )


class CollectorClient:
    """Reads the collector's own metrics page."""

    def __init__(self, endpoint: CollectorEndpoint, **options: Unpack[HttpOptions]) -> None:
        self.endpoint = endpoint
        # The telemetry URL is the whole address of the page, which ApiClient takes apart.
        parts = urlsplit(endpoint.telemetry_url or endpoint.otlp_url)
        self._page = parts.path or "/"
        self._api = ApiClient(
            "The collector",
            f"{parts.scheme}://{parts.netloc}",
            headers={"accept": "text/plain"},
            **options,
        )

    def close(self) -> None:
        self._api.close()

    def reading(self) -> CollectorReading:
        """The counters now; ``ObsstackError`` where the metrics page is not reachable by design."""
        if self.endpoint.telemetry_url is None:
            raise ObsstackError(
                "The collector's own metrics are not known.",
                expected="the URL of its metrics page (otelcol_…)",
                found=f"only OTLP at {self.endpoint.otlp_url}",
                advice="expose service.telemetry.metrics and give its URL",
            )
        return parse_metrics(self._api.get(self._page).text)

    def healthy(self) -> bool:
        """Whether the collector's metrics page answers."""
        try:
            self.reading()
        except BackendUnavailable:
            return False
        return True


def parse_metrics(text: str) -> CollectorReading:
    """The counters of a page in the Prometheus text format, with or without ``_total``."""
    receivers: dict[tuple[str, Signal], Counts] = defaultdict(Counts)
    exporters: dict[tuple[str, Signal], Counts] = defaultdict(Counts)
    queues: dict[tuple[str, str], int] = {}
    for name, labels, value in exposed(text, "the collector's metrics"):
        if name == _QUEUE_SIZE:
            queue = (labels.get("exporter", ""), labels.get("data_type", ""))
            queues[queue] = int(value)
        metric = _METRIC.match(name)
        if metric is None:
            continue
        side, what, signal = metric.groups()
        table = receivers if side == "receiver" else exporters
        key = (labels.get(side, ""), _signal(signal))
        # A receiver's `failed` are refusals by its own fault: for the sender the same.
        table[key] += Counts(**{"refused" if what == "failed" else what: int(value)})
    return CollectorReading(dict(receivers), dict(exporters), queues)


def _signal(name: str) -> Signal:
    return next(signal for signal in SIGNALS if signal == name)


def _sum(
    table: Mapping[tuple[str, Signal], Counts], signal: Signal, component: str | None = None
) -> Counts:
    total = Counts()
    for (name, own), counts in table.items():
        if own == signal and component in (None, name):
            total += counts
    return total


def _difference(
    later: Mapping[tuple[str, Signal], Counts], earlier: Mapping[tuple[str, Signal], Counts]
) -> dict[tuple[str, Signal], Counts]:
    return {key: counts - earlier.get(key, Counts()) for key, counts in later.items()}
