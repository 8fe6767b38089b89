from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from pytest_obsstack.endpoints import TrackerFlavour
from pytest_obsstack.errors import BackendUnavailable, ObsstackError
from pytest_obsstack.provision.tracker_setup import set_up_tracker
from tests.unit.clients.answers import Answers, Turns, refusal
from tests.unit.provision.test_tracker_glitchtip import CONFIG, LOGIN, MADE, OPEN, TOKENS, USER
from tests.unit.provision.tracker_answers import EMAIL, PASSWORD, URL, json_page

KEY = "e0d98a15-5c91-4544-a54f-248c95ecbf42"
DSN = f"{URL.replace('//', '//' + KEY.replace('-', '') + '@')}/1"
ORGANIZATION = {"id": "1", "slug": "obsstack", "name": "obsstack"}
PROJECT = {"id": "1", "slug": "simple-app", "name": "simple-app", "platform": "python-flask"}
GLITCHTIP = {
    "GET /_health/": "ok",
    CONFIG: lambda _: json_page(OPEN, csrftoken="first"),
    LOGIN: lambda _: json_page(USER, sessionid="session"),
    f"GET {TOKENS}": [MADE],
    "GET /api/0/organizations/obsstack/": ORGANIZATION,
    "GET /api/0/organizations/obsstack/teams/": [ORGANIZATION],
    "GET /api/0/projects/obsstack/simple-app/": PROJECT,
    "GET /api/0/projects/obsstack/simple-app/keys/": [
        {"id": KEY, "label": "", "public": KEY, "projectID": 1, "dsn": {"public": DSN}}
    ],
}


@pytest.fixture(autouse=True)
def no_rest(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Waits pass at once; gives how long each would have been."""
    rests: list[float] = []
    monkeypatch.setattr("pytest_obsstack.provision.tracker_setup.time.sleep", rests.append)
    return rests


def set_up(table: dict[str, Any], flavour: TrackerFlavour = "glitchtip", **options: Any) -> Any:
    answers = Answers(table)
    login = {"email": EMAIL, "password": PASSWORD}
    return set_up_tracker(
        flavour, f"{URL}/", **{"timeout_s": 5.0, **login, **options}, transport=answers
    ), answers


def test_glitchtip_is_set_up_by_its_user() -> None:
    project, answers = set_up(GLITCHTIP)
    assert (project.organization, project.project, project.project_id) == (
        *("obsstack", "simple-app", "1"),
    )
    assert (project.dsn, project.token) == (DSN, "made-token")
    assert project.public_key == KEY.replace("-", "")
    assert project.otlp_traces_url is None
    assert answers.lines[0] == "GET /_health/"
    assert answers.requests[-1].headers["authorization"] == "Bearer made-token"
    assert "made-token" not in repr(project)


def test_a_given_token_spares_the_login() -> None:
    project, answers = set_up(GLITCHTIP, token="given", email=None, password=None)
    assert project.token == "given"
    assert [line for line in answers.lines if "allauth" in line or TOKENS in line] == []


def test_a_tracker_that_starts_is_waited_for(no_rest: list[float]) -> None:
    starting = [httpx.ConnectError("refused"), refusal(503, "starting"), "ok", "ok"]
    logins = [refusal(500, "no such table"), json_page(USER, sessionid="session")]
    project, answers = set_up({**GLITCHTIP, "GET /_health/": Turns(starting), LOGIN: Turns(logins)})
    assert project.dsn == DSN
    assert answers.lines.count("GET /_health/") == 4
    assert len(no_rest) == 3
    # Each try may be a login, and those are counted.
    assert min(no_rest) >= 0.5


def test_a_token_that_is_had_is_not_asked_for_again() -> None:
    keys = "GET /api/0/projects/obsstack/simple-app/keys/"
    failing = Turns([refusal(502, "restarting"), json_page(GLITCHTIP[keys])])
    _, answers = set_up({**GLITCHTIP, keys: failing})
    assert answers.lines.count(LOGIN) == 1


def test_a_tracker_that_never_starts_is_unavailable() -> None:
    table = {"GET /_health/": lambda _: refusal(503, "migrating")}
    with pytest.raises(BackendUnavailable) as caught:
        set_up(table, timeout_s=0.0)
    assert "GlitchTip failed to answer GET /_health/: 503 Service Unavailable." in str(caught.value)
    assert "found     migrating\n" in str(caught.value)
    assert re.search(r"1 of 1 polls in \d+\.\d s got no answer", str(caught.value))


def test_message_where_something_else_answers() -> None:
    with pytest.raises(ObsstackError) as caught:
        set_up({"GET /health/ready": refusal(404, "nothing")}, "bugsink")
    assert str(caught.value) == (
        "There seems to be no Bugsink at http://127.0.0.1:9000.\n"
        "  expected  the health page of Bugsink\n"
        "  found     Bugsink refused GET /health/ready: 404 Not Found.\n"
        "  do        check the URL, and which error tracker it is (--flavour)"
    )


@pytest.mark.parametrize(
    ("flavour", "product"),
    [
        ("embedded", "Sentry"),
        ("sentry", "Sentry"),
        ("glitchtip", "GlitchTip"),
        ("bugsink", "Bugsink"),
    ],
)
def test_message_where_nobody_can_log_in(flavour: TrackerFlavour, product: str) -> None:
    with pytest.raises(ObsstackError) as caught:
        set_up({}, flavour, password=None)
    assert str(caught.value) == (
        f"{product} needs a token to be set up, or a user who can make one.\n"
        "  expected  a token, or an e-mail and a password\n"
        "  found     an e-mail without a password\n"
        "  do        give --token, or --email and --password"
    )
    with pytest.raises(ObsstackError, match="found     none of them"):
        set_up({}, flavour, email=None)


@pytest.mark.parametrize(
    ("what", "asked", "made"),
    [
        ("organisation", "GET /api/0/organizations/obsstack/", "POST /api/0/organizations/"),
        (
            "team",
            "GET /api/0/organizations/obsstack/teams/",
            "POST /api/0/organizations/obsstack/teams/",
        ),
    ],
)
def test_what_is_made_under_another_name_is_told(what: str, asked: str, made: str) -> None:
    missing: Any = [] if what == "team" else refusal(404, {"detail": "Not Found"})
    with pytest.raises(ObsstackError) as caught:
        set_up({**GLITCHTIP, asked: missing, made: {**ORGANIZATION, "slug": "obsstack-69"}})
    assert str(caught.value) == (
        f"The {what} obsstack could not be had.\n"
        f"  expected  a new {what} with the slug obsstack\n"
        "  found     one with the slug obsstack-69: obsstack belongs to somebody else, or cannot "
        "be one\n"
        "  do        give another name, in lower case and with dashes (--organization, --team, "
        "--project; in tests the fixture obs_settings)"
    )


def test_bugsink_has_no_organisation_and_takes_no_otlp() -> None:
    dsn = "http://d4701dde847b45de909ef257b2ccddc3@127.0.0.1:9000/7"
    made = {"id": 7, "name": "simple-app", "slug": "simple-app", "dsn": dsn}
    project, _ = set_up(
        {
            "GET /health/ready": "OK",
            "GET /api/canonical/0/teams/": {"results": [{"id": "t", "name": "obsstack"}]},
            "GET /api/canonical/0/projects/": {"results": [made]},
        },
        "bugsink",
        token="a" * 40,
    )
    assert (project.organization, project.project, project.project_id) == ("", "simple-app", "7")
    assert project.public_key == "d4701dde847b45de909ef257b2ccddc3"
    assert project.otlp_traces_url is None
