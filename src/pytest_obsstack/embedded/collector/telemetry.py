"""The collector's own telemetry: what was accepted, refused, sent and lost, under its own names.

Source: "Internal telemetry" (opentelemetry.io/docs/collector/internal-telemetry). In the real
collector a counter shows only once it has counted; here all are there from the start, at zero.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from pytest_obsstack.wire.otlp import Signal

ITEMS: dict[Signal, str] = {
    "traces": "spans",
    "metrics": "metric_points",
    "logs": "log_records",
}
"""What a request of each signal holds, in the words of the telemetry."""

EXPORTERS: dict[Signal, str] = {
    "traces": "otlp_http/sentry",
    "metrics": "prometheus",
    "logs": "otlp_http/loki",
}
"""The exporter of each signal, by its id in the configuration."""

_HELP = {
    "receiver_accepted": "Number of {} successfully pushed into the pipeline.",
    "receiver_refused": "Number of {} that could not be pushed into the pipeline.",
    "exporter_sent": "Number of {} successfully sent to destination.",
    "exporter_send_failed": "Number of {} in failed attempts to send to destination.",
}


@dataclass(frozen=True)
class LastError:
    """Why an exporter last failed, and when (Unix nanoseconds)."""

    text: str
    time_ns: int


class Telemetry:
    """Counters of items by signal, and each exporter's last error."""

    def __init__(self) -> None:
        self.accepted: Counter[Signal] = Counter()
        self.refused: Counter[Signal] = Counter()
        self.sent: Counter[Signal] = Counter()
        self.send_failed: Counter[Signal] = Counter()
        self._last_errors: dict[Signal, LastError] = {}
        self._failing: set[Signal] = set()

    def record_sent(self, signal: Signal, items: int) -> None:
        """Count items that a backend took; its exporter works again, if it had failed."""
        self.sent[signal] += items
        self._failing.discard(signal)

    def record_failure(self, signal: Signal, items: int, text: str, time_ns: int) -> None:
        """Count items that an exporter lost and remember why."""
        self.send_failed[signal] += items
        self._last_errors[signal] = LastError(text, time_ns)
        self._failing.add(signal)

    def page(self, *, uptime_s: float) -> str:
        """The page in the text format 0.0.4."""
        lines: list[str] = []
        for counted, counter in (
            ("receiver_accepted", self.accepted),
            ("receiver_refused", self.refused),
            ("exporter_sent", self.sent),
            ("exporter_send_failed", self.send_failed),
        ):
            for signal, items in ITEMS.items():
                name = f"otelcol_{counted}_{items}_total"
                if counted.startswith("receiver"):
                    labels = 'receiver="otlp",transport="http"'
                else:
                    labels = f'exporter="{EXPORTERS[signal]}"'
                lines += [
                    f"# HELP {name} {_HELP[counted].format(items.replace('_', ' '))}",
                    f"# TYPE {name} counter",
                    f"{name}{{{labels}}} {counter[signal]}",
                ]
        name = "otelcol_process_uptime_seconds_total"
        lines += [
            f"# HELP {name} Uptime of the process",
            f"# TYPE {name} counter",
            f"{name} {uptime_s!r}",
        ]
        return "\n".join(lines) + "\n"

    def status(self) -> dict[str, Any]:
        """The same as JSON: ``receiver`` by kind of item, ``exporters`` by id."""
        return {
            "receiver": {
                items: {"accepted": self.accepted[signal], "refused": self.refused[signal]}
                for signal, items in ITEMS.items()
            },
            "exporters": {
                EXPORTERS[signal]: {
                    "items": items,
                    "sent": self.sent[signal],
                    "send_failed": self.send_failed[signal],
                    "last_error": self._last_error(signal),
                    "failing": signal in self._failing,
                }
                for signal, items in ITEMS.items()
            },
        }

    def _last_error(self, signal: Signal) -> dict[str, Any] | None:
        error = self._last_errors.get(signal)
        return None if error is None else {"text": error.text, "time_ns": error.time_ns}
