"""The life of an alert, evaluation by evaluation."""

from __future__ import annotations

from pytest_obsstack.embedded.prometheus.rules.alerting import AlertingRule
from tests.unit.embedded.prometheus.rules.support import START_S, Bench

HIGH = {"alert": "High", "expr": "errors > 1", "labels": {"severity": "page"}}
START_MS = START_S * 1000


def states(bench: Bench) -> list[str]:
    rule = bench.group.rules[0].rule
    assert isinstance(rule, AlertingRule)
    return [alert.state for alert in rule.shown()]


def rule_state(bench: Bench) -> str:
    rule = bench.group.rules[0].rule
    assert isinstance(rule, AlertingRule)
    return rule.state


def test_an_alert_without_for_fires_at_once_and_is_resolved_when_it_no_longer_holds() -> None:
    bench = Bench([{**HIGH, "annotations": {"text": "{{ $labels.job }} {{ $value }}"}}])
    bench.put(0, "errors", 1, job="shop")
    assert bench.evaluate(0) == []
    assert rule_state(bench) == "inactive"

    bench.put(1, "errors", 5, job="shop")
    (fired,) = bench.evaluate(1)
    assert dict(fired.labels) == {"alertname": "High", "job": "shop", "severity": "page"}
    assert fired.annotations == {"text": "shop 5"}
    assert (fired.state, fired.fired_at_ms, fired.resolved_at_ms) == (
        "firing",
        START_MS + 1000,
        None,
    )
    assert fired.valid_until_ms == START_MS + 1000 + 4 * 60_000
    assert bench.query("ALERTS", 1) == {
        "alertname=High,alertstate=firing,job=shop,severity=page": 1.0
    }
    assert bench.query("ALERTS_FOR_STATE", 1) == {
        "alertname=High,job=shop,severity=page": START_S + 1.0
    }

    bench.put(2, "errors", 0, job="shop")
    (resolved,) = bench.evaluate(2)
    assert (resolved.state, resolved.resolved_at_ms) == ("inactive", START_MS + 2000)
    assert resolved.fired_at_ms == START_MS + 1000
    assert states(bench) == []
    assert bench.query("ALERTS", 2) == {}
    assert bench.query("ALERTS_FOR_STATE", 2) == {}


def test_for_keeps_an_alert_pending_and_one_that_ends_before_is_never_told() -> None:
    bench = Bench([{**HIGH, "for": "2s"}])
    bench.put(0, "errors", 5)
    assert bench.evaluate(0) == []
    assert states(bench) == ["pending"]
    assert bench.query("ALERTS", 0) == {"alertname=High,alertstate=pending,severity=page": 1.0}
    bench.put(1, "errors", 0)
    assert bench.evaluate(1) == []
    assert states(bench) == []

    bench.put(2, "errors", 5)
    for at_s in (2, 3):
        assert bench.evaluate(at_s) == []
    (fired,) = bench.evaluate(4)
    assert (fired.active_at_ms, fired.fired_at_ms) == (START_MS + 2000, START_MS + 4000)
    # The series of the pending alert ends with the evaluation in which it fires.
    assert bench.query("ALERTS", 4) == {"alertname=High,alertstate=firing,severity=page": 1.0}


def test_keep_firing_for_bridges_a_gap() -> None:
    bench = Bench([{**HIGH, "keep_firing_for": "3s"}])
    bench.put(0, "errors", 5)
    assert len(bench.evaluate(0)) == 1
    bench.put(1, "errors", 0)
    for at_s in (1, 3):
        assert bench.evaluate(at_s) == []
        assert states(bench) == ["firing"]
    (resolved,) = bench.evaluate(4)
    assert resolved.resolved_at_ms == START_MS + 4000


def test_what_goes_on_is_told_again_after_the_resend_delay_and_its_end_for_a_quarter_hour() -> None:
    bench = Bench([HIGH], {"resend_delay_ms": 2000})
    bench.put(0, "errors", 5)
    assert [len(bench.evaluate(at_s)) for at_s in (0, 1, 2, 3)] == [1, 0, 0, 1]
    bench.put(4, "errors", 0)
    assert [len(bench.evaluate(at_s)) for at_s in (4, 5, 7)] == [1, 0, 1]
    assert {alert.state for alert in bench.evaluate(900)} == {"inactive"}
    assert [alert.state for alert in bench.evaluate(904)] == ["inactive"]
    assert bench.evaluate(905) == []


def test_an_alert_that_comes_back_is_a_new_one() -> None:
    bench = Bench([HIGH])
    for at_s, value in ((0, 5), (1, 0), (2, 5)):
        bench.put(at_s, "errors", value)
        bench.evaluate(at_s)
    assert [(alert.state, alert.fired_at_ms) for alert in bench.told] == [
        ("firing", START_MS),
        ("inactive", START_MS),
        ("firing", START_MS + 2000),
    ]


def test_two_results_with_the_same_labels_are_an_error_and_change_nothing() -> None:
    bench = Bench([{"alert": "High", "expr": "errors > 1", "labels": {"job": ""}}])
    bench.put(0, "errors", 5, job="a")
    bench.evaluate(0)
    bench.put(1, "errors", 5, job="a")
    bench.put(1, "errors", 5, job="b")
    assert bench.evaluate(1) == []
    running = bench.group.rules[0]
    assert (running.health, running.last_error) == (
        "err",
        "vector contains metrics with the same labelset after applying alert labels",
    )
    assert states(bench) == ["firing"]


def test_more_alerts_than_the_limit_are_none() -> None:
    bench = Bench([HIGH], limit=1)
    for job in ("a", "b"):
        bench.put(0, "errors", 5, job=job)
    assert bench.evaluate(0) == []
    assert bench.group.rules[0].last_error == "exceeded limit of 1 with 2 alerts"
    assert states(bench) == []


def test_a_template_that_fails_is_told_in_the_text() -> None:
    bench = Bench([{**HIGH, "annotations": {"text": "{{ $labels.job | humanize }}"}}])
    bench.put(0, "errors", 5, job="shop")
    (fired,) = bench.evaluate(0)
    assert fired.annotations["text"] == (
        "<error expanding template: error executing template __alert_High: template: "
        '__alert_High:1:129: executing "__alert_High" at <humanize>: error calling humanize: '
        'strconv.ParseFloat: parsing "shop": invalid syntax>'
    )
