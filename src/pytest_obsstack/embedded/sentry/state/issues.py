"""Issues: groups of events, their status, and their regression when they were resolved."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from pytest_obsstack.embedded.sentry.state.model import Activity, Issue, StoredEvent

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_STATUS_ACTIVITY = {
    "resolved": "set_resolved",
    "unresolved": "set_unresolved",
    "ignored": "set_ignored",
}


class Issues:
    """All issues by id, and by what groups them."""

    def __init__(self) -> None:
        self.by_id: dict[int, Issue] = {}
        self._by_hash: dict[tuple[int, str], Issue] = {}
        self._last_id = 0
        self._last_activity_id = 0
        self._per_project: Counter[int] = Counter()

    def issue_id_for(self, project_id: int, grouping_hash: str) -> int:
        """The id of the issue that the hash belongs to, or the one that ``add`` will give it."""
        issue = self._by_hash.get((project_id, grouping_hash))
        return self._last_id + 1 if issue is None else issue.id

    def add(
        self, event: StoredEvent, grouping_hash: str, project_slug: str
    ) -> tuple[Issue, bool, bool]:
        """Count ``event`` in its issue: (issue, is new, has regressed)."""
        issue = self._by_hash.get((event.project_id, grouping_hash))
        is_new = issue is None
        if issue is None:
            issue = self._create(event, grouping_hash, project_slug)
        is_regression = issue.status == "resolved"
        if is_regression:
            issue.status, issue.substatus = "unresolved", "regressed"
            self._note(issue, "set_regression", event.received_ns, {"event_id": event.event_id})
        issue.count += 1
        issue.latest = event
        issue.event_ids.append(event.event_id)
        issue.first_seen_ns = min(issue.first_seen_ns, event.timestamp_ns)
        issue.last_seen_ns = max(issue.last_seen_ns, event.timestamp_ns)
        if event.user_tag is not None:
            issue.user_tags.add(event.user_tag)
        if event.release is not None:
            issue.first_release = issue.first_release or event.release
            issue.last_release = event.release
        return issue, is_new, is_regression

    def update(self, data: Mapping[str, Any], received_ns: int) -> list[Issue]:
        """Change ``status``, ``substatus``, ``has_seen``, ``is_bookmarked`` of the ``ids``."""
        changed = [self.by_id[issue_id] for issue_id in data["ids"] if issue_id in self.by_id]
        for issue in changed:
            status = data.get("status")
            if status is not None:
                if status != issue.status:
                    self._note(issue, _STATUS_ACTIVITY[status], received_ns, {})
                issue.status, issue.substatus = status, data.get("substatus")
            issue.has_seen = data.get("has_seen", issue.has_seen)
            issue.is_bookmarked = data.get("is_bookmarked", issue.is_bookmarked)
        return changed

    def remove(self, issue: Issue) -> None:
        del self.by_id[issue.id]
        del self._by_hash[issue.project_id, issue.grouping_hash]

    def _create(self, event: StoredEvent, grouping_hash: str, project_slug: str) -> Issue:
        self._last_id += 1
        self._per_project[event.project_id] += 1
        issue = Issue(
            id=self._last_id,
            project_id=event.project_id,
            short_id=f"{project_slug.upper()}-{_base32(self._per_project[event.project_id])}",
            grouping_hash=grouping_hash,
            first_seen_ns=event.timestamp_ns,
            last_seen_ns=event.timestamp_ns,
            latest=event,
        )
        self._note(issue, "first_seen", event.received_ns, {})
        self.by_id[issue.id] = self._by_hash[event.project_id, grouping_hash] = issue
        return issue

    def _note(self, issue: Issue, kind: str, created_ns: int, data: Mapping[str, Any]) -> None:
        self._last_activity_id += 1
        issue.activity.append(Activity(self._last_activity_id, kind, created_ns, data))


def _base32(number: int) -> str:
    """As Sentry counts in its short ids: letters that cannot be misread."""
    digits = ""
    while number:
        number, rest = divmod(number, 32)
        digits = _ALPHABET[rest] + digits
    return digits or "0"
