"""Looking at the rules when something was accepted, and at a metric's window when it moves on.

Nothing polls: an observer is called with each event, and where a metric rule's value can change by
itself (records leave its window) a timer is set for that moment.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace

from pytest_obsstack.embedded.sentry.alerts.issue_conditions import Occurrence
from pytest_obsstack.embedded.sentry.alerts.issue_rule import IssueRule
from pytest_obsstack.embedded.sentry.alerts.metric_value import level_of, read_metric
from pytest_obsstack.embedded.sentry.alerts.model import (
    Incident,
    Level,
    MetricRule,
    Notification,
    SentryApp,
)
from pytest_obsstack.embedded.sentry.alerts.payloads import (
    event_alert_data,
    metric_alert_data,
    owed,
)
from pytest_obsstack.embedded.sentry.alerts.state import FIRED, INCIDENT, AlertState
from pytest_obsstack.embedded.sentry.api.http import Api
from pytest_obsstack.embedded.sentry.state.model import Issue, StoredEvent
from pytest_obsstack.embedded.sentry.state.store import Applied
from pytest_obsstack.embedded.sentry.times import NS

_MIN_DELAY_S = 0.05
"""Between two looks at a moving window: a burst that leaves it is looked at together."""


class Evaluation:
    """Fires rules; ``notify`` is handed the notifications that are owed from then on."""

    def __init__(
        self, api: Api, state: AlertState, notify: Callable[[Iterable[Notification]], None]
    ) -> None:
        self._api = api
        self._state = state
        self._notify = notify
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timers: dict[int, asyncio.TimerHandle] = {}
        self._seen_spans = 0

    def start(self) -> None:
        """Set timers from now on; what changed while stopped is looked at first."""
        self._loop = asyncio.get_running_loop()
        self.look_at_metrics()

    def stop(self) -> None:
        self._loop = None
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def on_event(
        self,
        issue: Issue,
        event: StoredEvent,
        is_new: bool,  # noqa: FBT001 - OnEvent passes them so
        is_regression: bool,  # noqa: FBT001
    ) -> None:
        for rule in self._state.rules_of(event.project_id):
            firing = self._state.firings.get((rule.id, issue.id))
            if firing is not None and self._now_ns() - firing.fired_ns < rule.silence_ns:
                continue
            occurrence = self._occurrence(
                rule, issue, event, is_new=is_new, is_regression=is_regression
            )
            if rule.holds(occurrence):
                self._fire(rule, issue, event)

    def on_accepted(self, applied: Applied) -> None:
        """Look at the metric rules whose records just became more."""
        grown = {("errors", grouped.event.project_id) for grouped in applied.events}
        grown |= {("transactions", event.project_id) for event in applied.transactions}
        spans = self._api.store.telemetry.spans
        if len(spans) != self._seen_spans:
            self._seen_spans = len(spans)
            grown |= {("spans", project_id) for project_id in self._api.store.catalog.projects}
        for rule in list(self._state.metric_rules.values()):
            if (rule.source, rule.project_id) in grown:
                self.look_at_metric(rule)

    def look_at_metrics(self) -> None:
        for rule in list(self._state.metric_rules.values()):
            if rule.project_id in self._api.store.catalog.projects:
                self.look_at_metric(rule)

    def look_at_metric(self, rule: MetricRule) -> None:
        """Open, change or end its incident by what the aggregate is now."""
        reading = read_metric(rule, self._api.store, self._now_ns())
        incident = self._state.open_incidents.get(rule.id)
        current = None if incident is None else incident.level
        level = level_of(rule, reading.value, current)
        if level != current:
            self._change(rule, incident, level, reading.value)
        self._set_timer(rule, reading.next_change_ns)

    def _occurrence(
        self,
        rule: IssueRule,
        issue: Issue,
        event: StoredEvent,
        *,
        is_new: bool,
        is_regression: bool,
    ) -> Occurrence:
        if rule.environment is not None and rule.environment == event.environment:
            is_new = self._is_first_in_environment(issue, event)
        return Occurrence(
            issue=issue,
            event=event,
            is_new=is_new,
            is_regression=is_regression,
            count_within=lambda interval_s, enough: self._count(
                issue, rule.environment, self._now_ns() - interval_s * NS, enough
            ),
        )

    def _is_first_in_environment(self, issue: Issue, event: StoredEvent) -> bool:
        events = self._api.store.telemetry.events
        for event_id in issue.event_ids:
            if events[issue.project_id, event_id].environment == event.environment:
                return event_id == event.event_id
        return False

    def _count(self, issue: Issue, environment: str | None, start_ns: int, enough: int) -> int:
        """The latest first, up to the first that arrived before the time that is asked about."""
        events = self._api.store.telemetry.events
        count = 0
        for event_id in reversed(issue.event_ids):
            event = events[issue.project_id, event_id]
            if event.received_ns < start_ns or count >= enough:
                break
            if event.timestamp_ns >= start_ns and environment in (None, event.environment):
                count += 1
        return count

    def _fire(self, rule: IssueRule, issue: Issue, event: StoredEvent) -> None:
        api = self._api
        notifications = []
        for action in rule.actions:
            app = self._app_of(rule, action.service, action.installation_uuid)
            if app is not None:
                data = event_alert_data(
                    rule, action.settings, issue, event, api.store, api.settings.public_url
                )
                notifications.append(owed("event_alert", "triggered", app, data))
        change = {
            "rule_id": rule.id,
            "issue_id": issue.id,
            "event_id": event.event_id,
            "notifications": notifications,
        }
        self._notify(api.ledger.change(FIRED, change))

    def _change(
        self, rule: MetricRule, incident: Incident | None, level: Level | None, value: float
    ) -> None:
        api, now_ns = self._api, self._now_ns()
        current = None if incident is None else incident.level
        if incident is None:
            incident = self._state.next_incident(rule.id, level or "critical", value, now_ns)
        elif level is None:
            incident = replace(incident, closed_ns=now_ns)
        data = metric_alert_data(rule, incident, level, value, api.store, api.settings.public_url)
        apps = self._apps_of_change(rule, current, level)
        change = {
            "rule_id": rule.id,
            "level": level,
            "value": value,
            "notifications": [owed("metric_alert", level or "resolved", app, data) for app in apps],
        }
        self._notify(api.ledger.change(INCIDENT, change))

    def _apps_of_change(
        self, rule: MetricRule, old: Level | None, new: Level | None
    ) -> list[SentryApp]:
        """Each integration once, of the triggers that became active or ended."""
        active = {None: 0, "warning": 1, "critical": 2}
        low, high = sorted((active[old], active[new]))
        ids = {
            action.sentry_app_id
            for trigger in rule.triggers
            if low < active[trigger.label] <= high
            for action in trigger.actions
        }
        return [app for app in self._state.apps_of(rule.organization_id) if app.id in ids]

    def _app_of(
        self, rule: IssueRule, slug: str | None, installation_uuid: str | None
    ) -> SentryApp | None:
        """``None`` where the integration was deleted after the rule was made."""
        organization_id = self._api.store.organization_of(rule.project_id).id
        for app in self._state.apps_of(organization_id):
            if slug == app.slug or installation_uuid == app.installation_uuid:
                return app
        return None

    def _set_timer(self, rule: MetricRule, at_ns: int | None) -> None:
        """For what time alone can change: an open incident, or a rule that fires below."""
        timer = self._timers.pop(rule.id, None)
        if timer is not None:
            timer.cancel()
        by_itself = rule.id in self._state.open_incidents or not rule.above
        if self._loop is not None and at_ns is not None and by_itself:
            delay_s = max((at_ns - self._now_ns()) / NS, _MIN_DELAY_S)
            self._timers[rule.id] = self._loop.call_later(delay_s, self._look_again, rule.id)

    def _look_again(self, rule_id: int) -> None:
        rule = self._state.metric_rules.get(rule_id)
        if rule is not None and rule.project_id in self._api.store.catalog.projects:
            self.look_at_metric(rule)

    def _now_ns(self) -> int:
        return self._api.clock_ns()
