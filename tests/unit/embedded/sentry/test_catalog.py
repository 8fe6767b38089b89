from __future__ import annotations

import orjson
import pytest

from pytest_obsstack.embedded.sentry.settings import SentrySettings
from pytest_obsstack.wire.dsn import Dsn
from pytest_obsstack.wire.envelope import Item
from tests.unit.embedded.sentry.support import Sentry, error_event, new_id

PROJECT = "/api/0/projects/obs/simple-app"


def test_project_has_a_key_whose_dsn_is_accepted(sentry: Sentry) -> None:
    [key] = sentry.get(f"{PROJECT}/keys/")
    dsn = Dsn.parse(key["dsn"]["public"])
    assert (dsn.host, dsn.port, dsn.project_id) == ("127.0.0.1", 9000, "1")
    assert dsn.public_key == key["public"] == key["id"] == sentry.key
    assert Dsn.parse(key["dsn"]["secret"]).secret_key == key["secret"]
    assert key["dsn"]["otlp_traces"] == dsn.otlp_traces_url
    assert (key["name"], key["isActive"]) == ("Default", True)


def test_dsn_has_the_public_url_with_its_path() -> None:
    server = Sentry(public_url="https://sentry.example/tools/")
    [key] = server.get(f"{PROJECT}/keys/")
    assert key["dsn"]["public"] == f"https://{server.key}@sentry.example/tools/1"
    server.close()


def test_organisations_teams_and_projects_are_found_by_slug_and_id(sentry: Sentry) -> None:
    assert sentry.get("/api/0/organizations/")[0]["slug"] == "obs"
    assert sentry.get("/api/0/organizations/1/")["name"] == "obs"
    assert [t["slug"] for t in sentry.get("/api/0/organizations/obs/teams/")] == ["qa"]
    [project] = sentry.get("/api/0/organizations/obs/projects/")
    assert (project["slug"], project["platform"]) == ("simple-app", "python-flask")
    assert project["team"]["slug"] == "qa"
    assert sentry.get("/api/0/projects/1/1/")["organization"]["slug"] == "obs"
    assert [p["id"] for p in sentry.get("/api/0/projects/")] == ["1"]


def test_slug_is_made_of_the_name(sentry: Sentry) -> None:
    made = sentry.post("/api/0/organizations/obs/teams/", {"name": "Öl & Gas Team!"})
    assert made["slug"] == "ol-gas-team"
    made = sentry.post("/api/0/teams/obs/qa/projects/", {"name": "X", "slug": "chosen"})
    assert (made["slug"], made["name"], made["id"]) == ("chosen", "X", "2")


@pytest.mark.parametrize(
    ("body", "status", "problem"),
    [
        ({}, 400, "This field is required."),
        ({"name": " "}, 400, "This field is required."),
        ({"name": 5}, 400, "Not a valid value: 5."),
        ({"name": "x" * 201}, 400, "no more than 200 characters"),
        ({"name": "x", "slug": "Not Valid"}, 400, "Enter a valid slug"),
        ({"name": "123"}, 400, "It cannot be entirely numeric."),
        ({"name": "simple-app"}, 409, "The slug 'simple-app' is already in use."),
        ({"name": "x", "color": "red"}, 400, "field 'color' in the body of"),
        (None, 400, "expected an object"),
    ],
)
def test_bad_projects_are_refused(sentry: Sentry, body: object, status: int, problem: str) -> None:
    response = sentry.call("POST", "/api/0/teams/obs/qa/projects/", body)
    assert response.status_code == status
    assert problem in response.text
    assert len(sentry.get("/api/0/organizations/obs/projects/")) == 1


def test_body_that_is_not_json_is_refused(sentry: Sentry) -> None:
    response = sentry.request(
        "POST",
        "/api/0/organizations/",
        content=b"{",
        headers={"Authorization": "Bearer a-token-of-the-tests"},
    )
    assert response.status_code == 400
    assert response.json()["detail"].startswith("JSON parse error")


@pytest.mark.parametrize(
    "path",
    [
        "/api/0/organizations/nope/",
        "/api/0/organizations/nope/issues/",
        "/api/0/projects/obs/nope/",
        "/api/0/projects/obs/nope/keys/",
        f"{PROJECT}/keys/{'0' * 32}/",
        "/api/0/organizations/obs/issues/99/",
        "/api/0/organizations/obs/issues/SIMPLE-APP-9/",
        f"{PROJECT}/events/{'0' * 32}/",
        f"{PROJECT}/events/nonsense/",
        "/api/0/organizations/obs/releases/nope/",
        "/api/0/organizations/obs/trace/nope/",
    ],
)
def test_what_does_not_exist_is_not_found(sentry: Sentry, path: str) -> None:
    response = sentry.call("GET", path)
    assert response.status_code == 404
    assert response.json() == {"detail": "The requested resource does not exist"}


def test_keys_are_made_renamed_disabled_and_deleted(sentry: Sentry) -> None:
    made = sentry.post(f"{PROJECT}/keys/", {"name": "second"})
    assert made["label"] == "second"
    assert made["public"] != sentry.key
    url = f"{PROJECT}/keys/{made['id']}/"
    changed = sentry.put(url, {"name": "renamed", "isActive": False})
    assert (changed["label"], changed["isActive"]) == ("renamed", False)
    assert [k["id"] for k in sentry.get(f"{PROJECT}/keys/", status="inactive")] == [made["id"]]
    assert sentry.get(url)["label"] == "renamed"
    assert sentry.call("DELETE", url).status_code == 204
    assert [k["id"] for k in sentry.get(f"{PROJECT}/keys/")] == [sentry.key]


def test_rate_limits_of_keys_are_refused_by_name(sentry: Sentry) -> None:
    body = {"name": "x", "rateLimit": {"count": 5, "window": 60}}
    response = sentry.call("POST", f"{PROJECT}/keys/", body)
    assert response.status_code == 400
    assert "not supported by the embedded Sentry: rateLimit of keys" in response.text


def test_events_go_to_the_project_of_their_key_alone(sentry: Sentry) -> None:
    sentry.post("/api/0/teams/obs/qa/projects/", {"name": "other"})
    [key] = sentry.get("/api/0/projects/obs/other/keys/")
    sentry.send_event(error_event("Old"))
    sentry.key = key["public"]
    item = Item.of("event", orjson.dumps(error_event("New")))
    sentry.send(item, project=2, event_id=new_id())
    assert [i["title"][:3] for i in sentry.issues(project="other")] == ["New"]
    assert [i["title"][:3] for i in sentry.issues(project="simple-app")] == ["Old"]
    assert [i["shortId"] for i in sentry.issues()] == ["OTHER-1", "SIMPLE-APP-1"]


def test_deleted_project_takes_everything_with_it(sentry: Sentry) -> None:
    sentry.send_event(error_event())
    assert sentry.call("DELETE", f"{PROJECT}/").status_code == 204
    assert sentry.issues("") == []
    assert sentry.ingest(b"{}").status_code == 403
    assert sentry.get("/api/0/organizations/obs/projects/") == []
    made = sentry.post("/api/0/teams/obs/qa/projects/", {"name": "simple-app"})
    assert made["id"] == "2"


@pytest.mark.parametrize(
    ("headers", "detail"),
    [
        ({}, "Authentication credentials were not provided."),
        ({"Authorization": "Bearer wrong"}, "Invalid token"),
        ({"Authorization": "Bearer "}, "Invalid token"),
        ({"Authorization": "Basic YTpi"}, "Authentication credentials were not provided."),
    ],
)
def test_without_the_token_nothing_is_told(
    sentry: Sentry, headers: dict[str, str], detail: str
) -> None:
    for path in ("/api/0/", "/api/0/organizations/", "/api/0/unknown/"):
        response = sentry.request("GET", path, headers=headers)
        assert (response.status_code, response.json()) == (401, {"detail": detail})
        assert response.headers["www-authenticate"] == 'xBasic realm="api"'


def test_server_without_a_token_lets_nobody_in(sentry: Sentry) -> None:
    closed = Sentry()
    object.__setattr__(closed.server.settings, "api_token", "")
    response = closed.request("GET", "/api/0/", headers={"Authorization": "Bearer "})
    assert response.status_code == 401
    closed.close()


def test_another_way_to_be_let_in_can_be_added(sentry: Sentry) -> None:
    sentry.server.shell.authenticators.append(
        lambda request: request.cookies.get("session") == "ok"
    )
    assert sentry.request("GET", "/api/0/", headers={"Cookie": "session=ok"}).status_code == 200


def test_root_tells_who_asks(sentry: Sentry) -> None:
    body = sentry.get("/api/0/")
    assert body["version"] == "0"
    assert body["user"]["email"] == "admin@example.com"
    assert "event:read" in body["auth"]["scopes"]


def test_health_needs_no_token(sentry: Sentry) -> None:
    response = sentry.request("GET", "/_health/")
    assert (response.status_code, response.text) == (200, "ok")


def test_version_is_told_without_a_token(sentry: Sentry) -> None:
    response = sentry.request("GET", "/api/client-config/")
    assert response.json()["version"]["current"] == sentry.server.version == "26.8.0-embedded"


def test_path_that_sentry_has_and_this_server_has_not_is_refused_by_name(sentry: Sentry) -> None:
    path = "/api/0/organizations/obs/dashboards/"
    response = sentry.call("GET", path)
    assert response.status_code == 404
    assert response.json() == {
        "detail": f"not supported by the embedded Sentry: path {path}; "
        "use --obs-stack=compose, or --obs-use sentry=URL"
    }


def test_method_that_a_path_does_not_take_is_not_allowed(sentry: Sentry) -> None:
    assert sentry.call("DELETE", "/api/0/organizations/").status_code == 405


def test_settings_come_from_plain_json() -> None:
    settings = SentrySettings.from_json(
        {"public_url": "http://h:1/", "limits": {"item_bytes": 5}, "api_token": "secret"}
    )
    assert settings.public_url == "http://h:1"
    assert settings.limits.item_bytes == 5
    assert "secret" not in repr(settings)


@pytest.mark.parametrize(
    ("data", "error", "problem"),
    [
        ({"url": "x"}, ValueError, "found 'url'"),
        ({"public_url": 5}, TypeError, "expected public_url as str, found 5"),
        ({"limits": {"item_bytes": "5"}}, TypeError, "expected item_bytes as int, found '5'"),
        ({"limits": []}, TypeError, "expected an object, found []"),
        ({"limits": {"x": 1}}, ValueError, "found 'x'"),
    ],
)
def test_wrong_settings_are_refused(
    data: dict[str, object], error: type[Exception], problem: str
) -> None:
    with pytest.raises(error) as caught:
        SentrySettings.from_json(data)
    assert problem in str(caught.value)
