from __future__ import annotations

from typing import Any

import pytest

from tests.unit.embedded.sentry.alerts.support import (
    FIRST_SEEN,
    REGRESSION,
    AlertingSentry,
    frequency,
    level,
    tagged,
)
from tests.unit.embedded.sentry.support import error_event, frame


def test_a_new_issue_notifies_once_and_its_second_event_does_not(sentry: AlertingSentry) -> None:
    sentry.make_rule(FIRST_SEEN)
    event_id = sentry.send_event(error_event())
    sentry.send_event(error_event())
    [body] = sentry.hook.bodies
    assert body["data"]["event"]["event_id"] == event_id
    sentry.send_event(error_event("KeyError"))
    assert [b["data"]["event"]["title"] for b in sentry.hook.bodies] == [
        "ValueError: Intentional error for testing",
        "KeyError: Intentional error for testing",
    ]


def test_an_event_that_is_delivered_twice_notifies_once(sentry: AlertingSentry) -> None:
    sentry.make_rule(FIRST_SEEN)
    event = error_event()
    sentry.send_event(event)
    sentry.send_event(event)
    assert len(sentry.hook.requests) == 1


def test_an_issue_from_before_the_rule_is_not_new(sentry: AlertingSentry) -> None:
    sentry.send_event(error_event())
    sentry.make_rule(FIRST_SEEN)
    sentry.send_event(error_event())
    assert sentry.hook.requests == []


def test_messages_have_issues_too(sentry: AlertingSentry) -> None:
    sentry.make_rule(FIRST_SEEN)
    message = error_event(message="stock is low")
    del message["exception"]
    sentry.send_event(message)
    [body] = sentry.hook.bodies
    assert body["data"]["event"]["title"] == "stock is low"


def test_transactions_have_no_issue_and_notify_nobody(sentry: AlertingSentry) -> None:
    from tests.unit.embedded.sentry.support import transaction_event

    sentry.make_rule()
    sentry.send_event(transaction_event())
    assert sentry.hook.requests == []


def test_a_regression_notifies(sentry: AlertingSentry) -> None:
    sentry.make_rule(REGRESSION)
    sentry.send_event(error_event())
    assert sentry.hook.requests == []
    sentry.put("/api/0/organizations/obs/issues/1/", {"status": "resolved"})
    sentry.send_event(error_event())
    assert len(sentry.hook.requests) == 1


def test_a_spike_fires_above_its_threshold_and_not_at_it(sentry: AlertingSentry) -> None:
    sentry.make_rule(frequency(3, "1m"))
    for _ in range(3):
        sentry.send_event(error_event())
    assert sentry.hook.requests == []
    fourth = sentry.send_event(error_event())
    [body] = sentry.hook.bodies
    assert body["data"]["event"]["event_id"] == fourth


def test_events_outside_the_window_are_no_spike(sentry: AlertingSentry) -> None:
    sentry.make_rule(frequency(1, "1m"))
    sentry.send_event(error_event(timestamp=sentry.clock.now_ns / 1e9))
    sentry.clock.advance(61)
    sentry.send_event(error_event(timestamp=sentry.clock.now_ns / 1e9))
    assert sentry.hook.requests == []
    sentry.clock.advance(59)
    sentry.send_event(error_event(timestamp=sentry.clock.now_ns / 1e9))
    assert len(sentry.hook.requests) == 1


def test_late_events_count_by_when_they_happened(sentry: AlertingSentry) -> None:
    sentry.make_rule(frequency(1, "1m"))
    for _ in range(3):
        sentry.send_event(error_event(timestamp=sentry.clock.now_ns / 1e9 - 3600))
    assert sentry.hook.requests == []


def test_a_spike_is_of_one_issue_alone(sentry: AlertingSentry) -> None:
    sentry.make_rule(frequency(1))
    for name in ("a", "b", "c"):
        sentry.send_event(error_event(frames=[frame(name)]))
    assert sentry.hook.requests == []


def test_the_same_issue_is_silent_for_the_frequency_and_another_is_not(
    sentry: AlertingSentry,
) -> None:
    sentry.make_rule(frequency=5)
    sentry.send_event(error_event())
    sentry.send_event(error_event())
    sentry.send_event(error_event("KeyError"))
    assert len(sentry.hook.requests) == 2
    sentry.clock.advance(299)
    sentry.send_event(error_event())
    assert len(sentry.hook.requests) == 2
    sentry.clock.advance(1)
    sentry.send_event(error_event())
    assert len(sentry.hook.requests) == 3


@pytest.mark.parametrize(("match", "notified"), [("any", 1), ("all", 0), ("none", 0)])
def test_action_match_joins_the_conditions(
    sentry: AlertingSentry, match: str, notified: int
) -> None:
    sentry.make_rule(FIRST_SEEN, frequency(1), actionMatch=match)
    sentry.send_event(error_event())
    assert len(sentry.hook.requests) == notified


@pytest.mark.parametrize(
    ("rule_filter", "holds"),
    [
        (tagged("endpoint", "eq", "/error"), True),
        (tagged("endpoint", "eq", "/other"), False),
        (tagged("Endpoint", "eq", "/ERROR"), True),
        (tagged("endpoint", "ne", "/error"), False),
        (tagged("endpoint", "sw", "/err"), True),
        (tagged("endpoint", "ew", "/err"), False),
        (tagged("endpoint", "co", "rro"), True),
        (tagged("endpoint", "nc", "rro"), False),
        (tagged("endpoint", "is"), True),
        (tagged("endpoint", "ns"), False),
        (tagged("absent", "is"), False),
        (tagged("absent", "ns"), True),
        (tagged("absent", "ne", "x"), True),
        (tagged("absent", "eq", "x"), False),
        (level("eq", "40"), True),
        (level("gte", "40"), True),
        (level("gte", "50"), False),
        (level("lte", "30"), False),
    ],
)
def test_filters_look_at_tags_and_level(
    sentry: AlertingSentry, rule_filter: dict[str, Any], holds: bool
) -> None:
    sentry.make_rule(filters=[rule_filter], filterMatch="all")
    sentry.send_event(error_event(tags={"endpoint": "/error"}))
    assert len(sentry.hook.requests) == holds


@pytest.mark.parametrize(("match", "notified"), [("any", 1), ("all", 0), ("none", 0)])
def test_filter_match_joins_the_filters(sentry: AlertingSentry, match: str, notified: int) -> None:
    sentry.make_rule(
        filters=[tagged("endpoint", "eq", "/error"), level("eq", "50")], filterMatch=match
    )
    sentry.send_event(error_event(tags={"endpoint": "/error"}))
    assert len(sentry.hook.requests) == notified


def test_a_rule_of_an_environment_sees_that_one_alone(sentry: AlertingSentry) -> None:
    sentry.make_rule(FIRST_SEEN, environment="production")
    sentry.send_event(error_event(environment="staging"))
    assert sentry.hook.requests == []
    # Not the issue's first event, but its first in this environment.
    sentry.send_event(error_event(environment="production"))
    sentry.send_event(error_event(environment="production"))
    [body] = sentry.hook.bodies
    assert body["data"]["event"]["environment"] == "production"


def test_a_spike_in_an_environment_counts_its_events_alone(sentry: AlertingSentry) -> None:
    sentry.make_rule(frequency(1), environment="production")
    for environment in ("production", "staging", "staging"):
        sentry.send_event(error_event(environment=environment))
    assert sentry.hook.requests == []
    sentry.send_event(error_event(environment="production"))
    assert len(sentry.hook.requests) == 1


def test_a_rule_of_another_project_sees_nothing(sentry: AlertingSentry) -> None:
    sentry.post("/api/0/teams/obs/qa/projects/", {"name": "other"})
    sentry.post("/api/0/projects/obs/other/rules/", sentry.rule_body(FIRST_SEEN))
    sentry.send_event(error_event())
    assert sentry.hook.requests == []


def test_two_rules_both_notify(sentry: AlertingSentry) -> None:
    sentry.make_rule(FIRST_SEEN, name="one")
    sentry.make_rule(FIRST_SEEN, name="two")
    sentry.send_event(error_event())
    assert [body["data"]["triggered_rule"] for body in sentry.hook.bodies] == ["one", "two"]


def test_a_deleted_rule_and_a_deleted_integration_notify_nobody(sentry: AlertingSentry) -> None:
    rule = sentry.make_rule(FIRST_SEEN)
    sentry.call("DELETE", f"/api/0/projects/obs/simple-app/rules/{rule['id']}/")
    sentry.send_event(error_event())
    sentry.make_rule(FIRST_SEEN)
    sentry.call("DELETE", f"/api/0/sentry-apps/{sentry.app['slug']}/")
    sentry.send_event(error_event("KeyError"))
    assert sentry.hook.requests == []
