"""``LokiClient`` against the embedded server, over HTTP."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from pytest_obsstack.clients.loki.client import LokiClient
from pytest_obsstack.endpoints import LokiEndpoint
from pytest_obsstack.errors import BackendRefused, ObsstackError
from tests.contract.embedded_loki import running_embedded_loki

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SECOND_NS = 1_000_000_000
BASE_NS = (time.time_ns() // SECOND_NS - 60) * SECOND_NS


def at(offset_s: int) -> str:
    return str(BASE_NS + offset_s * SECOND_NS)


@pytest.fixture(scope="module")
def client() -> Iterator[LokiClient]:
    with running_embedded_loki() as url:
        client = LokiClient(LokiEndpoint(url))
        client.push(
            [
                {
                    "stream": {"service_name": "simple-app", "env": "test"},
                    "values": [
                        [at(1), "first", {"trace_id": TRACE, "severity_text": "ERROR"}],
                        [at(3), '{"user": "ann", "amount": 5}', {"trace_id": TRACE}],
                        [at(4), "of another trace", {"trace_id": "f" * 32}],
                    ],
                },
                {
                    "stream": {"service_name": "inventory"},
                    "values": [[at(2), "second", {"trace_id": TRACE}]],
                },
            ]
        )
        yield client
        client.close()


def test_lines_of_a_trace_come_from_all_services_oldest_first(client: LokiClient) -> None:
    entries = client.lines_of_trace(TRACE, since_ns=BASE_NS)
    assert [entry.line for entry in entries] == [
        "first",
        "second",
        '{"user": "ann", "amount": 5}',
    ]
    assert [entry.labels["service_name"] for entry in entries] == [
        "simple-app",
        "inventory",
        "simple-app",
    ]
    assert entries[0].timestamp_ns == BASE_NS + SECOND_NS


def test_stream_labels_and_structured_metadata_are_apart(client: LokiClient) -> None:
    [entry, *_] = client.lines_of_trace(TRACE, since_ns=BASE_NS)
    assert entry.labels == {"service_name": "simple-app", "env": "test"}
    assert entry.structured_metadata["trace_id"] == TRACE
    assert entry.structured_metadata["severity_text"] == "ERROR"
    assert entry.parsed == {}
    assert entry.fields["env"] == "test"


def test_parsed_fields_are_apart_from_metadata(client: LokiClient) -> None:
    [entry] = client.query_range(
        '{env="test"} | json | user="ann"', start_ns=BASE_NS, end_ns=BASE_NS + 9 * SECOND_NS
    )
    assert entry.parsed == {"user": "ann", "amount": "5"}
    assert "user" not in entry.structured_metadata


def test_lines_before_since_are_left_out(client: LokiClient) -> None:
    entries = client.lines_of_trace(TRACE, since_ns=BASE_NS + 3 * SECOND_NS)
    assert len(entries) == 1
    assert client.lines_of_trace("e" * 32, since_ns=BASE_NS) == ()


def test_backward_and_limit_keep_the_newest(client: LokiClient) -> None:
    entries = client.query_range(
        '{service_name=~".+"}',
        start_ns=BASE_NS,
        end_ns=BASE_NS + 9 * SECOND_NS,
        limit=2,
        direction="backward",
    )
    assert [entry.timestamp_ns for entry in entries] == [int(at(4)), int(at(3))]


def test_metric_queries_give_series(client: LokiClient) -> None:
    counted = client.query(
        'sum(count_over_time({service_name=~".+"}[1m]))', time_ns=BASE_NS + 9 * SECOND_NS
    )
    assert counted.value == 4.0
    over_time = client.query_metric_range(
        'sum(count_over_time({env="test"}[10s]))',
        start_ns=BASE_NS,
        end_ns=BASE_NS + 10 * SECOND_NS,
        step_s=10,
    )
    assert over_time.result_type == "matrix"
    assert over_time.series[0].samples


def test_labels_values_and_series(client: LokiClient) -> None:
    window = {"start_ns": BASE_NS, "end_ns": BASE_NS + 9 * SECOND_NS}
    assert client.labels(**window) == ("env", "service_name")
    assert client.label_values("service_name", **window) == ("inventory", "simple-app")
    assert client.series('{env="test"}', **window) == (
        {"service_name": "simple-app", "env": "test"},
    )
    assert client.label_values("nothing", **window) == ()


def test_a_broken_query_is_refused_with_lokis_own_words(client: LokiClient) -> None:
    with pytest.raises(BackendRefused) as caught:
        client.query_range('{app="x"} | explode', start_ns=BASE_NS, end_ns=BASE_NS + 1)
    assert caught.value.status == 400
    assert caught.value.found is not None
    assert caught.value.found.startswith("parse error at line 1")


def test_a_log_query_asked_at_one_time_is_refused(client: LokiClient) -> None:
    with pytest.raises(BackendRefused, match="400"):
        client.query('{env="test"}')


def test_an_old_entry_is_refused_with_its_reason(client: LokiClient) -> None:
    old = {"stream": {"service_name": "old"}, "values": [[str(BASE_NS - 10**16), "line"]]}
    with pytest.raises(BackendRefused, match="timestamp too old"):
        client.push([old])


def test_readiness_and_version(client: LokiClient) -> None:
    client.ready()
    assert client.version()


def test_a_read_only_client_reads_but_does_not_push(client: LokiClient) -> None:
    reader = LokiClient(client.endpoint, writable=False)
    assert reader.lines_of_trace(TRACE, since_ns=BASE_NS)
    with pytest.raises(ObsstackError, match="--obs-allow-writes"):
        reader.push([{"stream": {"a": "b"}, "values": [[at(5), "x"]]}])
    reader.close()
