"""What became of everything that was sent: Sentry's outcomes, counted by the hour.

Categories and outcomes are Relay's own (relay-base-schema, ``DataCategory``; the "Stats" API).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pytest_obsstack.embedded.sentry.state.foreign import as_dict, as_list, as_text
from pytest_obsstack.embedded.sentry.times import NS, parse_timestamp

BUCKET_NS = 3600 * NS
ACCEPTED, INVALID, CLIENT_DISCARD = "accepted", "invalid", "client_discard"
_REPORT_LISTS = {
    "discarded_events": CLIENT_DISCARD,
    "rate_limited_events": "rate_limited",
    "filtered_events": "filtered",
    "filtered_sampling_events": "filtered",
}
_ITEM_CATEGORIES = {
    "event": "error",
    "session": "session",
    "sessions": "session",
    "check_in": "monitor",
    "profile": "profile",
    "profile_chunk": "profile_chunk",
    "replay_event": "replay",
    "feedback": "feedback",
    "user_report": "user_report_v2",
    "trace_metric": "trace_metric",
    "log": "log_item",
}


@dataclass(frozen=True)
class OutcomeKey:
    """One counter; ``bucket_ns`` is the hour in which it was counted."""

    project_id: int
    category: str
    outcome: str
    reason: str
    bucket_ns: int


class Outcomes:
    """Counters by project, category, outcome and reason."""

    def __init__(self) -> None:
        self._quantities: Counter[OutcomeKey] = Counter()
        self._times_seen: Counter[OutcomeKey] = Counter()

    def count(
        self,
        project_id: int,
        category: str,
        outcome: str,
        reason: str,
        timestamp_ns: int,
        quantity: int = 1,
    ) -> None:
        key = OutcomeKey(
            project_id, category, outcome, reason, timestamp_ns // BUCKET_NS * BUCKET_NS
        )
        self._quantities[key] += quantity
        self._times_seen[key] += 1

    def __iter__(self) -> Iterator[tuple[OutcomeKey, int, int]]:
        """Key, sum of quantities, how often it was counted."""
        for key, quantity in self._quantities.items():
            yield key, quantity, self._times_seen[key]

    def quantity(
        self, project_id: int, category: str, outcome: str, reason: str | None = None
    ) -> int:
        return sum(
            quantity
            for key, quantity in self._quantities.items()
            if (key.project_id, key.category, key.outcome) == (project_id, category, outcome)
            and reason in (None, key.reason)
        )

    def count_client_report(
        self, report: Mapping[str, Any], project_id: int, received_ns: int
    ) -> None:
        """What an SDK says it discarded itself (``client_report`` items)."""
        timestamp_ns = parse_timestamp(report.get("timestamp"))
        for list_name, outcome in _REPORT_LISTS.items():
            for entry in map(as_dict, as_list(report.get(list_name))):
                quantity = entry.get("quantity")
                if isinstance(quantity, int) and not isinstance(quantity, bool) and quantity > 0:
                    self.count(
                        project_id,
                        as_text(entry.get("category")) or "default",
                        outcome,
                        as_text(entry.get("reason")) or "",
                        received_ns if timestamp_ns is None else timestamp_ns,
                        quantity,
                    )


def category_of_item(item_type: str) -> str:
    return _ITEM_CATEGORIES.get(item_type, item_type)
