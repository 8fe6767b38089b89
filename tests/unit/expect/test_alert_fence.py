"""When it is proven that no alert fired because of a test, and will."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from pytest_obsstack.clients.prometheus.rules import Rule, parse_rules
from pytest_obsstack.errors import CannotTell
from pytest_obsstack.expect.alert_evaluations import groups_in_turn
from pytest_obsstack.expect.alert_fence import fired_since
from tests.unit.expect.alerting import (
    FIRED_S,
    LOOK,
    RulingPrometheus,
    active,
    cannot_tell,
    given,
    rule,
    sentry_alert,
    sentry_rule,
    text_of,
)
from tests.unit.expect.fakes import INSTANCE, NOW_S
from tests.unit.expect.models import OTHER_TRACE, SENT_S, TRACE, exchange


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


def test_an_alert_that_is_not_signed_must_not_come_either() -> None:
    made = given()
    made.expectations.trust("secret")
    sentry_alert(made, TRACE)
    with pytest.raises(AssertionError, match="1 alert fired that must not"):
        made.expectations.expect_no_alert("new")


def test_what_has_fired_is_asked_for_by_the_clock_of_prometheus() -> None:
    """Whose clock is years behind here: what it recorded since the first request is ours."""
    made = given()
    made.stack.steerable = False
    now_s = time.time()
    made.bench.context.exchanges.all[:] = [exchange(started_s=now_s - 9, ended_s=now_s - 8)]
    made.record("firing", NOW_S - 5, NOW_S - 4)
    (fired,) = fired_since(made.bench.context, "High")
    assert not fired.before
    made.prometheus.samples.clear()
    made.record("firing", NOW_S - 20, NOW_S - 5)
    assert fired_since(made.bench.context, "High")[0].before


def test_a_rule_of_whole_seconds_has_fired_within_the_tests_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = given()
    made.bench.context.started_s = SENT_S - 1 + 0.9
    sentry_rule(monkeypatch, made, fired_s=SENT_S - 1)
    made.stack.webhooks["pending"] = 1
    assert cannot_tell(made, "new").startswith("Sentry still has webhooks to deliver")


# ---- Sentry's rules


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


# ---- rules that hang on others

RECORDED = {"type": "recording", "health": "ok", "query": "sum(rate(errors_total[1m]))"}


def grouped(name: str, *found: Mapping[str, Any], interval_s: float = 15) -> dict[str, Any]:
    return {"name": name, "file": "/f.yml", "interval": interval_s, "rules": list(found)}


def turns(*groups: Mapping[str, Any]) -> list[set[str]]:
    found = groups_in_turn(parse_rules({"groups": list(groups)}), "High")
    return [{name for _, name in each} for each in found]


def test_rules_are_evaluated_before_those_that_ask_for_what_they_record() -> None:
    alert = rule(query="shop:errors:rate1m > 1")
    errors = {**RECORDED, "name": "shop:errors:rate1m"}
    assert turns(grouped("alerts", rule())) == [{"alerts"}]
    assert turns(grouped("alerts", alert), grouped("slow", errors)) == [{"slow"}, {"alerts"}]
    # In one group those that come first are evaluated first.
    assert turns(grouped("all", errors, alert)) == [{"all"}]
    assert turns(grouped("all", alert, errors)) == [{"all"}, {"all"}]
    of_others = {**RECORDED, "name": "errors:rate1m"}
    assert turns(grouped("alerts", alert), grouped("slow", of_others)) == [{"alerts"}]
    chain = [
        grouped("one", {**RECORDED, "name": "a"}),
        grouped("two", {**errors, "query": "a + shop:errors:rate1m"}),
        grouped("alerts", alert),
    ]
    assert turns(*chain) == [{"one"}, {"two"}, {"alerts"}]


@dataclass
class RecordingPrometheus(RulingPrometheus):
    """The alert asks for a series that another group records, which is not evaluated."""

    def rules(self) -> tuple[Rule, ...]:
        errors = {
            **RECORDED,
            "name": "shop:errors:rate1m",
            "lastEvaluation": "2026-01-01T00:00:00Z",
        }
        slow = parse_rules({"groups": [grouped("slow", errors, interval_s=0.02)]})
        return (*super().rules(), *slow)


def test_times_of_several_rules_are_not_several_evaluations() -> None:
    """The rules of a group are evaluated one after the other, each at a time of its own."""

    @dataclass
    class Resting(RulingPrometheus):
        def rules(self) -> tuple[Rule, ...]:
            times = (f"2026-01-01T00:00:0{second}Z" for second in range(4))
            beside = [{**RECORDED, "name": f"r{n}", "lastEvaluation": next(times)} for n in "abc"]
            alert = {**rule(), "lastEvaluation": next(times)}
            return parse_rules({"groups": [grouped("all", *beside, alert, interval_s=0.02)]})

    made = given()
    resting = Resting(samples=made.prometheus.samples)
    made.bench.context.clients.__dict__["prometheus"] = resting
    made.stack.steerable = False
    assert cannot_tell(made).startswith("Prometheus has not evaluated the rule High twice")


def test_an_alert_whose_recorded_series_is_old_cannot_tell() -> None:
    made = given(rule(query="shop:errors:rate1m > 1"))
    steered = RecordingPrometheus(rule=made.prometheus.rule, samples=made.prometheus.samples)
    made.bench.context.clients.__dict__["prometheus"] = steered
    made.expectations.expect_no_alert("High")
    assert made.stack.asked_to_evaluate == 2
    made.stack.steerable = False
    assert cannot_tell(made).startswith("Prometheus has not evaluated the rule High twice")
