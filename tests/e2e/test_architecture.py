"""The guide's picture: which way errors, traces, metrics and logs take."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pytest_obsstack import AppSpec, Probe, Stack

pytestmark = pytest.mark.e2e


@pytest.fixture
def no_collector(obs_stack: Stack) -> Iterator[None]:
    """The collector is stopped for the length of the test."""
    obs_stack.stop("collector")
    try:
        yield
    finally:
        obs_stack.start("collector")


@pytest.mark.claim("arch-collector-to-prometheus")
@pytest.mark.obs_requires("metrics", "exact_metrics")
def test_counter_and_histogram_count_exactly_this_tests_requests(obs: Probe) -> None:
    slow_s = 0.12
    for _ in range(3):
        assert obs.get("/error").status_code == 500
    assert obs.get("/slow", params={"seconds": slow_s}).status_code == 200

    errors = '{endpoint="/error",method="GET",status="500"}'
    obs.metrics.expect_increase(f"http_requests_total{errors}", by=3)
    obs.metrics.expect_increase('http_requests_total{endpoint="/slow",status="200"}', by=1)
    # All but what a container's health check asks each second.
    obs.metrics.expect_increase('http_requests_total{endpoint!="/health"}', by=4)
    obs.metrics.expect_no_increase('http_requests_total{endpoint="/error",status="200"}')

    seconds = "http_request_duration_seconds"
    obs.metrics.expect_increase(f'{seconds}_count{{endpoint="/error"}}', by=3)
    obs.metrics.expect_increase(f'{seconds}_bucket{{endpoint="/slow",le="+Inf"}}', by=1)
    obs.metrics.expect_no_increase(f'{seconds}_bucket{{endpoint="/slow",le="0.1"}}')
    taken_s = obs.metrics.expect_increase(f'{seconds}_sum{{endpoint="/slow"}}')
    exchange = obs.exchanges[-1]
    assert slow_s <= taken_s <= exchange.ended_s - exchange.started_s


@pytest.mark.claim("arch-collector-to-prometheus")
@pytest.mark.obs_requires("metrics", "exact_metrics")
def test_paths_that_nobody_knows_make_no_series_of_their_own(obs: Probe) -> None:
    for number in range(5):
        assert obs.get(f"/nowhere/{number}").status_code == 404
    unmatched = 'http_requests_total{endpoint="unmatched",method="GET",status="404"}'
    obs.metrics.expect_increase(unmatched, by=5)
    obs.metrics.expect_cardinality(unmatched, max=1)
    obs.metrics.expect_cardinality("http_requests_total", max_new=1)


@pytest.mark.claim("arch-collector-to-loki")
@pytest.mark.obs_requires("logs", "spans")
def test_a_requests_lines_have_level_service_and_trace_id(obs: Probe) -> None:
    query = {"level": ["info", "warning", "error"], "message": ["first", "second", "third"]}
    assert obs.get("/log", params=query).json() == {"logged": 3}

    span = obs.traces.expect_span("GET /log", kind="server")
    ids = {"trace_id": obs.trace_id, "span_id": span.span_id}
    logged = {"first": "INFO", "second": "WARNING", "third": "ERROR", "request finished": "INFO"}
    obs.logs.expect_lines(
        [
            {"line": message, "level": level, "service": "simple-app", "metadata": ids}
            for message, level in logged.items()
        ],
        exactly=True,
    )


@pytest.mark.claim("arch-collector-to-loki")
@pytest.mark.obs_requires("logs", "spans")
def test_lines_of_a_called_service_are_in_the_same_trace_under_its_own_name(
    obs: Probe, obs_app_spec: AppSpec
) -> None:
    obs.get("/chain", params={"fail": 1})
    obs.logs.expect_line("Exception on /stock", level="ERROR", service="inventory")
    obs.logs.expect_line("inventory failed", level="WARNING", service=obs_app_spec.service)
    obs.logs.expect_no_line(level="ERROR", service=obs_app_spec.service)


@pytest.mark.obs_requires("injection", "issues", "spans", "logs")
def test_everything_is_delivered_once_whichever_way_it_takes(obs: Probe, obs_stack: Stack) -> None:
    # Products keep one of what comes twice and tell nobody; the embedded servers count.
    endpoints, own = obs_stack.endpoints, obs_stack.state.products
    for name, endpoint in (("sentry", endpoints.sentry), ("loki", endpoints.loki)):
        if endpoint is None or endpoint.url != own[name].url:
            pytest.skip(f"the {name} of this stack does not count deliveries")
    obs.get("/error")
    obs.get("/checkout", params={"fail": 1})
    obs.get("/chain", params={"fail": 1})
    # Handled errors go both ways on purpose: to Sentry with tags, to the collector with the span.
    obs.expect_exactly_once(allow=("sentry+otel",))


# The last one here: an app whose collector was away tries again a second later, and until then
# its spans and log records wait; a test of Sentry alone does not wait for them.
@pytest.mark.claim("arch-app-to-sentry")
@pytest.mark.obs_requires("issues", "transactions", "faults")
@pytest.mark.obs_exclusive
def test_errors_and_transactions_reach_sentry_without_the_collector(
    no_collector: None, obs: Probe, obs_stack: Stack
) -> None:
    event_id = obs.get("/error").json()["event_id"]
    issue = obs.sentry.expect_issue("ValueError", value="Intentional error for testing")
    assert obs.sentry.expect_event(issue).event_id == event_id
    transaction = obs.sentry.expect_transaction("/error", op="http.server")
    assert transaction.parent_span_id == obs.exchanges[0].span_id
    assert obs_stack.status()["collector"]["listening"] is False
