"""How far spans, lines and metrics got over the collector: which hop is broken, and why."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest.mock import Mock

import pytest

from pytest_obsstack.clients.collector import Signal
from pytest_obsstack.errors import BackendUnavailable, ObsstackError
from pytest_obsstack.expect.context import Context
from pytest_obsstack.expect.hops import log_hops, metric_hops, span_hops
from pytest_obsstack.record.hops import Hop, first_broken
from tests.unit.expect.fakes import Bench, app_facts, bench
from tests.unit.expect.models import SENT_S, line, otlp_span, root_span, target

Hops = Callable[[Context], tuple[Hop, ...]]
ALL: list[tuple[Hops, Signal, str, str]] = [
    (span_hops, "spans", "otlp_http/sentry", "Sentry"),
    (log_hops, "log_records", "otlp_http/loki", "Loki"),
    (metric_hops, "metric_points", "prometheus", "Prometheus"),
]


def healthy() -> Bench:
    given = bench()
    given.sentry.spans = [otlp_span()]
    given.loki.lines = [line()]
    for _, signal, _, _ in ALL:
        given.collector.accepted[signal] = 5
        given.collector.sent[signal] = 5
    return given


def broken(hops: Hops, given: Bench) -> Hop:
    hop = first_broken(hops(given.context))
    assert hop is not None
    return hop


@pytest.mark.parametrize(
    ("hops", "last"),
    [
        (span_hops, "Sentry has 1 OTLP span of this trace"),
        (log_hops, "Loki has 1 line of this trace"),
        (metric_hops, "Prometheus' targets: otel-collector up"),
    ],
)
def test_a_healthy_way_has_no_broken_hop(hops: Hops, last: str) -> None:
    found = hops(healthy().context)
    assert first_broken(found) is None
    assert [hop.name for hop in found[:1]] == ["test → app"]
    assert found[-1].seen == last


@pytest.mark.parametrize(("hops", "signal", "exporter", "backend"), ALL)
def test_no_request(hops: Hops, signal: Signal, exporter: str, backend: str) -> None:
    assert broken(hops, bench(no_request=True)).name == "test → app"


@pytest.mark.parametrize(("hops", "signal", "exporter", "backend"), ALL)
def test_an_app_without_an_endpoint(
    hops: Hops, signal: Signal, exporter: str, backend: str
) -> None:
    given = bench(app=app_facts(environment={"PORT": "5000"}))
    assert broken(hops, given) == Hop(
        "app → collector",
        "the app has no OTEL_EXPORTER_OTLP_ENDPOINT",
        broken=True,
        cause="set OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 for the app",
    )


def test_an_app_that_exports_elsewhere() -> None:
    elsewhere = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9999"}
    assert broken(span_hops, bench(app=app_facts(environment=elsewhere))) == Hop(
        "app → collector",
        "the app exports to http://127.0.0.1:9999",
        broken=True,
        cause="the collector of this stack is http://127.0.0.1:4318: correct the app's "
        "OTEL_EXPORTER_OTLP_ENDPOINT",
    )


def test_a_trailing_slash_is_not_elsewhere() -> None:
    given = healthy()
    given.context.app = app_facts(
        environment={"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318/"}
    )
    assert first_broken(span_hops(given.context)) is None


@pytest.mark.parametrize(("hops", "signal", "exporter", "backend"), ALL)
def test_a_collector_that_is_down(hops: Hops, signal: Signal, exporter: str, backend: str) -> None:
    given = healthy()
    given.collector.error = BackendUnavailable("The collector did not answer.", found="refused")
    found = hops(given.context)
    assert found[-1] == Hop(
        "app → collector",
        "the collector does not answer",
        broken=True,
        cause="The collector did not answer. refused",
    )


@pytest.mark.parametrize(("hops", "signal", "exporter", "backend"), ALL)
def test_a_collector_that_accepted_nothing(
    hops: Hops, signal: Signal, exporter: str, backend: str
) -> None:
    given = healthy()
    given.collector.accepted = {}
    given.collector.sent = {}
    noun = signal.replace("_", " ")
    assert broken(hops, given) == Hop(
        "app → collector",
        f"collector accepted 0 {noun}, sent 0 to {backend}, failed 0",
        broken=True,
        cause="the app exports nothing: look at its OTEL_EXPORTER_OTLP_* variables and at its log "
        "for export errors",
    )


@pytest.mark.parametrize(("hops", "signal", "exporter", "backend"), ALL)
def test_an_exporter_that_fails(hops: Hops, signal: Signal, exporter: str, backend: str) -> None:
    given = healthy()
    given.collector.failed[signal] = 2
    given.stack.exporter_errors[exporter] = "HTTP 401: unknown key"
    noun = signal.replace("_", " ")
    assert broken(hops, given) == Hop(
        f"collector → {backend}",
        f"collector accepted 5 {noun}, sent 5 to {backend}, failed 2",
        broken=True,
        cause=f"the collector's exporter {exporter} fails: HTTP 401: unknown key; check its "
        "endpoint and key, and that the backend accepts it",
    )


def test_an_exporter_that_has_never_sent_fails_even_where_its_error_is_not_known() -> None:
    given = healthy()
    given.stack.steerable = False
    given.collector.sent["spans"] = 0
    given.collector.failed["spans"] = 4
    hop = broken(span_hops, given)
    assert hop.name == "collector → Sentry"
    assert hop.cause == (
        "the collector's exporter otlp_http/sentry fails; check its endpoint and key, and that the "
        "backend accepts it"
    )


@pytest.mark.parametrize(("hops", "signal", "exporter", "backend"), ALL)
def test_an_exporter_that_fails_is_not_taken_for_an_app_that_exports_nothing(
    hops: Hops, signal: Signal, exporter: str, backend: str
) -> None:
    """A collector without a queue refuses what it cannot pass on, so it has accepted nothing."""
    given = healthy()
    given.collector.accepted, given.collector.sent = {}, {}
    given.collector.failed[signal] = 2
    assert broken(hops, given).name == f"collector → {backend}"


def test_an_outage_that_has_lasted_since_before_this_test_explains_what_is_missing() -> None:
    """The app waits longer and longer before it tries again, so it may not try during the test."""
    given = healthy()
    given.sentry.spans = []
    given.collector.failed["spans"] = 4
    given.stack.exporter_errors["otlp_http/sentry"] = "refused"
    given.stack.exporter_errors_s = SENT_S - 100
    given.stack.exporters_fail_still = True
    hop = broken(span_hops, given)
    assert hop.name == "collector → Sentry"
    assert "otlp_http/sentry fails: refused" in (hop.cause or "")


def test_an_outage_before_this_test_explains_nothing() -> None:
    given = healthy()
    given.collector.failed["spans"] = 4
    given.stack.exporter_errors["otlp_http/sentry"] = "refused"
    given.stack.exporter_errors_s = SENT_S - 100
    assert first_broken(span_hops(given.context)) is None


def test_a_collector_whose_own_metrics_are_not_reachable_is_not_guessed_at() -> None:
    given = healthy()
    clients: Any = given.context.clients
    clients.collector = None
    found = span_hops(given.context)
    assert found[1] == Hop("app → collector", "the collector's own metrics are not reachable")
    assert first_broken(found) is None


def test_spans_of_another_trace() -> None:
    given = healthy()
    given.sentry.spans = [root_span()]
    assert broken(span_hops, given) == Hop(
        "Sentry",
        "Sentry has 0 OTLP spans of this trace",
        broken=True,
        cause="the app's spans have another trace id, or its OpenTelemetry sampler dropped them: "
        "use a parentbased sampler",
    )


def test_lines_without_a_trace_id() -> None:
    given = healthy()
    given.loki.lines = []
    assert broken(log_hops, given) == Hop(
        "Loki",
        "Loki has 0 lines of this trace",
        broken=True,
        cause="the app's log records carry no trace id, or are below its log level",
    )


@pytest.mark.parametrize(
    ("lost", "told", "cause"),
    [
        (
            {"line_too_long": 2},
            "2 line_too_long",
            (
                "Loki does not store lines (line_too_long): a line is longer than "
                "limits_config.max_line_size"
            ),
        ),
        (
            {"rate_limited": 1, "greater_than_max_sample_age": 3},
            "3 greater_than_max_sample_age, 1 rate_limited",
            (
                "Loki does not store lines (greater_than_max_sample_age): a record is older than "
                "limits_config.reject_old_samples_max_age: the app's clock is behind"
            ),
        ),
        (
            {"a_new_one": 1},
            "1 a_new_one",
            (
                "Loki does not store lines (a_new_one): look for that word in Loki's "
                "documentation of limits and in its log"
            ),
        ),
    ],
)
def test_a_loki_that_discards_lines(lost: dict[str, int], told: str, cause: str) -> None:
    given = healthy()
    given.loki.lines = []
    given.loki.discarding = {"line_too_long": 1} | {r: n + 1 for r, n in lost.items()}
    given.context.history.loki_discards = dict.fromkeys(given.loki.discarding, 1)
    assert broken(log_hops, given) == Hop(
        "Loki (limits)",
        f"Loki has 0 lines of this trace, and has discarded others meanwhile ({told})",
        broken=True,
        cause=cause,
    )


def test_a_loki_that_has_lines_of_the_trace_is_no_broken_hop_for_what_it_discards() -> None:
    given = healthy()
    given.loki.discarding = {"line_too_long": 2}
    given.context.history.loki_discards = {}
    hops = log_hops(given.context)
    assert first_broken(hops) is None
    assert hops[-1].seen == (
        "Loki has 1 line of this trace, and has discarded others meanwhile (2 line_too_long)"
    )


def test_what_loki_has_discarded_before_explains_nothing() -> None:
    given = healthy()
    given.loki.lines = []
    given.loki.discarding = {"line_too_long": 2}
    given.context.history.loki_discards = {"line_too_long": 1}
    assert broken(log_hops, given).name == "Loki (limits)"
    # It has been told; the next test's lines are missing for another reason.
    assert broken(log_hops, given).name == "Loki"


def test_a_loki_that_does_not_show_its_metrics_is_not_guessed_at() -> None:
    given = healthy()
    given.loki.lines = []
    given.loki.discarding = None
    assert broken(log_hops, given).name == "Loki"


def test_another_page_in_place_of_lokis_metrics_is_not_guessed_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = healthy()
    given.loki.lines = []
    page = Mock(side_effect=ObsstackError("The answer is not what the API documents."))
    monkeypatch.setattr(given.loki, "discarded", page)
    assert broken(log_hops, given).name == "Loki"


def test_a_loki_that_is_down() -> None:
    given = healthy()
    given.loki.error = BackendUnavailable("Loki did not answer.")
    assert broken(log_hops, given) == Hop(
        "collector → Loki", "Loki does not answer", broken=True, cause="Loki did not answer."
    )


def test_a_sentry_that_is_down() -> None:
    given = healthy()
    given.sentry.error = BackendUnavailable("Sentry did not answer.")
    assert broken(span_hops, given).name == "collector → Sentry"


def test_a_prometheus_that_is_down() -> None:
    given = healthy()
    given.prometheus.error = BackendUnavailable("Prometheus did not answer.")
    assert broken(metric_hops, given) == Hop(
        "collector → Prometheus",
        "Prometheus does not answer",
        broken=True,
        cause="Prometheus did not answer.",
    )


def test_a_scrape_target_that_is_down() -> None:
    given = healthy()
    given.prometheus.target_list = [
        target("otel-collector-telemetry"),
        target(health="down", last_error="connection refused"),
    ]
    assert broken(metric_hops, given) == Hop(
        "collector → Prometheus",
        "Prometheus' targets: otel-collector down",
        broken=True,
        cause="the scrape of http://collector:8889/metrics fails: connection refused; correct the "
        "target, or start what should answer there",
    )


@pytest.mark.parametrize("jobs", [[], ["other"]])
def test_a_scrape_job_that_is_missing(jobs: list[str]) -> None:
    given = healthy()
    given.prometheus.target_list = [target(job) for job in jobs]
    hop = broken(metric_hops, given)
    assert hop.seen == f"Prometheus' targets: {'other up' if jobs else 'no targets'}"
    assert hop.cause == "no scrape job otel-collector is configured"


def test_jobs_of_a_stack_that_is_not_ours_may_have_other_names() -> None:
    given = healthy()
    given.stack.kind = "attach"
    given.prometheus.target_list = [target("kubernetes-pods")]
    assert first_broken(metric_hops(given.context)) is None
