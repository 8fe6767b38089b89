from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from pytest_obsstack.clients.sentry.connection import TrackerConnection
from pytest_obsstack.endpoints import SentryEndpoint
from pytest_obsstack.errors import BackendRefused, ObsstackError
from tests.unit.clients.answers import Answer, Answers, refusal

ENDPOINT = SentryEndpoint(
    "http://127.0.0.1:9000/",
    token="t0ken",
    organization="acme",
    project="shop",
    admin_password="pa55",
)


def connection(
    table: Mapping[str, Answer], endpoint: SentryEndpoint = ENDPOINT, *, writable: bool = True
) -> tuple[TrackerConnection, Answers]:
    answers = Answers({f"GET {path}": answer for path, answer in table.items()})
    made = TrackerConnection(
        endpoint,
        "GlitchTip",
        "/api/0",
        advice={403: "ask for more scopes"},
        writable=writable,
        transport=answers,
    )
    return made, answers


def test_the_token_goes_to_the_api_alone() -> None:
    made, answers = connection({"/api/0/": {}, "/": {}})
    made.api.get("/")
    made.web.get("/")
    told = [request.headers.get("authorization") for request in answers.requests]
    assert told == ["Bearer t0ken", None]
    assert made.url == "http://127.0.0.1:9000"


def test_without_a_token_none_is_sent() -> None:
    made, answers = connection({"/api/0/": {}}, replace(ENDPOINT, token=None))
    made.api.get("/")
    assert "authorization" not in answers.requests[0].headers


def test_any_path_of_the_api_can_be_asked_for_with_or_without_its_slash() -> None:
    made, answers = connection({"/api/0/things/": [1]})
    assert made.get("things/", {"a": 1}) == made.get("/things/", {"a": 1}) == [1]
    assert set(answers.lines) == {"GET /api/0/things/?a=1"}


def test_neither_way_shows_a_secret_and_both_may_be_read_only() -> None:
    echo = refusal(403, "no t0ken, no pa55")
    made, _ = connection({"/api/0/": echo, "/": echo}, writable=False)
    for way, advice in ((made.api, "ask for more scopes"), (made.web, "give a token with")):
        with pytest.raises(BackendRefused) as caught:
            way.get("/")
        assert caught.value.found == "no [redacted], no [redacted]"
        assert (caught.value.advice or "").startswith(advice)
        with pytest.raises(ObsstackError, match="GlitchTip is used read-only"):
            way.request("POST", "/")


def test_paths_lead_to_the_endpoints_organization_and_project_unless_another_is_named() -> None:
    made, _ = connection({})
    assert made.in_organization("issues", "1") == "/organizations/acme/issues/1/"
    assert made.in_project("events") == "/projects/acme/shop/events/"
    assert made.in_project("events", project="a b") == "/projects/acme/a%20b/events/"


@pytest.mark.parametrize("missing", ["organization", "project"])
def test_message_of_what_the_endpoint_has_not(missing: str) -> None:
    made, _ = connection({}, replace(ENDPOINT, **{missing: None}))  # type: ignore[arg-type]
    with pytest.raises(ObsstackError) as caught:
        made.in_project("events")
    assert str(caught.value) == (
        f"This call needs to know GlitchTip's {missing}.\n"
        f"  expected  an endpoint with `{missing}`\n"
        "  found     only the URL http://127.0.0.1:9000\n"
        f"  do        give the {missing}'s slug"
    )


def test_nothing_can_be_asked_for_once_it_is_closed() -> None:
    made, _ = connection({"/api/0/": {}, "/": {}})
    made.close()
    for way in (made.api, made.web):
        with pytest.raises(RuntimeError, match="closed"):
            way.get("/")
