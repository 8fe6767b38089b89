"""The collector's own telemetry: what was accepted, refused, sent and lost, under its own names.

Source: "Internal telemetry" (opentelemetry.io/docs/collector/internal-telemetry). In the real
collector a counter shows only once it has counted; here all are there from the start, at zero.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from pytest_obsstack.wire.otlp import Signal

ITEMS: dict[Signal, str] = {
    "traces": "spans",
    "metrics": "metric_points",
    "logs": "log_records",
}
"""What a request of each signal holds, in the words of the telemetry."""

EXPORTERS: dict[str, Signal] = {
    "otlp_http/tempo": "traces",
    "otlp_http/sentry": "traces",
    "prometheus": "metrics",
    "otlp_http/loki": "logs",
}
"""What each exporter takes, by its id in the configuration."""

_HELP = {
    "receiver_accepted": "Number of {} successfully pushed into the pipeline.",
    "receiver_refused": "Number of {} that could not be pushed into the pipeline.",
    "exporter_sent": "Number of {} successfully sent to destination.",
    "exporter_send_failed": "Number of {} in failed attempts to send to destination.",
    "exporter_enqueue_failed": "Number of {} failed to be added to the sending queue.",
}


@dataclass(frozen=True)
class LastError:
    """Why an exporter last failed, and when (Unix nanoseconds)."""

    text: str
    time_ns: int


class Telemetry:
    """Counters of items, the receiver's by signal and the exporters' by id, and last errors."""

    def __init__(self) -> None:
        self.accepted: Counter[Signal] = Counter()
        self.refused: Counter[Signal] = Counter()
        self.sent: Counter[str] = Counter()
        self.send_failed: Counter[str] = Counter()
        self.enqueue_failed: Counter[str] = Counter()
        """Items that found the queue of an exporter full."""
        self.waiting: Counter[Signal] = Counter()
        """Items that were accepted and were not sent yet."""
        self.queued: Counter[Signal] = Counter()
        """Requests in the sending queues, with those that are being sent."""
        self._last_errors: dict[str, LastError] = {}
        self._failing: set[str] = set()

    def record_sent(self, exporter: str, items: int) -> None:
        """Count items that a backend took; its exporter works again, if it had failed."""
        self.sent[exporter] += items
        self._failing.discard(exporter)

    def record_failure(self, exporter: str, items: int, text: str, time_ns: int) -> None:
        """Count items that an exporter lost and remember why."""
        self.send_failed[exporter] += items
        self._last_errors[exporter] = LastError(text, time_ns)
        self._failing.add(exporter)

    def record_full_queue(self, signal: Signal, exporters: Collection[str], items: int) -> None:
        """Count items that no queue had room for: the sender is told, and each exporter counts."""
        self.refused[signal] += items
        for exporter in exporters:
            self.enqueue_failed[exporter] += items

    def page(self, running: Collection[str], *, uptime_s: float, queue_size: int = 0) -> str:
        """The page in the text format 0.0.4; ``running`` are the exporters that there are.

        With a ``queue_size`` those of traces and logs have a sending queue.
        """
        lines: list[str] = []
        for counted, received in (
            ("receiver_accepted", self.accepted + self.waiting),
            ("receiver_refused", self.refused),
        ):
            for signal in ITEMS:
                name = _family(lines, counted, signal)
                lines.append(f'{name}{{receiver="otlp",transport="http"}} {received[signal]}')
        for counted, exported in (
            ("exporter_sent", self.sent),
            ("exporter_send_failed", self.send_failed),
        ):
            for signal in ITEMS:
                name = _family(lines, counted, signal)
                lines += [
                    f'{name}{{exporter="{exporter}"}} {exported[exporter]}'
                    for exporter in self._shown(running)
                    if EXPORTERS[exporter] == signal
                ]
        if queue_size:
            lines += self._queues(running, queue_size)
        name = "otelcol_process_uptime_seconds_total"
        lines += [
            f"# HELP {name} Uptime of the process",
            f"# TYPE {name} counter",
            f"{name} {uptime_s!r}",
        ]
        return "\n".join(lines) + "\n"

    def _queues(self, running: Collection[str], queue_size: int) -> Iterator[str]:
        """What only an exporter with a sending queue tells."""
        for name, meaning in (
            ("otelcol_exporter_queue_capacity", "Fixed capacity of the sending queue."),
            ("otelcol_exporter_queue_size", "Current size of the sending queue."),
        ):
            yield f"# HELP {name} {meaning}"
            yield f"# TYPE {name} gauge"
            for exporter in self._shown(running):
                signal = EXPORTERS[exporter]
                if signal != "metrics":
                    value = queue_size if name.endswith("capacity") else self.queued[signal]
                    yield f'{name}{{data_type="{signal}",exporter="{exporter}"}} {value}'
        for signal in ("traces", "logs"):
            comments: list[str] = []
            name = _family(comments, "exporter_enqueue_failed", signal)
            yield from comments
            for exporter in self._shown(running):
                if EXPORTERS[exporter] == signal:
                    yield f'{name}{{exporter="{exporter}"}} {self.enqueue_failed[exporter]}'

    def status(self, running: Collection[str]) -> dict[str, Any]:
        """The same as JSON: ``receiver`` by kind of item, ``exporters`` by id."""
        return {
            "receiver": {
                items: {
                    "accepted": self.accepted[signal] + self.waiting[signal],
                    "refused": self.refused[signal],
                }
                for signal, items in ITEMS.items()
            },
            "exporters": {
                exporter: {
                    "items": ITEMS[EXPORTERS[exporter]],
                    "sent": self.sent[exporter],
                    "send_failed": self.send_failed[exporter],
                    "last_error": self._last_error(exporter),
                    "failing": exporter in self._failing,
                }
                for exporter in self._shown(running)
            },
        }

    def _shown(self, running: Collection[str]) -> list[str]:
        """The exporters that there are, and those that have counted before they were taken out."""
        return [
            exporter
            for exporter in EXPORTERS
            if exporter in running or self.sent[exporter] or self.send_failed[exporter]
        ]

    def _last_error(self, exporter: str) -> dict[str, Any] | None:
        error = self._last_errors.get(exporter)
        return None if error is None else {"text": error.text, "time_ns": error.time_ns}


def _family(lines: list[str], counted: str, signal: Signal) -> str:
    """The metric's name; its comments are added to the lines."""
    items = ITEMS[signal]
    name = f"otelcol_{counted}_{items}_total"
    lines += [
        f"# HELP {name} {_HELP[counted].format(items.replace('_', ' '))}",
        f"# TYPE {name} counter",
    ]
    return name
