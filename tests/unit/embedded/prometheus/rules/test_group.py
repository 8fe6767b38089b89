"""Groups: order, recording rules, errors, and what a change of settings keeps."""

from __future__ import annotations

from typing import Any

from pytest_obsstack.embedded.prometheus.rules.alerting import AlertingRule
from tests.unit.embedded.prometheus.rules.support import START_S, Bench, groups_of

RATIO = {"record": "job:ratio", "expr": "errors / requests", "labels": {"by": "rule"}}


def test_a_rule_sees_what_an_earlier_one_of_its_group_has_recorded() -> None:
    bench = Bench([RATIO, {"alert": "Bad", "expr": "job:ratio > 0.5"}])
    bench.put(0, "errors", 3, job="shop")
    bench.put(0, "requests", 4, job="shop")
    (fired,) = bench.evaluate(0)
    assert dict(fired.labels) == {"alertname": "Bad", "by": "rule", "job": "shop"}
    assert bench.query("job:ratio", 0) == {"by=rule,job=shop": 0.75}


def test_a_recorded_series_ends_when_its_expression_no_longer_gives_it() -> None:
    bench = Bench([{"record": "busy", "expr": "load > 1"}])
    bench.put(0, "load", 2, host="a")
    bench.put(0, "load", 2, host="b")
    bench.evaluate(0)
    bench.put(1, "load", 0, host="a")
    bench.put(1, "load", 2, host="b")
    bench.evaluate(1)
    assert bench.query("busy", 1) == {"host=b": 2.0}


def test_a_scalar_is_recorded_and_a_range_is_an_error() -> None:
    bench = Bench([{"record": "one", "expr": "1"}, {"record": "many", "expr": "load[1m]"}])
    bench.put(0, "load", 2)
    bench.evaluate(0)
    assert bench.query("one", 0) == {"": 1.0}
    assert [(rule.health, rule.last_error) for rule in bench.group.rules] == [
        ("ok", ""),
        ("err", "rule result is not a vector or scalar"),
    ]


def test_an_expression_that_fails_leaves_what_was_recorded_before() -> None:
    bench = Bench([{"record": "x", "expr": "a + on(job) group_left() b"}])
    for at_s, hosts in ((0, "1"), (1, "12")):
        bench.put(at_s, "a", 1, job="j")
        for host in hosts:
            bench.put(at_s, "b", 1, job="j", host=host)
        bench.evaluate(at_s)
    running = bench.group.rules[0]
    assert running.health == "err"
    assert "found duplicate series for the match group" in running.last_error
    assert bench.query("x", 1) == {"job=j": 2.0}


def test_series_with_the_same_labels_or_too_many_of_them_are_errors() -> None:
    bench = Bench([{"record": "x", "expr": "load", "labels": {"host": ""}}])
    for host in "ab":
        bench.put(0, "load", 2, host=host)
    bench.evaluate(0)
    assert bench.group.rules[0].last_error == (
        "vector contains metrics with the same labelset after applying rule labels"
    )
    limited = Bench([{"record": "x", "expr": "load"}], limit=1, store=bench.store)
    limited.evaluate(0)
    assert limited.group.rules[0].last_error == "exceeded limit of 1 with 2 series"


def test_a_changed_group_keeps_the_alerts_of_rules_that_stayed_and_ends_other_series() -> None:
    bench = Bench([{"alert": "A", "expr": "load > 1"}, {"record": "old", "expr": "load"}])
    bench.put(0, "load", 2)
    bench.evaluate(0)

    def changed(*rules: dict[str, Any]) -> Any:
        (group,) = groups_of({"groups": [{"name": "g", "rules": list(rules)}]}, bench.store)
        return group

    new = changed({"alert": "B", "expr": "load > 1"}, {"alert": "A", "expr": "load > 0"})
    assert not new.same_as(bench.group)
    new.take_over(bench.group)
    bench.group.end((START_S + 1) * 10**9, new)
    assert bench.query("old", 1) == {}
    assert bench.query("ALERTS", 1) == {"alertname=A,alertstate=firing": 1.0}
    kept = new.rules[1].rule
    assert isinstance(kept, AlertingRule)
    (alert,) = kept.shown()
    assert alert.fired_at_ms == START_S * 1000

    new.end((START_S + 2) * 10**9)
    assert bench.query("ALERTS", 2) == {}
    assert new.same_as(
        changed({"alert": "B", "expr": "load>1"}, {"alert": "A", "expr": "load > 0"})
    )
