from __future__ import annotations

import pytest

from pytest_obsstack.embedded.sentry.pages.security import safe_next
from tests.html_document import parse_html
from tests.unit.embedded.sentry.pages.support import EMAIL, ISSUES, PASSWORD, Browser
from tests.unit.embedded.sentry.support import Sentry, error_event

PAGES = [
    "/",
    "/organizations/obs/",
    ISSUES,
    f"{ISSUES}1/",
    "/organizations/obs/projects/",
    "/settings/obs/projects/simple-app/keys/",
    "/organizations/obs/alerts/rules/",
    "/organizations/obs/traces/trace/fcfcf75ace5145be92ec4bbdbfa895f8/",
]


def test_the_right_password_leads_to_the_issues(sentry: Sentry) -> None:
    sentry.send_event(error_event())
    browser = Browser(sentry)
    response = browser.log_in()
    assert (response.status_code, response.headers["location"]) == (302, "/")
    home = browser.request("GET", "/")
    assert home.headers["location"] == ISSUES
    page = browser.get(ISSUES)
    assert page.one("a", class_="title").text == "ValueError: Intentional error for testing"


def test_the_case_of_the_email_does_not_matter(sentry: Sentry) -> None:
    assert Browser(sentry).log_in(EMAIL.upper()).status_code == 302


@pytest.mark.parametrize(
    ("email", "password"),
    [(EMAIL, "wrong"), (EMAIL, ""), ("other@example.com", PASSWORD), ("", "")],
)
def test_a_wrong_login_shows_the_form_again_and_lets_nobody_in(
    sentry: Sentry, email: str, password: str
) -> None:
    browser = Browser(sentry)
    response = browser.log_in(email, password)
    assert response.status_code == 200
    page = parse_html(response.text)
    assert page.one(role="alert").text == "The email or the password is not correct."
    assert page.one(id="username").attributes["value"] == email
    assert "sentrysid" not in browser.cookies
    assert browser.request("GET", ISSUES).status_code == 302


def test_a_server_without_a_password_lets_nobody_in() -> None:
    sentry = Sentry()
    response = Browser(sentry).log_in(EMAIL, "")
    sentry.close()
    assert parse_html(response.text).one(role="alert").text == (
        "This server was started without an admin password, so nobody can log in."
    )


@pytest.mark.parametrize("url", PAGES)
def test_every_page_leads_strangers_to_the_login(sentry: Sentry, url: str) -> None:
    response = Browser(sentry).request("GET", url)
    assert response.status_code == 302
    wanted = "/auth/login/" if url == "/" else f"/auth/login/?next={url}"
    assert response.headers["location"] == wanted
    assert response.text == ""


def test_after_the_login_one_is_where_one_wanted_to_be(sentry: Sentry) -> None:
    browser = Browser(sentry)
    to_login = browser.request("GET", f"{ISSUES}?query=trace%3Aabc").headers["location"]
    assert to_login == "/auth/login/?next=/organizations/obs/issues/%3Fquery%3Dtrace%253Aabc"
    response = browser.log_in(url=to_login)
    assert response.headers["location"] == f"{ISSUES}?query=trace%3Aabc"


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example/",
        "\\\\evil.example",
        "/\t/evil.example/",
        "/ok\r\nSet-Cookie: a=b",
        "javascript:alert(1)",
        "evil",
        "",
    ],
)
def test_the_login_never_leads_to_another_host(sentry: Sentry, target: str) -> None:
    browser = Browser(sentry)
    form = browser.get("/auth/login/").one("form").fields()
    login = {**form, "username": EMAIL, "password": PASSWORD, "next": target}
    assert browser.post("/auth/login/", login).headers["location"] == "/"
    # Nor when one is logged in already.
    again = browser.request("GET", "/auth/login/", params={"next": target})
    assert again.headers["location"] == "/"


def test_a_path_of_this_server_is_a_safe_target() -> None:
    assert safe_next("/organizations/obs/issues/?query=a%20b#x") == (
        "/organizations/obs/issues/?query=a%20b#x"
    )
    assert safe_next(None) == "/"


def test_the_login_form_needs_its_token(sentry: Sentry) -> None:
    browser = Browser(sentry)
    form = browser.get("/auth/login/").one("form").fields()
    login = {**form, "username": EMAIL, "password": PASSWORD}
    forged = browser.post("/auth/login/", {**login, "csrfmiddlewaretoken": "guess"})
    assert forged.status_code == 403
    assert parse_html(forged.text).one(role="alert").text == (
        "The form has expired. Please try again."
    )
    browser.cookies.clear()
    assert browser.post("/auth/login/", login).status_code == 403
    as_json = browser.request("POST", "/auth/login/", json=login)
    assert as_json.status_code == 403


def test_the_cookies_are_out_of_reach_for_scripts_and_other_sites(sentry: Sentry) -> None:
    response = Browser(sentry).log_in()
    cookies = response.headers.get_list("set-cookie")
    assert [cookie.partition("=")[0] for cookie in cookies] == ["sentrysid", "sc"]
    for cookie in cookies:
        assert cookie.endswith("HttpOnly; Path=/; SameSite=lax")
    over_tls = Sentry(admin_password=PASSWORD, public_url="https://sentry.example")
    response = Browser(over_tls).log_in()
    over_tls.close()
    assert all("; Secure" in cookie for cookie in response.headers.get_list("set-cookie"))


def test_every_login_is_a_session_of_its_own(sentry: Sentry) -> None:
    first, second = Browser(sentry), Browser(sentry)
    first.log_in()
    second.log_in()
    assert first.cookies["sentrysid"] != second.cookies["sentrysid"]
    first.post("/auth/logout/", {"csrfmiddlewaretoken": first.cookies["sc"]})
    assert first.request("GET", ISSUES).status_code == 302
    assert second.request("GET", ISSUES).status_code == 200


def test_logging_out_ends_the_session_on_the_server(browser: Browser) -> None:
    kept = dict(browser.cookies)
    form = browser.get("/auth/logout/").one("main").one("form").fields()
    response = browser.post("/auth/logout/", form)
    assert (response.status_code, response.headers["location"]) == (302, "/auth/login/")
    assert browser.cookies == {}
    browser.cookies = kept
    assert browser.request("GET", ISSUES).status_code == 302


def test_logging_out_needs_the_token(browser: Browser) -> None:
    assert browser.post("/auth/logout/", {}).status_code == 403
    assert browser.request("GET", ISSUES).status_code == 200


def test_a_session_ends_after_two_weeks(sentry: Sentry, browser: Browser) -> None:
    sentry.clock.advance(14 * 86_400 - 1)
    assert browser.request("GET", ISSUES).status_code == 200
    sentry.clock.advance(1)
    assert browser.request("GET", ISSUES).status_code == 302


def test_a_session_may_read_the_api_and_change_it_with_its_token(browser: Browser) -> None:
    browser.sentry.send_event(error_event())
    url = "/api/0/organizations/obs/issues/1/"
    assert browser.request("GET", url).status_code == 200
    change = {"json": {"status": "resolved"}}
    assert browser.request("PUT", url, **change).status_code == 401
    forged = {"X-CSRFToken": "guess"}
    assert browser.request("PUT", url, headers=forged, **change).status_code == 401
    token = {"X-CSRFToken": browser.cookies["sc"]}
    assert browser.request("PUT", url, headers=token, **change).status_code == 200
