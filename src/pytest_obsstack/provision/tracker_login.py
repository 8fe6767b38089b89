"""A person's way into an error tracker, gone by a program: cookies, CSRF tokens, forms.

What the trackers have in common is Django: a form carries ``csrfmiddlewaretoken``, a request with
JSON the value of the CSRF cookie in ``X-CSRFToken``
(https://docs.djangoproject.com/en/5.2/howto/csrf/).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any

import httpx

from pytest_obsstack.clients.http import ApiClient
from pytest_obsstack.errors import ObsstackError

MADE_BY = "obsstack"
"""The name under which a token is created, and found again."""


@dataclass(frozen=True)
class Login:
    """Who logs in where."""

    product: str
    url: str
    """Base URL of the tracker."""
    email: str
    password: str
    transport: httpx.BaseTransport | None = None
    """Replaces the network in tests."""

    def refused(self, found: str, *, advice: str) -> ObsstackError:
        return ObsstackError(
            f"{self.product} does not let {self.email} in.",
            expected=f"a login at {self.url} with the e-mail and the password that were given",
            found=found,
            advice=advice,
        )


class WebSession:
    """Pages and requests of one visitor; keeps cookies and follows redirects, as a browser does."""

    def __init__(self, login: Login, *, csrf_cookie: str) -> None:
        self.login = login
        self._csrf_cookie = csrf_cookie
        url = login.url.rstrip("/")
        self._api = ApiClient(
            login.product,
            url,
            # Django compares it with its own address where a request comes over TLS.
            headers={"referer": f"{url}/"},
            secrets=(login.password,),
            advice={404: f"check that {url} is a {login.product}, and of a version that is in use"},
            follow_redirects=True,
            transport=login.transport,
        )

    def close(self) -> None:
        self._api.close()

    def page(self, path: str) -> Page:
        """The page to which the path leads."""
        return self._page(self._api.request("GET", path, headers={"accept": "text/html"}))

    def submit(self, page: Page, fields: Mapping[str, str]) -> Page:
        """The page to which a form leads; the form sends to the page on which it stands."""
        form = {"csrfmiddlewaretoken": page.csrf_token, **fields}
        response = self._api.request("POST", page.path, data=form, headers={"accept": "text/html"})
        return self._page(response)

    def json(self, method: str, path: str, body: Any = None) -> Any:
        """The JSON that answers a request; raises ``BackendRefused``."""
        token = self._api.cookie(self._csrf_cookie)
        headers = {} if token is None else {"x-csrftoken": token}
        return self._api.json_of(self._api.request(method, path, json=body, headers=headers))

    def api(self, prefix: str, *cookies: str) -> ApiClient:
        """A client of the API below ``prefix`` for the visitor whom the cookies stand for."""
        found = {name: self._api.cookie(name) for name in (*cookies, self._csrf_cookie)}
        url = self.login.url.rstrip("/")
        return ApiClient(
            self.login.product,
            f"{url}{prefix}",
            headers={
                "cookie": "; ".join(f"{name}={value}" for name, value in found.items() if value),
                "x-csrftoken": found[self._csrf_cookie] or "",
                "referer": f"{url}/",
            },
            secrets=(self.login.password, *found.values()),
            transport=self.login.transport,
        )

    def _page(self, response: httpx.Response) -> Page:
        parser = _PageParser()
        parser.feed(response.text)
        return Page(response.url.path, dict(parser.inputs), "\n".join(parser.texts))


@dataclass(frozen=True)
class Page:
    """An HTML page, as far as logging in needs it."""

    path: str
    """Where redirects have led."""
    inputs: Mapping[str, str]
    """Name and value of the fields of its forms."""
    text: str
    """What stands between the tags, each piece on a line of its own."""

    @property
    def csrf_token(self) -> str:
        return self.inputs.get("csrfmiddlewaretoken", "")


class _PageParser(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.inputs: list[tuple[str, str]] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        if tag == "input" and named.get("name"):
            self.inputs.append((str(named["name"]), named.get("value") or ""))

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append(data.strip())
