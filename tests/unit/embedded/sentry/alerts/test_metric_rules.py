from __future__ import annotations

from typing import Any

import pytest

from tests.unit.embedded.sentry.alerts.support import METRIC_RULES, AlertingSentry
from tests.unit.embedded.sentry.support import error_event, transaction_event


def send(sentry: AlertingSentry, duration_ms: float, **more: Any) -> None:
    now_s = sentry.clock.now_ns / 1e9
    sentry.send_event(
        transaction_event(
            start_timestamp=now_s - duration_ms / 1000, timestamp=now_s, spans=[], **more
        )
    )


def test_a_slow_transaction_fires_and_a_fast_one_does_not(sentry: AlertingSentry) -> None:
    sentry.make_metric_rule(500)
    send(sentry, 100)
    send(sentry, 499)
    assert sentry.hook.requests == []
    sentry.clock.advance(61)
    send(sentry, 900)
    [body] = sentry.hook.bodies
    assert body["action"] == "critical"
    assert body["data"]["description_title"] == "Critical: Slow"


def test_the_threshold_itself_does_not_fire(sentry: AlertingSentry) -> None:
    sentry.make_metric_rule(2, aggregate="count()")
    send(sentry, 1)
    send(sentry, 1)
    assert sentry.hook.requests == []
    send(sentry, 1)
    assert sentry.hook.actions == ["critical"]


@pytest.mark.parametrize(
    ("aggregate", "below", "above"),
    [
        ("avg(transaction.duration)", 200, 199),
        ("max(transaction.duration)", 300, 299),
        ("p50(transaction.duration)", 200, 199),
        ("p95(transaction.duration)", 290, 289),
        ("p95()", 290, 289),
        ("count()", 3, 2),
        ("count_unique(user)", 1, 0),
    ],
)
def test_aggregates_are_taken_over_the_window(
    sentry: AlertingSentry, aggregate: str, below: float, above: float
) -> None:
    sentry.make_metric_rule(below, aggregate=aggregate, name="below")
    sentry.make_metric_rule(above, aggregate=aggregate, name="above")
    for duration_ms in (100, 200, 300):
        send(sentry, duration_ms, user={"id": "7"})
    incidents = sentry.alerts.state.open_incidents.values()
    assert [sentry.alerts.state.metric_rules[i.rule_id].name for i in incidents] == ["above"]


def test_an_incident_notifies_once_while_it_lasts(sentry: AlertingSentry) -> None:
    sentry.make_metric_rule(500)
    for _ in range(5):
        send(sentry, 900)
    assert sentry.hook.actions == ["critical"]


def test_it_resolves_when_new_transactions_bring_it_down(sentry: AlertingSentry) -> None:
    sentry.make_metric_rule(500, aggregate="avg(transaction.duration)")
    send(sentry, 900)
    send(sentry, 50)
    assert sentry.hook.actions == ["critical", "resolved"]
    assert sentry.hook.bodies[1]["data"]["metric_alert"]["status"] == 2
    send(sentry, 4000)
    assert sentry.hook.actions == ["critical", "resolved", "critical"]
    numbers = [body["data"]["metric_alert"]["id"] for body in sentry.hook.bodies]
    assert numbers == ["1", "1", "2"]


def test_it_resolves_by_itself_when_its_window_has_passed(sentry: AlertingSentry) -> None:
    sentry.make_metric_rule(500)
    send(sentry, 900)
    sentry.pass_time(59)
    assert len(sentry.alerts.state.open_incidents) == 1
    sentry.pass_time(2)
    assert sentry.hook.actions == ["critical", "resolved"]


def test_a_timer_is_set_for_when_the_window_moves_on(sentry: AlertingSentry) -> None:
    sentry.make_metric_rule(500)
    send(sentry, 100)
    assert sentry.alerts.evaluation._timers == {}
    send(sentry, 900)
    [timer] = sentry.alerts.evaluation._timers.values()
    assert timer.when() - sentry._loop.time() == pytest.approx(60, abs=2)
    sentry.stop()
    assert timer.cancelled()


def test_warning_critical_and_back(sentry: AlertingSentry) -> None:
    sentry.make_app()
    triggers = [sentry.trigger("critical", 3), sentry.trigger("warning", 1)]
    sentry.make_metric_rule(aggregate="count()", triggers=triggers)
    for _ in range(2):
        send(sentry, 1)
    assert sentry.hook.actions == ["warning"]
    sentry.clock.advance(30)
    for _ in range(2):
        send(sentry, 1)
    assert sentry.hook.actions == ["warning", "critical"]
    sentry.pass_time(31)
    sentry.pass_time(30)
    assert sentry.hook.actions == ["warning", "critical", "warning", "resolved"]


def test_a_resolve_threshold_keeps_the_incident_open_until_it_is_passed(
    sentry: AlertingSentry,
) -> None:
    sentry.make_metric_rule(500, aggregate="avg(transaction.duration)", resolveThreshold=200)
    send(sentry, 600)
    send(sentry, 200)
    assert sentry.hook.actions == ["critical"]
    for _ in range(5):
        send(sentry, 10)
    assert sentry.hook.actions == ["critical", "resolved"]


def test_below_fires_when_the_value_falls_by_itself(sentry: AlertingSentry) -> None:
    for _ in range(3):
        send(sentry, 1)
    sentry.make_metric_rule(2, aggregate="count()", thresholdType=1)
    assert sentry.hook.requests == []
    [timer] = sentry.alerts.evaluation._timers.values()
    assert timer.when() - sentry._loop.time() == pytest.approx(60, abs=2)
    sentry.pass_time(61)
    assert sentry.hook.actions == ["critical"]


def test_the_query_and_the_environment_choose_the_transactions(sentry: AlertingSentry) -> None:
    sentry.make_metric_rule(500, query="transaction:checkout", environment="production")
    send(sentry, 900, name="checkout", environment="staging")
    send(sentry, 900, name="other", environment="production")
    assert sentry.hook.requests == []
    send(sentry, 900, name="checkout", environment="production")
    assert sentry.hook.bodies[0]["data"]["description_text"] == (
        "900 p95(transaction.duration) in the last 1 minute\nFilter: transaction:checkout"
    )


def test_errors_are_counted_on_the_dataset_events(sentry: AlertingSentry) -> None:
    sentry.make_metric_rule(
        1, dataset="events", aggregate="count()", eventTypes=["error"], timeWindow=60
    )
    sentry.send_event(error_event())
    sentry.send_event(error_event("KeyError"))
    [body] = sentry.hook.bodies
    assert body["data"]["description_text"] == "2 events in the last 1 hour"


def test_spans_are_read_on_the_dataset_of_newer_sentries(sentry: AlertingSentry) -> None:
    sentry.make_metric_rule(
        500,
        dataset="events_analytics_platform",
        aggregate="p95(span.duration)",
        eventTypes=["trace_item_span"],
        query="is_transaction:true",
    )
    send(sentry, 100)
    assert sentry.hook.requests == []
    send(sentry, 9000)
    assert sentry.hook.actions == ["critical"]


def test_generic_metrics_are_transactions(sentry: AlertingSentry) -> None:
    sentry.make_metric_rule(500, dataset="generic_metrics")
    send(sentry, 900)
    assert sentry.hook.actions == ["critical"]


def test_what_the_window_holds_already_fires_at_once(sentry: AlertingSentry) -> None:
    send(sentry, 900)
    sentry.make_metric_rule(500)
    assert sentry.hook.actions == ["critical"]


def test_a_deleted_rule_ends_its_incident_without_a_word(sentry: AlertingSentry) -> None:
    rule = sentry.make_metric_rule(500)
    send(sentry, 900)
    assert sentry.call("DELETE", f"{METRIC_RULES}{rule['id']}/").status_code == 204
    send(sentry, 900)
    assert sentry.hook.actions == ["critical"]
    assert sentry.alerts.status()["open_incidents"] == 0
    assert sentry.get(METRIC_RULES) == []


def test_a_deleted_project_takes_its_rules_with_it(sentry: AlertingSentry) -> None:
    sentry.make_metric_rule(500)
    send(sentry, 900)
    sentry.call("DELETE", "/api/0/projects/obs/simple-app/")
    assert sentry.get(METRIC_RULES) == []
    sentry.pass_time(100)
    assert sentry.hook.actions == ["critical"]
