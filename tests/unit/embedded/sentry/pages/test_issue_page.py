from __future__ import annotations

from typing import Any

import pytest

from pytest_obsstack.wire.envelope import Item
from tests.html_document import Element
from tests.unit.embedded.sentry.pages.support import ISSUES, Browser
from tests.unit.embedded.sentry.support import TRACE, error_event, frame

PAGE = f"{ISSUES}1/"


def chained_error(**more: Any) -> dict[str, Any]:
    """A ``PaymentError`` that a ``ValueError`` caused, with frames of a library between."""
    event = error_event(**more)
    event["exception"]["values"] = [
        {
            "type": "ValueError",
            "value": "no card",
            "stacktrace": {
                "frames": [
                    frame("checkout", line=20),
                    frame("charge", line=12, vars={"amount": "1200", "card": "None"}),
                ]
            },
        },
        {
            "type": "PaymentError",
            "value": "payment failed",
            "module": "shop.errors",
            "mechanism": {"type": "flask", "handled": False},
            "stacktrace": {
                "frames": [
                    frame("wsgi_app", in_app=False, filename="flask/app.py", line=1511),
                    frame("checkout", line=22),
                ]
            },
        },
    ]
    return event


def frames_of(exception: Element) -> list[tuple[str, str, str, bool]]:
    return [
        (
            li.one("code", class_="file").text,
            li.one("code", class_="function").text,
            li.one("code", class_="lineno").text,
            "in-app" in li.attributes["class"],
        )
        for li in exception.all("li", class_="frame")
    ]


def test_the_stack_trace_is_whole_and_the_newest_call_comes_first(browser: Browser) -> None:
    browser.sentry.send_event(chained_error())
    exceptions = browser.get(PAGE).all("div", class_="exception")
    assert [e.one("h3").text for e in exceptions] == ["PaymentError", "ValueError"]
    assert [e.one("p", class_="value").text for e in exceptions] == ["payment failed", "no card"]
    assert frames_of(exceptions[0]) == [
        ("app.py", "checkout", "22", True),
        ("flask/app.py", "wsgi_app", "1511", False),
    ]
    assert frames_of(exceptions[1]) == [
        ("app.py", "charge", "12", True),
        ("app.py", "checkout", "20", True),
    ]
    assert "unhandled, flask" in exceptions[0].text
    assert "shop.errors" in exceptions[0].text
    assert "caused the one above" in exceptions[1].text


def test_frames_of_the_app_are_open_and_those_of_libraries_closed(browser: Browser) -> None:
    browser.sentry.send_event(chained_error())
    first = browser.get(PAGE).all("div", class_="exception")[0]
    own, library = first.all("details")
    assert "open" in own.attributes
    assert "In App" in own.text
    assert "open" not in library.attributes


def test_a_frame_shows_its_source_and_its_local_variables(browser: Browser) -> None:
    browser.sentry.send_event(chained_error())
    charge = browser.get(PAGE).all("li", class_="frame")[2]
    source = charge.one("ol", class_="source").all("li")
    assert [line.one("span", class_="line").text for line in source] == ["11", "12", "13"]
    [here] = [line for line in source if "here" in line.attributes.get("class", "")]
    assert here.all("span")[1].raw_text == "    charge_call()"
    assert charge.one("div", class_="vars").pairs() == {"amount": "1200", "card": "None"}


def test_variables_that_are_no_text_are_shown_as_json(browser: Browser) -> None:
    variables = {"cart": {"items": ["a", 1]}, "none": None, "flag": True}
    browser.sentry.send_event(error_event(frames=[frame("f", vars=variables)]))
    found = browser.get(PAGE).one("div", class_="vars").pairs()
    assert found == {"cart": '{ "items": [ "a", 1 ] }', "none": "none", "flag": "true"}


def test_breadcrumbs_stand_in_their_order(browser: Browser) -> None:
    crumbs = [
        {
            "timestamp": f"2026-11-23T15:34:5{second}.123Z",
            "category": category,
            "message": message,
            "level": level,
            "data": data,
        }
        for second, category, message, level, data in (
            (1, "request", "Processing hello request", "info", None),
            (2, "query", "SELECT 1", "warning", {"rows": 1}),
            (3, "user_action", "User clicked checkout button", "info", None),
        )
    ]
    browser.sentry.send_event(error_event(breadcrumbs={"values": crumbs}))
    rows = browser.get(PAGE).one("table", id="crumbs").one("tbody").all("tr")
    assert [[cell.text for cell in row.all("td")] for row in rows] == [
        ["15:34:51.123", "request", "info", "Processing hello request"],
        ["15:34:52.123", "query", "warning", 'SELECT 1{ "rows": 1 }'],
        ["15:34:53.123", "user_action", "info", "User clicked checkout button"],
    ]


def test_the_request_is_shown_with_query_body_headers_and_cookies(browser: Browser) -> None:
    request = {
        "method": "POST",
        "url": "http://localhost:5000/login",
        "query_string": "next=%2Fcart&x=1",
        "data": {"username": "ann"},
        "headers": {"Content-Type": "application/json", "Host": "localhost:5000"},
        "cookies": {"theme": "dark"},
        "env": {"SERVER_PORT": "5000"},
    }
    browser.sentry.send_event(error_event(request=request))
    section = browser.get(PAGE).one("section", id="http-request")
    assert section.all("p")[0].text == "POST http://localhost:5000/login"
    assert section.one("pre").text == '{ "username": "ann" }'
    tables = [table.pairs() for table in section.all("table")]
    assert tables == [
        {"next": "/cart", "x": "1"},
        {"Content-Type": "application/json", "Host": "localhost:5000"},
        {"theme": "dark"},
        {"SERVER_PORT": "5000"},
    ]


def test_tags_have_their_counts_per_value(browser: Browser) -> None:
    for tier in ("gold", "silver", "gold"):
        browser.sentry.send_event(error_event(tags={"customer_tier": tier, "endpoint": "/error"}))
    tags = browser.get(f"{PAGE}events/oldest/").one("section", id="tag-list")
    tiers = tags.one("div", data_key="customer_tier")
    values = [
        (li.one("span", class_="value").text, li.one("span", class_="count").text)
        for li in tiers.all("li")
    ]
    assert values == [("gold", "2"), ("silver", "1")]
    # This event's own value is marked.
    assert [e.text for e in tiers.all("span", class_="own")] == ["gold"]
    assert tags.one("div", data_key="endpoint").one("span", class_="count").text == "3"


def test_a_tag_of_many_values_shows_the_most_frequent(browser: Browser) -> None:
    for number in range(8):
        browser.sentry.send_event(error_event(tags={"order": str(number)}))
    tag = browser.get(PAGE).one("section", id="tag-list").one("div", data_key="order")
    assert len(tag.all("span", class_="value")) == 5
    assert tag.all("li")[-1].text == "and 3 more"


def test_the_user_and_the_number_of_users(browser: Browser) -> None:
    for number in ("7", "8"):
        user = {"id": number, "email": f"{number}@example.com", "username": "ann", "plan": "pro"}
        browser.sentry.send_event(error_event(user=user))
    page = browser.get(PAGE)
    assert page.one(id="user-count").text == "2"
    assert page.one(id="user-facts").pairs() == {
        "id": "8",
        "email": "8@example.com",
        "username": "ann",
        "plan": "pro",
    }


def test_contexts_release_environment_and_trace(browser: Browser) -> None:
    event = error_event(extra={"cart": {"size": 2}})
    event["contexts"]["request_info"] = {"endpoint": "/error", "method": "GET"}
    browser.sentry.send_event(event)
    page = browser.get(PAGE)
    assert page.one(id="release").text == "simple-app@1.0.0"
    assert page.one(id="environment").text == "staging"
    link = page.one("a", id="trace")
    assert link.text == TRACE
    assert link.attributes["href"] == f"/organizations/obs/traces/trace/{TRACE}/"
    everything = page.one("main").pairs()
    assert (everything["endpoint"], everything["method"]) == ("/error", "GET")
    assert everything["cart"] == '{ "size": 2 }'


def test_one_walks_from_event_to_event(browser: Browser) -> None:
    ids = [browser.sentry.send_event(error_event()) for _ in range(3)]
    middle = browser.get(f"{PAGE}events/{ids[1]}/")
    assert ids[1] in middle.one(id="event").text
    links = {
        a.text: a.attributes["href"]
        for a in middle.one("nav", aria_label="Events of this issue").all("a")
    }
    assert links["Previous"] == f"{PAGE}events/{ids[0]}/"
    assert links["Next"] == f"{PAGE}events/{ids[2]}/"
    assert ids[0] in browser.get(links["Oldest"]).one(id="event").text
    latest = browser.get(links["Latest"])
    assert ids[2] in latest.one(id="event").text
    assert latest.all("a", rel="next") == []
    raw = browser.request("GET", links["JSON"]).json()
    assert raw["event_id"] == ids[1]


def test_a_message_has_a_page_too(browser: Browser) -> None:
    event = error_event(logentry={"message": "stock of %s is low", "params": ["A-1"]})
    event["logentry"]["formatted"] = "stock of A-1 is low"
    del event["exception"]
    browser.sentry.send_event(event)
    page = browser.get(PAGE)
    assert page.one("h1").text == "stock of A-1 is low"
    assert page.one("pre").text == "stock of A-1 is low"
    assert page.all("div", class_="exception") == []


def test_threads_and_a_bare_stack_trace_are_shown(browser: Browser) -> None:
    event = error_event(
        threads={
            "values": [
                {"id": 1, "name": "worker", "crashed": True, "stacktrace": {"frames": [frame("w")]}}
            ]
        },
        stacktrace={"frames": [frame("bare")]},
    )
    browser.sentry.send_event(event)
    headings = [e.one("h3").text for e in browser.get(PAGE).all("div", class_="exception")]
    assert headings == ["ValueError", "Stack trace", "Thread worker"]


def test_an_exception_without_frames_says_so(browser: Browser) -> None:
    browser.sentry.send_event(error_event(frames=[]))
    assert "Without a stack trace." in browser.get(PAGE).one("div", class_="exception").text


def test_attachments_can_be_loaded_by_who_is_logged_in(browser: Browser) -> None:
    file = Item.of("attachment", b"line 1", filename="app.log", content_type="text/plain")
    browser.sentry.send_event(error_event(), file)
    link = next(a for a in browser.get(PAGE).all("a") if a.text == "app.log")
    response = browser.request("GET", link.attributes["href"])
    assert response.content == b"line 1"
    assert response.headers["content-disposition"] == 'attachment; filename="app.log"'


def test_the_permalink_and_the_short_id_lead_here(browser: Browser) -> None:
    browser.sentry.send_event(error_event())
    [issue] = browser.sentry.issues()
    path = issue["permalink"].removeprefix("http://127.0.0.1:9000")
    assert browser.get(path).one("h1").text == issue["title"]
    assert browser.get(f"{ISSUES}SIMPLE-APP-1/").one("h1").text == issue["title"]


def test_an_issue_is_resolved_and_opened_again_by_its_buttons(browser: Browser) -> None:
    browser.sentry.send_event(error_event())
    for button, status in (("Resolve", "resolved"), ("Unresolve", "unresolved")):
        form = browser.get(PAGE).one("main").one("form")
        assert form.one("button").text == button
        sent = {**form.fields(), "status": form.one("button").attributes["value"]}
        response = browser.post(form.attributes["action"], sent)
        assert (response.status_code, response.headers["location"]) == (303, PAGE)
        assert browser.get(PAGE).one(id="status").text == status
        [issue] = browser.sentry.issues("")
        assert issue["status"] == status


@pytest.mark.parametrize("token", ["", "guess"])
def test_the_buttons_need_the_token(browser: Browser, token: str) -> None:
    browser.sentry.send_event(error_event())
    response = browser.post(f"{PAGE}status/", {"status": "resolved", "csrfmiddlewaretoken": token})
    assert response.status_code == 403
    assert "CSRF Verification Failed" in response.text
    assert browser.get(PAGE).one(id="status").text == "unresolved"


def test_a_stranger_can_change_nothing(browser: Browser) -> None:
    browser.sentry.send_event(error_event())
    stranger = Browser(browser.sentry)
    response = stranger.post(f"{PAGE}status/", {"status": "resolved"})
    assert (response.status_code, response.headers["location"]) == (302, "/auth/login/")
    assert browser.sentry.issues("")[0]["status"] == "unresolved"


@pytest.mark.parametrize("url", [f"{ISSUES}99/", f"{PAGE}events/{'0' * 31}1/", f"{ISSUES}x/"])
def test_what_is_not_there_is_not_found(browser: Browser, url: str) -> None:
    browser.sentry.send_event(error_event())
    assert browser.get(url, 404).one("h1").text == "Page Not Found"
