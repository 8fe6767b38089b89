"""What expectations on alerts write down for the mutation self-check."""

from __future__ import annotations

import pytest

from pytest_obsstack.errors import CannotTell
from pytest_obsstack.record.asserted import Asserted
from tests.unit.expect.alerting import (
    FIRED_S,
    Given,
    active,
    given,
    rule,
    sentry_alert,
    sentry_rule,
)
from tests.unit.expect.models import TRACE, event


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
