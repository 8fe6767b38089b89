"""Answers of trackers' login pages, in the shape in which the real ones give them."""

from __future__ import annotations

from typing import Any

import httpx

from pytest_obsstack.provision.tracker_login import Login
from tests.unit.clients.answers import Answers

URL = "http://127.0.0.1:9000"
EMAIL, PASSWORD = "admin@example.com", "s3cret-pass-42"


def login(product: str, answers: Answers) -> Login:
    return Login(product, URL, EMAIL, PASSWORD, answers)


def page(html: str, **cookies: str) -> httpx.Response:
    return httpx.Response(200, html=html, headers=_set(cookies))


def json_page(body: Any, *, status: int = 200, **cookies: str) -> httpx.Response:
    return httpx.Response(status, json=body, headers=_set(cookies))


def redirect(location: str, **cookies: str) -> httpx.Response:
    return httpx.Response(302, headers=[("location", location), *_set(cookies)])


def csrf_form(action: str, token: str) -> str:
    return (
        f'<html><form method="post" action="{action}">'
        f'<input type="hidden" name="csrfmiddlewaretoken" value="{token}">'
        '<input type="text" name="username"></form></html>'
    )


def _set(cookies: dict[str, str]) -> list[tuple[str, str]]:
    return [("set-cookie", f"{name}={value}; Path=/") for name, value in cookies.items()]
