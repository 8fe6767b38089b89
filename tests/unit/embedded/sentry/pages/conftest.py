"""One server a test, and a browser that is logged in to it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.embedded.sentry.pages.support import PASSWORD, Browser
from tests.unit.embedded.sentry.support import Sentry


@pytest.fixture
def sentry() -> Iterator[Sentry]:
    server = Sentry(admin_password=PASSWORD)
    yield server
    server.close()


@pytest.fixture
def browser(sentry: Sentry) -> Browser:
    browser = Browser(sentry)
    browser.log_in()
    return browser
