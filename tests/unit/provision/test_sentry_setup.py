from __future__ import annotations

from typing import Any

import pytest

from pytest_obsstack.clients.sentry.client import SentryClient
from pytest_obsstack.endpoints import SentryEndpoint
from pytest_obsstack.errors import BackendRefused, ObsstackError
from pytest_obsstack.provision.sentry_setup import SentryProject, sentry_setup
from tests.unit.clients.answers import Answers, refusal

ORG = "/api/0/organizations/obsstack/"
PROJECT = "/api/0/projects/obsstack/simple-app/"
MISSING = refusal(404, {"detail": "The requested resource does not exist"})
ORGANIZATION = {"id": "1", "slug": "obsstack", "name": "obsstack"}
TEAM = {"id": "2", "slug": "obsstack", "name": "obsstack"}
APP = {"id": "3", "slug": "simple-app", "name": "simple-app", "platform": "python-flask"}


def key(public: str, *, active: bool = True, dsn: str | None = None) -> dict[str, Any]:
    return {
        "id": public,
        "name": "Default",
        "public": public,
        "projectId": 3,
        "isActive": active,
        "dsn": {"public": dsn or f"http://{public}@127.0.0.1:9000/3"},
    }


def setup(table: dict[str, Any], **options: Any) -> tuple[SentryProject, Answers]:
    answers = Answers(table)
    endpoint = SentryEndpoint("http://127.0.0.1:9000", token="t0ken-t0ken")
    return sentry_setup(SentryClient(endpoint, transport=answers), **options), answers


EXISTING = {
    f"GET {ORG}": ORGANIZATION,
    f"GET {ORG}teams/": [TEAM],
    f"GET {PROJECT}": APP,
    f"GET {PROJECT}keys/": [key("a" * 32)],
}


def test_everything_is_created_where_nothing_is_there() -> None:
    project, answers = setup(
        {
            f"GET {ORG}": MISSING,
            "POST /api/0/organizations/": ORGANIZATION,
            f"GET {ORG}teams/": [],
            f"POST {ORG}teams/": TEAM,
            f"GET {PROJECT}": MISSING,
            "POST /api/0/teams/obsstack/obsstack/projects/": APP,
            f"GET {PROJECT}keys/": [key("a" * 32)],
        }
    )
    assert [line for line in answers.lines if line.startswith("POST")] == [
        "POST /api/0/organizations/",
        f"POST {ORG}teams/",
        "POST /api/0/teams/obsstack/obsstack/projects/",
    ]
    made = answers.body(answers.lines.index("POST /api/0/teams/obsstack/obsstack/projects/"))
    assert made == {
        "name": "simple-app",
        "slug": "simple-app",
        "platform": "python-flask",
        "default_rules": False,
    }
    assert project.dsn == f"http://{'a' * 32}@127.0.0.1:9000/3"
    assert (project.project_id, project.public_key) == ("3", "a" * 32)


def test_what_exists_is_used_and_nothing_is_written() -> None:
    project, answers = setup(EXISTING)
    assert all(line.startswith("GET") for line in answers.lines)
    assert project == setup(EXISTING)[0]


def test_inactive_keys_are_passed_over() -> None:
    keys = [key("a" * 32, active=False), key("b" * 32)]
    project, _ = setup({**EXISTING, f"GET {PROJECT}keys/": keys})
    assert project.public_key == "b" * 32


def test_a_project_without_an_active_key_gets_one() -> None:
    project, answers = setup(
        {
            **EXISTING,
            f"GET {PROJECT}keys/": [key("a" * 32, active=False)],
            f"POST {PROJECT}keys/": key("c" * 32),
        }
    )
    assert answers.body() == {"name": "obsstack"}
    assert project.public_key == "c" * 32


def test_the_dsn_is_no_part_of_the_repr() -> None:
    assert "http://" not in repr(setup(EXISTING)[0])


def test_a_project_of_another_platform_is_not_taken_over() -> None:
    other = {**APP, "platform": "javascript"}
    with pytest.raises(ObsstackError) as caught:
        setup({**EXISTING, f"GET {PROJECT}": other})
    assert str(caught.value) == (
        "The project obsstack/simple-app is another one than the app's.\n"
        "  expected  platform python-flask\n"
        "  found     platform javascript\n"
        "  do        give another project name in the fixture obs_settings"
    )


def test_a_project_without_a_platform_is_taken() -> None:
    assert setup({**EXISTING, f"GET {PROJECT}": {**APP, "platform": None}})[0].project_id == "3"


def test_a_dsn_that_no_sdk_can_use_is_an_error_without_its_key() -> None:
    broken = key("d" * 32, dsn=f"ftp://{'d' * 32}@127.0.0.1:9000/3")
    with pytest.raises(ObsstackError) as caught:
        setup({**EXISTING, f"GET {PROJECT}keys/": [broken]})
    assert caught.value.summary == "The error tracker gave a DSN that no SDK can use."
    assert caught.value.expected == "scheme://key@host:port/project"
    assert caught.value.found is not None
    assert "http or https" in caught.value.found
    assert "d" * 32 not in str(caught.value)


def test_a_token_that_may_not_create_is_told_the_scopes() -> None:
    with pytest.raises(BackendRefused) as caught:
        setup(
            {
                f"GET {ORG}": MISSING,
                "POST /api/0/organizations/": refusal(403, {"detail": "no permission"}),
            }
        )
    assert caught.value.status == 403
    assert caught.value.advice is not None
    assert "org:write" in caught.value.advice


def test_a_server_without_the_endpoint_is_refused_and_nothing_is_created() -> None:
    unknown = refusal(404, {"detail": "not supported by the embedded Sentry: path /x"})
    with pytest.raises(BackendRefused, match="not supported by the embedded Sentry"):
        setup({f"GET {ORG}": unknown})
