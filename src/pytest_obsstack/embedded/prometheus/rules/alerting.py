"""One alerting rule: its alerts from pending over firing to resolved.

As ``rules/alerting.go`` of Prometheus. A resolved alert is kept for a quarter of an hour, so that
its end is told again to an Alertmanager that missed it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from pytest_obsstack.embedded.prometheus.engine.values import Vector
from pytest_obsstack.embedded.prometheus.model import (
    METRIC_NAME,
    Labels,
    with_labels,
    without_name,
)
from pytest_obsstack.embedded.prometheus.rules.files import AlertingConfig
from pytest_obsstack.embedded.prometheus.rules.template import AlertData, ExpansionError, Template

AlertState = Literal["inactive", "pending", "firing"]
ALERT_NAME = "alertname"
RESOLVED_RETENTION_MS = 15 * 60 * 1000
_RANK: Mapping[AlertState, int] = {"inactive": 0, "pending": 1, "firing": 2}


class RuleError(Exception):
    """An evaluation that gave no result; ``str()`` is Prometheus' text."""


@dataclass
class Alert:
    """One alert; times in milliseconds, ``None`` for what has not happened."""

    labels: Labels
    annotations: Mapping[str, str]
    value: float
    active_at_ms: int
    state: AlertState = "pending"
    fired_at_ms: int | None = None
    resolved_at_ms: int | None = None
    keep_firing_since_ms: int | None = None
    last_sent_ms: int | None = None
    valid_until_ms: int | None = None

    def needs_sending(self, at_ms: int, resend_delay_ms: int) -> bool:
        if self.state == "pending":
            return False
        if self.last_sent_ms is None:
            return True
        if self.resolved_at_ms is not None and self.resolved_at_ms > self.last_sent_ms:
            return True
        return self.last_sent_ms + resend_delay_ms < at_ms


@dataclass
class AlertingRule:
    """``active`` holds the alerts that are pending, firing, or resolved not long ago."""

    config: AlertingConfig
    external_labels: Mapping[str, str]
    external_url: str
    active: dict[Labels, Alert] = field(default_factory=dict)

    @property
    def state(self) -> AlertState:
        """That of the alert that has come furthest."""
        states = (alert.state for alert in self.active.values())
        return max(states, key=_RANK.__getitem__, default="inactive")

    def shown(self) -> list[Alert]:
        """The alerts that are pending or firing, sorted by their labels."""
        alive = [alert for alert in self.active.values() if alert.state != "inactive"]
        return sorted(alive, key=lambda alert: alert.labels)

    def evaluate(self, vector: Vector, at_ms: int, limit: int) -> Vector:
        """Take the expression's result over into the alerts; the series that tell of them.

        Raises ``RuleError``; then the alerts stay as they are, but for the limit, which ends them.
        """
        found = self._alerts_of(vector, at_ms)
        for labels, alert in found.items():
            known = self.active.get(labels)
            if known is not None and known.state != "inactive":
                known.value, known.annotations = alert.value, alert.annotations
            else:
                self.active[labels] = alert
        samples: Vector = []
        for labels, alert in list(self.active.items()):
            if not self._move_on(alert, at_ms, holds=labels in found):
                continue
            samples += _series_of(alert)
        active = len(samples) // 2
        if 0 < limit < active:
            self.active.clear()
            raise RuleError(f"exceeded limit of {limit} with {active} alerts")
        return samples

    def take_over(self, earlier: AlertingRule) -> None:
        """Go on with the alerts of the same rule of earlier settings."""
        self.active = earlier.active

    def to_send(self, at_ms: int, *, resend_delay_ms: int, interval_ms: int) -> list[Alert]:
        """Copies of the alerts that an Alertmanager has to be told of now."""
        due = [a for a in self.active.values() if a.needs_sending(at_ms, resend_delay_ms)]
        for alert in due:
            alert.last_sent_ms = at_ms
            # For so long Alertmanager believes it: two evaluations or notifications may fail.
            alert.valid_until_ms = at_ms + 4 * max(resend_delay_ms, interval_ms)
        return [replace(alert) for alert in due]

    def _alerts_of(self, vector: Vector, at_ms: int) -> dict[Labels, Alert]:
        found: dict[Labels, Alert] = {}
        for metric, value in vector:
            data = AlertData(dict(metric), value, self.external_labels, self.external_url)
            expanded = {name: self._expanded(text, data) for name, text in self.config.labels}
            changes = {**expanded, ALERT_NAME: self.config.name}
            labels = with_labels(without_name(metric), changes)
            if labels in found:
                raise RuleError(
                    "vector contains metrics with the same labelset after applying alert labels"
                )
            annotations = {
                name: self._expanded(text, data) for name, text in self.config.annotations
            }
            found[labels] = Alert(labels, annotations, value, at_ms)
        return found

    def _expanded(self, template: Template, data: AlertData) -> str:
        try:
            return template.expand(data)
        except ExpansionError as error:
            return error.text(self.config.name)

    def _move_on(self, alert: Alert, at_ms: int, *, holds: bool) -> bool:
        """Change the alert's state by whether its condition holds; whether it is still active."""
        if holds:
            alert.keep_firing_since_ms = None
        elif not self._kept_firing(alert, at_ms):
            self._end(alert, at_ms)
            return False
        if alert.state == "pending" and at_ms - alert.active_at_ms >= self.config.for_ms:
            alert.state, alert.fired_at_ms = "firing", at_ms
        return True

    def _kept_firing(self, alert: Alert, at_ms: int) -> bool:
        if alert.state != "firing" or not self.config.keep_firing_for_ms:
            return False
        if alert.keep_firing_since_ms is None:
            alert.keep_firing_since_ms = at_ms
        return at_ms - alert.keep_firing_since_ms < self.config.keep_firing_for_ms

    def _end(self, alert: Alert, at_ms: int) -> None:
        resolved_ms = alert.resolved_at_ms
        forgotten = resolved_ms is not None and at_ms - resolved_ms > RESOLVED_RETENTION_MS
        if alert.state == "pending" or (alert.state == "inactive" and forgotten):
            del self.active[alert.labels]
        if alert.state != "inactive":
            alert.state, alert.resolved_at_ms = "inactive", at_ms


def _series_of(alert: Alert) -> Vector:
    """``ALERTS`` and ``ALERTS_FOR_STATE``."""
    state = with_labels(alert.labels, {METRIC_NAME: "ALERTS", "alertstate": alert.state})
    since = with_labels(alert.labels, {METRIC_NAME: "ALERTS_FOR_STATE"})
    return [(state, 1.0), (since, float(alert.active_at_ms // 1000))]
