"""Whether it is proven that a rule has seen all of this test and did not fire because of it.

For a rule of Prometheus: the samples of the app, and of the services that it calls, from after the
last response are stored (the fence of metrics), then two more evaluations of the rule have begun,
so that the later one began after that and saw them (see ``alert_evaluations``). Whether it fired is
asked of Prometheus itself (the series ``ALERTS``), which does not depend on a notification that may
be late or lost.

For an issue rule of Sentry: all errors of the test have arrived (the fence of errors) at a server
that looks at the rules while it accepts an event, as this package's own does; then either the rule
has not fired since the test began, or all webhooks that are owed have been delivered.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_obsstack.expect.alert_evaluations import evaluated_twice
from pytest_obsstack.expect.alert_rules import describe_rule, prometheus_rules, sentry_rule
from pytest_obsstack.expect.fence import errors_settled
from pytest_obsstack.expect.metric_fence import services_metrics_settled
from pytest_obsstack.expect.settled import Settled
from pytest_obsstack.waiting import until

if TYPE_CHECKING:
    from datetime import datetime

    from pytest_obsstack.clients.sentry.alerts import IssueRule
    from pytest_obsstack.expect.context import Context

_OWN_LABELS = ("__name__", "alertstate")


@dataclass(frozen=True)
class Fired:
    """An alert that Prometheus recorded as firing."""

    labels: Mapping[str, str]
    since_s: float
    """Unix seconds of the first evaluation that recorded it since the test's first request."""
    before: bool
    """Whether it was firing already then."""


@dataclass(frozen=True)
class Verdict:
    """The outcome of a fence of alerts, with what fired by the time it was passed."""

    settled: Settled
    signal: str
    """What the fence is of, for messages."""
    fired: tuple[Fired, ...] = ()
    pending: tuple[Mapping[str, str], ...] = ()


def first_request_s(context: Context) -> float:
    """Unix seconds before which this test has caused nothing."""
    return context.exchanges.first_started_s or context.started_s


def alerts_settled(context: Context, name: str) -> Verdict:
    """The verdict on the rule of that name."""
    rules = prometheus_rules(context, name)
    if rules:
        return _prometheus_verdict(context, name)
    rule = sentry_rule(context, name)
    if rule is not None:
        return Verdict(_sentry_settled(context, rule), "errors")
    return Verdict(
        Settled(
            f"there is no alert rule {name}",
            polls=0,
            advice="load or create the rule before the requests, or correct its name",
        ),
        "alerts",
    )


def _prometheus_verdict(context: Context, name: str) -> Verdict:
    # The rule may be about any of the services.
    settled = services_metrics_settled(context)
    if not settled.proven:
        return Verdict(settled, "metrics")
    evaluated, rules = evaluated_twice(context, name)
    if not evaluated.proven:
        return Verdict(evaluated, "metrics")
    failing = next((rule for rule in rules if rule.health != "ok"), None)
    if failing is not None:
        reason = f"the rule {describe_rule(failing)} cannot be evaluated: {failing.last_error}"
        return Verdict(Settled(reason, polls=0, advice="correct its expression"), "metrics")
    pending = tuple(
        alert.labels for rule in rules for alert in rule.alerts if alert.state == "pending"
    )
    waited = Settled(None, settled.polls + evaluated.polls, settled.waited_s + evaluated.waited_s)
    return Verdict(waited, "metrics", fired_since(context, name), pending)


def fired_since(context: Context, name: str) -> tuple[Fired, ...]:
    """The alerts of a rule that Prometheus recorded as firing since the test's first request."""
    client = context.clients.prometheus
    selector = f'ALERTS{{alertname="{name}",alertstate="firing"}}'
    now_s = client.query("time()").series[0].last.value
    began_s = first_request_s(context)
    if not context.stack.steerable:
        # By its own clock, which may be another's; no later than it was.
        began_s += now_s - time.time()
    before = {_key(series.labels) for series in client.query(selector, time_s=began_s).series}
    window_s = math.ceil(max(now_s - began_s, 0.0)) + 1
    found = []
    for series in client.query(f"{selector}[{window_s}s]", time_s=now_s).series:
        times = [s.timestamp_s for s in series.samples if s.timestamp_s >= began_s]
        if times:
            labels = {n: v for n, v in series.labels.items() if n not in _OWN_LABELS}
            found.append(Fired(labels, times[0], _key(series.labels) in before))
    return tuple(found)


def _key(labels: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(labels.items()))


def _sentry_settled(context: Context, rule: IssueRule) -> Settled:
    settled = errors_settled(context)
    if not settled.proven:
        return settled
    if not context.stack.ours:
        return Settled(
            "a Sentry looks at its alert rules some time after it has accepted an event, and does "
            "not tell when",
            polls=0,
            advice="assert that no alert came on a stack that this package starts",
        )
    fired = _last_triggered(context, rule)
    # Servers may tell whole seconds alone.
    if fired is None or fired.timestamp() < math.floor(context.started_s):
        return settled
    if not context.stack.steerable:
        return Settled(
            f"the rule {rule.name} has fired since the test began, and this server does not tell "
            "whether all its webhooks are delivered",
            polls=0,
            advice="give the rule a filter for what this test alone reports",
        )
    waited = until(lambda: _nothing_owed(context), timeout_s=context.timeout_s)
    if waited.value:
        return Settled(None, settled.polls + waited.polls, settled.waited_s + waited.waited_s)
    return Settled("Sentry still has webhooks to deliver", waited.polls, waited.waited_s)


def _last_triggered(context: Context, rule: IssueRule) -> datetime | None:
    found = sentry_rule(context, rule.name)
    return None if found is None else found.last_triggered


def _nothing_owed(context: Context) -> bool | None:
    webhooks = context.stack.status()["sentry"].get("alerts", {}).get("webhooks", {})
    return None if webhooks.get("pending") else True
