"""From a metric to the trace of this test's request, and not to another's."""

from __future__ import annotations

import pytest

from pytest_obsstack.clients.prometheus.models import Exemplar
from pytest_obsstack.errors import ObsstackError
from pytest_obsstack.expect.metrics import MetricExpectations
from tests.unit.expect.fakes import Bench, bench
from tests.unit.expect.models import OTHER_TRACE, SENT_S, TRACE, otlp_span

OWN = 'duration_seconds_bucket{endpoint="/error",instance="simple-app-main"}'
SELECTOR = 'duration_seconds_bucket{endpoint="/error"}'
SPAN_OF_SERVER = "2" * 16


def exemplar(
    trace_id: str = TRACE, span_id: str | None = SPAN_OF_SERVER, at_s: float = SENT_S
) -> Exemplar:
    labels = {"trace_id": trace_id, **({} if span_id is None else {"span_id": span_id})}
    return Exemplar({}, labels, 0.2, at_s, {})


def measured(*exemplars: Exemplar) -> Bench:
    given = bench()
    given.sentry.spans = [otlp_span()]
    given.prometheus.exemplar_list = list(exemplars)
    given.collector.accepted["metric_points"] = given.collector.sent["metric_points"] = 9
    return given


def failure(given: Bench) -> str:
    with pytest.raises(AssertionError) as caught:
        MetricExpectations(given.context).expect_exemplar(SELECTOR)
    return str(caught.value)


def message(found: str, advice: str) -> str:
    return (
        "No exemplar matched within 0.0 s (1 poll).\n"
        f"  expected  {OWN}, an exemplar of trace 4bf92f35… and its span\n"
        f"  found     {found}\n"
        "  pipeline  app 1 request (500) → collector accepted 9 metric points, sent 9 to "
        "Prometheus, failed 0 → Prometheus' targets: otel-collector up\n"
        f"  do        {advice}\n"
        f"  look      http://127.0.0.1:9090 {OWN}  ·  keep the stack: --obs-keep-stack"
    )


@pytest.mark.proves("obs.metrics.expect_exemplar", "green")
def test_the_latest_exemplar_of_this_trace() -> None:
    latest = exemplar(at_s=SENT_S + 1)
    given = measured(exemplar(), latest, exemplar(OTHER_TRACE, at_s=SENT_S + 2))
    assert MetricExpectations(given.context).expect_exemplar(SELECTOR) is latest
    assert given.prometheus.queries[-1] == OWN


@pytest.mark.proves("obs.metrics.expect_exemplar", "red", "other trace")
def test_the_exemplar_of_another_trace_is_none_of_this_test() -> None:
    assert failure(measured(exemplar(OTHER_TRACE))) == message(
        "1 exemplar of other traces, none of this one",
        "of each series and scrape only the last exemplar is kept: let this request be the last "
        "that the series counts",
    )


def test_an_exemplar_must_lead_to_a_span() -> None:
    advice = "the span was not exported: look at the app's span processor and sampler"
    assert failure(measured(exemplar(span_id="9" * 16))) == message(
        "1 exemplar of this trace, but no span 9999999999999999 in it", advice
    )
    assert failure(measured(exemplar(span_id=None))) == message(
        "1 exemplar of this trace, but no span (the exemplar names none) in it", advice
    )


def test_an_app_without_exemplars() -> None:
    assert failure(measured()) == message(
        "no exemplar at all",
        "let the app record the measurement inside of the request's sampled span (OpenTelemetry's "
        "exemplar filter `trace_based`)",
    )


def test_an_exemplar_from_before_the_test_does_not_count() -> None:
    assert "no exemplar at all" in failure(measured(exemplar(at_s=SENT_S - 5)))


def test_a_stack_without_exemplars_is_an_error_of_its_own() -> None:
    given = measured(exemplar())
    given.stack.capabilities -= {"exemplars"}
    with pytest.raises(ObsstackError) as caught:
        MetricExpectations(given.context).expect_exemplar(SELECTOR)
    assert str(caught.value) == (
        "This stack keeps no exemplars.\n"
        "  expected  the capability `exemplars`\n"
        "  found     --obs-stack=embedded without it\n"
        '  do        mark the test with @pytest.mark.obs_requires("exemplars")'
    )
