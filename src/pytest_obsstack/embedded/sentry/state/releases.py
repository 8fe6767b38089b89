"""Releases: made by the first event that names them."""

from __future__ import annotations

from dataclasses import dataclass, field

from pytest_obsstack.embedded.sentry.state.model import StoredEvent


@dataclass
class Release:
    """A version of an organisation's software. Only the store changes it."""

    id: int
    organization_id: int
    version: str
    created_ns: int
    first_event_ns: int
    last_event_ns: int
    new_groups: dict[int, int] = field(default_factory=dict)
    """Project id → issues first seen in this release; every project of it has an entry."""


class Releases:
    """All releases by organisation and version."""

    def __init__(self) -> None:
        self._releases: dict[tuple[int, str], Release] = {}
        self._last_id = 0

    def get(self, organization_id: int, version: str) -> Release | None:
        return self._releases.get((organization_id, version))

    def of_organization(self, organization_id: int) -> list[Release]:
        """The newest first."""
        found = [r for r in self._releases.values() if r.organization_id == organization_id]
        return sorted(found, key=lambda release: release.id, reverse=True)

    def note(self, event: StoredEvent, organization_id: int, *, is_new_issue: bool) -> None:
        """Count ``event`` in its release, if it has one."""
        if event.release is None:
            return
        release = self._releases.get((organization_id, event.release))
        if release is None:
            self._last_id += 1
            release = self._releases[organization_id, event.release] = Release(
                id=self._last_id,
                organization_id=organization_id,
                version=event.release,
                created_ns=event.received_ns,
                first_event_ns=event.timestamp_ns,
                last_event_ns=event.timestamp_ns,
            )
        release.first_event_ns = min(release.first_event_ns, event.timestamp_ns)
        release.last_event_ns = max(release.last_event_ns, event.timestamp_ns)
        groups = release.new_groups.get(event.project_id, 0)
        release.new_groups[event.project_id] = groups + is_new_issue
