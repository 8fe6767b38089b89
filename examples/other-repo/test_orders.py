"""More of the same app: what must not be reported, and the shop's code without its server."""

from __future__ import annotations

from types import ModuleType

import pytest
import shop

from pytest_obsstack import Probe


@pytest.mark.e2e
def test_an_order_that_is_met_reports_no_error(obs: Probe) -> None:
    response = obs.get("/order?item=apple")
    assert (response.status_code, response.text) == (200, "apple: 2\n")

    obs.sentry.expect_transaction("GET /order", op="http.server")
    obs.sentry.expect_no_event()


@pytest.mark.e2e
def test_a_password_in_a_failing_request_stays_in_the_shop(obs: Probe) -> None:
    headers = {"Authorization": "Bearer hunter2", "Cookie": "session=hunter2"}
    assert obs.get("/order?item=unicorn", headers=headers).status_code == 500

    obs.sentry.expect_issue("LookupError")
    obs.expect_nowhere("hunter2")


@pytest.mark.e2e
def test_an_error_in_the_test_process_is_reported(obs: Probe, obs_sentry_sdk: ModuleType) -> None:
    with pytest.raises(LookupError) as failure:
        shop.order("dragon")
    obs_sentry_sdk.capture_exception(failure.value)

    issue = obs.sentry.expect_issue("LookupError", value="no dragon in stock")
    event = obs.sentry.expect_event(issue, tags={"item": "dragon"})
    assert event.breadcrumbs[-1].message == "looking for dragon"
