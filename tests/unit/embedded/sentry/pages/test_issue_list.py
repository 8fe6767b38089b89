from __future__ import annotations

from tests.html_document import Element
from tests.unit.embedded.sentry.pages.support import ISSUES, Browser
from tests.unit.embedded.sentry.support import NOW_NS, error_event, frame


def titles(page: Element) -> list[str]:
    return [link.text for link in page.all("a", class_="title")]


def test_a_row_tells_what_how_often_how_many_and_when(browser: Browser) -> None:
    sentry = browser.sentry
    now_s = NOW_NS / 1e9
    for user, ago_s in (("1", 7200), ("2", 3600), ("1", 90)):
        sentry.send_event(error_event(user={"id": user}, timestamp=now_s - ago_s))
    page = browser.get(ISSUES)
    [row] = page.one("table", id="issues").one("tbody").all("tr")
    assert row.one("a").text == "ValueError: Intentional error for testing"
    assert row.one("a").attributes["href"] == f"{ISSUES}1/"
    cells = [cell.text for cell in row.all("td")]
    assert cells[0].endswith("error error SIMPLE-APP-1 unhandled")
    assert cells[1:] == ["unresolved new", "3", "2", "1 minute ago", "2 hours ago"]
    last_seen = row.all("time")[0].attributes
    assert last_seen["datetime"] == "2026-11-23T15:33:30.000000Z"
    assert last_seen["title"] == "2026-11-23 15:33:30.000 UTC"
    assert page.one("title").text == "Issues — Sentry (embedded)"
    assert page.one("nav", aria_label="Pages").text == "1 issue"


def test_the_groups_of_the_guide_stand_in_the_list_with_their_counts(browser: Browser) -> None:
    for kind, value, count in (
        ("Exception", "Simulated error at / endpoint", 3),
        ("ValueError", "Intentional error for testing", 2),
        ("ZeroDivisionError", "division by zero", 1),
    ):
        for _ in range(count):
            browser.sentry.send_event(error_event(kind, value))
    rows = browser.get(f"{ISSUES}?sort=freq").one("tbody").all("tr")
    assert [(row.one("a").text, row.all("td")[2].text) for row in rows] == [
        ("Exception: Simulated error at / endpoint", "3"),
        ("ValueError: Intentional error for testing", "2"),
        ("ZeroDivisionError: division by zero", "1"),
    ]


def test_the_search_is_the_one_of_the_api(browser: Browser) -> None:
    browser.sentry.send_event(error_event(tags={"region": "eu"}))
    browser.sentry.send_event(error_event("KeyError", tags={"region": "us"}))
    page = browser.get(f"{ISSUES}?query=region%3Aus")
    assert titles(page) == ["KeyError: Intentional error for testing"]
    search = page.one("form", role="search")
    assert search.one("input", id="query").attributes["value"] == "region:us"
    assert search.one("label").attributes["for"] == "query"
    assert search.attributes["method"] == "get"


def test_without_a_search_unresolved_issues_are_listed(browser: Browser) -> None:
    browser.sentry.send_event(error_event())
    browser.sentry.send_event(error_event("KeyError"))
    browser.sentry.put("/api/0/organizations/obs/issues/1/", {"status": "resolved"})
    page = browser.get(ISSUES)
    assert titles(page) == ["KeyError: Intentional error for testing"]
    tabs = page.one("nav", aria_label="Usual searches").all("a")
    assert [tab.text for tab in tabs if "aria-current" in tab.attributes] == ["Unresolved"]
    links = {tab.text: tab.attributes["href"] for tab in tabs}
    assert titles(browser.get(ISSUES + links["Resolved"])) == [
        "ValueError: Intentional error for testing"
    ]
    assert len(titles(browser.get(ISSUES + links["All"]))) == 2


def test_a_search_that_cannot_be_answered_says_why(browser: Browser) -> None:
    page = browser.get(f"{ISSUES}?query=geo.city%3AVienna", 400)
    assert page.one(role="alert").text == (
        "not supported by the embedded Sentry: search term 'geo.city'; "
        "use --obs-stack=compose, or --obs-use sentry=URL"
    )
    assert page.one("input", id="query").attributes["aria-invalid"] == "true"
    page = browser.get(f"{ISSUES}?query=a%3A", 400)
    assert page.one(role="alert").text.startswith("Error parsing search query: expected a value")


def test_nothing_found_is_said(browser: Browser) -> None:
    assert "No issues match this search." in browser.get(ISSUES).one("main").text


def test_many_issues_come_page_by_page(browser: Browser) -> None:
    for number in range(53):
        browser.sentry.send_event(error_event("Error", str(number), frames=[frame(f"f{number}")]))
    seen: list[str] = []
    url, sizes = f"{ISSUES}?query=is%3Aunresolved&project=1", []
    while True:
        page = browser.get(url)
        seen += titles(page)
        sizes.append(len(titles(page)))
        following = page.all("a", rel="next")
        if not following:
            break
        url = ISSUES + following[0].attributes["href"]
        assert "project=1" in url
    assert sizes == [25, 25, 3]
    assert len(set(seen)) == 53
    back = ISSUES + page.one("a", rel="prev").attributes["href"]
    assert titles(browser.get(back)) == seen[25:50]


def test_a_project_has_its_own_list(browser: Browser) -> None:
    browser.sentry.post("/api/0/teams/obs/qa/projects/", {"name": "other"})
    browser.sentry.send_event(error_event())
    assert len(titles(browser.get(f"{ISSUES}?project=simple-app"))) == 1
    page = browser.get(f"{ISSUES}?project=other&query=")
    assert titles(page) == []
    assert page.one("form", role="search").fields()["project"] == "other"


def test_an_unknown_organization_is_not_found(browser: Browser) -> None:
    page = browser.get("/organizations/elsewhere/issues/", 404)
    assert page.one("h1").text == "Page Not Found"


def test_a_page_that_only_sentry_has_is_refused_by_name(browser: Browser) -> None:
    page = browser.get("/organizations/obs/replays/", 404)
    assert page.one("main").all("p")[0].text == (
        "not supported by the embedded Sentry: page /organizations/obs/replays/; "
        "use --obs-stack=compose, or --obs-use sentry=URL"
    )


def test_before_there_is_an_organization_the_home_page_says_so(browser: Browser) -> None:
    browser.sentry.server.store.catalog.organizations.clear()
    assert browser.get("/").one("h1").text == "There is no organization yet"
