from __future__ import annotations

from typing import Any

from opentelemetry.trace import format_trace_id

from telemetry.request_hooks import DURATION_BUCKETS_S
from tests.unit.app.in_process import InProcess


def counts(app: InProcess) -> dict[tuple[Any, ...], int]:
    return {
        tuple(point.attributes[name] for name in ("endpoint", "method", "status")): point.value
        for point in app.data_points("http_requests")
    }


def test_each_request_is_counted_once_by_rule_method_and_status(reporting: InProcess) -> None:
    counts(reporting)
    reporting.request("/error")
    reporting.request("/error")
    reporting.request("/sentry-test")
    reporting.request("/checkout", method="POST")
    assert counts(reporting) == {
        ("/error", "GET", "500"): 2,
        ("/sentry-test", "GET", "500"): 1,
        ("/checkout", "POST", "200"): 1,
    }


def test_what_a_client_makes_up_is_no_series_of_its_own(reporting: InProcess) -> None:
    counts(reporting)
    reporting.request("/made/up")
    reporting.request("/made/up/too", method="BREW")
    assert counts(reporting) == {
        ("unmatched", "GET", "404"): 1,
        ("unmatched", "_OTHER", "404"): 1,
    }


def test_the_duration_is_in_seconds_with_the_apps_own_buckets(reporting: InProcess) -> None:
    reporting.data_points("http_request_duration")
    reporting.request("/slow?seconds=0.05")
    (point,) = reporting.data_points("http_request_duration")
    assert point.attributes == {"endpoint": "/slow", "method": "GET"}
    assert point.explicit_bounds == DURATION_BUCKETS_S
    assert point.count == 1
    assert 0.05 <= point.sum < 1.0


def test_exemplars_of_both_metrics_carry_the_requests_trace(reporting: InProcess) -> None:
    for name in ("http_requests", "http_request_duration"):
        reporting.data_points(name)
        seen = reporting.request("/health")
        (point,) = reporting.data_points(name)
        assert [format_trace_id(exemplar.trace_id) for exemplar in point.exemplars] == [
            seen.context.trace_id
        ]
