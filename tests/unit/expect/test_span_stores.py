"""Where spans are looked for: the error tracker, Tempo, or both."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_obsstack.clients.grafana.client import GrafanaClient
from pytest_obsstack.clients.grafana.models import parse_data_source
from pytest_obsstack.endpoints import GrafanaEndpoint
from pytest_obsstack.errors import BackendUnavailable, CannotTell, ObsstackError
from pytest_obsstack.expect.fence import logs_settled, spans_settled
from pytest_obsstack.expect.hops import span_hops
from pytest_obsstack.expect.nowhere import expect_nowhere
from pytest_obsstack.expect.traces import TraceExpectations
from pytest_obsstack.record.hops import Hop, first_broken
from tests.unit.clients.answers import Answers, refusal
from tests.unit.expect.fakes import Bench, app_facts, bench
from tests.unit.expect.models import (
    SENT_S,
    SPAN,
    TRACE,
    line,
    otlp_span,
    root_span,
    tempo_span,
    transaction,
)

SECRET = "hunter2"
CALL = "c" * 16


def with_tempo() -> Bench:
    """A request whose spans are in Tempo alone: the tracker shows none."""
    given = bench()
    given.add_tempo(tracker_spans=False)
    given.tempo.spans = [tempo_span(attributes={"http.route": "/error"})]
    given.collector.accepted = {"spans": 1}
    given.collector.sent = {"spans": 1}
    given.collector.exporters["spans"] = "otlp_http/tempo"
    return given


def with_both() -> Bench:
    """A request of which everything has arrived, its spans in the tracker and in Tempo."""
    given = bench()
    given.add_tempo(tracker_spans=True)
    given.sentry.spans = [root_span(), otlp_span()]
    given.sentry.transactions = [transaction()]
    given.tempo.spans = [tempo_span()]
    given.loki.lines = [line()]
    given.prometheus.add("http_requests_total", (SENT_S + 0.1, 1), endpoint="/error")
    return given


# ---- which one is asked


@pytest.mark.parametrize(
    ("tracker_spans", "tempo", "stores"),
    [
        (True, False, ["Sentry"]),
        (False, True, ["Tempo"]),
        (True, True, ["Sentry", "Tempo"]),
        (False, False, []),
    ],
)
def test_the_tracker_is_asked_before_tempo(
    tracker_spans: bool, tempo: bool, stores: list[str]
) -> None:
    given = bench()
    if tempo:
        given.add_tempo(tracker_spans=tracker_spans)
    elif not tracker_spans:
        given.stack.capabilities -= {"tracker_spans"}
    clients = given.context.clients
    assert [store.store_name for store in clients.span_stores] == stores
    if stores:
        assert clients.traces.store_name == stores[0]


def test_message_where_nothing_can_be_asked_for_spans() -> None:
    given = bench()
    given.stack.capabilities -= {"tracker_spans"}
    with pytest.raises(ObsstackError) as caught:
        TraceExpectations(given.context).expect_span()
    assert str(caught.value) == (
        "This stack has no store of spans.\n"
        "  expected  a Tempo, or an error tracker that shows spans by trace\n"
        "  found     --obs-stack=embedded with sentry\n"
        '  do        give --obs-use tempo=URL, or mark the test with obs_requires("spans")'
    )


# ---- expectations


def test_a_span_of_tempo_is_found_with_its_attributes() -> None:
    given = with_tempo()
    given.tempo.spans.append(tempo_span("SELECT", parent="2" * 16, spanId="3" * 16, kind=3))
    traces = TraceExpectations(given.context)
    server = traces.expect_span("GET /error", service="simple-app", status="error", parent=SPAN)
    assert server.attributes["http.route"] == "/error"
    traces.expect_span(attributes={"http.route": "/error", "service.name": "simple-app"})
    assert traces.expect_span(kind="client", parent=server).name == "SELECT"
    assert [span.name for span in traces.spans()] == ["GET /error", "SELECT"]
    traces.expect_no_span("DELETE")
    assert given.sentry.polls == 0


def test_message_names_tempo() -> None:
    with pytest.raises(AssertionError) as caught:
        TraceExpectations(with_tempo().context).expect_span("GET /error", service="inventory")
    assert str(caught.value) == (
        "No OpenTelemetry span matched within 0.0 s (1 poll).\n"
        "  expected  GET /error, service 'inventory'\n"
        "  found     1 span of trace 4bf92f35…\n"
        "  nearest   simple-app: GET /error (server, error)\n"
        "              service  expected 'inventory'   got 'simple-app'\n"
        "  pipeline  app 1 request (500) → collector accepted 1 spans, sent 1 to Tempo, failed 0 "
        "→ Tempo has 1 OTLP span of this trace\n"
        f"  look      http://127.0.0.1:3200/api/v2/traces/{TRACE}  ·  "
        "keep the stack: --obs-keep-stack"
    )


def test_absence_cannot_be_told_before_the_server_span_is_in_tempo() -> None:
    given = with_tempo()
    given.tempo.spans = [tempo_span(kind="SPAN_KIND_INTERNAL")]
    with pytest.raises(CannotTell, match=r"server span of GET .* has not arrived in Tempo"):
        TraceExpectations(given.context).expect_no_span("DELETE")


@pytest.mark.parametrize("down", [False, True])
def test_where_there_is_a_grafana_the_trace_can_be_seen_in_it(down: bool) -> None:
    given = with_tempo()
    given.stack.endpoints = replace(
        given.stack.endpoints, grafana=GrafanaEndpoint("http://127.0.0.1:3000", password="x")
    )
    sources = [
        {"uid": uid, "name": uid, "type": uid, "isDefault": False} for uid in ("loki", "tempo")
    ]
    answer = refusal(503, "starting") if down else sources
    grafana = GrafanaClient(
        GrafanaEndpoint("http://127.0.0.1:3000"),
        transport=Answers({"GET /api/datasources": answer}),
    )
    vars(given.context.clients)["grafana"] = grafana
    with pytest.raises(AssertionError) as caught:
        TraceExpectations(given.context).expect_span("nothing")
    look = str(caught.value).splitlines()[-1]
    page = grafana.trace_url(parse_data_source(sources[1]), TRACE)
    api = f"http://127.0.0.1:3200/api/v2/traces/{TRACE}"
    links = [api] if down else [page, api]
    assert look == "  look      " + "  ·  ".join([*links, "keep the stack: --obs-keep-stack"])


# ---- fences


def test_spans_are_settled_only_with_the_called_services_span_in_tempo() -> None:
    given = with_tempo()
    inventory = app_facts(service="inventory", url="http://127.0.0.1:81")
    given.context.app = app_facts(companions=(inventory,))
    url = {"url.full": "http://127.0.0.1:81/stock"}
    given.tempo.spans.append(tempo_span("GET", spanId=CALL, kind=3, attributes=url))
    assert spans_settled(given.context).reason == (
        "the server span of the call GET has not arrived in Tempo"
    )
    given.tempo.spans.append(tempo_span("GET /stock", parent=CALL, service="inventory"))
    assert spans_settled(given.context).proven
    # How many records inventory owes is known by its server spans.
    given.loki.lines = [line()]
    assert logs_settled(given.context).reason == (
        "0 of 1 lines /^request finished/ of inventory have arrived in Loki"
    )


def test_logs_whose_fence_needs_spans_cannot_be_told_without_a_store_of_them() -> None:
    given = bench(app=app_facts(last_log_line=None))
    given.stack.capabilities -= {"tracker_spans"}
    settled = logs_settled(given.context)
    assert settled.reason == "nothing on this stack can be asked for the spans of the requests"
    assert settled.polls == 0


def test_a_tempo_that_does_not_answer_is_an_error_of_its_own() -> None:
    given = with_tempo()
    given.tempo.error = BackendUnavailable("Tempo did not answer.")
    with pytest.raises(BackendUnavailable):
        spans_settled(given.context)


# ---- hops


def test_an_exporter_to_tempo_that_fails() -> None:
    given = with_tempo()
    given.collector.failed = {"spans": 2}
    given.stack.exporter_errors["otlp_http/tempo"] = "connection refused"
    assert first_broken(span_hops(given.context)) == Hop(
        "collector → Tempo",
        "collector accepted 1 spans, sent 1 to Tempo, failed 2",
        broken=True,
        cause="the collector's exporter otlp_http/tempo fails: connection refused; check its "
        "endpoint and key, and that the backend accepts it",
    )


def test_spans_of_another_trace() -> None:
    given = with_tempo()
    given.tempo.spans = []
    broken = first_broken(span_hops(given.context))
    assert broken is not None
    assert (broken.name, broken.seen) == ("Tempo", "Tempo has 0 OTLP spans of this trace")


def test_a_tempo_that_is_down() -> None:
    given = with_tempo()
    given.tempo.error = BackendUnavailable("Tempo did not answer.", found="refused")
    assert first_broken(span_hops(given.context)) == Hop(
        "collector → Tempo",
        "Tempo does not answer",
        broken=True,
        cause="Tempo did not answer. refused",
    )


# ---- nowhere


def test_a_text_that_is_in_neither_store_passes() -> None:
    expect_nowhere(with_both().context, SECRET)


def test_both_stores_are_searched() -> None:
    given = with_both()
    given.sentry.attributes["2" * 16] = {"url.query": f"token={SECRET}"}
    event = {"name": "log", "attributes": [{"key": "m", "value": {"stringValue": SECRET}}]}
    given.tempo.spans.append(tempo_span("work", spanId="4" * 16, kind=1, events=[event]))
    with pytest.raises(AssertionError) as caught:
        expect_nowhere(given.context, SECRET)
    text = str(caught.value)
    assert text.startswith("A text that must be nowhere was found in 2 places.\n")
    assert "found     Sentry span GET /error (as it is): " in text
    assert "also      Tempo span work (as it is): " in text


def test_a_resource_attribute_in_tempo_is_searched() -> None:
    given = with_both()
    given.tempo.spans.append(tempo_span(service=f"app-{SECRET}"))
    with pytest.raises(AssertionError, match="Tempo span GET /error"):
        expect_nowhere(given.context, SECRET)


@pytest.mark.parametrize("late", ["Sentry", "Tempo"])
def test_nowhere_cannot_be_told_before_both_stores_have_settled(late: str) -> None:
    given = with_both()
    if late == "Sentry":
        del given.sentry.spans[1]
    else:
        given.tempo.spans = []
        given.collector.accepted = {"spans": 1}
    with pytest.raises(CannotTell) as caught:
        expect_nowhere(given.context, SECRET)
    assert f"the server span of GET /error (500) has not arrived in {late}" in str(caught.value)
    if late == "Tempo":
        assert "stopped at Tempo: Tempo has 0 OTLP spans of this trace" in str(caught.value)
