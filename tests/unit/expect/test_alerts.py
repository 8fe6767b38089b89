"""Alerts: which are this test's, what is told where none came, and when it is proven that none."""

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
from pytest_obsstack.record.asserted import Asserted
from tests.unit.expect.fakes import INSTANCE, NOW_S, Bench, FakePrometheus, FakeStack, bench
from tests.unit.expect.models import OTHER_TRACE, SENT_S, TRACE, event, root_span

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


# ---- presence


@pytest.mark.proves("obs_alert_receiver.expect_alert", "green")
@pytest.mark.proves("obs_alert_receiver.expect_resolved", "green")
def test_an_alert_is_found_by_name_and_labels_and_its_end_too() -> None:
    made = given()
    made.arrive(severity="page")
    found = made.expectations.expect_alert("High", labels={"severity": "page"})
    assert (found.status, found.source) == ("firing", "alertmanager")
    made.arrive("resolved", severity="page")
    assert made.expectations.expect_resolved("High").starts_s == found.starts_s
    assert made.expectations.alerts == made.receiver.alerts


def test_a_rule_that_is_evaluated_seldom_is_asked_for_an_evaluation() -> None:
    made = given()

    def evaluate() -> int:
        made.arrive()
        return 1

    made.bench.context.timeout_s = 0.5
    made.stack.evaluate = evaluate  # type: ignore[method-assign]
    assert made.expectations.expect_alert("High").status == "firing"
    assert made.stack.scrapes == ["otel-collector"]


def test_a_prometheus_that_is_stopped_is_asked_for_nothing() -> None:
    made = given()
    made.stack.listening = False
    with pytest.raises(AssertionError):
        made.expectations.expect_alert("High")
    assert (made.stack.scrapes, made.stack.asked_to_evaluate) == ([], 0)


@pytest.mark.proves("obs_alert_receiver.expect_alert", "red")
def test_where_none_came_rule_alerts_deliveries_and_arrivals_are_told() -> None:
    made = given(rule("firing", active("firing", severity="ticket")))
    made.arrive(severity="ticket")
    made.stack.alertmanagers[0]["sent"] = 1
    with pytest.raises(AssertionError) as caught:
        made.expectations.expect_alert("High", labels={"severity": "page"})
    assert text_of(caught) == (
        "No alert arrived as expected within T (POLLS).\n"
        "  expected  High, status 'firing', labels {severity: 'page'}\n"
        "  found     1 alert at the receiver\n"
        f"  nearest   High (firing) {{instance: '{INSTANCE}', severity: 'ticket'}}\n"
        "              labels.severity  expected 'page'   got 'ticket'\n"
        "  pipeline  app 1 request (500) → Prometheus' rule High (app in rules.yml) is firing, "
        f"evaluated T ago → 1 active alert: firing {{instance: '{INSTANCE}', severity: 'ticket'}}, "
        "value 2e+00 → Prometheus' Alertmanagers: http://127.0.0.1:9093/api/v2/alerts (sent 1, "
        "failed 0) → the receiver http://127.0.0.1:9093 got 1 alert\n"
        f"  look      {LOOK}"
    )


@pytest.mark.proves("obs_alert_receiver.expect_resolved", "red")
def test_an_alert_that_fires_still_is_not_resolved() -> None:
    made = given(rule("firing", active("firing")))
    made.arrive()
    made.stack.alertmanagers[0]["sent"] = 1
    with pytest.raises(AssertionError) as caught:
        made.expectations.expect_resolved("High")
    assert text_of(caught) == (
        "No alert arrived as expected within T (POLLS).\n"
        "  expected  High, status 'resolved'\n"
        "  found     1 alert at the receiver\n"
        f"  nearest   High (firing) {{instance: '{INSTANCE}'}}\n"
        "              status  expected 'resolved'   got 'firing'\n"
        "  pipeline  app 1 request (500) → Prometheus' rule High (app in rules.yml) is firing, "
        f"evaluated T ago → 1 active alert: firing {{instance: '{INSTANCE}'}}, value 2e+00 → "
        "Prometheus' Alertmanagers: http://127.0.0.1:9093/api/v2/alerts (sent 1, failed 0) → the "
        "receiver http://127.0.0.1:9093 got 1 alert\n"
        f"  look      {LOOK}"
    )


@pytest.mark.parametrize(
    ("found", "cause"),
    [
        (rule(), "its expression gives nothing: look at rate(errors[1m]) > 0"),
        (
            rule(health="err", lastError="many-to-many"),
            "its expression fails: many-to-many",
        ),
        (
            rule("pending", active("pending"), duration=60),
            PENDING,
        ),
    ],
)
def test_the_hop_at_which_an_alert_stopped_is_named(found: dict[str, Any], cause: str) -> None:
    with pytest.raises(AssertionError) as caught:
        given(found).expectations.expect_alert("High")
    assert f"\n  stopped   at Prometheus' rule\n  do        {cause}\n" in text_of(caught)


def test_a_prometheus_that_tells_somebody_else_is_named() -> None:
    made = given(rule("firing", active("firing")))
    made.stack.alertmanagers[0]["url"] = "http://am:9093/api/v2/alerts"
    with pytest.raises(AssertionError) as caught:
        made.expectations.expect_alert("High")
    assert (
        "\n  stopped   at Prometheus → receiver\n"
        "  do        let it tell the receiver: make http://127.0.0.1:9093 one of its Alertmanagers "
        "(obs_alert_receiver.rules(…) does on an embedded stack)\n"
    ) in text_of(caught)


def test_a_rule_that_is_not_there_is_named_and_those_that_are() -> None:
    with pytest.raises(AssertionError) as caught:
        given().expectations.expect_alert("Hihg")
    assert (
        "\n  stopped   at the alert rule\n"
        "  do        load or create the rule first; there are High (Prometheus)\n"
    ) in text_of(caught)


@pytest.mark.proves("obs_alert_receiver.expect_alert", "other trace")
@pytest.mark.proves("obs_alert_receiver.expect_resolved", "other trace")
@pytest.mark.proves("obs_alert_receiver.expect_no_alert", "other trace")
@pytest.mark.parametrize(
    ("labels", "began_s", "cause"),
    [
        ({"instance": "simple-app-other"}, FIRED_S, "app instance simple-app-other"),
        ({}, SENT_S - 10, "something 10.0 s before the test's first request"),
    ],
)
def test_what_this_test_has_not_caused_satisfies_nothing(
    labels: dict[str, str], began_s: float, cause: str
) -> None:
    made = given()
    made.arrive(began_s=began_s, **labels)
    with pytest.raises(AssertionError) as caught:
        made.expectations.expect_alert("High")
    assert f"caused_by  expected 'this test'   got {cause!r}" in str(caught.value)
    made.arrive("resolved", began_s=began_s, **labels)
    with pytest.raises(AssertionError) as caught:
        made.expectations.expect_resolved("High")
    assert f"caused_by  expected 'this test'   got {cause!r}" in str(caught.value)
    # Nor does it break the expectation that none comes.
    made.expectations.expect_no_alert("High")


def sentry_alert(made: Given, trace_id: str, **more: Any) -> None:
    contexts = {"trace": {"trace_id": trace_id}}
    event = {"event_id": "a", "issue_id": "1", "contexts": contexts, **more}
    body = {"action": "triggered", "data": {"event": event, "triggered_rule": "new"}}
    made.post("/webhook", body, **{"sentry-hook-resource": "event_alert"})


@pytest.mark.proves("obs_alert_receiver.expect_alert", "other trace")
def test_the_alert_of_another_trace_is_not_taken() -> None:
    made = given()
    sentry_alert(made, OTHER_TRACE)
    with pytest.raises(AssertionError, match="caused_by  expected 'this test'   got 'trace aaaaaa"):
        made.expectations.expect_alert("new")
    sentry_alert(made, TRACE)
    assert made.expectations.expect_alert("new", source="sentry").trace_id == TRACE


def test_an_alert_without_the_right_signature_is_not_taken() -> None:
    made = given()
    made.expectations.trust("secret")
    sentry_alert(made, TRACE)
    with pytest.raises(AssertionError) as caught:
        made.expectations.expect_alert("new")
    assert "signature  expected 'accepted'   got 'wrong or missing'" in str(caught.value)


# ---- absence


@pytest.mark.proves("obs_alert_receiver.expect_no_alert", "green")
def test_an_evaluation_after_the_last_sample_proves_that_nothing_fires() -> None:
    made = given()
    made.expectations.expect_no_alert("High")
    assert made.stack.asked_to_evaluate == 1


def test_a_prometheus_that_is_not_steered_has_to_begin_two() -> None:
    made = given()
    made.stack.steerable = False
    made.expectations.expect_no_alert("High")
    assert (made.prometheus.evaluations >= 3, made.stack.asked_to_evaluate) == (True, 0)


def test_deliveries_are_told_by_the_metrics_of_a_prometheus_that_is_not_steered() -> None:
    made = given(rule("firing", active("firing")))
    made.stack.steerable = False
    for hidden, counts in ((False, "sent 2, failed 1"), (True, "sent 0, failed 0")):
        made.prometheus.hides_metrics = hidden
        with pytest.raises(AssertionError) as caught:
            made.expectations.expect_alert("High")
        shown = f"Prometheus' Alertmanagers: http://127.0.0.1:9093/api/v2/alerts ({counts})"
        assert shown in str(caught.value)


@pytest.mark.proves("obs_alert_receiver.expect_no_alert", "red")
def test_an_alert_that_arrived_is_told_at_once() -> None:
    made = given()
    made.arrive(severity="page")
    with pytest.raises(AssertionError) as caught:
        made.expectations.expect_no_alert("High", labels={"severity": "page"})
    assert str(caught.value) == (
        "1 alert fired that must not.\n"
        "  expected  no alert High, labels {severity: 'page'}\n"
        f"  found     High (firing) {{instance: '{INSTANCE}', severity: 'page'}}\n"
        f"  look      {LOOK}"
    )
    assert (made.prometheus.evaluations, made.stack.asked_to_evaluate) == (0, 0)
    made.expectations.expect_no_alert("High", labels={"severity": "ticket"})


@pytest.mark.proves("obs_alert_receiver.expect_no_alert", "red")
def test_an_alert_that_fired_without_being_told_counts_too() -> None:
    made = given()
    made.record("firing", FIRED_S, FIRED_S + 1)
    with pytest.raises(AssertionError) as caught:
        made.expectations.expect_no_alert("High")
    assert str(caught.value) == (
        "1 alert fired that must not.\n"
        "  expected  no alert High\n"
        f"  found     High {{instance: '{INSTANCE}', job: 'simple-app'}}, "
        "not told to the receiver\n"
        f"  look      {LOOK}"
    )


@pytest.mark.proves("obs_alert_receiver.expect_no_alert", "cannot tell")
def test_what_was_firing_before_the_test_cannot_be_told_apart() -> None:
    made = given()
    made.record("firing", SENT_S - 20, SENT_S - 2, FIRED_S)
    with pytest.raises(CannotTell) as caught:
        made.expectations.expect_no_alert("High")
    assert str(caught.value) == (
        "Cannot assert that High did not fire: it was firing already.\n"
        "  expected  an alert that is inactive at the test's first request\n"
        f"  found     High {{instance: '{INSTANCE}', job: 'simple-app'}} has been firing since "
        "before the test's first request\n"
        "  do        let it be resolved first, or give the rule a label that only this test has"
    )


@pytest.mark.proves("obs_alert_receiver.expect_no_alert", "cannot tell")
def test_what_is_pending_may_yet_fire() -> None:
    made = given(rule("pending", active("pending")))
    with pytest.raises(CannotTell) as caught:
        made.expectations.expect_no_alert("High")
    assert str(caught.value) == (
        "Cannot assert that High did not fire: it may yet.\n"
        "  expected  an alert that is inactive\n"
        f"  found     High {{instance: '{INSTANCE}'}} is pending: its condition holds\n"
        "  do        give the rule a shorter `for`, or correct what makes its condition hold"
    )


def test_other_instances_that_fire_or_are_pending_prove_nothing_against_it() -> None:
    made = given(rule("pending", active("pending", instance="simple-app-other")))
    made.record("firing", FIRED_S, instance="simple-app-other")
    made.expectations.expect_no_alert("High")


def cannot_tell(made: Given, name: str = "High") -> str:
    with pytest.raises(CannotTell) as caught:
        made.expectations.expect_no_alert(name)
    found = [line for line in text_of(caught).splitlines() if line.startswith("  found")]
    return found[0].removeprefix("  found     ")


def test_a_rule_that_is_not_evaluated_cannot_tell() -> None:
    made = given()
    made.stack.steerable = False
    made.prometheus.evaluates = False
    assert re.sub(r"T \(\d+ polls\)", "T", cannot_tell(made)) == (
        "Prometheus has not evaluated the rule High twice since all samples are there after T"
    )


def test_samples_that_are_not_stored_cannot_tell() -> None:
    made = given()
    made.prometheus.samples.clear()
    assert cannot_tell(made).startswith(f"Prometheus has no sample of {INSTANCE}")


def test_a_rule_that_fails_or_is_not_there_cannot_tell() -> None:
    failing = given(rule(health="err", lastError="many-to-many"))
    assert cannot_tell(failing) == (
        "the rule High (app in rules.yml) cannot be evaluated: many-to-many"
    )
    assert cannot_tell(given(), "Low") == "there is no alert rule Low"


# ---- what they write down for the self-check


def facts(made: Given) -> list[Asserted]:
    return list(made.bench.context.asserted)


def test_an_alert_of_a_metric_is_an_expectation_on_that_metric() -> None:
    query = 'sum by (job) (errors_total{status=~"5.."}) > 0'
    made = given(rule(query=query))
    made.arrive()
    made.expectations.expect_alert("High")
    made.arrive("resolved")
    made.expectations.expect_resolved("High")
    once = [
        Asserted("metric", "present", frozenset({"status"}), (query,)),
        Asserted("alert", "present", frozenset({"metrics"}), ("High",)),
    ]
    assert facts(made) == [*once, *once]


def test_an_alert_of_which_nobody_knows_the_rule_is_one_of_nothing() -> None:
    made = given()
    made.arrive(alertname="Of Loki's ruler")
    made.expectations.expect_alert("Of Loki's ruler")
    assert facts(made) == [Asserted("alert", "present", frozenset(), ("Of Loki's ruler",))]


@pytest.mark.parametrize("environment", [None, "production"])
def test_an_alert_of_an_error_is_an_expectation_on_its_event(
    monkeypatch: pytest.MonkeyPatch, environment: str | None
) -> None:
    made = given()
    sentry_rule(monkeypatch, made, fired_s=FIRED_S, environment=environment)
    sentry_alert(made, TRACE, tags=[["tier", "gold"]])
    made.expectations.expect_alert("new", labels={"tier": "gold"})
    named = {"tags.tier"} if environment is None else {"tags.tier", "environment"}
    assert facts(made) == [
        Asserted("issue", "present", frozenset(named)),
        Asserted("alert", "present", frozenset({"errors"}), ("new",)),
    ]


def test_what_is_told_of_an_issue_has_no_tags_of_its_event() -> None:
    made = given()
    made.bench.sentry.events = [event()]
    issue = {"issue": {"id": "1", "shortId": "SHOP-1"}}
    made.post("/webhook", {"action": "created", "data": issue}, **{"sentry-hook-resource": "issue"})
    made.expectations.expect_alert("issue", labels={"action": "created"})
    assert facts(made)[0] == Asserted("issue", "present")


def test_no_alert_of_a_metric_and_none_of_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    made = given()
    made.expectations.expect_no_alert("High")
    assert facts(made) == [Asserted("alert", "absent", frozenset({"metrics"}), ("High",))]
    made = given()
    sentry_rule(monkeypatch, made, fired_s=None)
    made.expectations.expect_no_alert("new")
    assert facts(made) == [
        Asserted("issue", "absent"),
        Asserted("alert", "absent", frozenset({"errors"}), ("new",)),
    ]


def test_what_is_not_met_writes_nothing_and_where_no_fault_can_be_no_rule_is_asked_for() -> None:
    made = given(rule("pending", active("pending")))
    with pytest.raises(AssertionError):
        made.expectations.expect_alert("High")
    with pytest.raises(CannotTell):
        made.expectations.expect_no_alert("High")
    made.stack.steerable = False
    made.arrive()
    asked = made.prometheus.evaluations
    made.expectations.expect_alert("High")
    assert (facts(made), made.prometheus.evaluations) == ([], asked)


# ---- Sentry's rules


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


def test_an_issue_rule_that_has_not_fired_since_the_test_began(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for fired_s in (None, SENT_S - 60):
        made = given()
        sentry_rule(monkeypatch, made, fired_s=fired_s)
        made.expectations.expect_no_alert("new")


def test_an_issue_rule_that_fired_for_another_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    made = given()
    sentry_rule(monkeypatch, made, fired_s=FIRED_S)
    sentry_alert(made, OTHER_TRACE)
    made.expectations.expect_no_alert("new")
    sentry_alert(made, TRACE)
    with pytest.raises(AssertionError, match="1 alert fired that must not"):
        made.expectations.expect_no_alert("new")


def test_an_issue_rule_cannot_tell_while_errors_or_webhooks_are_under_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = given()
    sentry_rule(monkeypatch, made, fired_s=FIRED_S)
    made.stack.webhooks["pending"] = 1
    assert cannot_tell(made, "new") == "Sentry still has webhooks to deliver after T (POLLS)"
    made.bench.sentry.spans = []
    assert cannot_tell(made, "new") == (
        "the transaction of GET /error (500) has not arrived after T (POLLS)"
    )


def test_what_other_servers_do_not_tell_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    made = given()
    sentry_rule(monkeypatch, made, fired_s=FIRED_S)
    made.stack.steerable = False
    assert cannot_tell(made, "new") == (
        "the rule new has fired since the test began, and this server does not tell whether all "
        "its webhooks are delivered"
    )
    made.stack.ours = False
    assert cannot_tell(made, "new") == (
        "a Sentry looks at its alert rules some time after it has accepted an event, and does not "
        "tell when"
    )


def test_an_issue_rule_that_never_fired_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    made = given()
    sentry_rule(monkeypatch, made, fired_s=None)
    with pytest.raises(AssertionError) as caught:
        made.expectations.expect_alert("new")
    assert text_of(caught) == (
        "No alert arrived as expected within T (POLLS).\n"
        "  expected  new, status 'firing'\n"
        "  found     0 alerts at the receiver\n"
        "  pipeline  app 1 request (500) → Sentry's rule new has never fired → the receiver "
        "http://127.0.0.1:9093 got 0 alerts\n"
        "  stopped   at Sentry's rule\n"
        "  do        no event met its conditions and filters: look at them, and at what the app "
        "has reported\n"
        f"  look      {LOOK}"
    )
