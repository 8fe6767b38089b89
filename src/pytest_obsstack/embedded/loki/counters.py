"""Loki's own counters, in Prometheus's text format, under the names that people check."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from pytest_obsstack.embedded.loki.ingest import TENANT
from pytest_obsstack.embedded.loki.limits import Discarded


@dataclass
class Counters:
    """Counted since this process began; what a journal gives back was counted when it came."""

    lines_received: int = 0
    bytes_received: int = 0
    discarded_lines: Counter[str] = field(default_factory=Counter)
    discarded_bytes: Counter[str] = field(default_factory=Counter)

    def received(self, lines: int, size_bytes: int) -> None:
        self.lines_received += lines
        self.bytes_received += size_bytes

    def discarded(self, discarded: Discarded) -> None:
        self.discarded_lines.update(discarded.lines)
        self.discarded_bytes.update(discarded.size_bytes)

    def exposition(self, streams: int, entries: int) -> str:
        """``GET /metrics``."""
        tenant = f'tenant="{TENANT}"'
        lines: list[str] = []

        def family(name: str, kind: str, text: str, samples: dict[str, int]) -> None:
            lines.extend((f"# HELP {name} {text}", f"# TYPE {name} {kind}"))
            lines.extend(f"{name}{{{labels}}} {value}" for labels, value in samples.items())

        family(
            "loki_distributor_lines_received_total",
            "counter",
            "The total number of lines received per tenant",
            {tenant: self.lines_received},
        )
        family(
            "loki_distributor_bytes_received_total",
            "counter",
            "The total number of uncompressed bytes received per tenant.",
            {tenant: self.bytes_received},
        )
        family(
            "loki_discarded_samples_total",
            "counter",
            "The total number of samples that were discarded.",
            {
                f'reason="{reason}",{tenant}': count
                for reason, count in sorted(self.discarded_lines.items())
            },
        )
        family(
            "loki_discarded_bytes_total",
            "counter",
            "The total number of bytes that were discarded.",
            {
                f'reason="{reason}",{tenant}': count
                for reason, count in sorted(self.discarded_bytes.items())
            },
        )
        family(
            "loki_ingester_memory_streams",
            "gauge",
            "The total number of streams in memory per tenant.",
            {tenant: streams},
        )
        family(
            "obsstack_loki_entries",
            "gauge",
            "The total number of entries held by the embedded Loki.",
            {tenant: entries},
        )
        return "\n".join(lines) + "\n"
