"""Whatever the app reports stays text, and the headers would stop what did not."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest

from pytest_obsstack.embedded.sentry.pages.security import security_headers
from pytest_obsstack.wire.envelope import Item
from tests.html_document import parse_html
from tests.unit.embedded.sentry.alerts.support import FIRST_SEEN, RULES
from tests.unit.embedded.sentry.pages.support import ISSUES, Browser
from tests.unit.embedded.sentry.support import TRACE, error_event, frame, transaction_event

MARKUP = "<script>alert(1)</script>"
QUOTES = "\"'><img src=x onerror=alert(1)>"
KNOWN_ELEMENTS = frozenset(
    """
    html head meta title link style body a header div span nav form input button main h1 h2 h3
    p section dl dt dd time table thead tbody tr th td ol ul li details summary code pre label
    progress svg rect strong
    """.split()  # noqa: SIM905 - a list of sixty strings is harder to read
)


def hostile_event(text: str) -> dict[str, Any]:
    """``text`` wherever a sender can write one."""
    evil_frame = frame(
        text,
        filename=text,
        module=text,
        context_line=text,
        pre_context=[text],
        post_context=[text],
        vars={text: text, "nested": {text: [text]}},
    )
    event = error_event(text, text, frames=[evil_frame])
    event["exception"]["values"][0] |= {
        "module": text,
        "mechanism": {"type": text, "handled": False},
    }
    event["contexts"] |= {text: {text: text}, "runtime": {"name": text, "version": text}}
    return {
        **event,
        "level": text,
        "platform": text,
        "transaction": text,
        "environment": text,
        "release": text,
        "dist": text,
        "server_name": text,
        "logger": text,
        "logentry": {"message": text, "formatted": text},
        "tags": {"evil": text, text: text},
        "user": {"id": text, "email": text, "username": text, "ip_address": text, text: text},
        "breadcrumbs": {
            "values": [
                {
                    "timestamp": text,
                    "category": text,
                    "message": text,
                    "level": text,
                    "type": text,
                    "data": {text: text},
                }
            ]
        },
        "request": {
            "method": text,
            "url": text,
            "query_string": [[text, text]],
            "headers": {text: text},
            "cookies": {text: text},
            "data": {text: text},
            "env": {text: text},
            "fragment": text,
        },
        "extra": {text: text},
        "modules": {text: text},
        "sdk": {"name": text, "version": text, "integrations": [text]},
    }


def pages_of(browser: Browser) -> list[str]:
    urls = [
        ISSUES,
        f"{ISSUES}1/",
        f"/organizations/obs/traces/trace/{TRACE}/",
        "/organizations/obs/projects/",
        "/settings/obs/projects/simple-app/keys/",
        "/organizations/obs/alerts/rules/",
    ]
    pages = []
    for url in urls:
        response = browser.request("GET", url)
        assert response.status_code == 200, response.text
        pages.append(response.text)
    return pages


@pytest.mark.parametrize("text", [MARKUP, QUOTES])
def test_text_of_the_app_never_becomes_an_element(browser: Browser, text: str) -> None:
    sentry = browser.sentry
    sentry.send_event(
        hostile_event(text), Item.of("attachment", b"x", filename=text, content_type=text)
    )
    sentry.send_event(transaction_event(text))
    app = sentry.post(
        "/api/0/sentry-apps/",
        {
            "name": "pager",
            "organization": "obs",
            "isInternal": True,
            "isAlertable": True,
            "webhookUrl": "http://127.0.0.1:9/",
            "scopes": [],
        },
    )
    action = {
        "id": "sentry.rules.actions.notify_event_service.NotifyEventServiceAction",
        "service": app["slug"],
    }
    sentry.post(
        RULES,
        {
            "name": text,
            "actionMatch": "any",
            "frequency": 5,
            "conditions": [FIRST_SEEN],
            "actions": [action],
        },
    )
    shown = 0
    for html in pages_of(browser):
        assert text not in html
        page = parse_html(html)
        assert {element.name for element in page.walk()} <= KNOWN_ELEMENTS
        for element in page.walk():
            handlers = [name for name in element.attributes if name.startswith("on")]
            assert handlers == []
        shown += page.raw_text.count(text)
    assert shown > 60


@pytest.mark.parametrize("text", [MARKUP, QUOTES])
def test_text_of_the_address_never_becomes_an_element(browser: Browser, text: str) -> None:
    for url, options in (
        (ISSUES, {"params": {"query": text, "project": text, "sort": text}}),
        (ISSUES, {"params": {"query": f'"{text}"'}}),
        (f"/organizations/obs/{text}/", {}),
        (f"/organizations/{text}/issues/", {}),
    ):
        response = browser.request("GET", url, **options)
        assert text not in response.text
        assert {e.name for e in parse_html(response.text).walk()} <= KNOWN_ELEMENTS
    stranger = Browser(browser.sentry)
    response = stranger.log_in(text, text)
    assert text not in response.text
    field = parse_html(response.text).one("input", id="username")
    assert field.attributes["value"] == text


def test_every_page_carries_the_headers_that_forbid_scripts(browser: Browser) -> None:
    browser.sentry.send_event(error_event())
    stranger = Browser(browser.sentry)
    responses = [
        browser.request("GET", ISSUES),
        browser.request("GET", f"{ISSUES}1/"),
        browser.request("GET", "/organizations/obs/nothing/"),
        browser.request("POST", "/auth/logout/"),
        stranger.request("GET", "/auth/login/"),
    ]
    for response in responses:
        policy = response.headers["content-security-policy"].split("; ")
        assert policy[0] == "default-src 'none'"
        assert policy[1].startswith("style-src 'sha256-")
        assert set(policy[2:]) == {
            "img-src data:",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        }
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["x-frame-options"] == "DENY"
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["referrer-policy"] == "same-origin"
        assert response.headers["content-type"] == "text/html; charset=utf-8"


def test_the_policy_allows_the_one_stylesheet_that_a_page_has(browser: Browser) -> None:
    response = browser.request("GET", ISSUES)
    page = parse_html(response.text)
    style = page.one("style").raw_text
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}';" in response.headers["content-security-policy"]
    assert [e for e in page.walk() if "style" in e.attributes] == []
    assert "<" not in style
    assert security_headers("a") != security_headers("b")


def test_a_page_asks_nobody_else_for_anything(browser: Browser) -> None:
    browser.sentry.send_event(error_event())
    for html in pages_of(browser):
        for element in parse_html(html).walk():
            for name in ("href", "src", "action"):
                target = element.attributes.get(name, "/")
                assert target.startswith(("/", "?", "#", "data:,"))
                assert not target.startswith("//")
