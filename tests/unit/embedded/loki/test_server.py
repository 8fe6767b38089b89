from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_obsstack.embedded.journal import read_journal
from pytest_obsstack.embedded.loki.settings import LokiSettings
from tests.unit.embedded.loki.support import NOW_NS, Loki, S

QUERY = '{app="shop"}'


def test_a_pushed_line_is_found_at_once() -> None:
    loki = Loki()

    assert loki.push({"app": "shop"}, (-1, "order placed")).status_code == 204
    assert loki.lines(QUERY) == ["order placed"]


def test_a_restart_with_the_journal_gives_the_same_answers(tmp_path: Path) -> None:
    path = tmp_path / "loki.jsonl"
    before = Loki(journal=path)
    before.push({"app": "shop"}, (-5, "level=warn late"), (-9, "first", {"trace_id": "a1"}))
    before.push({"app": "shop"}, (-9, "first", {"trace_id": "a1"}))
    before.push({"app": "shop"}, (-2, "good"), (-30 * 86400, "too old"))
    before.journal.close()

    after = Loki()
    for entry in read_journal(path):
        after.server.replay(entry)

    for query in (QUERY, QUERY + ' | trace_id="a1"', QUERY + ' | detected_level="warn"'):
        assert after.ask("query_range", query=query).json() == (
            before.ask("query_range", query=query).json()
        )
    assert after.lines(QUERY) == ["first", "level=warn late", "good"]
    assert after.server.status()["entries"] == 3


def test_the_journal_holds_what_was_stored_and_no_refused_line(tmp_path: Path) -> None:
    path = tmp_path / "loki.jsonl"
    loki = Loki(journal=path)
    loki.push({"app": "shop"}, (-2, "good"), (-30 * 86400, "too old"))
    loki.push({"a-b": "refused"}, (-2, "x"))
    loki.journal.close()

    [entry] = read_journal(path)
    assert entry.kind == "push"
    [stream] = json.loads(entry.payload)["streams"]
    assert stream["stream"] == {"app": "shop", "service_name": "shop"}
    assert stream["values"] == [[str(NOW_NS - 2 * S), "good", {"detected_level": "unknown"}]]


def test_a_gzipped_push_is_unpacked() -> None:
    loki = Loki()
    body = {"streams": [{"stream": {"app": "shop"}, "values": [[str(NOW_NS), "packed"]]}]}

    answer = loki.http.post(
        "/loki/api/v1/push",
        content=gzip.compress(json.dumps(body).encode()),
        headers={"Content-Type": "application/json", "Content-Encoding": "gzip"},
    )

    assert answer.status_code == 204
    assert loki.lines(QUERY) == ["packed"]


@pytest.mark.parametrize(
    ("encoding", "body", "status", "text"),
    [
        ("br", b"x", 400, 'Content-Encoding "br" not supported'),
        ("gzip", b"no gzip", 400, "not valid gzip"),
        ("gzip", gzip.compress(b" " * 2000, mtime=0), 413, "unpacks to more than 1000 bytes"),
        ("", b"x" * 501, 413, "body of 501 bytes, the limit is 500"),
    ],
)
def test_a_body_that_cannot_be_taken_is_refused(
    encoding: str, body: bytes, status: int, text: str
) -> None:
    loki = Loki(LokiSettings(max_push_packed_bytes=500, max_push_unpacked_bytes=1000))

    answer = loki.http.post(
        "/loki/api/v1/push",
        content=body,
        headers={"Content-Type": "application/json", "Content-Encoding": encoding},
    )

    assert answer.status_code == status
    assert text in answer.text


def test_metrics_count_lines_bytes_and_what_was_discarded() -> None:
    loki = Loki()
    loki.push({"app": "shop"}, (-2, "12345"), (-1, "67", {"k": "v"}), (-30 * 86400, "too old"))

    text = loki.http.get("/metrics").text

    assert 'loki_distributor_lines_received_total{tenant="fake"} 2\n' in text
    assert 'loki_distributor_bytes_received_total{tenant="fake"} 9\n' in text
    discarded = 'loki_discarded_samples_total{reason="greater_than_max_sample_age",tenant="fake"} 1'
    assert discarded in text


def test_the_rate_limit_lets_the_burst_through_and_refills_with_time() -> None:
    loki = Loki(LokiSettings(ingestion_rate_bytes_per_s=10, ingestion_burst_size_bytes=20))

    assert loki.push({"app": "shop"}, (-3, "x" * 20)).status_code == 204
    refused = loki.push({"app": "shop"}, (-2, "y" * 5))
    loki.clock.now_ns += S // 2
    accepted = loki.push({"app": "shop"}, (-1, "z" * 5))

    assert refused.status_code == 429
    assert refused.text.startswith(
        "ingestion rate limit exceeded for user fake (limit: 10 bytes/sec) "
        "while attempting to ingest '1' lines totaling '5' bytes"
    )
    assert accepted.status_code == 204
    assert loki.lines(QUERY) == ["x" * 20, "z" * 5]


def test_entries_past_the_retention_are_forgotten() -> None:
    loki = Loki(LokiSettings(retention_s=60))
    loki.push({"app": "shop"}, (-50, "old", {"trace_id": "a1"}), (-10, "young"))

    loki.clock.now_ns += 30 * S
    loki.push({"app": "other"}, (20, "later"))

    assert loki.lines(QUERY) == ["young"]
    assert loki.lines(QUERY + ' | trace_id="a1"') == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/loki/api/v1/tail"),
        ("GET", "/loki/api/v1/index/stats"),
        ("GET", "/loki/api/v1/patterns"),
        ("DELETE", "/loki/api/v1/delete"),
        ("GET", "/prometheus/api/v1/rules"),
    ],
)
def test_what_is_missing_is_refused_by_name(method: str, path: str) -> None:
    answer = Loki().http.request(method, path)

    assert answer.status_code == 501
    assert answer.text == (
        f"not supported by the embedded Loki: {method} {path}; "
        "use --obs-stack=compose, or --obs-use loki=URL\n"
    )


def test_an_unknown_path_is_not_found() -> None:
    answer = Loki().http.get("/nothing")

    assert (answer.status_code, answer.text) == (404, "404 page not found\n")


def test_it_is_ready_and_tells_its_version_as_embedded() -> None:
    http = Loki().http

    assert http.get("/ready").text == "ready\n"
    assert http.get("/loki/api/v1/status/buildinfo").json()["version"].endswith("-embedded")
    assert http.post("/flush").status_code == 204


def test_a_query_nested_too_deeply_is_refused() -> None:
    deep = "(" * 5000 + "1" + ")" * 5000

    answer = Loki().http.post("/loki/api/v1/query", data={"query": deep})

    assert answer.status_code == 400
    assert answer.text == "parse error : the query is nested too deeply\n"


def test_settings_refuse_an_unknown_name() -> None:
    with pytest.raises(ValueError, match="unknown Loki settings nope, expected some of max_line"):
        LokiSettings.from_json({"nope": 1})

    assert LokiSettings.from_json({"retention_s": 5}).retention_s == 5


def test_logql_is_not_loaded_before_the_first_query() -> None:
    script = (
        "import sys\n"
        "from pytest_obsstack.embedded.journal import Journal\n"
        "from pytest_obsstack.embedded.loki.server import LokiServer\n"
        "from pytest_obsstack.embedded.loki.settings import LokiSettings\n"
        "LokiServer(LokiSettings(), Journal(None))\n"
        "heavy = ('pytest_obsstack.embedded.loki.logql', 'google.protobuf', 'opentelemetry')\n"
        "print([name for name in sys.modules if name.startswith(heavy)])\n"
    )

    printed = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout

    assert printed == "[]\n"
