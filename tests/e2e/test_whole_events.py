"""Every kind of error that the app reports, with all of its parts: none may lose one unnoticed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from pytest_obsstack import Probe

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.obs_requires("settled_errors", "breadcrumbs"),
    pytest.mark.claim("direct-exceptions", "direct-user", "direct-tags", "direct-breadcrumbs"),
]

HEADERS = {
    "X-User-Id": "12345",
    "X-User-Email": "user@example.com",
    "X-User-Name": "john_doe",
    "X-Region": "eu-central-1",
    "X-Customer-Tier": "premium",
}
USER = {"id": "12345", "email": "user@example.com", "username": "john_doe"}
TAGS = {"region": "eu-central-1", "customer_tier": "premium"}
MAX_REQUESTS = 300
"""Of which none fails once in 10**13 runs, at 10 %."""


def step(category: str, message: str) -> dict[str, str]:
    return {"category": category, "message": message, "level": "info"}


@dataclass(frozen=True)
class Kind:
    """An error: how it is caused, and what only it has."""

    path: str
    is_a: Mapping[str, Any]
    function: str | None
    """That raised it; a log message is raised by none."""
    json: Mapping[str, Any] | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    contexts: Mapping[str, Any] = field(default_factory=dict)
    breadcrumbs: Sequence[Mapping[str, str]] = ()


KINDS = [
    Kind(
        "/error",
        {"type": "ValueError"},
        "error",
        tags={"endpoint": "/error", "error_type": "ValueError"},
        contexts={"request_info": {"endpoint": "/error", "method": "GET"}},
        breadcrumbs=[step("request", "Processing error request")],
    ),
    Kind("/sentry-test", {"type": "ZeroDivisionError"}, "sentry_test"),
    Kind(
        "/checkout?fail=1",
        {"type": "PaymentError"},
        "process_payment",
        tags={"feature": "payment"},
        contexts={"transaction": {"amount": 100, "currency": "USD"}},
        breadcrumbs=[
            step("user_action", "User clicked checkout button"),
            step("payment", "Authorizing payment"),
        ],
    ),
    Kind(
        "/login",
        {"type": "DirectoryError"},
        "authenticate",
        json={"fail": 1, "username": "jane", "password": "p"},
    ),
    Kind("/stock?fail=1", {"type": "RuntimeError"}, "stock"),
    Kind(
        "/log?level=info&message=Counting&level=error&message=Shelf+is+empty",
        {"message": "Shelf is empty", "logger": "app.log"},
        None,
        breadcrumbs=[step("app.log", "Counting")],
    ),
    Kind(
        "/",
        {"type": "Exception", "value": "Simulated error at / endpoint"},
        "hello",
        breadcrumbs=[step("request", "Processing hello request")],
    ),
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.path.partition("?")[0])
def test_an_error_arrives_once_and_whole(obs: Probe, kind: Kind) -> None:
    cause(obs, kind)
    event = obs.sentry.expect_event(
        **kind.is_a,
        level="error",
        environment="production",
        user=USER,
        tags={**TAGS, **kind.tags},
        contexts={"runtime": {"name": "CPython"}, **kind.contexts},
    )
    obs.sentry.expect_breadcrumbs(event, list(kind.breadcrumbs), exactly=True)
    raised_by = event.exception.frames[-1].function if event.exception is not None else None
    assert raised_by == kind.function
    obs.sentry.expect_events(count=1)


def cause(obs: Probe, kind: Kind) -> None:
    """Send the request; of one that fails now and then, as often as it takes."""
    method = "GET" if kind.json is None else "POST"
    for _ in range(MAX_REQUESTS if kind.path == "/" else 1):
        if obs.request(method, kind.path, headers=HEADERS, json=kind.json).status_code == 500:
            return
