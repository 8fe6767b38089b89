"""A text that must be nowhere: each place and each encoding in which it is found."""

from __future__ import annotations

import base64
import json
import re
import time
from dataclasses import replace
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from pytest_obsstack.clients.prometheus.models import Exemplar
from pytest_obsstack.errors import CannotTell
from pytest_obsstack.expect.nowhere import expect_nowhere, search
from pytest_obsstack.providers.app_spec import SENTRY_LOGS, SIGNALS
from tests.unit.expect.fakes import Bench, app_facts, bench
from tests.unit.expect.models import (
    OTHER_TRACE,
    SENT_S,
    TRACE,
    event,
    exchange,
    line,
    otlp_span,
    root_span,
    sentry_log,
    transaction,
)

SECRET = "hunter2"
TEXTS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)


def settled(**more: Any) -> Bench:
    """A request of which everything has arrived, without the secret."""
    given = bench(**more)
    given.sentry.spans = [root_span(), otlp_span()]
    given.sentry.events = [event()]
    given.sentry.transactions = [transaction()]
    given.loki.lines = [line()]
    given.prometheus.add("http_requests_total", (SENT_S + 0.1, 1), endpoint="/error")
    return given


def failure(given: Bench, wanted: str | re.Pattern[str] = SECRET) -> str:
    with pytest.raises(AssertionError) as caught:
        expect_nowhere(given.context, wanted)
    return str(caught.value)


def found_in_event(wanted: str, body: Any) -> bool:
    given = bench()
    given.sentry.events = [event()]
    given.sentry.bodies["e" * 32] = body
    return any(search(given.context, wanted))


@pytest.mark.proves("obs.expect_nowhere", "green")
def test_a_text_that_is_nowhere_passes() -> None:
    expect_nowhere(settled().context, SECRET)


@pytest.mark.proves("obs.expect_nowhere", "red")
def test_message_with_every_place() -> None:
    given = settled()
    given.sentry.bodies["e" * 32] = {"request": {"data": {"password": SECRET}}}
    given.loki.lines.append(line(f"login with {SECRET}", tried=SECRET))
    assert failure(given) == (
        "A text that must be nowhere was found in 3 places.\n"
        "  expected  nothing of trace 4bf92f35… holds 'hunter2'\n"
        "  found     Sentry event eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee (as it is): "
        '{"request": {"data": {"password": "hunter2"}}}\n'
        "  also      log line of simple-app (as it is): login with hunter2\n"
        "  also      labels and metadata of a log line (as it is): "
        '36", "severity_text": "INFO", "tried": "hunter2"}\n'
        "  do        remove it before it is sent: before_send and before_send_transaction for "
        "Sentry, the logger and the span's attributes for OpenTelemetry\n"
        "  look      keep the stack: --obs-keep-stack"
    )


def test_a_transaction_is_searched() -> None:
    given = settled()
    given.sentry.bodies["f" * 32] = {"spans": [{"data": {"url": f"/?q={SECRET}"}}]}
    assert f"Sentry transaction {'f' * 32} (as it is)" in failure(given)


def test_an_attachment_is_searched() -> None:
    given = settled()
    given.sentry.attached["e" * 32, "dump.txt"] = b"\xff password=hunter2"
    assert f"attachment dump.txt of Sentry event {'e' * 32} (as it is)" in failure(given)


def test_a_span_is_searched() -> None:
    given = settled()
    given.sentry.spans.append(otlp_span(f"GET /{SECRET}", id="9" * 16))
    assert f"found     Sentry span GET /{SECRET} (as it is)" in failure(given)


def test_a_spans_attributes_are_searched() -> None:
    given = settled()
    given.sentry.attributes["2" * 16] = {"url.query": f"token={SECRET}"}
    assert "found     Sentry span GET /error (as it is)" in failure(given)


def test_labels_of_the_apps_metrics_are_searched() -> None:
    given = settled()
    given.prometheus.add("logins_total", (SENT_S + 0.1, 1), user=SECRET)
    assert "found     labels of logins_total (as it is)" in failure(given)


def test_labels_of_an_app_without_a_known_instance_are_searched_by_its_job() -> None:
    given = settled(app=app_facts(instance=""))
    given.prometheus.add("logins_total", (SENT_S + 0.1, 1), instance="somewhere", user=SECRET)
    assert "found     labels of logins_total (as it is)" in failure(given)


def test_labels_of_the_services_that_the_app_calls_are_searched() -> None:
    inventory = app_facts(service="inventory", instance="inventory-main", url="http://127.0.0.1:1")
    given = settled(app=app_facts(companions=(inventory,)))
    given.prometheus.add(
        "stock_total", (SENT_S + 0.1, 1), instance="inventory-main", job="inventory", item=SECRET
    )
    assert "found     labels of stock_total (as it is)" in failure(given)


def test_what_is_none_of_the_apps_is_not_searched() -> None:
    given = settled()
    given.prometheus.add("x_total", (SENT_S + 0.1, 1), instance="other", job="other", user=SECRET)
    expect_nowhere(given.context, SECRET)


def test_a_signal_that_the_stack_does_not_have_is_left_out() -> None:
    given = bench()
    given.stack.capabilities = frozenset({"logs"})
    given.loki.lines = [line()]
    expect_nowhere(given.context, SECRET)
    assert given.sentry.polls == 0


def test_a_regular_expression_is_searched_as_it_is() -> None:
    given = settled()
    given.loki.lines.append(line("card 4111 1111"))
    assert "holds /\\d{4} \\d{4}/\n" in failure(given, re.compile(r"\d{4} \d{4}"))


def test_at_most_six_places_are_shown() -> None:
    given = settled()
    given.loki.lines += [line(SECRET)] * 9
    text = failure(given)
    assert text.startswith("A text that must be nowhere was found in 9 places.")
    assert text.count("(as it is)") == 6


def test_an_event_of_another_project_is_searched_there() -> None:
    given = settled()
    given.sentry.events = [event(projectID="2")]
    given.sentry.attached["e" * 32, "dump.txt"] = SECRET.encode()
    assert f"attachment dump.txt of Sentry event {'e' * 32} (as it is)" in failure(given)
    assert given.sentry.projects == {"2", None}


def test_structured_logs_of_sentrys_sdk_are_searched() -> None:
    given = settled(app=app_facts(sentry_log_delay_s=0.0))
    given.sentry.logs = [sentry_log(f"user {SECRET}")]
    assert "found     Sentry log (as it is)" in failure(given)


def test_attributes_of_structured_logs_are_searched() -> None:
    given = settled(app=app_facts(sentry_log_delay_s=0.0))
    given.sentry.logs = [sentry_log()]
    given.sentry.attributes["7" * 32] = {"sentry.message.parameter.0": SECRET}
    assert "found     Sentry log (as it is)" in failure(given)


def test_exceptions_in_events_of_spans_are_searched_where_they_are_kept() -> None:
    given = settled()
    given.sentry.deliveries = {
        "exceptions": [{"span_id": "2" * 16, "type": "ValueError", "message": f"no {SECRET}"}]
    }
    assert f"found     exception of span {'2' * 16} (as it is): ValueError: no hunter2" in failure(
        given
    )
    given.sentry.deliveries = None
    expect_nowhere(given.context, SECRET)


def test_labels_of_exemplars_are_searched() -> None:
    given = settled()
    for trace_id, text in ((OTHER_TRACE, SECRET), (TRACE, "nothing")):
        labels = {"trace_id": trace_id, "user": text}
        exemplar = Exemplar({"__name__": "x_bucket"}, labels, 1.0, SENT_S, {})
        given.prometheus.exemplar_list.append(exemplar)
    expect_nowhere(given.context, SECRET)
    given.prometheus.exemplar_list.append(
        Exemplar({"__name__": "x_bucket"}, {"trace_id": TRACE, "user": SECRET}, 1.0, SENT_S, {})
    )
    assert "found     exemplar of x_bucket (as it is)" in failure(given)


def test_labels_of_all_processes_of_the_app_are_searched() -> None:
    given = settled(app=app_facts(processes=2))
    given.prometheus.samples.clear()
    for process in ("11", "12"):
        given.prometheus.add(
            "http_requests_total", (SENT_S + 1, 1), instance=f"simple-app-main-{process}"
        )
    expect_nowhere(given.context, SECRET)
    given.prometheus.add(
        "logins_total", (SENT_S + 1, 1), instance="simple-app-main-12", user=SECRET
    )
    assert "found     labels of logins_total (as it is)" in failure(given)


# ---- not settled


def logs_that_come_late(timeout_s: float) -> Bench:
    now_s = time.time()
    given = settled(app=app_facts(signals=SIGNALS | {SENTRY_LOGS}, sentry_log_delay_s=0.2))
    given.context.exchanges.all[:] = [exchange(started_s=now_s, ended_s=now_s)]
    given.prometheus.add("http_requests_total", (now_s + 1, 1), endpoint="/later")
    given.context.timeout_s = timeout_s
    return given


def test_batches_of_structured_logs_are_waited_for_where_the_app_sends_them() -> None:
    given = logs_that_come_late(5.0)
    last_ended_s = given.context.last_ended_s
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.unit.expect.fakes.NOW_S", last_ended_s + 60)
        expect_nowhere(given.context, SECRET)
    assert time.time() >= last_ended_s + 0.2


def test_structured_logs_that_may_come_after_the_deadline() -> None:
    given = logs_that_come_late(0.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.unit.expect.fakes.NOW_S", time.time() + 60)
        with pytest.raises(CannotTell) as caught:
            expect_nowhere(given.context, SECRET)
    assert str(caught.value) == (
        "Cannot assert that a text is nowhere: it is not proven that all structured "
        "logs of Sentry's SDK of this test have arrived.\n"
        "  expected  the fence of each request has arrived\n"
        "  found     Sentry's SDK may send its logs up to 0.2 s after a response, later than this "
        "test waits (0 s)\n"
        "  do        give --obs-timeout more, or let the app send them sooner and say so "
        "(AppSpec.sentry_log_delay_s)"
    )


@pytest.mark.proves("obs.expect_nowhere", "cannot tell")
@pytest.mark.parametrize(
    ("missing", "signal", "reason"),
    [
        ("transaction", "errors", "the transaction of GET /error (500) has not arrived"),
        ("span", "spans", "the server span of GET /error (500) has not arrived in Sentry"),
        ("line", "logs", "0 of 1 lines /^request finished/ of simple-app have arrived in Loki"),
        ("sample", "metrics", "Prometheus has no sample of simple-app-main"),
    ],
)
def test_nowhere_cannot_be_told_before_each_signal_has_settled(
    missing: str, signal: str, reason: str
) -> None:
    given = settled(timeout_s=0.0)
    if missing == "transaction":
        del given.sentry.spans[0]
    elif missing == "span":
        del given.sentry.spans[1]
    elif missing == "line":
        given.loki.lines = []
    else:
        given.prometheus.samples = []
    with pytest.raises(CannotTell) as caught:
        expect_nowhere(given.context, SECRET)
    assert caught.value.summary == (
        "Cannot assert that a text is nowhere: it is not proven that all "
        f"{signal} of this test have arrived."
    )
    assert caught.value.found is not None
    assert caught.value.found.startswith(f"{reason} after 0.0 s (1 poll)")


def test_metrics_have_settled_only_with_a_sample_after_the_last_response() -> None:
    given = settled()
    given.context.exchanges.all.append(exchange("/late", 200, ended_s=SENT_S + 5))
    given.sentry.spans += [root_span(), otlp_span()]
    given.loki.lines.append(line())
    with pytest.raises(CannotTell, match=r"4\.90 s older than the last response"):
        expect_nowhere(given.context, SECRET)


def test_labels_of_a_service_that_is_called_are_waited_for() -> None:
    inventory = app_facts(service="inventory", instance="inventory-main", url="http://127.0.0.1:1")
    own = {"instance": "inventory-main", "job": "inventory"}
    given = settled(app=app_facts(companions=(inventory,)))
    given.collector.accepted["metric_points"] = given.collector.sent["metric_points"] = 9
    with pytest.raises(CannotTell) as caught:
        expect_nowhere(given.context, SECRET)
    assert str(caught.value) == (
        "Cannot assert that a text is nowhere: it is not proven that all metrics of this test have "
        "arrived.\n"
        "  expected  the fence of each request has arrived\n"
        "  found     Prometheus has no sample of inventory-main after 0.0 s (1 poll)\n"
        "  do        look whether it exports metrics; one that never does says so, "
        "AppSpec(signals=frozenset({…})) without metrics"
    )
    given.prometheus.add("stock_total", (SENT_S - 0.5, 1), **own)
    with pytest.raises(CannotTell, match=r"sample of inventory-main in Prometheus is 0\.51 s"):
        expect_nowhere(given.context, SECRET)
    given.prometheus.add("stock_total", (SENT_S + 0.1, 1), **own)
    expect_nowhere(given.context, SECRET)
    quiet = replace(inventory, signals=SIGNALS - {"metrics"})
    given = settled(app=app_facts(companions=(quiet,)))
    expect_nowhere(given.context, SECRET)


def test_where_nothing_can_be_searched_a_text_is_not_said_to_be_nowhere() -> None:
    given = bench(app=app_facts(signals=frozenset({"errors"})))
    given.stack.capabilities = frozenset({"logs"})
    with pytest.raises(CannotTell) as caught:
        expect_nowhere(given.context, SECRET)
    assert str(caught.value) == (
        "Cannot assert that a text is nowhere: nothing of what the app reports can be searched.\n"
        "  expected  a stack that shows what the app reports\n"
        "  found     an app that reports errors, and a stack with logs\n"
        "  do        mark the test with obs_requires, or correct AppSpec.signals"
    )


# ---- encodings


SHAPE = re.compile(r"card \d{4}/\d{4}")


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("card 1234/5678", "as it is"),
        ("card%201234%2F5678", "escaped"),
        ("card+1234%252F5678", "escaped"),
        (r"card 1234\\\/5678", "escaped"),
        (r"card\u00201234\/5678", "escaped"),
        ("card&#32;1234&#x2F;5678", "escaped"),
        (base64.b64encode(b"the card 1234/5678!").decode(), "base64"),
        (base64.urlsafe_b64encode("é card 1234/5678".encode()).decode().rstrip("="), "base64"),
    ],
)
def test_a_regular_expression_is_looked_for_in_what_is_decoded(text: str, form: str) -> None:
    given = bench()
    given.loki.lines = [line(f"got {text}.")]
    assert [(find.where, find.form) for find in search(given.context, SHAPE)] == [
        ("log line of simple-app", form)
    ]


def test_a_regular_expression_does_not_match_what_is_not_there() -> None:
    given = bench()
    given.loki.lines = [line("card 123%34 \\u12 " + "A" * 40)]
    assert list(search(given.context, SHAPE)) == []


@for_all(TEXTS)
def test_a_text_is_found_whatever_its_characters(text: str) -> None:
    assert found_in_event(text, {"data": {"field": f"before {text} after"}})


@for_all(TEXTS)
def test_a_text_is_found_in_json_within_json(text: str) -> None:
    for ensure_ascii in (True, False):
        inner = json.dumps({"password": text}, ensure_ascii=ensure_ascii)
        assert found_in_event(text, {"body": inner})


@for_all(TEXTS)
def test_a_text_is_found_in_a_url(text: str) -> None:
    assert found_in_event(text, {"url": f"http://app/?q={quote(text, safe='')}&x=1"})
    assert found_in_event(text, {"url": f"http://app/?q={quote_plus(text, safe='')}&x=1"})
    assert found_in_event(text, {"url": f"http://app/{quote(text)}"})


@for_all(
    st.text(st.characters(codec="utf-8"), min_size=8, max_size=20),
    st.binary(max_size=5),
    st.binary(max_size=5),
    st.booleans(),
)
def test_a_text_is_found_in_base64_at_any_alignment(
    text: str, before: bytes, after: bytes, url_safe: bool
) -> None:
    encode = base64.urlsafe_b64encode if url_safe else base64.b64encode
    encoded = encode(before + text.encode() + after).decode("ascii")
    assert found_in_event(text, {"authorization": f"Basic {encoded}"})


@pytest.mark.parametrize(
    "form",
    [
        r"a\/b\u0026\u00E9\"",  # PHP and Go
        r"a/b&é\\\"",  # twice
        "a%2fb%26%c3%a9%22",
        "a%252Fb%2526%25C3%25A9%2522",
        "a/b&amp;é&quot;",
        "a/b&#38;&#xE9;&#34;",
    ],
)
def test_a_text_is_found_as_other_programs_escape_it(form: str) -> None:
    assert found_in_event('a/b&é"', {"data": form})


@for_all(TEXTS)
def test_a_text_that_is_not_there_is_not_found(text: str) -> None:
    assert not found_in_event(f"§{text}§", {"data": text})


def test_a_short_text_is_not_searched_in_base64_where_chance_would_find_it() -> None:
    assert not found_in_event("abc", {"data": base64.b64encode(b"abc").decode()})
