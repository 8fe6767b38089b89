"""A browser without sockets: it keeps cookies, and follows nothing by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx

from tests.html_document import Element, parse_html
from tests.unit.embedded.sentry.support import Sentry

EMAIL, PASSWORD = "admin@example.com", "correct horse"
ISSUES = "/organizations/obs/issues/"


class Browser:
    """Asks for pages of ``sentry``."""

    def __init__(self, sentry: Sentry) -> None:
        self.sentry = sentry
        self.cookies: dict[str, str] = {}

    def request(self, method: str, url: str, **options: Any) -> httpx.Response:
        headers = dict(options.pop("headers", {}))
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{k}={v}" for k, v in self.cookies.items())
        response = self.sentry.request(method, url, headers=headers, **options)
        for name in response.cookies:
            self.cookies[name] = response.cookies[name]
        for header in response.headers.get_list("set-cookie"):
            if "Max-Age=0" in header:
                self.cookies.pop(header.partition("=")[0], None)
        return response

    def get(self, url: str, status: int = 200) -> Element:
        response = self.request("GET", url)
        assert response.status_code == status, response.text
        return parse_html(response.text)

    def post(self, url: str, form: Mapping[str, str]) -> httpx.Response:
        return self.request("POST", url, data=dict(form))

    def log_in(
        self, email: str = EMAIL, password: str = PASSWORD, url: str = "/auth/login/"
    ) -> httpx.Response:
        form = self.get(url).one("form").fields()
        return self.post("/auth/login/", {**form, "username": email, "password": password})
