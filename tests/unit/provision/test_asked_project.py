"""At the start of an attached run: a DSN is refused where the tracker itself says it is wrong."""

from __future__ import annotations

import textwrap
from dataclasses import replace
from typing import Any

import httpx
import pytest

from pytest_obsstack.endpoints import SentryEndpoint
from pytest_obsstack.errors import StackUnavailable
from pytest_obsstack.provision.asked_project import require_own_dsn
from tests.unit.provision.doctor.world import DSN, ENDPOINTS, KEY, World

API = "GET http://sentry.test:9000/api/0/projects/acme/shop"
OTHER_KEY = "e" * 32
OTHER_DSN = DSN.replace(KEY, OTHER_KEY)


def check(world: World, dsn: str | None = DSN) -> None:
    assert ENDPOINTS.sentry is not None
    endpoint: SentryEndpoint = replace(ENDPOINTS.sentry, dsn=dsn, flavour=world.flavour)
    require_own_dsn(endpoint, transport=world.transport)


def refusal(world: World, dsn: str) -> str:
    with pytest.raises(StackUnavailable) as raised:
        check(world, dsn)
    # It is told in logs of CI.
    assert KEY not in str(raised.value)
    assert OTHER_KEY not in str(raised.value)
    return str(raised.value)


def text(lines: str) -> str:
    return textwrap.dedent(lines).strip()


def asked(world: World) -> list[str]:
    return [f"{request.method} {request.url.path}" for request in world.requests]


def test_a_right_key_is_found_with_two_questions_and_nothing_is_sent() -> None:
    world = World()
    check(world)
    assert asked(world) == [
        "GET /api/0/projects/acme/shop/",
        "GET /api/0/projects/acme/shop/keys/",
    ]


def test_without_a_dsn_nothing_is_asked() -> None:
    world = World()
    check(world, None)
    assert asked(world) == []


@pytest.mark.parametrize("host", ["sentry.test:9000", "relay.cluster.local"])
def test_a_wrong_key_is_told_wherever_the_dsn_leads(host: str) -> None:
    """Also to a host that only the app reaches: it is not asked."""
    world = World()
    assert refusal(world, OTHER_DSN.replace("sentry.test:9000", host)) == text(
        """
        What is reported by the DSN does not arrive where Sentry is asked.
          expected  a DSN (--obs-sentry-dsn) of the project shop, with an active key
          found     the DSN's key is not that of shop
          do        take the DSN of shop (http://0123…@sentry.test:9000/7)
        """
    )
    assert {request.url.host for request in world.requests} == {"sentry.test"}


def test_a_right_key_at_a_host_that_only_the_app_reaches_is_no_error() -> None:
    world = World()
    check(world, DSN.replace("sentry.test:9000", "relay.cluster.local"))
    assert {request.url.host for request in world.requests} == {"sentry.test"}


def test_a_disabled_key_is_told() -> None:
    world = World()
    world.on(f"{API}/keys/", world.keys(DSN, OTHER_DSN, active=False))
    assert refusal(world, DSN) == text(
        """
        What is reported by the DSN does not arrive where Sentry is asked.
          expected  a DSN (--obs-sentry-dsn) of the project shop, with an active key
          found     the DSN's key is disabled in shop
          do        enable it in the settings of the project (Client Keys), or take another one
        """
    )


def test_the_dsn_of_another_project_is_told() -> None:
    world = World()
    assert refusal(world, DSN.replace("/7", "/8")) == text(
        """
        What is reported by the DSN does not arrive where Sentry is asked.
          expected  a DSN (--obs-sentry-dsn) of the project shop, with an active key
          found     the DSN reports to project 8, the API is asked for project 7 (shop)
          do        take the DSN of shop (http://0123…@sentry.test:9000/7), or ask for the DSN's \
project
        """
    )


def test_a_glitchtip_is_asked_by_its_api_too_and_never_tried_with_the_key() -> None:
    world = World("glitchtip")
    first, *_ = refusal(world, OTHER_DSN).splitlines()
    assert first == "What is reported by the DSN does not arrive where GlitchTip is asked."
    assert world.sent("POST .*") == []


LIMITED = httpx.Response(429, headers={"retry-after": "60"}, json={"detail": "slow down"})


@pytest.mark.parametrize("path", ["/", "/keys/"])
@pytest.mark.parametrize(
    "answer",
    [
        httpx.ConnectError("connection refused"),
        httpx.ConnectTimeout("timed out"),
        LIMITED,
        httpx.Response(401, json={"detail": "Invalid token"}),
        httpx.Response(403, json={"detail": "no"}),
        httpx.Response(404, json={"detail": "not found"}),
        httpx.Response(502, text="bad gateway"),
        httpx.Response(200, text="<html>log in</html>"),
    ],
    ids=["refused", "timeout", "429", "401", "403", "404", "502", "html"],
)
def test_what_the_api_does_not_tell_is_left_to_the_first_question_of_a_test(
    answer: Any, path: str
) -> None:
    world = World()
    world.on(API + path, answer)
    check(world, OTHER_DSN)
    # A limit is not waited out here.
    assert len(asked(world)) == (1 if path == "/" else 2)
