"""The end of background work, seen by what the app reports last of it."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any, cast

import pytest

from pytest_obsstack.errors import ObsstackError
from pytest_obsstack.expect.fence import errors_settled, logs_settled, spans_settled
from pytest_obsstack.expect.probe import Probe
from pytest_obsstack.expect.settled import never_tells
from tests.unit.expect.fakes import Bench, app_facts, bench
from tests.unit.expect.models import exchange, line, otlp_span, root_span, transaction


def busy() -> tuple[Bench, Probe]:
    """An app with background threads, of which the request's own fences are there."""
    given = bench(app=app_facts(background_threads=True))
    given.sentry.spans = [root_span(), otlp_span()]
    given.loki.lines = [line()]
    return given, Probe(given.context, cast("Any", None))


@pytest.mark.proves("obs.expect_background_end", "green")
def test_each_signal_is_settled_by_its_own_end() -> None:
    given, obs = busy()
    given.sentry.transactions = [transaction("send mail")]
    before_s = time.time()
    obs.expect_background_end(transaction="send mail")
    assert errors_settled(given.context).proven
    assert not spans_settled(given.context).proven
    assert not logs_settled(given.context).proven
    given.sentry.spans.append(otlp_span("mail", parent="2" * 16, id="5" * 16, kind="internal"))
    given.loki.lines.append(line("mail was sent"))
    obs.expect_background_end(span="mail", line="mail was sent")
    assert spans_settled(given.context).proven
    assert logs_settled(given.context).proven
    # Metrics by any of them: what was counted was counted before that.
    assert never_tells(given.context, "metrics") is None
    assert given.context.last_ended_s >= before_s


def test_the_next_request_calls_it_into_question() -> None:
    given, obs = busy()
    given.sentry.transactions = [transaction("send mail")]
    obs.expect_background_end(transaction="send mail")
    given.context.exchanges.all.append(exchange("/again", 200))
    assert not errors_settled(given.context).proven


def test_the_end_of_an_earlier_requests_work_is_none_of_a_later_ones() -> None:
    given, obs = busy()
    given.sentry.transactions = [transaction("send mail")]
    mail = otlp_span("mail", parent="2" * 16, id="5" * 16, kind="internal")
    given.sentry.spans.append(mail)
    given.loki.lines.append(line("mail was sent"))
    asked = {"transaction": "send mail", "span": "mail", "line": "mail was sent"}
    obs.expect_background_end(**asked)
    # Asking twice gives the same answer.
    obs.expect_background_end(**asked)
    given.context.exchanges.all.append(exchange("/again", 200))
    for what, name in asked.items():
        with pytest.raises(AssertionError, match=r"^No .* matched within"):
            obs.expect_background_end(**{what: name})
    assert not errors_settled(given.context).proven
    given.sentry.transactions.append(transaction("send mail", event_id="9" * 32))
    given.sentry.spans.append(otlp_span("mail", parent="2" * 16, id="6" * 16, kind="internal"))
    given.loki.lines.append(line("mail was sent", timestamp_ns=9))
    obs.expect_background_end(**asked)
    assert never_tells(given.context, "errors") is None


@pytest.mark.proves("obs.expect_background_end", "red")
def test_an_end_that_does_not_come() -> None:
    given, obs = busy()
    given.sentry.transactions = [transaction("error")]
    with pytest.raises(AssertionError) as caught:
        obs.expect_background_end(transaction="send mail")
    assert str(caught.value) == (
        "No Sentry transaction matched within 0.0 s (1 poll).\n"
        "  expected  send mail\n"
        "  found     1 transaction of trace 4bf92f35…\n"
        "  nearest   error (http.server, internal_error)\n"
        "              name  expected 'send mail'   got 'error'\n"
        "  pipeline  app 1 request (500) → SDK has the DSN http://0123…@127.0.0.1:9000/1 → Sentry "
        "accepted 0 events, 1 transaction of this trace → SDK reported no discards\n"
        "  stopped   at SDK (filter)\n"
        "  do        the SDK reached Sentry but sent no event: look at before_send, ignore_errors, "
        "sample_rate, deduplication (log after capture), and at the app's own try/except\n"
        "  look      http://127.0.0.1:9000/organizations/obsstack/issues/  ·  keep the stack: "
        "--obs-keep-stack"
    )
    assert not errors_settled(given.context).proven


@pytest.mark.proves("obs.expect_background_end", "other trace")
def test_the_end_of_another_traces_work_is_none_of_this_test() -> None:
    given, obs = busy()
    given.sentry.transactions = [transaction("send mail")]
    given.context.trace = replace(given.context.trace, trace_id="a" * 32)
    with pytest.raises(AssertionError, match="found     0 transactions of trace aaaaaaaa…"):
        obs.expect_background_end(transaction="send mail")


def test_nothing_to_wait_for() -> None:
    with pytest.raises(ObsstackError) as caught:
        busy()[1].expect_background_end()
    assert str(caught.value) == (
        "expect_background_end was given nothing to wait for.\n"
        "  expected  transaction=, span= or line=: what the background work reports last\n"
        "  found     none of them"
    )
