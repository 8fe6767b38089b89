"""Slow requests are highlighted: found among others by their duration.

The alert is in ``test_alerts.py``.
"""

from __future__ import annotations

import pytest

from pytest_obsstack import Probe
from pytest_obsstack.clients.sentry.client import SentryClient

pytestmark = [pytest.mark.e2e, pytest.mark.obs_requires("transactions")]

SLOW_S = 0.35
SLOW_MS = 300


@pytest.mark.claim("perf-slow")
def test_a_slow_request_is_found_by_its_duration_and_a_fast_one_is_not(
    obs: Probe, obs_sentry: SentryClient
) -> None:
    obs.get("/slow", params={"seconds": SLOW_S})
    obs.get("/slow", params={"seconds": 0})
    slow, fast = obs.sentry.transactions()

    def found(query: str) -> list[str]:
        answer = obs_sentry.get(
            f"organizations/{obs_sentry.organization}/events/",
            dataset="spans",
            field=["transaction.event_id", "span.duration"],
            query=f"trace:{obs.trace_id} is_transaction:true has:transaction.event_id {query}",
            sort="-span.duration",
        )
        return [row["transaction.event_id"] for row in answer["data"]]

    assert found("") == [slow.event_id, fast.event_id]
    assert found(f"span.duration:>{SLOW_MS}ms") == [slow.event_id]
    assert found(f"span.duration:<={SLOW_MS}ms") == [fast.event_id]
