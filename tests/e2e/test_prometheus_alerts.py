"""Alert rules of Prometheus: an error rate fires and is resolved; good requests fire nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from pytest_obsstack import Probe
from pytest_obsstack.expect.alerts import AlertReceiver

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.obs_exclusive,
    pytest.mark.obs_requires("injection", "metrics"),
]

SHIPPED = Path(__file__).parents[2] / "stack" / "prometheus" / "rules.yml"
WINDOW = "2s"


def shipped_rule() -> Mapping[str, Any]:
    """The rule of the stack in containers, on a short window and for this app's instance."""
    (group,) = yaml.safe_load(SHIPPED.read_text("utf-8"))["groups"]
    (rule,) = group["rules"]
    expr = rule["expr"].replace("[1m]", f"[{WINDOW}]").replace("by (job)", "by (job, instance)")
    return {"name": group["name"], "interval": "50ms", "rules": [{**rule, "expr": expr}]}


def fail_at_a_rate(obs: Probe) -> None:
    """A rate needs two samples: the second error is counted after the first one was stored."""
    for count in (1, 2):
        obs.get("/error")
        obs.metrics.expect_increase('http_requests_total{endpoint="/error"}', by=count)


def test_the_error_rate_fires_and_is_resolved(
    obs: Probe, obs_alert_receiver: AlertReceiver
) -> None:
    with obs_alert_receiver.rules(shipped_rule()):
        fail_at_a_rate(obs)
        fired = obs_alert_receiver.expect_alert(
            "HighErrorRate",
            labels={"job": "simple-app", "severity": "page"},
            annotations={"summary": re.compile("^simple-app fails .*% of its requests.$")},
        )
        resolved = obs_alert_receiver.expect_resolved("HighErrorRate")
    assert resolved.starts_s == fired.starts_s
    assert resolved.ends_s is not None
    assert resolved.ends_s > obs.exchanges[-1].ended_s


def test_good_requests_do_not_fire(obs: Probe, obs_alert_receiver: AlertReceiver) -> None:
    with obs_alert_receiver.rules(shipped_rule()):
        for count in (1, 2):
            obs.get("/")
            obs.metrics.expect_increase('http_requests_total{endpoint="/"}', by=count)
        obs_alert_receiver.expect_no_alert("HighErrorRate")
