"""Alert rules of Prometheus: an error rate fires and is resolved; good requests fire nothing."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from pytest_obsstack import AppProcess, AppSpec, CannotTell, Probe, Stack
from pytest_obsstack.expect.alerts import AlertReceiver
from pytest_obsstack.expect.opening import Bench
from pytest_obsstack.provision.session import Session
from pytest_obsstack.waiting import until
from tests.e2e.app_copies import app_with
from tests.e2e.words import own_word

pytestmark = [pytest.mark.e2e, pytest.mark.obs_exclusive, pytest.mark.obs_requires("metrics")]

SHIPPED = Path(__file__).parents[2] / "stack" / "prometheus" / "rules.yml"
WINDOW = "2s"

NONE_AT_RANDOM = "0"
"""The share of requests that the app lets fail, as APP_ERROR_RATE."""


def shipped_groups() -> list[dict[str, Any]]:
    """The rules of the stack in containers, evaluated as often as there."""
    groups = yaml.safe_load(SHIPPED.read_text("utf-8"))["groups"]
    return [{**group, "interval": "1s"} for group in groups]


def shipped_rule() -> Mapping[str, Any]:
    """That rule on a short window and for this app's instance."""
    (group,) = shipped_groups()
    (rule,) = group["rules"]
    expr = rule["expr"].replace("[1m]", f"[{WINDOW}]").replace("by (job)", "by (job, instance)")
    return {"name": group["name"], "interval": "50ms", "rules": [{**rule, "expr": expr}]}


@pytest.fixture(scope="module")
def shop_app(obs_session: Session, obs_app_spec: AppSpec) -> Iterator[AppProcess]:
    """A copy of the app that makes no errors unless it is asked to."""
    with app_with(obs_session, obs_app_spec, APP_ERROR_RATE=NONE_AT_RANDOM) as app:
        yield app


@pytest.fixture
def shop(shop_app: AppProcess, obs_bench: Bench) -> Iterator[Probe]:
    """That copy's probe; its instance has no other requests than those of these tests."""
    with obs_bench.probe(shop_app, wants_metrics=True) as probe:
        yield probe


def count_a_good_one(shop: Probe) -> None:
    """A series that begins at twenty has not grown by twenty: so it begins here, at one."""
    shop.get("/")
    shop.metrics.expect_increase('http_requests_total{endpoint="/"}', by=1)


def outnumber_the_errors(shop: Probe) -> None:
    """Two errors among more than twenty requests are less than a fifth, once all are counted."""
    for _ in range(20):
        shop.get("/")
    shop.metrics.expect_increase('http_requests_total{endpoint="/"}', by=21)


def fail_at_a_rate(obs: Probe) -> None:
    """A rate needs two samples: the second error is counted after the first one was stored."""
    for count in (1, 2):
        obs.get("/error")
        obs.metrics.expect_increase('http_requests_total{endpoint="/error"}', by=count)


@pytest.mark.obs_requires("injection", "app_control")
def test_the_error_rate_fires_and_is_resolved(
    obs_alert_receiver: AlertReceiver, shop: Probe
) -> None:
    with obs_alert_receiver.rules(shipped_rule()):
        receiver = obs_alert_receiver.of(shop)
        count_a_good_one(shop)
        fail_at_a_rate(shop)
        fired = receiver.expect_alert(
            "HighErrorRate",
            labels={"job": "simple-app", "severity": "page"},
            annotations={"summary": re.compile("^simple-app fails .*% of its requests.$")},
        )
        failed_s = shop.exchanges[-1].ended_s
        outnumber_the_errors(shop)
        resolved = receiver.expect_resolved("HighErrorRate")
    # While the good ones are being counted it may end and begin again.
    began = {alert.starts_s for alert in receiver.alerts if alert.status == "firing"}
    assert fired.starts_s in began
    assert resolved.starts_s in began
    assert resolved.ends_s is not None
    assert resolved.ends_s > failed_s


@pytest.mark.obs_requires("injection", "app_control")
def test_good_requests_do_not_fire(
    obs_alert_receiver: AlertReceiver,
    shop: Probe,
    obs_session: Session,
    obs_app_spec: AppSpec,
    obs_bench: Bench,
) -> None:
    # Not the run's own app, whose rate the tests before may have raised already.
    with (
        obs_alert_receiver.rules(shipped_rule()),
        app_with(obs_session, obs_app_spec, APP_ERROR_RATE=NONE_AT_RANDOM) as other_app,
        obs_bench.probe(other_app, wants_metrics=True) as other,
    ):
        for count in (1, 2):
            shop.get("/")
            shop.metrics.expect_increase('http_requests_total{endpoint="/"}', by=count)
            # Another instance fails meanwhile, and is told of; it is not this one.
            other.get("/error")
            other.metrics.expect_increase('http_requests_total{endpoint="/error"}', by=count)
        obs_alert_receiver.of(other).expect_alert("HighErrorRate")
        obs_alert_receiver.of(shop).expect_no_alert("HighErrorRate")


@pytest.mark.obs_requires("injection", "app_control")
def test_an_alert_that_fires_already_is_not_this_tests(
    obs_stack: Stack, obs_alert_receiver: AlertReceiver, shop: Probe
) -> None:
    up = {"alert": "Counted", "expr": "sum by (instance) (http_requests_total) > 0"}
    with obs_alert_receiver.rules({"name": "always", "interval": "50ms", "rules": [up]}):
        receiver = obs_alert_receiver.of(shop)
        # The question whether it is ready was the app's first request.
        own = shop._context.app.instance

        def told_of_it() -> bool | None:
            obs_stack.scrape()
            return True if own in {a.labels["instance"] for a in receiver.alerts} else None

        assert until(told_of_it, timeout_s=10).value
        shop.get("/")
        with pytest.raises(CannotTell, match="it was firing already"):
            receiver.expect_no_alert("Counted")
        shop._context.timeout_s = 0.1
        with pytest.raises(AssertionError, match="before the test's first request"):
            receiver.expect_alert("Counted")


@pytest.mark.obs_requires("app_control", "faults")
def test_the_shipped_rule_fires_for_the_service_that_fails(
    obs: Probe,
    obs_stack: Stack,
    obs_alert_receiver: AlertReceiver,
    obs_session: Session,
    obs_app_spec: AppSpec,
    obs_bench: Bench,
) -> None:
    """As it is: of a minute, by service; so a service of this test's own has no other errors."""
    service = f"shop-{own_word(obs)}"
    with contextlib.ExitStack() as stack:
        if obs_stack.steerable:
            stack.enter_context(obs_alert_receiver.rules(*shipped_groups()))
        else:
            stack.enter_context(obs_alert_receiver.told_by_prometheus())
        shop_app = stack.enter_context(
            app_with(
                obs_session, obs_app_spec, OTEL_SERVICE_NAME=service, APP_ERROR_RATE=NONE_AT_RANDOM
            )
        )
        shop = stack.enter_context(obs_bench.probe(shop_app, wants_metrics=True))
        count_a_good_one(shop)
        fail_at_a_rate(shop)
        receiver = obs_alert_receiver.of(shop)
        fired = receiver.expect_alert("HighErrorRate", labels={"job": service})
        assert fired.labels["severity"] == "page"

        outnumber_the_errors(shop)
        receiver.expect_resolved("HighErrorRate", labels={"job": service})
