"""One test event: what is told of it, and when it counts as sent."""

from __future__ import annotations

import httpx
import pytest

from pytest_obsstack.endpoints import Endpoints
from pytest_obsstack.errors import ObsstackError
from pytest_obsstack.provision.doctor.sending import send_event
from tests.unit.provision.doctor.world import DSN, World

POST = "POST http://sentry.test:9000/api/7/envelope/"
EVENTS = r"GET http://sentry.test:9000/api/0/projects/acme/shop/events/\w+/"


def test_an_event_that_arrives_is_told_with_its_issue() -> None:
    world = World()
    sent = send_event(world.subject(), message="hello", level="warning")
    (event,) = world.events.values()
    assert (event["message"], event["level"]) == ("hello", "warning")
    assert event["tags"] == {"service": "obsstack-send"}
    told = sent.to_json()
    assert told.pop("took_s") >= 0
    assert told == {
        "dsn": "http://0123…@sentry.test:9000/7",
        "event_id": event["event_id"],
        "trace_id": event["contexts"]["trace"]["trace_id"],
        "accepted": True,
        "arrived": True,
        "link": "http://sentry.test:9000/organizations/acme/issues/12/",
        "found": "arrived in Sentry",
        "do": None,
        "exit_status": 0,
    }


def test_it_is_sent_also_to_what_is_not_written_to_otherwise() -> None:
    """Who asks for an event to be sent has allowed it."""
    world = World()
    assert send_event(world.subject(may_write=False)).exit_status == 0
    assert len(world.events) == 1


def test_an_event_that_is_refused_has_failed() -> None:
    world = World()
    world.on(POST, httpx.Response(403, json={"detail": "bad key 0123456789abcdef0123456789abcdef"}))
    sent = send_event(world.subject())
    assert (sent.accepted, sent.arrived, sent.link, sent.exit_status) == (False, None, None, 1)
    assert sent.outcome.found == "the event was answered 403: bad key 0123…"
    assert sent.outcome.do == (
        "take the DSN of the project's settings (Client Keys): its key is unknown, disabled or "
        "another project's; a GlitchTip refuses all for 30 s after a wrong key"
    )


def test_an_event_that_is_accepted_but_not_shown_has_failed() -> None:
    world = World()
    world.on(EVENTS, httpx.Response(404, json={"detail": "Event not found"}))
    sent = send_event(world.subject())
    assert (sent.accepted, sent.arrived, sent.exit_status) == (True, False, 1)
    assert sent.outcome.found == (
        "accepted (200), but Sentry does not show it within 0.05 s in the project that it is asked "
        "for; the DSN is of project 7"
    )
    assert sent.outcome.do == (
        "`obsstack doctor` tells where it stops; or look for longer with --timeout"
    )


@pytest.mark.parametrize("known", [True, False])
def test_without_an_api_that_answers_acceptance_is_all_that_is_known(*, known: bool) -> None:
    world = World()
    world.on(EVENTS, httpx.Response(500, json={"detail": "boom"}))
    subject = world.subject() if known else world.subject(endpoints=Endpoints())
    sent = send_event(subject)
    assert (sent.accepted, sent.arrived, sent.exit_status) == (True, None, 0)
    if known:
        assert sent.outcome.found.startswith("accepted (200), but Sentry failed to answer GET ")
        assert sent.outcome.status == "warn"
    else:
        assert sent.outcome.found == (
            "accepted (200); no API of an error tracker is known (--use sentry=URL)"
        )


@pytest.mark.parametrize(
    ("dsn", "text"),
    [
        (
            None,
            (
                "There is no DSN to send to.\n"
                "  expected  --dsn, SENTRY_DSN, or a stack that was left running\n"
                "  found     none of them\n"
                "  do        give --dsn, or start a stack with `obsstack up`"
            ),
        ),
        (
            DSN.replace("/7", "/shop"),
            (
                "The DSN cannot be read: its project id is wrong.\n"
                "  expected  digits after the last '/'\n"
                "  found     'shop' in 'http://…@sentry.test:9000/shop'\n"
                "  do        copy the DSN from the settings of the project (Client Keys)"
            ),
        ),
    ],
)
def test_without_a_dsn_nothing_is_sent(dsn: str | None, text: str) -> None:
    world = World()
    with pytest.raises(ObsstackError) as raised:
        send_event(world.subject(dsn=dsn))
    assert str(raised.value) == text
    assert world.requests == []
