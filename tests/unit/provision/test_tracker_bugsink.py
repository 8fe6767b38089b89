from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs

import pytest

from pytest_obsstack.clients.sentry.bugsink import BugsinkClient
from pytest_obsstack.endpoints import SentryEndpoint
from pytest_obsstack.errors import BackendRefused, ObsstackError
from pytest_obsstack.provision.tracker_bugsink import CAPABILITIES, bugsink_project, bugsink_token
from tests.unit.clients.answers import Answers, Turns, refusal
from tests.unit.provision.tracker_answers import EMAIL, PASSWORD, csrf_form, login, page, redirect

LOGIN, TOKENS, CREATE = "/accounts/login/", "/bsmain/auth_tokens/", "/bsmain/auth_tokens/create/"
OWN, OTHER = "a1" * 20, "b2" * 20


def listed(*tokens: tuple[str, str]) -> str:
    rows = "".join(
        f'<tr><td><span aria-hidden="true">••••</span><span id="t">\n  {token}\n</span>'
        f'<button>Reveal</button><div class="d">\n {name}\n</div><div>Service token · x</div></td>'
        for token, name in tokens
    )
    return f'<html><form><input name="csrfmiddlewaretoken" value="list">{rows}</form></html>'


def token(table: dict[str, Any], **options: Any) -> tuple[str, Answers]:
    answers = Answers(
        {
            f"GET {LOGIN}": page(csrf_form(LOGIN, "at-login"), csrftoken="first"),
            f"POST {LOGIN}": redirect(TOKENS, sessionid="session", csrftoken="second"),
            f"GET {TOKENS}": page(listed()),
            f"GET {CREATE}": page(csrf_form(".", "at-create")),
            f"POST {CREATE}": redirect(TOKENS),
            **table,
        }
    )
    return bugsink_token(login("Bugsink", answers), **options), answers


def form(answers: Answers, line: str) -> dict[str, list[str]]:
    return parse_qs(answers.requests[answers.lines.index(line)].content.decode())


def test_a_first_run_makes_a_token_on_the_page() -> None:
    pages = Turns(
        [page(listed((OTHER, "somebody's"))), page(listed((OTHER, "x"), (OWN, "obsstack")))]
    )
    found, answers = token({f"GET {TOKENS}": pages})
    assert found == OWN
    assert form(answers, f"POST {LOGIN}") == {
        "csrfmiddlewaretoken": ["at-login"],
        "username": [EMAIL],
        "password": [PASSWORD],
        "next": [TOKENS],
    }
    sent = form(answers, f"POST {CREATE}")
    assert sent.pop("csrfmiddlewaretoken") == ["at-create"]
    assert sent.pop("description") == ["obsstack"]
    assert sent == {name: ["on"] for name in CAPABILITIES}


def test_a_second_run_finds_its_token_and_makes_none() -> None:
    mine = page(listed((OTHER, "somebody's"), (OWN, "obsstack"), ("c3" * 20, "another")))
    found, answers = token({f"GET {TOKENS}": mine})
    assert found == OWN
    assert [line for line in answers.lines if CREATE in line] == []


def test_message_of_a_wrong_password() -> None:
    with pytest.raises(ObsstackError) as caught:
        token({f"POST {LOGIN}": page(csrf_form(LOGIN, "again"))})
    assert str(caught.value) == (
        "Bugsink does not let admin@example.com in.\n"
        "  expected  a login at http://127.0.0.1:9000 with the e-mail and the password that were "
        "given\n"
        "  found     the login page again\n"
        "  do        give the e-mail and the password with which Bugsink was started for the first "
        "time (CREATE_SUPERUSER=email:password)"
    )


def test_without_that_page_a_token_comes_from_the_container() -> None:
    commands: list[Sequence[str]] = []

    def run(command: Sequence[str]) -> str:
        commands.append(command)
        return f"some warning\n{OWN}\n"

    found, _ = token({f"GET {CREATE}": refusal(404, "Not Found")}, exec_in_container=run)
    assert found == OWN
    assert commands == [("bugsink-manage", "create_auth_token")]


def test_a_command_that_gives_no_token_is_told() -> None:
    with pytest.raises(ObsstackError) as caught:
        token(
            {f"GET {CREATE}": refusal(404, "Not Found")},
            exec_in_container=lambda _: "no such command",
        )
    assert "`bugsink-manage create_auth_token` gave no token." in str(caught.value)
    assert "found     no such command" in str(caught.value)


def test_without_that_page_and_without_a_container_it_is_refused() -> None:
    with pytest.raises(BackendRefused, match=CREATE):
        token({f"GET {CREATE}": refusal(404, "Not Found")})


def test_message_where_the_page_makes_no_token() -> None:
    with pytest.raises(ObsstackError) as caught:
        token({f"POST {CREATE}": page(csrf_form(".", "again"))})
    assert "Bugsink made no token." in str(caught.value)
    assert "make a token there by hand and give it (--token)" in str(caught.value)


API = "/api/canonical/0"
TEAM = {"id": "t-1", "name": "obsstack"}
PROJECT = {"id": 7, "name": "simple-app", "slug": "simple-app", "dsn": "http://k@127.0.0.1:9000/7"}


def project(table: dict[str, Any]) -> tuple[Any, Answers]:
    answers = Answers(table)
    client = BugsinkClient(SentryEndpoint("http://127.0.0.1:9000", token=OWN), transport=answers)
    return bugsink_project(client, team="obsstack", project="simple-app"), answers


def test_team_and_project_are_made_where_nothing_is_there() -> None:
    found, answers = project(
        {
            f"GET {API}/teams/": {"next": None, "results": [{"id": "t-0", "name": "others"}]},
            f"POST {API}/teams/": TEAM,
            f"GET {API}/projects/": {"next": None, "results": []},
            f"POST {API}/projects/": {"id": "7", "team": "t-1", "name": "simple-app"},
            f"GET {API}/projects/7/": PROJECT,
        }
    )
    assert found == PROJECT
    assert answers.body(1) == {"name": "obsstack"}
    assert answers.body(3) == {"team": "t-1", "name": "simple-app"}
    assert answers.params(2) == [("team", "t-1")]


def test_what_exists_is_used_and_nothing_is_written() -> None:
    found, answers = project(
        {
            f"GET {API}/teams/": {"next": None, "results": [TEAM]},
            f"GET {API}/projects/": {"next": None, "results": [PROJECT]},
        }
    )
    assert found == PROJECT
    assert all(line.startswith("GET") for line in answers.lines)
