"""event, encoding, transaction and limits: what becomes of what an SDK would report."""

from __future__ import annotations

from typing import Any

import httpx
import orjson
import pytest

from pytest_obsstack.endpoints import Endpoints
from pytest_obsstack.provision.doctor import reports
from pytest_obsstack.provision.doctor.delivery import brotli_installed, sdk_encoding
from pytest_obsstack.provision.doctor.finding import Outcome
from tests.unit.provision.doctor.world import World, row, rows

POST = "POST http://sentry.test:9000/api/7/envelope/"
EVENTS = r"GET http://sentry.test:9000/api/0/projects/acme/shop/events/\w+/"
KEYS = "take the DSN of the project's settings (Client Keys)"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (
            httpx.Response(403, json={"detail": "event submission rejected", "causes": ["why"]}),
            Outcome(
                "fail",
                "an event was answered 403: event submission rejected; why",
                f"{KEYS}: its key is unknown, disabled or another project's; a GlitchTip refuses "
                "all for 30 s after a wrong key",
                hop="here → Sentry",
            ),
        ),
        (
            httpx.Response(413, text="too\nlarge"),
            Outcome(
                "fail",
                "an event was answered 413: too large",
                "raise the size limit of the proxy in front of the tracker",
                hop="here → Sentry",
            ),
        ),
        (
            httpx.Response(502),
            Outcome(
                "fail",
                "an event was answered 502",
                "look at the log of Sentry",
                hop="here → Sentry",
            ),
        ),
        (
            httpx.ReadTimeout("timed out"),
            Outcome(
                "fail",
                "an event could not be sent: sentry.test:9000 takes the connection but does not "
                "answer within 5 s",
                "it hangs or is overloaded: look at its log",
                hop="here → Sentry",
            ),
        ),
    ],
)
def test_an_event_that_is_not_taken_stops_at_the_tracker(
    answer: httpx.Response | Exception, expected: Outcome
) -> None:
    world = World()
    world.on(POST, answer)
    assert row(world.subject(), "event") == expected


def test_an_event_that_is_taken_and_never_shown_stops_inside() -> None:
    world = World()
    world.on(EVENTS, httpx.Response(404, json={"detail": "Event not found"}))
    assert row(world.subject(), "event") == Outcome(
        "fail",
        "accepted (200), but Sentry does not show it within 0.05 s",
        "look at the log of Sentry and of its workers; or look for longer with --timeout",
        hop="Sentry: from ingestion to API",
    )


def test_another_event_of_that_time_is_not_taken_for_the_canary() -> None:
    """It is looked for by its own id; the API knows all others here."""
    world = World()
    sent: list[str] = []

    def others_only(request: httpx.Request) -> httpx.Response:
        event_id = request.url.path.split("/")[-2]
        sent.append(event_id)
        if event_id in world.events:
            return httpx.Response(404, json={"detail": "Event not found"})
        return httpx.Response(200, json={"eventID": event_id, "contexts": {}})

    world.on(EVENTS, others_only)
    assert row(world.subject(), "event").status == "fail"
    assert set(sent) == set(world.events)


def test_an_event_without_its_trace_id_is_told() -> None:
    world = World()

    def stripped(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"eventID": request.url.path.split("/")[-2]})

    world.on(EVENTS, stripped)
    assert row(world.subject(), "event") == Outcome(
        "warn",
        "arrived in Sentry, but with trace id none",
        "what is asked by trace will not find it: look for a proxy or a tracker that takes "
        "contexts.trace out",
    )


def test_an_api_that_fails_is_no_event_that_is_missing() -> None:
    world = World()
    world.on(EVENTS, httpx.Response(500, json={"detail": "boom"}))
    found = row(world.subject(), "event")
    assert found.status == "fail"
    assert found.found.startswith("Sentry failed to answer GET /api/0/projects/acme/shop/events/")
    assert "500 Internal Server Error. boom" in found.found


# ---- encoding


def refuses_br(world: World, answer: httpx.Response) -> None:
    take = world._take_envelope

    def handle(request: httpx.Request) -> httpx.Response:
        return answer if request.headers["content-encoding"] == "br" else take(request)

    world.on(POST, handle)


BR_DO = (
    "let the tracker, or the proxy in front of it, take br; or uninstall brotli beside the app, or "
    'give sentry_sdk.init _experiments={"transport_compression_algo": "gzip"}'
)


def test_br_that_is_refused_is_told_from_a_tracker_that_takes_nothing() -> None:
    world = World()
    refuses_br(world, httpx.Response(415, text="content-encoding 'br'"))
    assert rows(world.subject(), "event", "encoding") == {
        "event": Outcome("ok", "arrived in Sentry"),
        "encoding br": Outcome(
            "fail",
            "an event packed with br was answered 415: content-encoding 'br'; packed with gzip: "
            "arrived in Sentry",
            BR_DO,
            hop="here → Sentry",
        ),
    }


def test_without_an_api_only_acceptance_is_compared() -> None:
    world = World()
    refuses_br(world, httpx.Response(415))
    found = rows(world.subject(endpoints=Endpoints()), "encoding")["encoding br"]
    assert found.found == (
        "an event packed with br was answered 415; packed with gzip: accepted (200); no API is "
        "known, so nobody looked whether it arrived"
    )


def test_br_that_is_taken_and_lost_is_found_out() -> None:
    """As servers did that answered 200 to whatever they could not read."""
    world = World()
    refuses_br(world, httpx.Response(200, json={"id": "0" * 32}))
    assert rows(world.subject(), "encoding")["encoding br"] == Outcome(
        "fail",
        "accepted (200), but Sentry does not show it within 0.05 s; packed with gzip: arrived in "
        "Sentry",
        BR_DO,
        hop="Sentry: from ingestion to API",
    )


def test_where_gzip_fails_too_br_is_not_to_blame() -> None:
    world = World()
    world.on(POST, httpx.Response(502))
    assert rows(world.subject(), "encoding")["encoding br"] == Outcome(
        "fail",
        "an event packed with br was answered 502",
        "look at the log of Sentry",
        hop="here → Sentry",
    )


def test_without_brotli_the_sdk_packs_with_gzip(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    monkeypatch.setattr(reports, "brotli_installed", lambda: False)
    why = "the package brotli is not installed here: the SDK packs with gzip, as event"
    assert rows(world.subject(), "event", "encoding") == {
        "event": Outcome("ok", "arrived in Sentry"),
        "encoding br": Outcome("skipped", why),
    }
    assert world.encodings == ["gzip"]


def test_brotli_counts_as_installed_where_it_can_be_imported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert brotli_installed()
    assert sdk_encoding() == "br"
    monkeypatch.setitem(__import__("sys").modules, "brotli", None)
    assert not brotli_installed()
    assert sdk_encoding() == "gzip"


# ---- transaction


def test_a_transaction_that_is_taken_and_never_shown_is_told() -> None:
    world = World()
    world.on(
        "GET http://sentry.test:9000/api/0/organizations/acme/events/",
        httpx.Response(200, json={"data": []}),
    )
    assert row(world.subject(), "transaction") == Outcome(
        "fail",
        "accepted (200), but Sentry does not show it within 0.05 s",
        "look at the log of Sentry and of its workers; or look for longer with --timeout",
        hop="Sentry: from ingestion to API",
    )


def test_a_transaction_of_another_trace_is_not_the_canary() -> None:
    world = World()
    other = {"id": "1" * 16, "transaction.event_id": "a" * 32, "is_transaction": True}
    world.events["a" * 32] = {
        "event_id": "a" * 32,
        "type": "transaction",
        "transaction": "x",
        "contexts": {"trace": {"trace_id": "b" * 32, "span_id": "1" * 16}},
    }
    world.on(
        "GET http://sentry.test:9000/api/0/organizations/acme/events/",
        httpx.Response(200, json={"data": [other]}),
    )
    assert row(world.subject(), "transaction").status == "fail"


def test_a_tracker_that_shows_no_transactions_can_only_be_seen_to_take_them() -> None:
    assert row(World("glitchtip").subject(), "transaction") == Outcome(
        "ok", "accepted; GlitchTip does not show transactions by trace"
    )


def test_bugsink_is_sent_no_transaction() -> None:
    world = World("bugsink")
    expected = Outcome("skipped", "Bugsink takes no transactions, and tells SDKs so")
    assert row(world.subject(), "transaction") == expected
    assert world.sent("POST .*") == []


# ---- limits


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (
            "86400:transaction;span:organization",
            Outcome(
                "warn",
                "senders are told to hold back: transaction and span for 86400 s",
                "expect none of these on this tracker, or raise the project's quota",
            ),
        ),
        (
            "60:error:key:quota, 60::organization",
            Outcome(
                "fail",
                "senders are told to hold back: everything for 60 s, error for 60 s",
                "wait until it ends, or raise the project's quota: SDKs drop errors until then",
            ),
        ),
        ("2700", None),
    ],
)
def test_limits_are_told_in_words(header: str, expected: Outcome | None) -> None:
    world = World()
    headers = {"x-sentry-rate-limits": header}
    world.on(POST, httpx.Response(200, json={"id": "1"}, headers=headers))
    found = rows(world.subject(), "event", "limits")["limits"]
    if expected is None:
        assert found.found == "senders are told to hold back: everything for 2700 s"
        assert found.status == "fail"
    else:
        assert found == expected


def test_an_answer_without_limits_is_counted() -> None:
    world = World()
    found = rows(world.subject(), "event", "limits")
    assert found["limits"] == Outcome("ok", "none in 1 answer")


def test_a_canary_is_sent_as_an_sdk_sends(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    rows(world.subject(), "event")
    (request,) = world.sent(POST)
    assert request.headers["content-type"] == "application/x-sentry-envelope"
    auth: Any = request.headers["x-sentry-auth"]
    assert auth.startswith("Sentry sentry_version=7, sentry_key=0123456789abcdef0123456789abcdef,")
    assert "sentry_client=obsstack-doctor/" in auth
    (event,) = world.events.values()
    assert event["fingerprint"] == ["obsstack-doctor", event["message"]]
    assert orjson.loads(orjson.dumps(event)) == event
