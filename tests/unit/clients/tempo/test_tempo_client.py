"""The Tempo client against answers in the documented format.

``DOCUMENTED`` and ``FOUND`` are the examples of
https://grafana.com/docs/tempo/latest/api_docs/pushing-spans-with-http/ and of
https://grafana.com/docs/tempo/latest/api_docs/#search, as printed there.
"""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from pytest_obsstack.clients.spans import SpanStore
from pytest_obsstack.clients.tempo.client import TempoClient, logfmt
from pytest_obsstack.clients.tempo.models import SpanEvent, SpanLink
from pytest_obsstack.endpoints import TempoEndpoint
from pytest_obsstack.errors import BackendRefused, BackendUnavailable, ObsstackError
from tests.unit.clients.answers import Answers, Turns, refusal

TRACE = "5b8efff798038103d269b633813fc700"
V2 = f"GET /api/v2/traces/{TRACE}"
V1 = f"GET /api/traces/{TRACE}"

DOCUMENTED = json.loads("""
{"trace": {"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":
{"stringValue":"my.service"}}]},"scopeSpans":[{"scope":{"name":"my.library","version":"1.0.0"},
"spans":[{"traceId":"W47/95gDgQPSabYzgT/HAA==","spanId":"7uGbfsPBsQA=","name":"I am a span!",
"kind":"SPAN_KIND_SERVER","startTimeUnixNano":"1689969302000000000",
"endTimeUnixNano":"1689970000000000000","attributes":[{"key":"my.span.attr","value":
{"stringValue":"some value"}}],"status":{}}]}]}]}}
""")

FOUND = json.loads("""
{"traces": [{"traceID": "2f3e0cee77ae5dc9c17ade3689eb2e54", "rootServiceName": "shop-backend",
"rootTraceName": "update-billing", "startTimeUnixNano": "1684778327699392724", "durationMs": 557,
"spanSets": [{"spans": [{"spanID": "563d623c76514f8e", "startTimeUnixNano": "1684778327735077898",
"durationNanos": "446979497", "attributes": [{"key": "status", "value": {"stringValue": "error"}}]}
], "matched": 1}]}], "metrics": {"totalBlocks": 13}}
""")


def client(table: dict[str, Any], **options: Any) -> tuple[TempoClient, Answers]:
    answers = Answers(table)
    endpoint = TempoEndpoint("http://127.0.0.1:3200", headers={"X-Scope-OrgID": "team"})
    return TempoClient(endpoint, transport=answers, **options), answers


def of_spans(*spans: dict[str, Any], resource: dict[str, str] | None = None) -> dict[str, Any]:
    attributes = [{"key": key, "value": {"stringValue": v}} for key, v in (resource or {}).items()]
    group = {"resource": {"attributes": attributes}, "scopeSpans": [{"spans": list(spans)}]}
    return {"trace": {"resourceSpans": [group]}}


def test_it_is_a_store_of_spans() -> None:
    store: SpanStore = client({})[0]
    assert store.store_name == "Tempo"
    assert store.trace_url(TRACE) == f"http://127.0.0.1:3200/api/v2/traces/{TRACE}"


# ---- one trace


def test_the_documented_answer_becomes_a_span() -> None:
    tempo, answers = client({V2: DOCUMENTED})
    (span,) = tempo.trace(TRACE).spans
    assert (span.trace_id, span.span_id, span.parent_span_id) == (TRACE, "eee19b7ec3c1b100", None)
    assert (span.name, span.kind, span.status) == ("I am a span!", "server", "unset")
    assert (span.service, span.scope) == ("my.service", "my.library")
    assert (span.start_ns, span.end_ns) == (1689969302000000000, 1689970000000000000)
    assert (span.start_s, span.end_s, span.duration_ms) == (1689969302.0, 1689970000.0, 698000.0)
    assert span.own_attributes == {"my.span.attr": "some value"}
    assert span.resource == {"service.name": "my.service"}
    assert span.attributes == {"service.name": "my.service", "my.span.attr": "some value"}
    request = answers.requests[0]
    assert request.headers["accept"] == "application/json"
    assert request.headers["x-scope-orgid"] == "team"


def test_events_links_and_a_failure_are_kept() -> None:
    span = {
        "spanId": "7uGbfsPBsQA=",
        "parentSpanId": "AAECAwQFBgc=",
        "status": {"code": "STATUS_CODE_ERROR", "message": "ValueError: no"},
        "events": [
            {
                "name": "exception",
                "timeUnixNano": "12",
                "attributes": [{"key": "exception.type", "value": {"stringValue": "ValueError"}}],
            }
        ],
        "links": [{"traceId": "W47/95gDgQPSabYzgT/HAA==", "spanId": "7uGbfsPBsQA="}],
    }
    (found,) = client({V2: of_spans(span)})[0].trace(TRACE).spans
    assert found.parent_span_id == "0001020304050607"
    assert (found.status, found.status_message) == ("error", "ValueError: no")
    assert found.events == (SpanEvent("exception", 12, {"exception.type": "ValueError"}),)
    assert found.links == (SpanLink(TRACE, "eee19b7ec3c1b100", {}),)
    assert (found.kind, found.start_s, found.duration_ms, found.service) == (None, None, None, None)


@pytest.mark.parametrize("name", ["deployment.environment.name", "deployment.environment"])
def test_the_environment_is_the_resources_by_its_new_or_old_name(name: str) -> None:
    answer = of_spans({"spanId": "7uGbfsPBsQA="}, resource={name: "staging"})
    (span,) = client({V2: answer})[0].trace(TRACE).spans
    assert span.environment == "staging"


def test_a_spans_own_attribute_wins_over_its_resources() -> None:
    own = [{"key": "region", "value": {"stringValue": "own"}}]
    answer = of_spans({"spanId": "7uGbfsPBsQA=", "attributes": own}, resource={"region": "r"})
    (span,) = client({V2: answer})[0].trace(TRACE).spans
    assert span.attributes == {"region": "own"}
    assert span.resource == {"region": "r"}


def test_spans_of_all_services_come_by_start_time() -> None:
    late = of_spans({"spanId": "01" * 8, "startTimeUnixNano": "20"}, resource={"service.name": "b"})
    early = of_spans(
        {"spanId": "02" * 8, "startTimeUnixNano": "10"}, resource={"service.name": "a"}
    )
    groups = late["trace"]["resourceSpans"] + early["trace"]["resourceSpans"]
    tempo, _ = client({V2: {"trace": {"resourceSpans": groups}}})
    assert [span.service for span in tempo.trace(TRACE).spans] == ["a", "b"]


@pytest.mark.parametrize(
    "answer",
    [{"trace": {}, "metrics": {"inspectedBytes": "1"}}, {"trace": {"resourceSpans": []}}, {}],
)
def test_a_trace_that_has_not_arrived_has_no_spans(answer: dict[str, Any]) -> None:
    """Version 2 answers 200 with an empty trace."""
    tempo, answers = client({V2: answer})
    assert tempo.trace(TRACE).spans == ()
    assert len(answers.lines) == 1


def test_a_tempo_without_version_2_is_asked_by_version_1() -> None:
    batches = DOCUMENTED["trace"]["resourceSpans"]
    tempo, _ = client({V2: refusal(404, "404 page not found"), V1: {"batches": batches}})
    assert [span.name for span in tempo.trace(TRACE).spans] == ["I am a span!"]


def test_a_404_of_tempo_means_no_spans_and_what_answers_is_looked_at_once() -> None:
    not_found = refusal(404, "trace not found")
    tempo, answers = client({V2: not_found, V1: not_found, "GET /api/echo": Turns(["echo"])})
    assert tempo.trace(TRACE).spans == ()
    assert tempo.trace(TRACE).spans == ()
    assert answers.lines.count("GET /api/echo") == 1


def test_a_tempo_that_has_no_echo_is_known_by_its_readiness() -> None:
    table = {V2: refusal(404, ""), V1: refusal(404, ""), "GET /api/echo": refusal(404, "")}
    tempo, _ = client({**table, "GET /ready": "ready"})
    assert tempo.trace(TRACE).spans == ()


def test_a_404_of_something_else_is_never_an_absent_trace() -> None:
    paths = (V2, V1, "GET /api/echo", "GET /ready")
    tempo, _ = client({path: refusal(404, "no such page") for path in paths})
    with pytest.raises(BackendRefused) as caught:
        tempo.trace(TRACE)
    assert str(caught.value) == (
        f"Tempo refused GET /api/traces/{TRACE}: 404 Not Found.\n"
        "  expected  a 2xx status\n"
        "  found     no such page\n"
        "  do        check the URL, and that what is asked for exists there"
    )


def test_a_tempo_that_fails_is_never_an_absent_trace() -> None:
    tempo, _ = client({V2: refusal(503, "too many unhealthy instances in the ring")})
    with pytest.raises(BackendUnavailable, match="too many unhealthy instances"):
        tempo.trace(TRACE)


def test_a_tempo_that_cannot_be_reached_is_named() -> None:
    tempo, _ = client({V2: httpx.ConnectError("refused")})
    with pytest.raises(BackendUnavailable, match="Tempo did not answer GET /api/v2/traces/"):
        tempo.trace(TRACE)


def test_what_tempo_refuses_is_told_in_its_own_words() -> None:
    tempo, _ = client({"GET /api/v2/traces/xyz": refusal(400, "invalid trace ID")})
    with pytest.raises(BackendRefused) as caught:
        tempo.trace("xyz")
    assert caught.value.found == "invalid trace ID"
    assert caught.value.advice == "correct the trace id, the TraceQL or the tags"


def test_a_span_without_an_id_is_not_what_tempo_documents() -> None:
    tempo, _ = client({V2: of_spans({"name": "x"})})
    with pytest.raises(ObsstackError, match="The answer is not what the API documents: a span"):
        tempo.trace(TRACE)


# ---- as a store of spans


def test_a_part_of_a_trace_is_told_and_never_taken_for_the_whole() -> None:
    message = "Trace exceeds maximum size of 5 bytes, a partial trace is returned"
    tempo, _ = client({V2: {**DOCUMENTED, "status": "PARTIAL", "message": message}})
    assert tempo.trace(TRACE).incomplete == message
    with pytest.raises(ObsstackError) as caught:
        tempo.otlp_spans(TRACE)
    assert str(caught.value) == (
        f"Tempo gives only a part of trace {TRACE}.\n"
        "  expected  the whole trace, of which alone can be said what is not in it\n"
        f"  found     1 spans: {message}\n"
        "  do        raise Tempo's overrides.global.max_bytes_per_trace, or do less in one test"
    )


def test_a_complete_trace_is_not_called_a_part() -> None:
    tempo, _ = client({V2: {**DOCUMENTED, "status": "COMPLETE"}})
    assert tempo.trace(TRACE).incomplete is None
    (span,) = tempo.otlp_spans(TRACE)
    assert tempo.whole(TRACE, span) is span


def test_the_text_of_a_span_has_all_that_is_kept_of_it() -> None:
    span = {
        "spanId": "7uGbfsPBsQA=",
        "name": "GET /",
        "status": {"message": "of the status"},
        "attributes": [{"key": "a", "value": {"stringValue": "of the span"}}],
        "events": [{"attributes": [{"key": "a", "value": {"stringValue": "of the event"}}]}],
        "links": [{"attributes": [{"key": "a", "value": {"stringValue": "of the link"}}]}],
    }
    tempo, _ = client({V2: of_spans(span, resource={"a": "of the resource"})})
    ((where, text),) = tempo.span_texts(TRACE)
    assert where == "Tempo span GET /"
    for part in ("status", "span", "event", "link", "resource"):
        assert f"of the {part}" in text


# ---- search


def test_the_documented_search_answer_becomes_traces() -> None:
    tempo, answers = client({"GET /api/search": FOUND})
    (found,) = tempo.search("{ status=error }", start_s=10.9, end_s=20.1, limit=5, spans_per_set=2)
    assert (found.trace_id, found.root_service, found.root_name) == (
        "2f3e0cee77ae5dc9c17ade3689eb2e54",
        "shop-backend",
        "update-billing",
    )
    assert (found.start_ns, found.duration_ms, found.matched) == (1684778327699392724, 557, 1)
    (span,) = found.spans
    assert (span.span_id, span.name) == ("563d623c76514f8e", None)
    assert (span.start_ns, span.duration_ns) == (1684778327735077898, 446979497)
    assert span.attributes == {"status": "error"}
    assert answers.params() == [
        ("q", "{ status=error }"),
        ("start", "10"),
        ("end", "21"),
        ("limit", "5"),
        ("spss", "2"),
    ]


def test_a_search_by_tags_asks_in_logfmt() -> None:
    tempo, answers = client({"GET /api/search": {"metrics": {}}})
    tags = {"service.name": "simple-app", "http.url": 'a "b"'}
    assert tempo.search(tags=tags, min_duration="100ms", max_duration="2s") == ()
    assert answers.params() == [
        ("tags", 'service.name=simple-app http.url="a \\"b\\""'),
        ("minDuration", "100ms"),
        ("maxDuration", "2s"),
    ]


def test_short_ids_are_filled_up_and_an_unknown_root_is_none() -> None:
    trace = {
        "traceID": "d6e9329d67b6146a",
        "rootServiceName": "<root span not yet received>",
        "spanSet": {"spans": [{"spanID": "1234"}], "matched": 4},
    }
    tempo, _ = client({"GET /api/search": {"traces": [trace]}})
    (found,) = tempo.search("{}")
    assert found.trace_id == "0000000000000000d6e9329d67b6146a"
    assert found.root_service is None
    assert (found.matched, found.spans[0].span_id) == (4, "0000000000001234")


@pytest.mark.parametrize(
    ("given", "found"),
    [({}, "neither"), ({"traceql": "{}", "tags": {"a": "b"}}, "both: '{}' and {'a': 'b'}")],
)
def test_a_search_needs_one_question(given: dict[str, Any], found: str) -> None:
    tempo, _ = client({})
    with pytest.raises(ObsstackError) as caught:
        tempo.search(**given)
    assert caught.value.summary == "A search of Tempo needs a TraceQL query or tags."
    assert caught.value.found == found


@pytest.mark.parametrize(
    ("value", "printed"),
    [("plain", "plain"), ("", '""'), ("a b", '"a b"'), ("a=b", '"a=b"'), ("\\", '"\\\\"')],
)
def test_values_are_quoted_where_logfmt_needs_it(value: str, printed: str) -> None:
    assert logfmt({"key": value}) == f"key={printed}"


# ---- the server itself


def test_version_readiness_and_any_other_path() -> None:
    tempo, answers = client(
        {
            "GET /ready": "ready",
            "GET /api/status/buildinfo": {"version": "2.9.0", "revision": "abc"},
            "GET /api/v2/search/tags": {"scopes": []},
        }
    )
    tempo.ready()
    assert tempo.version() == "2.9.0"
    assert tempo.get("api/v2/search/tags", scope="span") == {"scopes": []}
    assert answers.lines[-1] == "GET /api/v2/search/tags?scope=span"
    tempo.close()


def test_a_tempo_that_starts_is_not_ready() -> None:
    tempo, _ = client({"GET /ready": refusal(503, "Ingester not ready: waiting for 15s")})
    with pytest.raises(BackendUnavailable, match="waiting for 15s"):
        tempo.ready()
