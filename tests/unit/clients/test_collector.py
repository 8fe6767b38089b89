from __future__ import annotations

import httpx
import pytest

from pytest_obsstack.clients.collector import CollectorClient, Counts, parse_metrics
from pytest_obsstack.endpoints import CollectorEndpoint
from pytest_obsstack.errors import BackendUnavailable, ObsstackError
from tests.unit.clients.answers import Answers, Turns

PAGE = """\
# HELP otelcol_receiver_accepted_spans_total Number of spans successfully pushed into the pipeline.
# TYPE otelcol_receiver_accepted_spans_total counter
otelcol_receiver_accepted_spans_total{receiver="otlp",service_name="col",transport="http"} 12
otelcol_receiver_accepted_spans_total{receiver="otlp",service_name="col",transport="grpc"} 3
otelcol_receiver_refused_spans_total{receiver="otlp",transport="http"} 2
otelcol_receiver_failed_spans_total{receiver="otlp",transport="http"} 1
otelcol_receiver_accepted_log_records_total{receiver="otlp",transport="http"} 5
otelcol_exporter_sent_spans_total{exporter="otlp_http/sentry"} 9
otelcol_exporter_sent_spans_total{exporter="debug"} 1
otelcol_exporter_send_failed_spans_total{exporter="otlp_http/sentry"} 4
otelcol_exporter_enqueue_failed_spans_total{exporter="otlp_http/sentry"} 1
otelcol_exporter_queue_size{exporter="otlp_http/sentry"} 0
otelcol_process_uptime_seconds_total{service_name="a \\"quoted\\" one"} 1.5 1795448930000
"""
URL = "http://127.0.0.1:8888/metrics"


def test_counts_are_by_component_and_signal_over_all_transports() -> None:
    reading = parse_metrics(PAGE)
    assert reading.receivers["otlp", "spans"] == Counts(accepted=15, refused=3)
    assert reading.exporters["otlp_http/sentry", "spans"] == Counts(
        sent=9, send_failed=4, enqueue_failed=1
    )
    assert reading.received("log_records").accepted == 5
    assert reading.received("metric_points") == Counts()


def test_sums_are_over_all_exporters_or_of_one() -> None:
    reading = parse_metrics(PAGE)
    assert reading.exported("spans").sent == 10
    assert reading.exported("spans", "otlp_http/sentry").sent == 9
    assert reading.exported("spans", "nobody") == Counts()
    assert reading.exported("spans").lost == 5


def test_older_collectors_write_the_names_without_total() -> None:
    old = parse_metrics(PAGE.replace("_total", ""))
    assert old == parse_metrics(PAGE)


def test_the_difference_of_two_readings_is_what_happened_between() -> None:
    later = parse_metrics(
        PAGE.replace('{exporter="debug"} 1', '{exporter="debug"} 4')
        + 'otelcol_exporter_sent_log_records_total{exporter="otlp_http/loki"} 2\n'
    )
    between = later - parse_metrics(PAGE)
    assert between.exported("spans", "debug") == Counts(sent=3)
    assert between.exported("spans", "otlp_http/sentry") == Counts()
    assert between.exported("log_records").sent == 2
    assert between.received("spans") == Counts()


@pytest.mark.parametrize("page", ["<html>not metrics</html>", "just words here and there"])
def test_a_page_that_is_no_metrics_page_says_so(page: str) -> None:
    with pytest.raises(ObsstackError, match="expected  the Prometheus text format"):
        parse_metrics(page)


def test_a_large_count_in_scientific_notation_is_exact() -> None:
    line = 'otelcol_receiver_accepted_spans_total{receiver="otlp"} 1.234567e+06'
    assert parse_metrics(line).received("spans").accepted == 1_234_567


def test_the_whole_telemetry_url_is_asked() -> None:
    answers = Answers({"GET /metrics": PAGE})
    endpoint = CollectorEndpoint("http://127.0.0.1:4318", telemetry_url=URL)
    client = CollectorClient(endpoint, transport=answers)
    assert client.reading().received("spans").accepted == 15
    assert str(answers.requests[0].url) == URL


def test_healthy_is_whether_the_page_answers() -> None:
    answers = Answers({"GET /metrics": Turns([PAGE, httpx.ConnectError("refused")])})
    endpoint = CollectorEndpoint("http://127.0.0.1:4318", telemetry_url=URL)
    client = CollectorClient(endpoint, transport=answers)
    assert client.healthy()
    assert not client.healthy()


def test_a_collector_that_is_down_is_unavailable() -> None:
    answers = Answers({"GET /metrics": httpx.ConnectError("refused")})
    endpoint = CollectorEndpoint("http://127.0.0.1:4318", telemetry_url=URL)
    with pytest.raises(BackendUnavailable, match=r"The collector did not answer GET /metrics\."):
        CollectorClient(endpoint, transport=answers).reading()


def test_a_collector_without_a_known_metrics_page_says_what_to_do() -> None:
    client = CollectorClient(CollectorEndpoint("http://127.0.0.1:4318"), transport=Answers({}))
    with pytest.raises(ObsstackError) as caught:
        client.reading()
    assert str(caught.value) == (
        "The collector's own metrics are not known.\n"
        "  expected  the URL of its metrics page (otelcol_…)\n"
        "  found     only OTLP at http://127.0.0.1:4318\n"
        "  do        expose service.telemetry.metrics and give its URL"
    )


def test_exporters_with_a_sending_queue() -> None:
    reading = parse_metrics(
        'otelcol_exporter_queue_capacity{data_type="traces",exporter="otlp_http/sentry"} 1000\n'
        'otelcol_exporter_queue_size{data_type="traces",exporter="otlp_http/sentry"} 2\n'
        'otelcol_exporter_queue_size{data_type="logs",exporter="otlp_http/sentry"} 0\n'
        'otelcol_exporter_queue_size{data_type="traces",exporter="otlp_http/other"} 7\n'
        'otelcol_exporter_queue_batch_send_size_sum{exporter="otlp_http/loki"} 3\n'
        'otelcol_exporter_sent_log_records_total{exporter="otlp_http/loki"} 3\n'
    )
    assert reading.waiting("spans", "otlp_http/sentry") == {"otlp_http/sentry": 2}
    assert reading.waiting("log_records", "otlp_http/sentry") == {"otlp_http/sentry": 0}
    # It has no queue, as it is not among those that do.
    assert reading.waiting("log_records", "otlp_http/loki") == {}
    # A collector that names its exporters otherwise: any of its queues may be the one.
    everyone = {"otlp_http/sentry": 2, "otlp_http/other": 7}
    assert reading.waiting("spans", "otlphttp") == everyone
    assert (reading - reading).waiting("spans", "otlphttp") == everyone
