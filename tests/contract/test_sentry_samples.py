"""Requests that sentry-sdk 2.75 really sent, and answers as Sentry's API document has them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import cramjam
import orjson
import pytest

from pytest_obsstack.wire.envelope import Envelope, Item, serialize_envelope
from tests.contract.openapi import differences, response_schema
from tests.unit.embedded.sentry.support import Sentry

SHARED = Path(__file__).parents[3] / "shared"
SAMPLES = SHARED / "samples" / "sdk"
DOCUMENT = SHARED / "contract" / "sentry-openapi.json"
ORGANIZATION = "/api/0/organizations/{organization_id_or_slug}"
PROJECT = "/api/0/projects/{organization_id_or_slug}/{project_id_or_slug}"
EVENT_ID, TRANSACTION_ID, TRACE = (
    "fb474d5d1c4d4eae83a3c5db4fee53fd",
    "5983933469a148e1994171f8f6a17209",
    "fcfcf75ace5145be92ec4bbdbfa895f8",
)

needs_shared = pytest.mark.skipif(
    not SAMPLES.is_dir() or not DOCUMENT.is_file(),
    reason="../shared with recorded requests and Sentry's API document is not beside the checkout",
)


def recorded(name: str) -> Iterator[tuple[dict[str, str], bytes]]:
    """Headers and body (as packed as it was) of each request in a recording."""
    for line in (SAMPLES / f"sdk-2.75-{name}.jsonl").read_bytes().splitlines():
        request = orjson.loads(line)
        items = tuple(
            Item(
                {key: value for key, value in item["h"].items() if key != "length"},
                # The recordings have no bytes of attachments, only how many there were.
                b"hello" if isinstance(item["b"], str) else orjson.dumps(item["b"]),
            )
            for item in request["items"]
        )
        body = serialize_envelope(Envelope(request["eh"], items))
        yield request["headers"], bytes(cramjam.brotli.compress(body))


@pytest.fixture
def sampled() -> Iterator[Sentry]:
    """A server that was sent the recording with all kinds of items."""
    server = Sentry()
    send(server, "all")
    yield server
    server.close()


def send(server: Sentry, name: str) -> None:
    for headers, body in recorded(name):
        wanted = ("content-type", "content-encoding", "user-agent")
        sent = {key: value for key, value in headers.items() if key.lower() in wanted}
        auth = headers["X-Sentry-Auth"].replace("aaaabbbbccccddddeeeeffff00001111", server.key)
        response = server.ingest(body, headers={**sent, "X-Sentry-Auth": auth})
        assert response.status_code == 200, response.text


@needs_shared
@pytest.mark.parametrize(
    ("name", "expected", "kept"),
    [
        (
            "all",
            {"issues": 3, "events": 3, "transactions": 2, "spans": 4, "logs": 3},
            {"check_in": 1, "sessions": 1, "trace_metric": 1},
        ),
        (
            "chunk",
            {"issues": 1, "events": 1, "transactions": 2, "spans": 4, "logs": 2},
            {"sessions": 1, "profile_chunk": 1},
        ),
        (
            "profile",
            {"issues": 1, "events": 1, "transactions": 2, "spans": 4, "logs": 2},
            {"sessions": 1, "profile": 2},
        ),
        (
            "stream",
            {"issues": 1, "events": 1, "transactions": 0, "spans": 9, "logs": 2},
            {"sessions": 1},
        ),
    ],
)
def test_every_recorded_request_is_accepted_and_taken_apart(
    name: str, expected: dict[str, int], kept: dict[str, int]
) -> None:
    server = Sentry()
    send(server, name)
    status = server.server.status()
    assert {key: status[key] for key in expected} == expected
    assert status["kept_items"] == kept
    outcomes = Counter(key.outcome for key, _, _ in server.server.store.outcomes)
    assert set(outcomes) == {"accepted", "client_discard"}
    server.close()


@needs_shared
def test_recorded_error_is_shown_in_full(sampled: Sentry) -> None:
    event = sampled.get(f"/api/0/projects/obs/simple-app/events/{EVENT_ID}/")
    assert event["title"] == "ZeroDivisionError: division by zero"
    assert event["culprit"] == "boom"
    assert event["user"]["email"] == "ann@example.com"
    assert event["contexts"]["order"]["total"] == 12.5
    tags = {tag["key"]: tag["value"] for tag in event["tags"]}
    assert (tags["order.kind"], tags["user"], tags["handled"]) == ("retail", "id:u-7", "no")
    entries = {entry["type"]: entry["data"] for entry in event["entries"]}
    frame = entries["exception"]["values"][0]["stacktrace"]["frames"][-1]
    assert frame["vars"]["secret_local"] == {"card": "'4111'", "n": "3"}
    assert [21, "    return str(1/(n-n))"] in frame["context"]
    crumbs = entries["breadcrumbs"]["values"]
    assert [crumb["message"] for crumb in crumbs] == ["added sku-1", "about to divide 3"]
    assert entries["request"]["query"] == [["x", "1"]]
    [attachment] = sampled.get(f"/api/0/projects/obs/simple-app/events/{EVENT_ID}/attachments/")
    assert (attachment["name"], attachment["size"]) == ("note.txt", 5)


@needs_shared
def test_recorded_trace_joins_error_transaction_spans_and_logs(sampled: Sentry) -> None:
    query = f"trace:{TRACE}"
    assert [r["id"] for r in sampled.rows("errors", "id", query=query)] == [EVENT_ID]
    assert [r["id"] for r in sampled.rows("transactions", "id", query=query)] == [TRANSACTION_ID]
    assert len(sampled.rows("spans", "id", query=query)) == 2
    assert [r["message"] for r in sampled.rows("logs", "message", query=query)] == [
        "Exception on /boom/3 [GET]",
        "about to divide 3",
    ]
    [root] = sampled.get(f"/api/0/organizations/obs/trace/{TRACE}/")
    assert (root["op"], root["children"][0]["description"]) == ("http.server", "SELECT 1")
    assert root["errors"][0]["event_id"] == EVENT_ID


# Members that Sentry promises and that belong to features this server does not have: an empty value
# would look like an answer.
ABSENT: Mapping[str, str] = {
    f"{PROJECT}/": "autofixAutomationTuning builtinSymbolSources debugFilesRole "
    "derivedGroupingEnhancements digestsMaxDelay digestsMinDelay dynamicSamplingBiases "
    "enableAutoReleaseCreation groupingConfig highlightContext highlightPreset highlightTags "
    "isDynamicallySampled processingIssues relayPiiConfig scmSourceContextEnabled scrapeJavaScript "
    "secondaryGroupingConfig secondaryGroupingExpiry securityToken securityTokenHeader "
    "seerNightshiftTweaks seerScannerAutomation storeCrashReports subjectTemplate symbolSources "
    "tempestFetchScreenshots",
    f"{PROJECT}/keys/": "cdn crons csp integration minidump nel otlp_logs playstation security "
    "unreal",
    f"{ORGANIZATION}/issues/": "derivedData filtered inbox integrationIssues lifetime "
    "latestEventHasAttachments matchingEventEnvironment matchingEventId owners sentryAppIssues "
    "sessionCount stats",
    f"{PROJECT}/issues/": "stats",
}
CASES: list[tuple[str, str, str, dict[str, Any]]] = [
    ("/api/0/organizations/", "/api/0/organizations/", "get", {}),
    (f"{ORGANIZATION}/", "", "get", {}),
    (f"{ORGANIZATION}/teams/", "teams/", "get", {}),
    (f"{ORGANIZATION}/projects/", "projects/", "get", {}),
    (f"{PROJECT}/", "/api/0/projects/obs/simple-app/", "get", {}),
    (f"{PROJECT}/keys/", "/api/0/projects/obs/simple-app/keys/", "get", {}),
    (f"{ORGANIZATION}/issues/", "issues/", "get", {}),
    (f"{PROJECT}/issues/", "/api/0/projects/obs/simple-app/issues/", "get", {}),
    (f"{ORGANIZATION}/issues/{{issue_id}}/", "issues/1/", "get", {}),
    (f"{ORGANIZATION}/issues/{{issue_id}}/", "issues/1/", "put", {}),
    (f"{ORGANIZATION}/issues/", "issues/", "put", {"id": "1"}),
    (f"{ORGANIZATION}/issues/{{issue_id}}/events/", "issues/1/events/", "get", {}),
    (
        f"{ORGANIZATION}/issues/{{issue_id}}/events/{{event_id}}/",
        "issues/1/events/latest/",
        "get",
        {},
    ),
    (f"{ORGANIZATION}/issues/{{issue_id}}/tags/{{key}}/", "issues/1/tags/level/", "get", {}),
    (
        f"{ORGANIZATION}/issues/{{issue_id}}/tags/{{key}}/values/",
        "issues/1/tags/level/values/",
        "get",
        {},
    ),
    (f"{ORGANIZATION}/issues/{{issue_id}}/hashes/", "issues/1/hashes/", "get", {}),
    (f"{PROJECT}/events/", "/api/0/projects/obs/simple-app/events/", "get", {}),
    (
        f"{PROJECT}/events/{{event_id}}/",
        f"/api/0/projects/obs/simple-app/events/{EVENT_ID}/",
        "get",
        {},
    ),
    (
        f"{PROJECT}/events/{{event_id}}/",
        f"/api/0/projects/obs/simple-app/events/{TRANSACTION_ID}/",
        "get",
        {},
    ),
    (
        f"{PROJECT}/events/{{event_id}}/attachments/",
        f"/api/0/projects/obs/simple-app/events/{EVENT_ID}/attachments/",
        "get",
        {},
    ),
    *(
        (
            f"{ORGANIZATION}/events/",
            "events/",
            "get",
            {"dataset": dataset, "field": ["id", "timestamp", "count()"]},
        )
        for dataset in ("errors", "transactions", "spans", "logs")
    ),
    (f"{ORGANIZATION}/eventids/{{event_id}}/", f"eventids/{EVENT_ID}/", "get", {}),
    (f"{ORGANIZATION}/trace/{{trace_id}}/", f"trace/{TRACE}/", "get", {}),
    (f"{ORGANIZATION}/trace-meta/{{trace_id}}/", f"trace-meta/{TRACE}/", "get", {}),
    (f"{ORGANIZATION}/releases/", "releases/", "get", {}),
    (f"{ORGANIZATION}/releases/{{version}}/", "releases/shop@1.2.3/", "get", {}),
    (
        f"{ORGANIZATION}/stats_v2/",
        "stats_v2/",
        "get",
        {"field": "sum(quantity)", "groupBy": "outcome"},
    ),
]


@needs_shared
@pytest.mark.parametrize(("path", "asked", "method", "params"), CASES)
def test_answers_have_the_shape_that_sentrys_api_document_promises(
    sampled: Sentry, path: str, asked: str, method: str, params: dict[str, Any]
) -> None:
    document = orjson.loads(DOCUMENT.read_bytes())
    url = asked if asked.startswith("/") else f"/api/0/organizations/obs/{asked}"
    body = {"status": "resolved"} if method == "put" else None
    response = sampled.call(method.upper(), url, body, **params)
    assert response.status_code == 200, response.text
    answer = response.json()
    assert answer, "an empty answer proves no shape"
    absent = set(ABSENT.get(path, "").split()) if method == "get" else set()
    found = [
        line
        for line in differences(answer, response_schema(document, path, method))
        if not (line.endswith(": missing") and line.split(":")[0].rpartition(".")[2] in absent)
    ]
    assert found == []


@needs_shared
@pytest.mark.parametrize(
    ("path", "url"),
    [
        (f"{ORGANIZATION}/teams/", "/api/0/organizations/obs/teams/"),
        (
            "/api/0/teams/{organization_id_or_slug}/{team_id_or_slug}/projects/",
            "/api/0/teams/obs/qa/projects/",
        ),
    ],
)
def test_what_is_created_has_the_promised_shape(sampled: Sentry, path: str, url: str) -> None:
    document = orjson.loads(DOCUMENT.read_bytes())
    response = sampled.call("POST", url, {"name": "new"})
    assert response.status_code == 201
    assert list(differences(response.json(), response_schema(document, path, "post", "201"))) == []
