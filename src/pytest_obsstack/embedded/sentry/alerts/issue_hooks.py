"""Webhooks of issues: what becomes of each is told to integrations that have subscribed.

https://docs.sentry.io/organization/integrations/integration-platform/webhooks/issues/
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pytest_obsstack.embedded.sentry.alerts.model import Notification
from pytest_obsstack.embedded.sentry.alerts.payloads import issue_data, owed
from pytest_obsstack.embedded.sentry.alerts.state import ISSUE_TOLD, AlertState
from pytest_obsstack.embedded.sentry.api.http import Api
from pytest_obsstack.embedded.sentry.state.model import Issue, StoredEvent

ISSUE_EVENTS = "issue"
"""The one subscription of Sentry's that is known here."""
_NO_RULE = 0
_ACTIONS: Mapping[str, str] = {
    "resolved": "resolved",
    "ignored": "archived",
    "unresolved": "unresolved",
}


class IssueHooks:
    """``notify`` is handed the notifications that are owed from then on."""

    def __init__(
        self, api: Api, state: AlertState, notify: Callable[[Iterable[Notification]], None]
    ) -> None:
        self._api = api
        self._state = state
        self._notify = notify

    def on_event(
        self,
        issue: Issue,
        _event: StoredEvent,
        is_new: bool,  # noqa: FBT001 - OnEvent passes them so
        is_regression: bool,  # noqa: FBT001
    ) -> None:
        if is_new:
            self._tell(issue, "created")
        elif is_regression:
            self._tell(issue, _ACTIONS["unresolved"])

    def on_status(self, issue: Issue) -> None:
        """Its status was changed through the API or a page."""
        self._tell(issue, _ACTIONS[issue.status])

    def _tell(self, issue: Issue, action: str) -> None:
        store, public_url = self._api.store, self._api.settings.public_url
        organization = store.organization_of(issue.project_id)
        apps = [
            app
            for app in self._state.apps_of(organization.id)
            if ISSUE_EVENTS in app.events and app.webhook_url is not None
        ]
        if apps:
            data = issue_data(issue, action, store, public_url)
            told: dict[str, Any] = {
                "rule_id": _NO_RULE,
                "notifications": [owed("issue", action, app, data) for app in apps],
            }
            self._notify(self._api.ledger.change(ISSUE_TOLD, told))
