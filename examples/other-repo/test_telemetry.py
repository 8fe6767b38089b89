# test_telemetry.py
import pytest

from pytest_obsstack import Probe


@pytest.mark.e2e
def test_a_failed_order_is_reported(obs: Probe) -> None:
    response = obs.get("/order?item=unicorn")
    assert response.status_code == 500

    issue = obs.sentry.expect_issue("LookupError", value="no unicorn in stock")
    obs.sentry.expect_event(issue, tags={"item": "unicorn"}, release="shop@1.2.3")
    obs.sentry.expect_no_issue("KeyError")
    obs.expect_nowhere("hunter2")
