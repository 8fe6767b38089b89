"""What is known of an alert rule: in Prometheus, or in the error tracker."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pytest_obsstack.errors import BackendRefused, ObsstackError
from pytest_obsstack.expect.hops import app_hop, unanswered
from pytest_obsstack.expect.mismatch import plural
from pytest_obsstack.receiver.sentry_hook import ISSUE
from pytest_obsstack.record.hops import Hop

if TYPE_CHECKING:
    from pytest_obsstack.clients.prometheus.rules import Rule
    from pytest_obsstack.clients.sentry.alerts import IssueRule, SentryAlerts
    from pytest_obsstack.expect.context import Context
    from pytest_obsstack.receiver.server import Receiver

_SENT = re.compile(
    r'^prometheus_notifications_(?P<what>sent|errors)_total\{alertmanager="(?P<url>[^"]*)"\} '
    r"(?P<count>\S+)$",
    re.MULTILINE,
)
_ALERTS_SHOWN = 3


def prometheus_rules(context: Context, name: str) -> tuple[Rule, ...]:
    """The alerting rules of that name; none where the stack has no Prometheus."""
    if context.stack.endpoints.prometheus is None:
        return ()
    rules = context.clients.prometheus.rules()
    return tuple(rule for rule in rules if rule.type == "alerting" and rule.name == name)


def sentry_alerts(context: Context) -> SentryAlerts | None:
    """The tracker's alert rules; ``None`` where it is no Sentry, or may not be asked for them."""
    if context.stack.endpoints.sentry is None or "alerts" not in context.stack.capabilities:
        return None
    from pytest_obsstack.clients.sentry.client import SentryClient

    client = context.clients.sentry
    return client.alerts if isinstance(client, SentryClient) else None


def sentry_rule(context: Context, name: str) -> IssueRule | None:
    """The issue alert rule of that name."""
    alerts = sentry_alerts(context)
    if alerts is None:
        return None
    return next((rule for rule in alerts.issue_rules() if rule.name == name), None)


def alert_hops(context: Context, receiver: Receiver, name: str) -> tuple[Hop, ...]:
    """From the app over the rule and what it is told, to the receiver."""
    # Requests of another probe or client may have made the rule fire: none here breaks nothing.
    hops = [replace(app_hop(context), broken=False)]
    try:
        rules = prometheus_rules(context, name)
        if rules:
            active = _active_hop(context, rules[0])
            hops += [_rule_hop(rules[0]), active, _notifier_hop(context, receiver)]
        else:
            hops.append(_sentry_rule_hop(context, name))
    except ObsstackError as error:
        hops.append(unanswered("the alert rule", "the server of the alert rules", error))
    return (*hops, _receiver_hop(receiver))


def describe_rule(rule: Rule) -> str:
    return f"{rule.name} ({rule.group} in {rule.file.rpartition('/')[2]})"


def _rule_hop(rule: Rule) -> Hop:
    seen = f"Prometheus' rule {describe_rule(rule)} is {rule.state}"
    if rule.health == "err":
        return Hop(
            "Prometheus' rule",
            f"{seen}, health err",
            broken=True,
            cause=f"its expression fails: {rule.last_error}",
        )
    if rule.last_evaluation is None:
        return Hop(
            "Prometheus' rule",
            f"{seen}, not evaluated yet",
            broken=True,
            cause=f"its group is evaluated every {rule.interval_s:g} s: shorten its interval",
        )
    ago_s = max(0.0, time.time() - rule.last_evaluation.timestamp())
    return Hop("Prometheus' rule", f"{seen}, evaluated {ago_s:.1f} s ago")


def foreign_instance(context: Context, labels: Mapping[str, str]) -> str | None:
    """The instance that the labels name, where it is none of this test's services."""
    instance = labels.get("instance")
    own = [service.instance for service in context.services() if service.instance]
    if instance is None or not own:
        return None
    # Processes of one app have its name with a suffix of their own.
    if any(re.match(rf"{re.escape(name)}(\W|$)", instance) for name in own):
        return None
    return instance


def shown_labels(labels: Mapping[str, str]) -> str:
    """For messages, without the alert's name."""
    inner = ", ".join(f"{n}: {v!r}" for n, v in sorted(labels.items()) if n != "alertname")
    return "{" + inner + "}"


def _active_hop(context: Context, rule: Rule) -> Hop:
    own = [a for a in rule.alerts if foreign_instance(context, a.labels) is None]
    shown = [
        f"{alert.state} {shown_labels(alert.labels)}, value {alert.value}"
        for alert in own[:_ALERTS_SHOWN]
    ]
    others = len(rule.alerts) - len(own)
    if not shown:
        return Hop(
            "Prometheus' rule",
            f"no active alert but {others} of other instances" if others else "no active alert",
            broken=True,
            cause=f"its expression gives nothing: look at {rule.query}",
        )
    seen = f"{plural(len(own), 'active alert')}: {'; '.join(shown)}"
    if all(alert.state == "pending" for alert in own):
        return Hop(
            "Prometheus' rule",
            seen,
            broken=True,
            cause=f"it fires once its condition has held for {rule.for_s:g} s: give it a shorter "
            "`for`, or wait longer (--obs-timeout)",
        )
    return Hop("Prometheus' rule", seen)


@dataclass(frozen=True)
class Deliveries:
    """What one Alertmanager was told by Prometheus, as numbers of alerts."""

    url: str
    sent: int
    failed: int
    last_error: str = ""

    def describe(self) -> str:
        return f"{self.url} (sent {self.sent}, failed {self.failed})"


def deliveries(context: Context) -> list[Deliveries]:
    """What Prometheus has told its Alertmanagers since it began."""
    if context.stack.steerable:
        rows = context.stack.status()["prometheus"].get("alertmanagers", [])
        return [Deliveries(r["url"], r["sent"], r["failed"], r["last_error"]) for r in rows]
    client = context.clients.prometheus
    urls = client.alertmanagers()
    try:
        metrics = client.own_metrics()
    except BackendRefused:
        # Only what it tells, not how often: a proxy may hide the server's own metrics.
        return [Deliveries(url, 0, 0) for url in urls]
    counts = {(m["what"], m["url"]): int(float(m["count"])) for m in _SENT.finditer(metrics)}
    return [
        Deliveries(url, counts.get(("sent", url), 0), counts.get(("errors", url), 0))
        for url in urls
    ]


def _notifier_hop(context: Context, receiver: Receiver) -> Hop:
    told = deliveries(context)
    own = [each for each in told if receiver.address in each.url]
    if not told:
        seen = "Prometheus has no Alertmanager"
    else:
        seen = f"Prometheus' Alertmanagers: {', '.join(each.describe() for each in told)}"
    if not own:
        return Hop(
            "Prometheus → receiver",
            seen,
            broken=True,
            cause=f"let it tell the receiver: make {receiver.url} one of its Alertmanagers "
            "(obs_alert_receiver.rules(…) does on an embedded stack)",
        )
    if own[0].last_error and not own[0].sent:
        return Hop(
            "Prometheus → receiver", seen, broken=True, cause=f"correct: {own[0].last_error}"
        )
    return Hop("Prometheus → receiver", seen)


def _sentry_rule_hop(context: Context, name: str) -> Hop:
    if name == ISSUE:
        return Hop(
            "Sentry", "Sentry tells of issues to the integrations that want it (issues=True)"
        )
    rule = sentry_rule(context, name)
    if rule is not None:
        fired = rule.last_triggered
        if fired is None:
            return Hop(
                "Sentry's rule",
                f"Sentry's rule {name} has never fired",
                broken=True,
                cause="no event met its conditions and filters: look at them, and at what the app "
                "has reported",
            )
        ago_s = max(0.0, time.time() - fired.timestamp())
        return Hop("Sentry's rule", f"Sentry's rule {name} fired last {ago_s:.1f} s ago")
    known = _known_rules(context)
    return Hop(
        "the alert rule",
        f"no alert rule {name}",
        broken=True,
        cause="load or create the rule first"
        + (f"; there are {', '.join(known)}" if known else "; there is none at all"),
    )


def _known_rules(context: Context) -> Sequence[str]:
    names: list[str] = []
    if context.stack.endpoints.prometheus is not None:
        rules = context.clients.prometheus.rules()
        names += [f"{rule.name} (Prometheus)" for rule in rules if rule.type == "alerting"]
    alerts = sentry_alerts(context)
    if alerts is not None:
        names += [f"{rule.name} (Sentry)" for rule in alerts.issue_rules()]
    return names[:5]


def _receiver_hop(receiver: Receiver) -> Hop:
    alerts = receiver.alerts
    seen = f"the receiver {receiver.url} got {plural(len(alerts), 'alert')}"
    refused = receiver.refused
    if refused:
        return Hop(
            "receiver",
            f"{seen}, refused {plural(len(refused), 'request')}",
            broken=not alerts,
            cause=f"its sender posts what is no alert: {refused[-1]}",
        )
    return Hop("receiver", seen)
