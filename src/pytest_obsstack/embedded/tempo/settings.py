"""What can be set on the embedded Tempo: Tempo's own limits with Tempo's own defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

_MIB = 1024 * 1024
_DAY_S = 86400.0


@dataclass(frozen=True)
class TempoSettings:
    """Limits, each named as in Tempo's configuration where the unit allows it."""

    max_request_bytes: int = 20 * _MIB
    """Of an OTLP request, packed and unpacked (the receiver's ``max_request_body_size``)."""
    max_bytes_per_trace: int = 5_000_000
    """More of one trace than this is discarded."""
    max_traces: int = 100_000
    """Of more traces than this the oldest go; the real one keeps them on disk."""
    retention_s: float = 14 * _DAY_S
    """``block_retention``: traces whose last part came earlier are dropped."""
    default_result_limit: int = 20
    max_result_limit: int = 0
    """Of a search's ``limit``; 0 sets none."""
    max_spans_per_span_set: int = 100
    max_search_duration_s: float = 7 * _DAY_S
    """Between ``start`` and ``end`` of a search (``max_duration``)."""
    max_query_expression_size_bytes: int = 128 * 1024

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> TempoSettings:
        """From plain JSON values; raises ``ValueError`` for an unknown name or a wrong type."""
        known = {field.name: field.type for field in fields(cls)}
        for name, value in data.items():
            if name not in known:
                raise ValueError(f"Tempo settings: expected some of {list(known)}, found {name!r}")
            kinds = (int, float) if known[name] == "float" else (int,)
            if not isinstance(value, kinds) or isinstance(value, bool) or value < 0:
                raise ValueError(
                    f"Tempo settings: expected {name} as a number of at least 0, found {value!r}"
                )
        return cls(**data)
