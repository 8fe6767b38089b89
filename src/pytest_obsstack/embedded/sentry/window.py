"""Which projects, environments and times a request asks about."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Window:
    """``None`` means no restriction; times are Unix nanoseconds, both ends included."""

    project_ids: frozenset[int]
    environments: frozenset[str] | None = None
    start_ns: int | None = None
    end_ns: int | None = None

    def holds(self, project_id: int, environment: str | None, timestamp_ns: int) -> bool:
        return (
            project_id in self.project_ids
            and (self.environments is None or (environment or "") in self.environments)
            and (self.start_ns is None or self.start_ns <= timestamp_ns)
            and (self.end_ns is None or timestamp_ns <= self.end_ns)
        )
