"""What can be set on the embedded Loki: Loki's own limits with Loki's own defaults."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

_KIB, _MIB = 1024, 1024 * 1024
_HOUR_S, _DAY_S = 3600.0, 86400.0


@dataclass(frozen=True)
class LokiSettings:
    """Limits as in ``limits_config``, each named as there where the unit allows it."""

    max_line_size_bytes: int = 256 * _KIB
    max_label_names_per_series: int = 15
    max_label_name_length: int = 1024
    max_label_value_length: int = 2048
    max_structured_metadata_size_bytes: int = 64 * _KIB
    max_structured_metadata_entries_count: int = 128
    reject_old_samples_max_age_s: float = 7 * _DAY_S
    creation_grace_period_s: float = 600.0
    """How far ahead of the clock an entry may be."""
    out_of_order_window_s: float = _HOUR_S
    """How far behind the newest entry of its stream an entry may be (half of max_chunk_age)."""
    ingestion_rate_bytes_per_s: int = 4 * _MIB
    ingestion_burst_size_bytes: int = 6 * _MIB
    max_push_packed_bytes: int = 16 * _MIB
    """Of a push as it comes over the wire; a real Loki takes 100 MB."""
    max_push_unpacked_bytes: int = 100 * _MIB
    max_entries_limit_per_query: int = 5000
    max_query_length_s: float = 721 * _HOUR_S
    max_query_series: int = 500
    max_query_points: int = 11_000
    """Steps of a range query."""
    retention_s: float | None = None
    """Entries older than this are dropped; None keeps all (Loki's default)."""

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> LokiSettings:
        """Settings from plain JSON values; raises ``ValueError`` for an unknown name."""
        unknown = sorted(set(raw) - {field.name for field in fields(cls)})
        if unknown:
            known = ", ".join(field.name for field in fields(cls))
            raise ValueError(
                f"unknown Loki settings {', '.join(unknown)}, expected some of {known}"
            )
        return cls(**raw)
