"""The pages in Chromium, as a person uses them: by labels, buttons and links.

``OBSSTACK_CHROMIUM`` names the browser's executable; else it is looked for on the PATH. Where there
is none, ``test_pages.py`` alone proves the claims.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from pytest_obsstack import Probe, Stack
from pytest_obsstack.clients.sentry.client import SentryClient
from tests.e2e.sentry_pages import (
    OTHER_USER,
    STEPS,
    USER,
    Account,
    account_of,
    log_steps,
    own_title,
)

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Dialog, Locator, Page, Request

pytestmark = [pytest.mark.e2e, pytest.mark.obs_requires("ui")]

NAMES = ("chromium", "chromium-browser", "google-chrome")
TIMEOUT_MS = 10_000


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for all tests of this module: it takes half a second to start."""
    executable = os.environ.get("OBSSTACK_CHROMIUM") or next(
        filter(None, map(shutil.which, NAMES)), None
    )
    if executable is None:
        pytest.skip(f"no browser: OBSSTACK_CHROMIUM is not set, none of {', '.join(NAMES)} on PATH")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(
            executable_path=executable, args=["--no-sandbox", "--disable-background-networking"]
        )
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def account(obs_stack: Stack) -> Account:
    return account_of(obs_stack)


@pytest.fixture
def stranger(browser: Browser, account: Account) -> Iterator[Page]:
    """A page of a browser without cookies."""
    with opened(browser, account) as (page, problems):
        yield page
        assert problems == []


@pytest.fixture(scope="module")
def visit(browser: Browser, account: Account) -> Iterator[tuple[Page, list[str]]]:
    """A page that is logged in, shared because each login takes its time; and its problems."""
    with opened(browser, account) as (page, problems):
        page.goto("/")
        log_in(page, account.email, account.password)
        yield page, problems


@pytest.fixture
def page(visit: tuple[Page, list[str]]) -> Iterator[Page]:
    """Logged in, at the list of issues."""
    page, problems = visit
    problems.clear()
    page.goto("/")
    yield page
    assert problems == []


@pytest.mark.claim("setup-login")
def test_the_admin_logs_in_and_sees_the_issues(
    obs: Probe, account: Account, stranger: Page, obs_sentry: SentryClient
) -> None:
    obs.get("/error")
    issue = obs.sentry.expect_issue("ValueError", value="Intentional error for testing")

    list_path = f"/organizations/{obs_sentry.organization}/issues/"
    stranger.goto(f"{list_path}?query=trace:{obs.trace_id}")
    assert "Log in" in stranger.title()
    log_in(stranger, account.email, account.password)
    # One is where one wanted to be, search included.
    assert stranger.url == f"{account.url}{list_path}?query=trace:{obs.trace_id}"
    assert "Issues" in stranger.title()
    assert stranger.get_by_role("link", name=issue.title).is_visible()

    follow(stranger, stranger.get_by_role("button", name="Log out"))
    stranger.goto(list_path)
    assert "Log in" in stranger.title()


@pytest.mark.claim("setup-login")
def test_a_wrong_password_lets_nobody_in(account: Account, stranger: Page) -> None:
    stranger.goto("/")
    log_in(stranger, account.email, "not " + account.password)
    assert stranger.get_by_role("alert").inner_text() == (
        "The email or the password is not correct."
    )
    stranger.goto("/")
    assert "Log in" in stranger.title()


@pytest.mark.claim("view-list")
def test_the_list_shows_groups_and_counts_and_can_be_searched(obs: Probe, page: Page) -> None:
    obs.get("/sentry-test")
    for _ in range(3):
        log_steps(obs, own_title(obs))
    obs.sentry.expect_issue("ZeroDivisionError")
    obs.sentry.expect_issue(title=own_title(obs), count=3)

    search(page, f"trace:{obs.trace_id}")
    rows = page.locator("#issues tbody tr")
    assert rows.count() == 2
    own = rows.filter(has_text=own_title(obs))
    assert own.locator("td.events").inner_text() == "3"
    others = rows.filter(has_text="ZeroDivisionError: division by zero")
    assert int(others.locator("td.events").inner_text()) >= 1


@pytest.mark.claim("detail-stack-trace")
def test_the_stack_trace_opens_where_the_app_failed(obs: Probe, page: Page) -> None:
    obs.get("/checkout?fail=1")
    obs.sentry.expect_issue("PaymentError")
    open_issue(page, obs, "PaymentError: Payment was refused")

    frames = page.locator("li.frame")
    functions = frames.locator("code.function").all_inner_texts()
    assert functions == ["process_payment", "checkout"]
    # What failed is visible without a click: line, source, variables.
    assert (
        frames.first.locator("li.here")
        .inner_text()
        .endswith('raise PaymentError("Payment was refused")')
    )
    assert frames.first.locator("li.here").is_visible()
    variables = frames.first.locator(".vars")
    assert variables.is_visible()
    assert re.search(r"currency\s+'USD'", variables.inner_text())
    # A frame is closed and opened by its line.
    frames.first.locator("summary").click()
    assert not variables.is_visible()


@pytest.mark.claim("detail-breadcrumbs")
def test_the_breadcrumbs_stand_in_order(obs: Probe, page: Page) -> None:
    log_steps(obs, own_title(obs))
    obs.sentry.expect_issue(title=own_title(obs))
    open_issue(page, obs, own_title(obs))
    assert page.get_by_role("heading", name="Breadcrumbs").is_visible()
    assert page.locator("#crumbs td.message").all_inner_texts() == list(STEPS)


@pytest.mark.claim("detail-user")
def test_the_user_and_the_number_of_users_are_shown(obs: Probe, page: Page) -> None:
    for user in (OTHER_USER, USER):
        log_steps(obs, own_title(obs), user=user)
    obs.sentry.expect_issue(title=own_title(obs), user_count=2)
    open_issue(page, obs, own_title(obs))
    assert page.locator("#user-count").inner_text() == "2"
    for value in USER.values():
        assert page.locator("#user-facts").get_by_text(value, exact=True).is_visible()

    follow(page, page.get_by_role("link", name="Previous"))
    for value in OTHER_USER.values():
        assert page.locator("#user-facts").get_by_text(value, exact=True).is_visible()


@pytest.mark.claim("detail-stack-trace")
def test_markup_that_the_app_reports_stays_text(obs: Probe, page: Page) -> None:
    markup = "<script>alert(1)</script><img src=x>"
    title = f"{own_title(obs)} {markup}"
    hostile = {"id": markup, "email": markup, "username": markup}
    log_steps(obs, title, user=hostile)
    obs.sentry.expect_issue(title=title)
    open_issue(page, obs, title)
    assert page.get_by_role("heading", level=1).inner_text() == title
    assert page.locator("main img, main script").count() == 0


@pytest.mark.obs_requires("writes")
@pytest.mark.claim("view-list")
def test_a_resolved_issue_leaves_the_list(obs: Probe, page: Page) -> None:
    log_steps(obs, own_title(obs))
    obs.sentry.expect_issue(title=own_title(obs))
    open_issue(page, obs, own_title(obs))
    follow(page, page.get_by_role("button", name="Resolve"))
    assert page.locator("#status").inner_text() == "resolved"

    follow(page, page.get_by_role("link", name="Issues").first)
    search(page, f"is:unresolved trace:{obs.trace_id}")
    assert page.get_by_text("No issues match this search.").is_visible()
    search(page, f"is:resolved trace:{obs.trace_id}")
    assert page.get_by_role("link", name=own_title(obs)).is_visible()


@contextlib.contextmanager
def opened(browser: Browser, account: Account) -> Iterator[tuple[Page, list[str]]]:
    """A page with cookies of its own, and what it complains of.

    That is: blocked content, scripts that ran, dialogs, requests to another host.
    """
    problems: list[str] = []

    def dismiss(dialog: Dialog) -> None:
        problems.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def check(request: Request) -> None:
        if not request.url.startswith((f"{account.url}/", "data:")):
            problems.append(f"request to {request.url}")

    context = browser.new_context(base_url=account.url)
    context.set_default_timeout(TIMEOUT_MS)
    page = context.new_page()
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("dialog", dismiss)
    page.on("request", check)
    try:
        yield page, problems
    finally:
        context.close()


def follow(page: Page, link: Locator) -> None:
    """Click what leads to another page and wait for that: a click returns on the old one."""
    with page.expect_navigation():
        link.click()


def log_in(page: Page, email: str, password: str) -> None:
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password").fill(password)
    follow(page, page.get_by_role("button", name="Log in"))


def search(page: Page, query: str) -> None:
    page.get_by_role("searchbox", name="Search").fill(query)
    follow(page, page.get_by_role("button", name="Search"))


def open_issue(page: Page, obs: Probe, title: str) -> None:
    """Find the issue by this test's trace, and open it."""
    search(page, f"trace:{obs.trace_id}")
    follow(page, page.get_by_role("link", name=title))
    assert page.get_by_role("heading", level=1).inner_text() == title
