"""The embedded Prometheus as the third-party ``prometheus_api_client`` meets it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import httpx
import pytest
from prometheus_api_client import PrometheusConnect
from prometheus_api_client.exceptions import PrometheusApiClientException
from requests import Session

from tests.contract import remote_write_message as message
from tests.contract.embedded_prometheus import EmbeddedPrometheus, running_embedded
from tests.contract.exposing_target import Exposure, exposing_target

PAGE = """\
# HELP http_requests_total Requests served.
# TYPE http_requests_total counter
http_requests_total{code="200"} 5
http_requests_total{code="500"} 2
"""
BASE = (int(time.time()) // 60 - 10) * 60


@pytest.fixture(scope="module")
def target() -> Iterator[Exposure]:
    with exposing_target(PAGE) as exposure:
        yield exposure


@pytest.fixture(scope="module")
def embedded(target: Exposure) -> Iterator[EmbeddedPrometheus]:
    with running_embedded([{"job_name": "app", "targets": [target.address]}]) as prometheus:
        prometheus.run(prometheus.server.scrape_now())
        samples = [(BASE + index * 15, index * 10.0) for index in range(41)]
        pushed = message.series({"__name__": "pushed_total", "job": "batch"}, samples)
        response = httpx.post(
            f"{prometheus.url}/api/v1/write",
            content=message.request([pushed]),
            headers=message.HEADERS,
        )
        assert response.status_code == 204, response.text
        yield prometheus


@pytest.fixture(params=["GET", "POST"])
def client(embedded: EmbeddedPrometheus, request: pytest.FixtureRequest) -> Iterator[Any]:
    with Session() as session:
        session.trust_env = False
        connect = PrometheusConnect(embedded.url, session=session, method=request.param)
        yield connect


def moment(offset_s: float) -> datetime:
    return datetime.fromtimestamp(BASE + offset_s, timezone.utc)


def test_connection_is_found(client: Any) -> None:
    assert client.check_prometheus_connection() is True


def test_all_metrics_lists_scraped_and_pushed_names(client: Any) -> None:
    names = client.all_metrics()

    assert {"http_requests_total", "pushed_total", "up", "scrape_duration_seconds"} <= set(names)


def test_custom_query_gives_labels_and_value(client: Any) -> None:
    found = client.custom_query('http_requests_total{code="500"}')

    assert [(one["metric"]["job"], one["value"][1]) for one in found] == [("app", "2")]


def test_custom_query_range_gives_one_value_a_step(client: Any) -> None:
    found = client.custom_query_range("pushed_total", moment(0), moment(60), "30")

    assert found == [
        {
            "metric": {"__name__": "pushed_total", "job": "batch"},
            "values": [[BASE, "0"], [BASE + 30, "20"], [BASE + 60, "40"]],
        }
    ]


def test_current_metric_value_takes_a_label_config(client: Any) -> None:
    found = client.get_current_metric_value("http_requests_total", {"code": "200"})

    assert [one["value"][1] for one in found] == ["5"]


def test_metric_range_data_gives_the_samples_themselves(client: Any) -> None:
    found = client.get_metric_range_data(
        "pushed_total", start_time=moment(0), end_time=moment(60), chunk_size=timedelta(minutes=1)
    )

    values = [value for chunk in found for value in chunk["values"]]
    assert values == [[BASE + 15, "10"], [BASE + 30, "20"], [BASE + 45, "30"], [BASE + 60, "40"]]


def test_label_names_and_values(client: Any) -> None:
    assert {"__name__", "code", "instance", "job"} <= set(client.get_label_names())
    assert client.get_label_values("job") == ["app", "batch"]


def test_series_of_a_selector(client: Any) -> None:
    found = client.get_series(moment(0), moment(600), params={"match[]": "pushed_total"})

    assert found == [{"__name__": "pushed_total", "job": "batch"}]


def test_targets_pools_and_metadata(client: Any, target: Exposure) -> None:
    targets = client.get_targets()["activeTargets"]

    assert [(one["scrapePool"], one["health"]) for one in targets] == [("app", "up")]
    assert targets[0]["labels"] == {"instance": target.address, "job": "app"}
    assert client.get_scrape_pools() == ["app"]
    assert client.get_metric_metadata("http_requests_total") == [
        {
            "metric_name": "http_requests_total",
            "type": "counter",
            "help": "Requests served.",
            "unit": "",
        }
    ]
    assert client.get_target_metadata({"job": "app"}, "http_requests_total") == [
        {"target": targets[0]["labels"], "type": "counter", "help": "Requests served.", "unit": ""}
    ]


def test_invalid_query_is_the_client_s_own_error(client: Any) -> None:
    with pytest.raises(PrometheusApiClientException, match="parse error: unclosed left paren"):
        client.custom_query("sum(up")
