"""The error tracker's pages as a visitor without a browser sees them: plain HTTP and HTML."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx
import pytest

from pytest_obsstack import Probe
from pytest_obsstack.endpoints import needs_certificates
from pytest_obsstack.providers.stack import Stack
from tests.e2e.words import own_word
from tests.html_document import Element, parse_html

USER = {"id": "12345", "email": "user@example.com", "username": "john_doe"}
OTHER_USER = {"id": "67890", "email": "jane@example.com", "username": "jane_doe"}
STEPS = tuple(f"step {number}" for number in range(1, 6))


@dataclass(frozen=True)
class Account:
    """Where to log in, and as whom."""

    url: str
    email: str
    password: str

    def path(self, permalink: str | None) -> str:
        """The path of a link that the API gave, which has to lead to this server."""
        assert permalink is not None
        assert permalink.startswith(f"{self.url}/")
        return urlsplit(permalink).path


def account_of(stack: Stack) -> Account:
    """Skips where nobody told the password of the attached stack."""
    sentry = stack.endpoints.sentry
    assert sentry is not None
    if sentry.admin_email is None or sentry.admin_password is None:
        pytest.skip("nobody has told this run how to log in to the attached stack's pages")
    if sentry.flavour != "embedded":
        pytest.skip(f"these are the pages of the embedded Sentry, not of {sentry.flavour}")
    return Account(sentry.url, sentry.admin_email, sentry.admin_password)


class Visitor:
    """Keeps cookies and follows redirects, as a browser does."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def get(self, path: str) -> tuple[str, Element]:
        """The path where one ended, and the page."""
        return self._page(self._client.get(path))

    def submit(self, form: Element, **fields: str) -> tuple[str, Element]:
        """Send a form of the page with these fields filled in."""
        sent = {**form.fields(), **fields}
        return self._page(self._client.post(form.attributes["action"], data=sent))

    def log_in(self, account: Account, *, password: str | None = None) -> tuple[str, Element]:
        _, page = self.get("/")
        return self.submit(
            page.one("form"), username=account.email, password=password or account.password
        )

    def _page(self, response: httpx.Response) -> tuple[str, Element]:
        assert response.status_code == 200, response.text
        return response.url.path, parse_html(response.text)


@contextlib.contextmanager
def visitor_of(account: Account) -> Iterator[Visitor]:
    with httpx.Client(
        base_url=account.url,
        follow_redirects=True,
        trust_env=False,
        verify=needs_certificates(account.url),
    ) as client:
        yield Visitor(client)


def log_steps(obs: Probe, title: str, *, user: dict[str, str] | None = None) -> None:
    """A request that logs ``STEPS`` and then the error ``title``."""
    headers = (
        {}
        if user is None
        else {
            "X-User-Id": user["id"],
            "X-User-Email": user["email"],
            "X-User-Name": user["username"],
        }
    )
    params = [("level", "info")] * len(STEPS) + [("level", "error")]
    params += [("message", message) for message in (*STEPS, title)]
    assert obs.get("/log", params=params, headers=headers).status_code == 200


def own_title(obs: Probe) -> str:
    """The title of an issue that no other test has."""
    return f"Shelf {own_word(obs)} is empty"
