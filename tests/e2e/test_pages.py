"""What a person sees in the error tracker: login, the list of issues, an issue's page."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pytest_obsstack import Probe, Stack
from pytest_obsstack.clients.sentry.client import SentryClient
from pytest_obsstack.clients.sentry.issue import Issue
from tests.e2e.sentry_pages import (
    OTHER_USER,
    STEPS,
    USER,
    Account,
    Visitor,
    account_of,
    log_steps,
    own_title,
    visitor_of,
)
from tests.html_document import Element

pytestmark = [pytest.mark.e2e, pytest.mark.obs_requires("ui")]

SIMULATED = "Simulated error at / endpoint"
MAX_REQUESTS = 300
"""At 10 % none of them fails once in 10**13 runs."""


@pytest.fixture
def account(obs_stack: Stack) -> Account:
    return account_of(obs_stack)


@pytest.fixture
def stranger(account: Account) -> Iterator[Visitor]:
    with visitor_of(account) as visitor:
        yield visitor


@pytest.fixture
def visitor(account: Account, stranger: Visitor) -> Visitor:
    stranger.log_in(account)
    return stranger


@pytest.mark.claim("setup-login")
def test_the_admin_logs_in_and_sees_the_issues(
    obs: Probe, account: Account, stranger: Visitor, obs_sentry: SentryClient
) -> None:
    obs.get("/error")
    issue = obs.sentry.expect_issue("ValueError", value="Intentional error for testing")

    list_path = f"/organizations/{obs_sentry.organization}/issues/"
    path, page = stranger.get(list_path)
    assert path == "/auth/login/"
    assert issue.title not in page.raw_text

    path, page = stranger.log_in(account)
    assert path == list_path
    assert issue.title in titles(stranger.get(f"{list_path}?query=trace:{obs.trace_id}")[1])


@pytest.mark.claim("setup-login")
def test_a_wrong_password_lets_nobody_in(
    account: Account, stranger: Visitor, obs_sentry: SentryClient
) -> None:
    path, page = stranger.log_in(account, password="not " + account.password)
    assert path == "/auth/login/"
    assert page.one(role="alert").text == "The email or the password is not correct."
    path, _ = stranger.get(f"/organizations/{obs_sentry.organization}/issues/")
    assert path == "/auth/login/"


@pytest.mark.claim("view-list")
def test_the_list_shows_the_three_groups_with_their_titles_and_counts(
    obs: Probe, visitor: Visitor, obs_sentry: SentryClient
) -> None:
    obs.get("/error")
    obs.get("/sentry-test")
    assert 500 in (obs.get("/").status_code for _ in range(MAX_REQUESTS))
    wanted = [
        obs.sentry.expect_issue("Exception", value=SIMULATED),
        obs.sentry.expect_issue("ValueError", value="Intentional error for testing"),
        obs.sentry.expect_issue("ZeroDivisionError", value="division by zero"),
    ]
    shown = counts(visitor, obs, obs_sentry)
    assert shown.keys() == {
        f"Exception: {SIMULATED}",
        "ValueError: Intentional error for testing",
        "ZeroDivisionError: division by zero",
    }
    for issue in wanted:
        # Other tests may add to these groups at the same time.
        assert issue.count <= shown[issue.title] <= obs_sentry.issue(issue.id).count


@pytest.mark.claim("view-list")
def test_the_list_counts_every_event_of_a_group(
    obs: Probe, visitor: Visitor, obs_sentry: SentryClient
) -> None:
    for _ in range(3):
        log_steps(obs, own_title(obs))
    obs.sentry.expect_issue(title=own_title(obs), count=3)
    assert counts(visitor, obs, obs_sentry) == {own_title(obs): 3}


@pytest.mark.claim("detail-stack-trace")
def test_the_issues_page_shows_the_whole_stack_trace(
    obs: Probe, account: Account, visitor: Visitor
) -> None:
    obs.get("/checkout?fail=1")
    event = obs.sentry.expect_event(type="PaymentError")
    assert event.exception is not None
    page = event_page(obs, account, visitor, obs.sentry.expect_issue("PaymentError"))

    exception = page.one("div", class_="exception")
    assert exception.one("h3").text == "PaymentError"
    assert exception.one("p", class_="value").text == "Payment was refused"
    frames = exception.all("li", class_="frame")
    # A person reads from where it failed; the API lists the calls as they were made.
    for frame, told in zip(frames, reversed(event.exception.frames), strict=True):
        assert frame.one("code", class_="file").text == told.filename
        assert frame.one("code", class_="function").text == told.function
        assert frame.one("code", class_="lineno").text == str(told.lineno)
        assert ("in-app" in frame.attributes["class"]) is told.in_app
        (failing_line,) = frame.all("li", class_="here")
        assert told.context_line is not None
        assert failing_line.all("span")[1].raw_text == told.context_line
        assert frame.one("div", class_="vars").pairs().keys() == told.vars.keys()
    failing = frames[0].one("div", class_="vars").pairs()
    assert (failing["amount"], failing["currency"]) == ("100.0", "'USD'")


@pytest.mark.claim("detail-breadcrumbs")
def test_the_issues_page_shows_the_breadcrumbs_in_order(
    obs: Probe, account: Account, visitor: Visitor
) -> None:
    log_steps(obs, own_title(obs))
    issue = obs.sentry.expect_issue(title=own_title(obs))
    page = event_page(obs, account, visitor, issue)
    rows = page.one("table", id="crumbs").one("tbody").all("tr")
    shown = [tuple(cell.text for cell in row.all("td")) for row in rows]
    assert [(category, level, text) for _, category, level, text in shown] == [
        ("app.log", "info", step) for step in STEPS
    ]
    times = [time.attributes["datetime"] for row in rows for time in row.all("time")]
    assert len(times) == len(STEPS)
    assert times == sorted(times)


@pytest.mark.claim("detail-user")
def test_the_issues_page_shows_the_user_and_counts_the_users(
    obs: Probe, account: Account, visitor: Visitor
) -> None:
    for user in (OTHER_USER, OTHER_USER, USER):
        log_steps(obs, own_title(obs), user=user)
    issue = obs.sentry.expect_issue(title=own_title(obs), count=3, user_count=2)
    _, page = visitor.get(account.path(issue.permalink))
    assert page.one(id="user-count").text == "2"
    assert page.one(id="event-count").text == "3"
    shown = page.one(id="user-facts").pairs()
    assert {name: shown[name] for name in USER} == USER


@pytest.mark.claim("detail-tags", "detail-request")
def test_the_issues_page_shows_tags_and_request(
    obs: Probe, account: Account, visitor: Visitor
) -> None:
    obs.get("/error?colour=blue", headers={"X-Shop": "Basel"})
    page = event_page(obs, account, visitor, obs.sentry.expect_issue("ValueError"))
    tags = page.one(id="tag-list")
    for key, value in (("endpoint", "/error"), ("error_type", "ValueError")):
        assert tags.one("div", data_key=key).one("span", class_="own").text == value
    request = page.one(id="http-request")
    assert request.all("p")[0].text == f"GET {obs.url}/error"
    assert request.pairs()["colour"] == "blue"
    assert request.pairs()["X-Shop"] == "Basel"


def titles(page: Element) -> list[str]:
    return [link.text for link in page.all("a", class_="title")]


def counts(visitor: Visitor, obs: Probe, client: SentryClient) -> dict[str, int]:
    """Title → number of events, of the groups that this test has events in."""
    _, page = visitor.get(
        f"/organizations/{client.organization}/issues/?query=trace:{obs.trace_id}"
    )
    rows = page.one("table", id="issues").one("tbody").all("tr")
    return {
        row.one("a", class_="title").text: int(row.one("td", class_="events").text) for row in rows
    }


def event_page(obs: Probe, account: Account, visitor: Visitor, issue: Issue) -> Element:
    """The issue's page with this test's event."""
    (own,) = obs.sentry.events()
    path, page = visitor.get(f"{account.path(issue.permalink)}events/{own.event_id}/")
    assert own.event_id in page.one(id="event").text
    assert path.endswith(f"/events/{own.event_id}/")
    return page
