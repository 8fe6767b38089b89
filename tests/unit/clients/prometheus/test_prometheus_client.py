from __future__ import annotations

from typing import Any

import pytest

from pytest_obsstack.clients.prometheus.client import PrometheusClient
from pytest_obsstack.endpoints import PrometheusEndpoint
from pytest_obsstack.errors import BackendRefused, BackendUnavailable, ObsstackError
from tests.unit.clients.answers import Answers, refusal

URL = "http://127.0.0.1:9090"


def client(table: dict[str, Any]) -> tuple[PrometheusClient, Answers]:
    answers = Answers(table)
    return PrometheusClient(PrometheusEndpoint(URL), transport=answers), answers


def success(data: Any) -> dict[str, Any]:
    return {"status": "success", "data": data}


VECTOR = success(
    {"resultType": "vector", "result": [{"metric": {"__name__": "up"}, "value": [60, "1"]}]}
)


def test_an_instant_query_is_at_the_servers_now_unless_told_otherwise() -> None:
    prometheus, answers = client({"GET /api/v1/query": VECTOR})
    assert prometheus.query("up").value == 1.0
    assert answers.params() == [("query", "up")]
    prometheus.query("up", time_s=60.5)
    assert answers.params() == [("query", "up"), ("time", "60.5")]


def test_a_range_query_sends_start_end_and_step() -> None:
    matrix = success({"resultType": "matrix", "result": [{"metric": {}, "values": [[60, "1"]]}]})
    prometheus, answers = client({"GET /api/v1/query_range": matrix})
    found = prometheus.query_range("up", start_s=0, end_s=120, step_s=60)
    assert found.result_type == "matrix"
    assert answers.params() == [("query", "up"), ("start", "0"), ("end", "120"), ("step", "60")]


def test_a_refused_query_has_prometheus_own_error_type_and_text() -> None:
    body = {
        "status": "error",
        "errorType": "bad_data",
        "error": 'invalid parameter "query": 1:7: parse error: unclosed left parenthesis',
    }
    prometheus, _ = client({"GET /api/v1/query": refusal(400, body)})
    with pytest.raises(BackendRefused) as caught:
        prometheus.query("sum(up")
    assert str(caught.value) == (
        "Prometheus refused GET /api/v1/query: 400 Bad Request.\n"
        "  expected  a 2xx status\n"
        '  found     bad_data: invalid parameter "query": 1:7: parse error: '
        "unclosed left parenthesis\n"
        "  do        correct the PromQL or the parameters"
    )


def test_a_query_that_cannot_be_evaluated_is_a_refusal_too() -> None:
    body = {"status": "error", "errorType": "execution", "error": "many-to-many matching"}
    prometheus, _ = client({"GET /api/v1/query": refusal(422, body)})
    with pytest.raises(BackendRefused, match="execution: many-to-many matching"):
        prometheus.query("a * b")


def test_a_server_that_is_starting_is_unavailable() -> None:
    prometheus, _ = client({"GET /-/ready": refusal(503, "Service Unavailable")})
    with pytest.raises(BackendUnavailable, match=r"failed to answer GET /-/ready: 503"):
        prometheus.ready()


def test_labels_values_and_series_take_selectors() -> None:
    prometheus, answers = client(
        {
            "GET /api/v1/labels": success(["__name__", "job"]),
            "GET /api/v1/label/job/values": success(["app"]),
            "GET /api/v1/series": success([{"__name__": "up", "job": "app"}]),
        }
    )
    assert prometheus.labels() == ("__name__", "job")
    assert answers.params() == []
    assert prometheus.label_values("job", "up", 'x{a="b"}') == ("app",)
    assert answers.params() == [("match[]", "up"), ("match[]", 'x{a="b"}')]
    assert prometheus.series("up", start_s=1) == ({"__name__": "up", "job": "app"},)
    assert answers.params() == [("match[]", "up"), ("start", "1")]


def test_targets_tell_their_health_and_last_error() -> None:
    targets = [
        {
            "labels": {"instance": "127.0.0.1:8889", "job": "otel-collector"},
            "scrapeUrl": "http://127.0.0.1:8889/metrics",
            "lastError": "connection refused",
            "lastScrape": "2026-11-23T15:42:39.123456789+01:00",
            "lastScrapeDuration": 0.004,
            "health": "down",
        },
        {
            "labels": {"instance": "127.0.0.1:9090", "job": "prometheus"},
            "scrapeUrl": "http://127.0.0.1:9090/metrics",
            "lastError": "",
            "lastScrape": "0001-01-01T00:00:00Z",
            "lastScrapeDuration": 0,
            "health": "unknown",
        },
    ]
    prometheus, answers = client({"GET /api/v1/targets": success({"activeTargets": targets})})
    down, unknown = prometheus.targets()
    assert answers.params() == [("state", "active")]
    assert (down.job, down.instance) == ("otel-collector", "127.0.0.1:8889")
    assert (down.health, down.last_error) == ("down", "connection refused")
    assert down.last_scrape is not None
    assert down.last_scrape.isoformat() == "2026-11-23T14:42:39.123456+00:00"
    assert down.scrape_url == "http://127.0.0.1:8889/metrics"
    assert (unknown.health, unknown.last_error, unknown.last_scrape) == ("unknown", None, None)


def test_exemplars_carry_the_trace() -> None:
    data = [
        {
            "seriesLabels": {"__name__": "requests_total", "code": "500"},
            "exemplars": [
                {"labels": {"trace_id": "a" * 32}, "value": "6", "timestamp": 1600096945.479}
            ],
        }
    ]
    prometheus, _ = client({"GET /api/v1/query_exemplars": success(data)})
    [exemplar] = prometheus.exemplars("requests_total", start_s=0, end_s=1)
    assert exemplar.trace_id == "a" * 32
    assert exemplar.series["code"] == "500"
    assert (exemplar.value, exemplar.timestamp_s) == (6.0, 1600096945.479)


def test_buildinfo_tells_the_version() -> None:
    prometheus, _ = client({"GET /api/v1/status/buildinfo": success({"version": "3.5.3"})})
    assert prometheus.buildinfo().version == "3.5.3"


def test_an_answer_without_success_is_an_error() -> None:
    prometheus, _ = client({"GET /api/v1/query": {"data": {}}})
    with pytest.raises(ObsstackError, match='expected  "status": "success"'):
        prometheus.query("up")


def test_headers_of_the_endpoint_are_sent_and_never_shown() -> None:
    answers = Answers({"GET /api/v1/labels": refusal(401, "token abcdefgh is unknown")})
    endpoint = PrometheusEndpoint(URL, headers={"Authorization": "Bearer abcdefgh"})
    with pytest.raises(BackendRefused) as caught:
        PrometheusClient(endpoint, transport=answers).labels()
    assert answers.requests[0].headers["authorization"] == "Bearer abcdefgh"
    assert caught.value.found == "token [redacted] is unknown"


def test_the_foreign_client_has_the_same_server_and_headers_and_no_proxy() -> None:
    endpoint = PrometheusEndpoint(URL, headers={"X-Scope-OrgID": "one"})
    connect = PrometheusClient(endpoint).connect()
    assert connect.url == URL
    assert connect.headers == {"X-Scope-OrgID": "one"}
    assert connect._session.trust_env is False


ALERT = {
    "labels": {"alertname": "Busy", "job": "shop"},
    "annotations": {"summary": "busy"},
    "state": "firing",
    "activeAt": "2026-01-01T00:00:00.123456789Z",
    "value": "5e+00",
}


def test_rules_are_listed_with_their_group_and_alerts() -> None:
    alerting = {
        "name": "Busy",
        "type": "alerting",
        "query": "load > 1",
        "state": "firing",
        "duration": 60,
        "labels": {"severity": "page"},
        "annotations": {},
        "alerts": [ALERT],
        "health": "ok",
        "lastEvaluation": "2026-01-01T00:00:01Z",
    }
    recording = {
        "name": "load:sum",
        "type": "recording",
        "query": "sum(load)",
        "health": "err",
        "lastError": "many-to-many",
        "lastEvaluation": "0001-01-01T00:00:00Z",
    }
    group = {"name": "app", "file": "rules.yml", "interval": 0.1, "rules": [alerting, recording]}
    prometheus, _ = client({"GET /api/v1/rules": success({"groups": [group]})})
    first, second = prometheus.rules()
    assert (first.group, first.file, first.interval_s, first.for_s) == (
        "app",
        "rules.yml",
        0.1,
        60.0,
    )
    assert (first.state, first.health, first.last_error) == ("firing", "ok", None)
    assert first.last_evaluation is not None
    (alert,) = first.alerts
    assert (alert.labels["job"], alert.state, alert.value) == ("shop", "firing", "5e+00")
    assert (second.type, second.state, second.alerts) == ("recording", None, ())
    # Go's zero time.
    assert (second.last_error, second.last_evaluation) == ("many-to-many", None)


def test_active_alerts_and_alertmanagers_are_listed() -> None:
    url = "http://127.0.0.1:9093/api/v2/alerts"
    managers = {"activeAlertmanagers": [{"url": url}], "droppedAlertmanagers": []}
    prometheus, _ = client(
        {
            "GET /api/v1/alerts": success({"alerts": [ALERT]}),
            "GET /api/v1/alertmanagers": success(managers),
        }
    )
    (alert,) = prometheus.alerts()
    assert alert.annotations == {"summary": "busy"}
    assert prometheus.alertmanagers() == (url,)
