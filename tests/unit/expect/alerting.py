"""A request that counted something, a rule about it, and a receiver, all in memory."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import Any, cast

import pytest

from pytest_obsstack.clients.prometheus.rules import Rule, parse_rules
from pytest_obsstack.clients.sentry.alerts import parse_issue_rule
from pytest_obsstack.clients.series import QueryResult, Sample, Series
from pytest_obsstack.errors import BackendRefused, CannotTell
from pytest_obsstack.expect.alerts import AlertReceiver
from pytest_obsstack.receiver.alert import Request
from pytest_obsstack.receiver.server import Receiver
from tests.unit.expect.fakes import INSTANCE, NOW_S, Bench, FakePrometheus, FakeStack, bench
from tests.unit.expect.models import SENT_S, root_span

LOOK = "http://127.0.0.1:9090/alerts  ·  keep the stack: --obs-keep-stack"
FIRED_S = SENT_S + 5
PENDING = (
    "it fires once its condition has held for 60 s: give it a shorter `for`, or wait longer "
    "(--obs-timeout)"
)


@dataclass
class RulingPrometheus(FakePrometheus):
    """Has one rule, and begins an evaluation each time it is asked for it."""

    rule: dict[str, Any] | None = None
    evaluates: bool = True
    evaluations: int = 0
    hides_metrics: bool = False

    def rules(self) -> tuple[Rule, ...]:
        if self.rule is None:
            return ()
        self.evaluations += self.evaluates
        moment = datetime.fromtimestamp(time.time() + self.evaluations / 1e6, timezone.utc)
        at = moment.isoformat() if self.evaluates else "2026-01-01T00:00:00Z"
        rule = {**self.rule, "lastEvaluation": at}
        group = {"name": "app", "file": "/etc/rules.yml", "interval": 0.02, "rules": [rule]}
        return parse_rules({"groups": [group]})

    def alertmanagers(self) -> tuple[str, ...]:
        return ("http://127.0.0.1:9093/api/v2/alerts",)

    def own_metrics(self) -> str:
        if self.hides_metrics:
            raise BackendRefused("Prometheus refused.", status=404)
        labels = '{alertmanager="http://127.0.0.1:9093/api/v2/alerts"}'
        return (
            "# TYPE prometheus_notifications_sent_total counter\n"
            f"prometheus_notifications_sent_total{labels} 2\n"
            f"prometheus_notifications_errors_total{labels} 1\n"
        )

    def query(self, promql: str, *, time_s: float | None = None) -> QueryResult:
        if promql == "time()":
            return QueryResult("scalar", (Series({}, (Sample(NOW_S, NOW_S),)),))
        return super().query(promql, time_s=time_s)


@dataclass
class TellingStack(FakeStack):
    alertmanagers: list[dict[str, Any]] = field(default_factory=list)
    webhooks: dict[str, int] = field(default_factory=dict)
    ours: bool = True
    asked_to_evaluate: int = 0
    listening: bool = True

    def evaluate(self) -> int:
        self.asked_to_evaluate += 1
        return 1

    def status(self) -> dict[str, Any]:
        return {
            **super().status(),
            "prometheus": {
                "listening": self.listening,
                "rules": 1,
                "alertmanagers": self.alertmanagers,
            },
            "sentry": {"alerts": {"webhooks": self.webhooks}},
        }


@dataclass
class Given:
    """A request that counted something, a rule about it, and a receiver that nothing reached."""

    bench: Bench
    prometheus: RulingPrometheus
    receiver: Receiver
    stack: TellingStack

    @property
    def expectations(self) -> AlertReceiver:
        return AlertReceiver(self.bench.context, self.receiver)

    def arrive(self, status: str = "firing", *, began_s: float = FIRED_S, **labels: str) -> None:
        whole = {"alertname": "High", "instance": INSTANCE, **labels}
        ends_s = began_s + 1 if status == "resolved" else time.time() + 240
        alert = {"labels": whole, "startsAt": iso(began_s), "endsAt": iso(ends_s)}
        self.post("/api/v2/alerts", [alert])

    def post(self, path: str, body: Any, **headers: str) -> None:
        content = json.dumps(body).encode()
        assert self.receiver.take(Request(path, headers, content, time.time()))[0] == 200

    def record(self, state: str, *times_s: float, **labels: str) -> None:
        """Let Prometheus have the series of an alert."""
        samples = [(at_s, 1.0) for at_s in times_s]
        self.prometheus.add("ALERTS", *samples, alertname="High", alertstate=state, **labels)


def iso(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, timezone.utc).isoformat()


def rule(state: str = "inactive", *alerts: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "name": "High",
        "type": "alerting",
        "query": "rate(errors[1m]) > 0",
        "state": state,
        "duration": 0,
        "health": "ok",
        "alerts": list(alerts),
        **more,
    }


def active(state: str, **labels: str) -> dict[str, Any]:
    whole = {"alertname": "High", "instance": INSTANCE, **labels}
    return {"labels": whole, "state": state, "value": "2e+00", "activeAt": iso(FIRED_S)}


def given(found: dict[str, Any] | None = None) -> Given:
    made = bench()
    prometheus = RulingPrometheus(rule=rule() if found is None else found)
    prometheus.add("errors_total", (SENT_S - 2, 0.0), (SENT_S + 10, 1.0))
    stack = TellingStack(made.stack.endpoints, capabilities=made.stack.capabilities - {"alerts"})
    made.context.stack = cast("Any", stack)
    made.context.clients.__dict__["prometheus"] = prometheus
    receiver = Receiver("127.0.0.1", 9093)
    row = {"url": f"{receiver.url}/api/v2/alerts", "sent": 0, "failed": 0, "last_error": ""}
    stack.alertmanagers.append(row)
    return Given(replace(made, prometheus=prometheus), prometheus, receiver, stack)


def text_of(error: pytest.ExceptionInfo[Exception]) -> str:
    return re.sub(r"\d+\.\d s( \(\d+ polls?\)| ago)", r"T\1", str(error.value)).replace(
        "(1 poll)", "(POLLS)"
    )


def sentry_alert(made: Given, trace_id: str, **more: Any) -> None:
    contexts = {"trace": {"trace_id": trace_id}}
    event = {"event_id": "a", "issue_id": "1", "contexts": contexts, **more}
    body = {"action": "triggered", "data": {"event": event, "triggered_rule": "new"}}
    made.post("/webhook", body, **{"sentry-hook-resource": "event_alert"})


def sentry_rule(
    monkeypatch: pytest.MonkeyPatch,
    made: Given,
    *,
    fired_s: float | None,
    environment: str | None = None,
) -> None:
    """Let the tracker have the rule "new", which fired last at that time."""
    fired = None if fired_s is None else iso(fired_s)
    known = {"id": "1", "name": "new", "frequency": 5}
    raw = {**known, "lastTriggered": fired, "environment": environment}
    found = parse_issue_rule(raw)
    for module in ("alert_facts", "alert_fence", "alert_rules"):
        monkeypatch.setattr(f"pytest_obsstack.expect.{module}.sentry_rule", lambda *_: found)
    made.bench.sentry.spans = [root_span()]


def cannot_tell(made: Given, name: str = "High") -> str:
    with pytest.raises(CannotTell) as caught:
        made.expectations.expect_no_alert(name)
    found = [line for line in text_of(caught).splitlines() if line.startswith("  found")]
    return found[0].removeprefix("  found     ")
