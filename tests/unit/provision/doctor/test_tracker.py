"""dsn, api, project and key: whether what is given fits the tracker, without sending anything."""

from __future__ import annotations

from dataclasses import replace

import httpx
import pytest

from pytest_obsstack.provision.doctor.finding import Outcome
from tests.unit.provision.doctor.world import DSN, ENDPOINTS, KEY, World, row, rows

API = r"GET http://sentry.test:9000/api/0"
OTHER_DSN = f"http://{'e' * 32}@sentry.test:9000/7"


# ---- dsn


@pytest.mark.parametrize(
    ("dsn", "found"),
    [
        (
            "sentry.test/7",
            "not a DSN, its scheme is wrong: expected http or https, found ''",
        ),
        (
            "https://sentry.test/7",
            (
                "not a DSN, its public key is wrong: expected letters, digits, '-' or '_' before "
                "the '@', found no key in 'https://sentry.test/7'"
            ),
        ),
        (
            f"https://{KEY}@sentry.test/shop",
            (
                "not a DSN, its project id is wrong: expected digits after the last '/', found "
                "'shop' in 'https://…@sentry.test/shop'"
            ),
        ),
    ],
)
def test_what_is_no_dsn_is_told_part_by_part(dsn: str, found: str) -> None:
    do = "copy the DSN from the settings of the project (Client Keys)"
    subject = World().subject(dsn=dsn)
    assert row(subject, "dsn") == Outcome("fail", found, do)
    for check in ("project", "key", "event"):
        assert row(subject, check) == Outcome("skipped", "the DSN cannot be read: see dsn")


def test_without_a_dsn_there_is_nothing_to_read() -> None:
    subject = World().subject(dsn=None)
    why = "no DSN is known (--dsn, SENTRY_DSN, OBS_SENTRY_DSN)"
    assert row(subject, "dsn") == row(subject, "event") == Outcome("skipped", why)


def test_another_dsn_of_the_shell_is_told() -> None:
    subject = World().subject(other_dsn=OTHER_DSN)
    assert row(subject, "dsn") == Outcome(
        "warn",
        "http://0123…@sentry.test:9000/7; SENTRY_DSN of this shell is another one",
        "an app that is started here reports elsewhere: set SENTRY_DSN, or examine that one with "
        "--dsn",
    )


# ---- api


@pytest.mark.parametrize(
    ("status", "detail", "expected"),
    [
        (
            401,
            "Invalid token",
            Outcome(
                "fail",
                "Sentry refused GET /api/0/organizations/acme/issues/: 401 Unauthorized. "
                "Invalid token",
                "give a valid auth token of this Sentry server",
            ),
        ),
        (
            500,
            "boom",
            Outcome(
                "fail",
                "Sentry failed to answer GET /api/0/organizations/acme/issues/: "
                "500 Internal Server Error. boom",
                "look at the logs of Sentry at http://sentry.test:9000/api/0",
            ),
        ),
    ],
)
def test_a_token_that_is_refused_is_told_from_a_server_that_fails(
    status: int, detail: str, expected: Outcome
) -> None:
    world = World()
    world.on(f"{API}/organizations/acme/issues/", httpx.Response(status, json={"detail": detail}))
    assert row(world.subject(), "api") == expected


# ---- project


def test_a_dsn_of_another_project_is_told_and_nothing_is_sent_to_it() -> None:
    world = World()
    world.on("OPTIONS .*", httpx.Response(405))
    found = rows(
        world.subject(dsn=DSN.replace("/7", "/8")), "project", "key", "event", "transaction"
    )
    assert found == {
        "project": Outcome(
            "fail",
            "the DSN reports to project 8, the API is asked for project 7 (shop)",
            "take the DSN of shop (http://0123…@sentry.test:9000/7), or ask for the DSN's project",
        ),
        "key": Outcome("skipped", "the DSN is another project's: see project"),
        "event": Outcome("skipped", "not sent: see project"),
        "transaction": Outcome("skipped", "not sent: see project"),
    }
    assert world.events == {}


def test_a_project_that_is_not_there_is_told() -> None:
    world = World()
    world.on(f"{API}/projects/acme/shop/", httpx.Response(404, json={"detail": "gone"}))
    expected = Outcome(
        "fail",
        "Sentry has no project 'shop' in organisation 'acme'.",
        "correct --sentry-organization and --sentry-project, and check that the token may see them",
    )
    found = rows(world.subject(), "project", "key", "event")
    assert found["project"] == found["key"] == expected
    # The key may be right all the same: it is tried.
    assert found["event"] == Outcome("ok", "arrived in Sentry")


def test_one_server_by_two_addresses_is_no_failure() -> None:
    world = World()
    world.on("OPTIONS .*", httpx.Response(405))
    dsn = DSN.replace("sentry.test:9000", "ingest.test")
    assert row(world.subject(dsn=dsn), "project") == Outcome(
        "warn",
        "shop, project 7; the DSN's server is http://ingest.test, the API's "
        "http://sentry.test:9000",
        "make sure that both are the same server, reached in two ways",
    )


def test_sentrys_own_cloud_has_two_addresses() -> None:
    world = World()
    world.on("OPTIONS .*", httpx.Response(405))
    dsn = f"https://{KEY}@o1.ingest.us.sentry.io/7"
    found = row(world.subject(dsn=dsn), "project")
    assert found == Outcome("ok", "shop, project 7, both by the DSN and by the API")


# ---- key


@pytest.mark.parametrize(
    ("dsns", "found"),
    [
        ((OTHER_DSN,), "the DSN's key is not that of shop"),
        ((OTHER_DSN, OTHER_DSN), "the DSN's key is none of the 2 of shop"),
    ],
)
def test_a_key_of_somebody_else_is_told_and_never_sent(dsns: tuple[str, ...], found: str) -> None:
    world = World()
    world.on(f"{API}/projects/acme/shop/keys/", world.keys(*dsns))
    subject = world.subject()
    do = "take the DSN of shop (http://eeee…@sentry.test:9000/7)"
    assert row(subject, "key") == Outcome("fail", found, do)
    for check in ("event", "transaction"):
        assert row(subject, check) == Outcome("skipped", "not sent: see key")
    assert row(subject, "encoding") == Outcome("skipped", "not sent: see key")
    assert world.sent("POST .*") == []


def test_a_key_that_is_switched_off_is_told_from_a_wrong_one() -> None:
    world = World()
    world.on(f"{API}/projects/acme/shop/keys/", world.keys(DSN, active=False))
    assert row(world.subject(), "key") == Outcome(
        "fail",
        "the DSN's key is disabled in shop",
        "enable it in the settings of the project (Client Keys), or take another one",
    )


def test_a_token_that_may_not_read_keys_leaves_the_key_to_the_canary() -> None:
    world = World()
    world.on(f"{API}/projects/acme/shop/keys/", httpx.Response(403, json={"detail": "no"}))
    found = rows(world.subject(), "key", "event")
    assert found == {
        "key": Outcome("skipped", "the token may not read the project's keys (scope project:read)"),
        "event": Outcome("ok", "arrived in Sentry"),
    }


@pytest.mark.parametrize(
    ("pattern", "status"), [("projects/acme/shop/keys/", 403), ("projects/acme/shop/", 403)]
)
def test_a_glitchtip_is_never_tried_with_a_key_that_is_not_known_to_be_right(
    pattern: str, status: int
) -> None:
    """It would refuse the whole project for 30 s, the app's own events, too."""
    world = World("glitchtip")
    world.on(f"{API}/{pattern}", httpx.Response(status, json={"detail": "no"}))
    expected = Outcome(
        "skipped",
        "not sent: the key is not known to be right, and GlitchTip refuses the whole project for "
        "30 s after a wrong one",
    )
    found = rows(world.subject(), "event", "transaction", "encoding")
    assert found == {"event": expected, "transaction": expected, "encoding br": expected}
    assert world.sent("POST .*") == []


# ---- Bugsink, which has no organisations


def bugsink() -> World:
    world = World("bugsink")
    api = "GET http://sentry.test:9000/api/canonical/0"

    def listed(*items: dict[str, str]) -> httpx.Response:
        return httpx.Response(200, json={"next": None, "previous": None, "results": list(items)})

    world.on(f"{api}/teams/", listed({"id": "t1", "name": "all"}))
    dsn = DSN.replace(KEY, f"{KEY[:8]}-{KEY[8:]}")
    world.on(f"{api}/projects/", listed({"id": "7", "slug": "shop", "name": "Shop", "dsn": dsn}))
    return world


def test_bugsink_is_asked_for_its_projects() -> None:
    found = rows(bugsink().subject(), "project", "key")
    assert found == {
        "project": Outcome("ok", "shop, project 7, both by the DSN and by the API"),
        "key": Outcome("ok", "the DSN's key is an active one of shop"),
    }


def test_a_project_that_bugsink_has_not_is_told() -> None:
    world = bugsink()
    sentry = ENDPOINTS.sentry
    assert sentry is not None
    other = replace(sentry, flavour="bugsink", project="other")
    subject = world.subject(endpoints=replace(ENDPOINTS, sentry=other))
    assert row(subject, "project") == Outcome(
        "fail",
        "Bugsink has no project 'other'.",
        "correct --sentry-project, and check that the token may see it",
    )
