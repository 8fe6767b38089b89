"""How far errors got: each hop that can break is named, with its usual cause."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from pytest_obsstack.clients.sentry.issue import Outcome
from pytest_obsstack.endpoints import Endpoints
from pytest_obsstack.errors import BackendUnavailable
from pytest_obsstack.expect.losses import counts
from pytest_obsstack.expect.sentry_hops import sentry_hops
from pytest_obsstack.record.hops import Hop, first_broken
from tests.unit.expect.fakes import DSN, Bench, app_facts, bench, endpoints
from tests.unit.expect.models import event, exchange, outcome, root_span


def told(**environment: str) -> Bench:
    return bench(app=app_facts(environment=environment))


def broken(given: Bench) -> Hop:
    hop = first_broken(sentry_hops(given.context))
    assert hop is not None
    return hop


def seen(given: Bench) -> list[str]:
    return [hop.seen for hop in sentry_hops(given.context)]


def test_a_healthy_way_has_no_broken_hop() -> None:
    given = bench()
    given.sentry.events = [event()]
    given.sentry.spans = [root_span()]
    assert first_broken(sentry_hops(given.context)) is None
    assert seen(given) == [
        "app 1 request (500)",
        "SDK has the DSN http://0123…@127.0.0.1:9000/1",
        "Sentry accepted 1 event, 1 transaction of this trace",
        "SDK reported no discards",
    ]


def test_a_successful_request_needs_only_its_transaction() -> None:
    given = bench(exchange(status=200))
    given.sentry.spans = [root_span()]
    assert first_broken(sentry_hops(given.context)) is None


def test_no_request() -> None:
    assert sentry_hops(bench(no_request=True).context)[0] == Hop(
        "test → app",
        "app got no request of this test",
        broken=True,
        cause="send a request with obs.get(…) or hand obs.headers to your client first",
    )


@pytest.mark.parametrize(
    "line",
    [
        "INFO Sentry disabled: SENTRY_DSN is empty",
        '{"level": "INFO", "message": "Sentry disabled: SENTRY_DSN is empty", "logger": "app"}',
    ],
)
def test_an_app_that_says_sentry_is_disabled(line: str) -> None:
    log = ("starting", line, "serving")
    assert broken(bench(app=app_facts(log=log))) == Hop(
        "app → SDK",
        'the app says "Sentry disabled: SENTRY_DSN is empty"',
        broken=True,
        cause="give the app a valid SENTRY_DSN (fixture obs_dsn)",
    )


def test_a_reason_with_quotation_marks_is_told_whole() -> None:
    line = json.dumps({"message": 'Sentry disabled: "x" is no DSN', "logger": "app"})
    seen = broken(bench(app=app_facts(log=[line]))).seen
    assert seen == 'the app says "Sentry disabled: "x" is no DSN"'


@pytest.mark.parametrize("environment", [{"PORT": "1"}, {"SENTRY_DSN": ""}])
def test_an_app_without_a_dsn(environment: dict[str, str]) -> None:
    assert broken(told(**environment)) == Hop(
        "app → SDK",
        "the app has no SENTRY_DSN",
        broken=True,
        cause="give the app the DSN of the fixture obs_dsn in SENTRY_DSN",
    )


def test_a_text_that_is_no_dsn() -> None:
    hop = broken(told(SENTRY_DSN="ftp://0123456789@h/1"))
    assert (hop.name, hop.seen, hop.cause) == (
        "app → SDK",
        "SENTRY_DSN is no DSN: invalid DSN: scheme\n  expected  http or https\n  found     'ftp'",
        "correct SENTRY_DSN",
    )


@pytest.mark.parametrize(
    ("dsn", "what", "fate"),
    [
        (
            "http://0123456789abcdef@sentry.example/1",
            "host",
            "what the app reports goes elsewhere",
        ),
        (
            "http://0123456789abcdef@127.0.0.1:9001/1",
            "host",
            "what the app reports goes elsewhere",
        ),
        (
            "http://0123456789abcdef@127.0.0.1:9000/2",
            "project",
            "what the app reports goes to another project",
        ),
        (
            "http://ffffffffffffffff@127.0.0.1:9000/1",
            "key",
            "Sentry refuses envelopes with an unknown key (403)",
        ),
    ],
)
def test_a_dsn_of_another_host_project_or_key(dsn: str, what: str, fate: str) -> None:
    hop = broken(told(SENTRY_DSN=dsn))
    shown = dsn.replace("0123456789abcdef", "0123…").replace("ffffffffffffffff", "ffff…")
    assert hop == Hop(
        "SDK → Sentry",
        f"SDK has a DSN with another {what} than this project's",
        broken=True,
        cause=f"the app's SENTRY_DSN is {shown}, the project's is "
        f"http://0123…@127.0.0.1:9000/1; {fate}",
    )


def test_no_hop_shows_a_whole_key() -> None:
    for dsn in (DSN, "http://ffffffffffffffff@127.0.0.1:9000/1"):
        text = "".join(
            f"{hop.seen}{hop.cause}" for hop in sentry_hops(told(SENTRY_DSN=dsn).context)
        )
        assert "0123456789abcdef" not in text
        assert "ffffffffffffffff" not in text


def test_an_equal_dsn_written_otherwise_is_no_other() -> None:
    given = told(SENTRY_DSN="http://0123456789abcdef:old@127.0.0.1:9000/1")
    given.sentry.events = [event()]
    assert first_broken(sentry_hops(given.context)) is None


def test_an_app_of_somebody_else_is_not_guessed_at() -> None:
    given = told()
    given.sentry.events = [event()]
    assert seen(given)[1] == "the app's DSN is not known here"
    assert first_broken(sentry_hops(given.context)) is None


def test_a_stack_whose_dsn_is_not_known_is_not_compared() -> None:
    given = bench()
    sentry = endpoints().sentry
    assert sentry is not None
    given.stack.endpoints = Endpoints(sentry=replace(sentry, dsn=None))
    given.sentry.events = [event()]
    assert first_broken(sentry_hops(given.context)) is None


def test_an_sdk_that_filters_the_event() -> None:
    given = bench()
    given.sentry.spans = [root_span()]
    given.sentry.outcome_list = [outcome("client_discard", "before_send", 1)]
    hop = broken(given)
    assert (hop.name, hop.seen) == (
        "SDK (filter)",
        "Sentry accepted 0 events, 1 transaction of this trace",
    )
    assert hop.cause == (
        "the SDK reached Sentry but sent no event: look at before_send, ignore_errors, "
        "sample_rate, deduplication (log after capture), and at the app's own try/except"
    )
    assert seen(given)[-1] == "the project's outcomes: 1 error client_discard (before_send)"


BEFORE = [
    outcome("accepted", None, 5),
    outcome("client_discard", "before_send", 2),
    outcome("rate_limited", None, 1),
]


def lost(*since: Outcome, transactions: int = 1) -> Bench:
    """A failed request whose error is missing, and what Sentry counts since the test began."""
    given = bench()
    given.sentry.spans = [root_span()] * transactions
    given.context.outcomes_before = counts(BEFORE)
    given.sentry.outcome_list = [*BEFORE, *since]
    return given


@pytest.mark.parametrize(
    ("since", "name", "told", "cause"),
    [
        (
            ("client_discard", "before_send", 1),
            "SDK (before_send)",
            "1 error client_discard (before_send)",
            "the SDK has dropped it: before_send of the app's sentry_sdk.init returns None for it",
        ),
        (
            ("client_discard", "queue_overflow", 40),
            "SDK (queue_overflow)",
            "40 error client_discard (queue_overflow)",
            (
                "the SDK has dropped it: its queue was full: raise transport_queue_size in "
                "sentry_sdk.init"
            ),
        ),
        (
            ("client_discard", "brand_new", 1),
            "SDK (brand_new)",
            "1 error client_discard (brand_new)",
            "the SDK has dropped it: look at its options and at the app's log with debug=True",
        ),
        (
            ("rate_limited", "key_quota", 3),
            "Sentry (rate_limited)",
            "3 error rate_limited (key_quota)",
            (
                "Sentry has not kept it (rate_limited, key_quota): raise the rate limit of the "
                "project's key, or the quota"
            ),
        ),
        (
            ("filtered", "browser-extensions", 1),
            "Sentry (filtered)",
            "1 error filtered (browser-extensions)",
            (
                "Sentry has not kept it (filtered, browser-extensions): an inbound filter of the "
                "project takes it out"
            ),
        ),
        (
            ("invalid", None, 1),
            "Sentry (invalid)",
            "1 error invalid (no reason)",
            (
                "Sentry has not kept it (invalid): the server does not understand what the SDK "
                "sends: their versions may not fit"
            ),
        ),
    ],
)
def test_a_loss_that_was_told_since_the_test_began_is_the_broken_hop(
    since: tuple[str, str | None, int], name: str, told: str, cause: str
) -> None:
    assert broken(lost(outcome(*since))) == Hop(
        name,
        f"Sentry accepted 0 events, 1 transaction of this trace, since this test began {told}",
        broken=True,
        cause=cause,
    )


def test_the_sdks_loss_comes_before_sentrys() -> None:
    given = lost(
        outcome("rate_limited", "key_quota", 9), outcome("client_discard", "sample_rate", 1)
    )
    assert broken(given).name == "SDK (sample_rate)"


def test_losses_of_earlier_tests_and_of_other_categories_explain_nothing() -> None:
    given = lost(outcome("client_discard", "before_send", 9, "transaction"))
    assert broken(given).name == "SDK (filter)"


def test_a_lost_transaction_explains_that_nothing_came() -> None:
    given = lost(outcome("client_discard", "sample_rate", 1, "transaction"), transactions=0)
    hop = broken(given)
    assert (hop.name, hop.cause) == (
        "SDK (sample_rate)",
        (
            "the SDK has dropped it: sample_rate or traces_sample_rate of the app's "
            "sentry_sdk.init is below 1"
        ),
    )


def test_an_sdk_that_sent_nothing() -> None:
    hop = broken(bench(exchange(status=200)))
    assert (hop.name, hop.seen) == (
        "SDK → Sentry",
        "Sentry accepted 0 events, 0 transactions of this trace",
    )
    assert hop.cause == (
        "the SDK sent nothing: traces_sample_rate may be unset or 0, before_send and "
        "before_send_transaction may drop all, the network or Sentry's answers may be in the way; "
        "see the app's log"
    )


def test_a_sentry_that_is_down() -> None:
    given = bench()
    given.sentry.error = BackendUnavailable("Sentry did not answer.", found="ConnectError")
    assert broken(given) == Hop(
        "SDK → Sentry",
        "Sentry does not answer",
        broken=True,
        cause="Sentry did not answer. ConnectError",
    )


def test_outcomes_are_listed_with_their_reasons_but_accepted_ones_are_not() -> None:
    given = bench()
    given.sentry.events = [event()]
    given.sentry.outcome_list = [
        outcome("accepted", None, 10),
        outcome("rate_limited", None, 2),
        outcome("filtered", "browser-extensions", 0),
        outcome("invalid", "project_id", 1, "transaction"),
    ]
    assert seen(given)[-1] == (
        "the project's outcomes: 2 error rate_limited (no reason), "
        "1 transaction invalid (project_id)"
    )
