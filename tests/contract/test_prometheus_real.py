"""The same samples, scrapes and questions for a real Prometheus and the embedded one.

Answers must be the same; where versions differ (windows are left-open only since 3.0), the times
are chosen so that it does not show. Errors of old versions have other texts, so of an error the
type is compared.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.contract import remote_write_message as message
from tests.contract.embedded_prometheus import running_embedded
from tests.contract.exposing_target import OPEN_METRICS, Exposure, exposing_target
from tests.contract.real_prometheus import prometheus_binary, running_prometheus

pytestmark = pytest.mark.skipif(
    prometheus_binary() is None,
    reason="no real Prometheus: set OBSSTACK_PROMETHEUS_BIN, or put prometheus on PATH",
)

# The first scrape of a real Prometheus comes after five seconds.
DEADLINE_S = 15.0
BASE = int(time.time()) - 900
AT = BASE + 607
"""Off the grid of the samples, which lie 15 s apart."""

APP_PAGE = f"""\
# HELP http_requests_total Requests served.
# TYPE http_requests_total counter
http_requests_total{{endpoint="/error",code="500"}} 7
http_requests_total{{endpoint="/",code="200"}} 41
# TYPE in_flight gauge
in_flight{{instance="inner",job="mine"}} 2
late_gauge 5 {BASE + 700}000
"""
OPEN_METRICS_PAGE = f"""\
# TYPE request_seconds histogram
# UNIT request_seconds seconds
# HELP request_seconds How long it took.
request_seconds_bucket{{le="0.1"}} 8 # {{trace_id="0af7651916cd43dd8448eb211c8"}} 0.067 {BASE}.5
request_seconds_bucket{{le="+Inf"}} 9 # {{trace_id="4bf92f3577b34da6a3ce929d0e0"}} 9.8 {BASE}
request_seconds_count 9
request_seconds_sum 12.5
# TYPE jobs counter
jobs_total 3 # {{trace_id="00f067aa0ba902b7"}} 1
# EOF
"""


@dataclass
class Both:
    real: httpx.Client
    embedded: httpx.Client
    app: Exposure
    version: tuple[int, ...]
    """That of the real one."""

    def ask(self, path: str, **params: Any) -> tuple[Any, Any]:
        """What the real one answers, and what the embedded one."""
        answers = [
            client.get(f"/api/v1/{path}", params=params) for client in (self.real, self.embedded)
        ]
        return normalised(answers[0].json()), normalised(answers[1].json())


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    with ExitStack() as stack:
        app = stack.enter_context(exposing_target(APP_PAGE))
        metrics = stack.enter_context(exposing_target(OPEN_METRICS_PAGE, OPEN_METRICS))
        broken = stack.enter_context(exposing_target("this is { no exposition\n"))
        missing = stack.enter_context(exposing_target("", status=404))
        jobs: list[dict[str, Any]] = [
            {"job_name": "app", "targets": [app.address], "labels": {"env": "test"}},
            {"job_name": "honest", "targets": [app.address], "honor_labels": True},
            {"job_name": "collector", "targets": [metrics.address]},
            {"job_name": "broken", "targets": [broken.address]},
            {"job_name": "missing", "targets": [missing.address]},
            {"job_name": "refused", "targets": ["127.0.0.1:1"], "metrics_path": "/other"},
        ]
        fast = [{**job, "scrape_interval_s": 0.1} for job in jobs]
        embedded = stack.enter_context(running_embedded(fast))
        folder = tmp_path_factory.mktemp("prometheus")
        real = stack.enter_context(running_prometheus(folder, [real_config(job) for job in jobs]))
        clients = [
            stack.enter_context(httpx.Client(base_url=url, trust_env=False))
            for url in (real.url, embedded.url)
        ]
        for client in clients:
            push(client)
        wait_for(
            lambda: all(len(healths(client)) == len(jobs) for client in clients),
            "the first scrape of all targets",
        )
        yield Both(clients[0], clients[1], app, real.version)


def real_config(job: dict[str, Any]) -> dict[str, Any]:
    static = {"targets": job["targets"], "labels": job.get("labels", {})}
    rest: dict[str, Any] = {
        name: job[name] for name in ("honor_labels", "metrics_path") if name in job
    }
    return {"job_name": job["job_name"], "static_configs": [static], **rest}


def healths(client: httpx.Client) -> dict[str, str]:
    targets = client.get("/api/v1/targets").json()["data"]["activeTargets"]
    return {t["scrapePool"]: t["health"] for t in targets if t["health"] != "unknown"}


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, f"waited {DEADLINE_S} s for {what}"
        time.sleep(0.02)


def push(client: httpx.Client) -> None:
    """Counters with a reset, a gauge, and a histogram; a sample each 15 s for ten minutes."""
    times = [BASE + 15 * index for index in range(41)]
    written = []
    for code, slope in (("200", 3), ("500", 1)):
        labels = {"__name__": "pushed_total", "code": code, "job": "batch"}
        values = [index * slope if index < 25 else (index - 25) * slope for index in range(41)]
        written.append(message.series(labels, list(zip(times, values, strict=True))))
    for bound, share in (("0.1", 0.5), ("0.5", 0.8), ("1", 0.9), ("+Inf", 1.0)):
        labels = {"__name__": "took_bucket", "le": bound, "job": "batch"}
        values = [math.floor(index * 10 * share) for index in range(41)]
        written.append(message.series(labels, list(zip(times, values, strict=True))))
    gauge = [(at, math.sin(index) * 100) for index, at in enumerate(times)]
    written.append(message.series({"__name__": "temperature", "room": "a b"}, gauge))
    response = client.post(
        "/api/v1/write", content=message.request(written), headers=message.HEADERS
    )
    assert response.status_code == 204, response.text


def normalised(answer: Any) -> Any:
    """Without what is a matter of version or of chance: statistics, annotations, texts, order."""
    if isinstance(answer, dict):
        kept = {
            k: normalised(v) for k, v in answer.items() if k not in ("stats", "warnings", "infos")
        }
        if kept.get("status") == "error":
            kept.pop("error")
        return kept
    if isinstance(answer, list):
        items = [normalised(item) for item in answer]
        if all(isinstance(item, dict) for item in items):
            items.sort(key=lambda item: json.dumps(item, sort_keys=True))
        return items
    return answer


def alike(real: Any, embedded: Any) -> bool:
    """Equal, but for the last digits of long numbers."""
    if isinstance(real, dict) and isinstance(embedded, dict):
        keys = real.keys() | embedded.keys()
        return all(k in real and k in embedded and alike(real[k], embedded[k]) for k in keys)
    if isinstance(real, list) and isinstance(embedded, list):
        return len(real) == len(embedded) and all(map(alike, real, embedded))
    if real == embedded or not (isinstance(real, str) and isinstance(embedded, str)):
        return bool(real == embedded)
    try:
        return math.isclose(float(real), float(embedded), rel_tol=1e-12)
    except ValueError:
        return False


QUERIES = [
    "pushed_total",
    'pushed_total{code="500"}',
    'pushed_total{code!="500"}',
    'pushed_total{code=~"5.."}',
    'pushed_total{code!~"5..|404"}',
    '{__name__=~"pushed_.*", job="batch"}',
    "pushed_total offset 5m",
    f"pushed_total @ {BASE + 301}",
    "pushed_total[2m]",
    "increase(pushed_total[5m])",
    'increase(pushed_total{code="500"}[2m])',
    "rate(pushed_total[5m])",
    "irate(pushed_total[1m])",
    "delta(temperature[3m])",
    "deriv(temperature[3m])",
    "predict_linear(temperature[3m], 60)",
    "resets(pushed_total[10m])",
    "changes(temperature[10m])",
    "sum by (code) (rate(pushed_total[5m]))",
    "sum(pushed_total)",
    "avg without (code) (pushed_total)",
    "count by (job) (pushed_total)",
    "topk(1, pushed_total)",
    "bottomk(1, pushed_total)",
    "quantile(0.3, took_bucket)",
    "stddev(took_bucket)",
    'count_values("n", pushed_total)',
    "histogram_quantile(0.9, took_bucket)",
    "histogram_quantile(0.5, sum by (le) (rate(took_bucket[5m])))",
    "avg_over_time(temperature[5m])",
    "max_over_time(temperature[5m])",
    "quantile_over_time(0.9, temperature[5m])",
    "stddev_over_time(temperature[5m])",
    "max_over_time(rate(pushed_total[1m])[5m:30s])",
    "absent(nothing)",
    'absent_over_time(nothing{a="b"}[5m])',
    "pushed_total > 30",
    "pushed_total == bool 45",
    'pushed_total / ignoring (code) group_left sum without (code) (pushed_total{code="200"})',
    'pushed_total{code="200"} / on (job) pushed_total{code="500"}',
    "pushed_total or temperature",
    'pushed_total unless pushed_total{code="200"}',
    'label_replace(temperature, "floor", "$1", "room", "(.) .")',
    'label_join(pushed_total, "both", "-", "job", "code")',
    "round(temperature, 0.1)",
    "clamp(temperature, -10, 10)",
    "scalar(temperature) + 1",
    "time()",
    "timestamp(temperature)",
    "hour(vector(0)) + year()",
    "vector(1) + 1e6",
    "1 / 0",
    '"text"',
    "sort_desc(took_bucket)",
    "sum(pushed_total",
    "rate(pushed_total)",
    "pushed_total / on (job) took_bucket",
    'label_replace(temperature, "a", "$1", "b", "(")',
]


def named(query: str) -> str:
    """A name that does not change with the clock: xdist's workers must collect the same."""
    return query.replace(str(BASE + 301), "BASE+301")


@pytest.mark.parametrize("query", QUERIES, ids=named)
def test_instant_query_is_answered_alike(both: Both, query: str) -> None:
    real, embedded = both.ask("query", query=query, time=AT)

    assert alike(real, embedded), f"real {real}\nembedded {embedded}"


@pytest.mark.parametrize("query", QUERIES, ids=named)
def test_range_query_is_answered_alike(both: Both, query: str) -> None:
    real, embedded = both.ask("query_range", query=query, start=BASE + 7, end=AT, step=50)

    assert alike(real, embedded), f"real {real}\nembedded {embedded}"


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("series", {"match[]": "pushed_total"}),
        ("series", {"match[]": ["pushed_total", "temperature"], "start": BASE, "end": AT}),
        ("series", {"match[]": '{__name__!=""}'}),
        ("series", {}),
        ("labels", {}),
        ("labels", {"match[]": "took_bucket"}),
        ("label/code/values", {}),
        ("label/__name__/values", {}),
        ("label/le/values", {"match[]": "took_bucket"}),
        ("label/nothing/values", {}),
        ("metadata", {"metric": "http_requests_total"}),
        ("rules", {}),
        ("alerts", {}),
        ("query_exemplars", {"query": "request_seconds_bucket", "start": BASE - 1, "end": AT}),
        ("query_exemplars", {"query": "nothing", "start": BASE, "end": AT}),
        ("query_exemplars", {"query": "sum(", "start": BASE, "end": AT}),
        ("format_query", {"query": "sum(rate(x[5m]))by(job)>bool 1"}),
    ],
)
def test_endpoint_answers_alike(both: Both, path: str, params: dict[str, Any]) -> None:
    real, embedded = both.ask(path, **params)

    assert alike(real, embedded), f"real {real}\nembedded {embedded}"


def test_scraped_series_have_the_same_labels_and_values(both: Both) -> None:
    """Labels of jobs and targets, honoured and renamed ones, and the series about the scrape."""
    query = (
        '{job!="batch",__name__=~".+",__name__!~"scrape_.*|temperature"} '
        'or scrape_samples_scraped{job!~"broken|missing|refused"}'
    )

    def values(client: httpx.Client) -> list[Any]:
        answer = client.get("/api/v1/query", params={"query": query}).json()
        return sorted(
            (sorted(one["metric"].items()), one["value"][1]) for one in answer["data"]["result"]
        )

    assert values(both.embedded) == values(both.real)
    assert len(values(both.real)) > 15


def test_sample_with_its_own_time_keeps_it(both: Both) -> None:
    for client in (both.real, both.embedded):
        params = {"query": 'timestamp(late_gauge{job="app"})'}
        answer = client.get("/api/v1/query", params=params).json()
        (sample,) = answer["data"]["result"]
        assert float(sample["value"][1]) == BASE + 700


def test_exemplar_without_a_time_takes_that_of_its_scrape(both: Both) -> None:
    for client in (both.real, both.embedded):
        answer = client.get("/api/v1/query_exemplars", params={"query": "jobs_total"}).json()
        (series,) = answer["data"]
        (exemplar,) = series["exemplars"]
        assert exemplar["labels"] == {"trace_id": "00f067aa0ba902b7"}
        assert exemplar["value"] == "1"
        assert abs(exemplar["timestamp"] - time.time()) < 60


def test_targets_tell_the_same(both: Both) -> None:
    """All but times, and the text about the broken body, which is each parser's own."""

    def told(client: httpx.Client) -> list[dict[str, Any]]:
        targets = client.get("/api/v1/targets").json()["data"]["activeTargets"]
        for target in targets:
            assert target.pop("lastScrapeDuration") >= 0
            assert target.pop("lastScrape").endswith("Z") or client is both.real
            target.pop("globalUrl")  # a real one puts the name of the machine into it
            if target["scrapePool"] == "broken":
                assert target.pop("lastError") != ""
        return sorted(targets, key=lambda target: str(target["scrapePool"]))

    assert told(both.embedded) == told(both.real)


def test_timestamp_of_up_is_the_beginning_of_a_scrape(both: Both) -> None:
    before = time.time()
    for client in (both.real, both.embedded):

        def scraped_at(client: httpx.Client = client) -> float:
            params = {"query": 'timestamp(up{job="app"})'}
            (sample,) = client.get("/api/v1/query", params=params).json()["data"]["result"]
            return float(sample["value"][1])

        wait_for(lambda: scraped_at() >= before, "a scrape after the question")
        assert scraped_at() <= time.time()


def test_series_that_vanishes_ends_at_once(both: Both) -> None:
    """A stale marker: the series is gone with the next scrape, not five minutes later."""
    page = both.app.body
    both.app.body = page.replace("in_flight{", "# in_flight{")
    try:
        for client in (both.real, both.embedded):

            def left(client: httpx.Client = client) -> list[Any]:
                params = {"query": "in_flight"}
                found = client.get("/api/v1/query", params=params).json()["data"]["result"]
                assert isinstance(found, list)
                return found

            wait_for(lambda: left() == [], "the end of in_flight")
    finally:
        both.app.body = page


def test_management_pages_are_alike(both: Both) -> None:
    for path in ("/-/ready", "/-/healthy"):
        real, embedded = both.real.get(path), both.embedded.get(path)
        assert (embedded.status_code, embedded.text) == (real.status_code, real.text)
    for client in (both.real, both.embedded):
        assert client.post("/-/reload").status_code == 403
        assert client.get("/api/v1/unknown").status_code == 404


def test_write_errors_are_alike(both: Both) -> None:
    labels = {"__name__": "pushed_total", "code": "200", "job": "batch"}
    bodies = {
        "another value": message.request([message.series(labels, [(BASE + 600, 99)])]),
        "older": message.request([message.series(labels, [(BASE + 1, 1)])]),
        "too far ahead": message.request([message.series(labels, [(time.time() + 3600, 1)])]),
        "no name": message.request([message.series({"a": "b"}, [(BASE, 1)])]),
        "not snappy": b"nope",
        "not protobuf": message.request([b"\x0a\xff"]),
    }
    if both.version < (3,):
        del bodies["too far ahead"]
    for name, body in bodies.items():
        answers = [
            client.post("/api/v1/write", content=body, headers=message.HEADERS)
            for client in (both.real, both.embedded)
        ]
        assert answers[0].status_code == answers[1].status_code, name
        if name not in ("another value", "not protobuf"):
            assert answers[0].text == answers[1].text, name


def test_version_is_told_as_embedded(both: Both) -> None:
    answer = both.embedded.get("/api/v1/status/buildinfo").json()
    real = both.real.get("/api/v1/status/buildinfo").json()

    assert answer["data"]["version"] == "3.5.0+obsstack.embedded"
    assert answer["data"].keys() == real["data"].keys()


def test_real_prometheus_that_cannot_start_tells_its_log(tmp_path: Path) -> None:
    with (
        pytest.raises(RuntimeError, match="did not become ready"),
        running_prometheus(tmp_path, [{"job_name": "a", "nonsense": 1}]),
    ):
        pytest.fail("a Prometheus with a broken configuration started")
