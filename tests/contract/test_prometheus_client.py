"""``PrometheusClient`` against the embedded server, over HTTP."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from pytest_obsstack.clients.prometheus.client import PrometheusClient
from pytest_obsstack.endpoints import PrometheusEndpoint
from pytest_obsstack.errors import BackendRefused
from tests.contract.embedded_prometheus import EmbeddedPrometheus, running_embedded
from tests.contract.exposing_target import OPEN_METRICS, Exposure, exposing_target

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PAGE = f"""\
# TYPE http_requests counter
http_requests_total{{code="200"}} 5 # {{trace_id="{TRACE}"}} 1.0
http_requests_total{{code="500"}} 2
# EOF
"""


@pytest.fixture(scope="module")
def target() -> Iterator[Exposure]:
    with exposing_target(PAGE, OPEN_METRICS) as exposure:
        yield exposure


@pytest.fixture(scope="module")
def embedded(target: Exposure) -> Iterator[EmbeddedPrometheus]:
    configs = [
        {"job_name": "app", "targets": [target.address]},
        {"job_name": "dead", "targets": ["127.0.0.1:1"]},
    ]
    with running_embedded(configs) as prometheus:
        prometheus.run(prometheus.server.scrape_now())
        yield prometheus


@pytest.fixture(scope="module")
def client(embedded: EmbeddedPrometheus) -> Iterator[PrometheusClient]:
    client = PrometheusClient(PrometheusEndpoint(embedded.url))
    yield client
    client.close()


def test_an_instant_query_gives_series_with_labels(
    client: PrometheusClient, target: Exposure
) -> None:
    client.ready()
    found = client.query('http_requests_total{job="app"}')
    assert found.result_type == "vector"
    assert {series.labels["code"]: series.last.value for series in found.series} == {
        "200": 5.0,
        "500": 2.0,
    }
    assert {series.labels["instance"] for series in found.series} == {target.address}
    assert client.query('sum(http_requests_total{job="app"})').value == 7.0
    assert client.query("1 + 1").value == 2.0


def test_a_range_query_gives_a_matrix(client: PrometheusClient) -> None:
    now_s = time.time()
    found = client.query_range(
        'http_requests_total{code="200"}', start_s=now_s - 1, end_s=now_s + 1, step_s=1
    )
    assert found.result_type == "matrix"
    assert {sample.value for series in found.series for sample in series.samples} == {5.0}


def test_nothing_found_is_an_empty_vector(client: PrometheusClient) -> None:
    assert client.query("no_such_metric").series == ()


def test_targets_tell_which_is_up_and_why_not(client: PrometheusClient, target: Exposure) -> None:
    by_job = {found.job: found for found in client.targets()}
    assert by_job["app"].health == "up"
    assert by_job["app"].last_error is None
    assert by_job["app"].last_scrape is not None
    assert by_job["app"].scrape_url == f"http://{target.address}/metrics"
    assert by_job["dead"].health == "down"
    assert by_job["dead"].last_error


def test_labels_values_and_series(client: PrometheusClient) -> None:
    assert {"__name__", "code", "job", "instance"} <= set(client.labels())
    assert client.label_values("code", "http_requests_total") == ("200", "500")
    assert client.labels("up") == ("__name__", "instance", "job")
    found = client.series('http_requests_total{code="500"}')
    assert [labels["code"] for labels in found] == ["500"]


def test_the_exemplar_carries_the_trace(client: PrometheusClient) -> None:
    now_s = time.time()
    [exemplar] = client.exemplars("http_requests_total", start_s=now_s - 60, end_s=now_s + 60)
    assert exemplar.trace_id == TRACE
    assert exemplar.value == 1.0
    assert exemplar.series["code"] == "200"


def test_a_broken_query_is_refused_with_prometheus_own_words(client: PrometheusClient) -> None:
    with pytest.raises(BackendRefused) as caught:
        client.query("sum(up")
    assert caught.value.status == 400
    assert caught.value.found is not None
    assert caught.value.found.startswith("bad_data: ")
    assert "unclosed left parenthesis" in caught.value.found


def test_the_version_is_told(client: PrometheusClient) -> None:
    assert client.buildinfo().version


def test_the_foreign_client_sees_the_same(client: PrometheusClient) -> None:
    connect = client.connect()
    values = connect.custom_query('sum(http_requests_total{job="app"})')
    assert [value["value"][1] for value in values] == ["7"]
    connect._session.close()
