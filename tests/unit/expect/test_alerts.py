"""Alerts: which are this test's, what is told where none came, and when it is proven that none."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.expect.alerting import (
    FIRED_S,
    LOOK,
    PENDING,
    active,
    given,
    rule,
    sentry_alert,
    text_of,
)
from tests.unit.expect.fakes import INSTANCE
from tests.unit.expect.models import OTHER_TRACE, SENT_S, TRACE

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


def test_of_equally_near_alerts_the_own_instances_is_shown() -> None:
    made = given()
    made.arrive(began_s=SENT_S - 10, instance=INSTANCE)
    made.arrive(instance="simple-app-other")
    with pytest.raises(AssertionError) as error:
        made.expectations.expect_alert("High")
    assert (
        f"nearest   High (firing) {{instance: '{INSTANCE}'}}\n"
        "              caused_by  expected 'this test'   "
        'got "something 10.0 s before the test\'s first request"' in str(error.value)
    )


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
