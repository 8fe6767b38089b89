"""What an app reports for the contract of error trackers, sent by the real sentry-sdk."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import sentry_sdk
from sentry_sdk.integrations.logging import LoggingIntegration
from sentry_sdk.utils import event_from_exception

from pytest_obsstack.clients.sentry.tracker import Tracker
from pytest_obsstack.waiting import until

PARENT = "00f067aa0ba902b7"
RELEASE = "simple-app@1.2.3"
USER = {"id": "7", "email": "ann@example.com", "username": "ann"}
REQUEST = {
    "method": "POST",
    "url": "http://shop.example/checkout",
    "query_string": "currency=EUR&note=a%20b",
    "headers": {"Host": "shop.example", "X-Shop": "Basel"},
    "data": {"amount": 12.5},
}
_FLUSH_S = 10
_SEEN_S = 30


@dataclass(frozen=True)
class Facts:
    """The ids of what was reported."""

    trace: str
    """Of three events, reported in the order in which they stand here."""
    error: str
    message: str
    unhandled: str
    other_trace: str
    other_error: str
    """The same error once more, in the other trace, by another user."""

    def to_json(self) -> dict[str, str]:
        return asdict(self)


def charge(amount: int) -> None:
    doubled = amount * 2
    raise ValueError(f"Card {doubled} was refused")


def report_all(dsn: str, tracker: Tracker) -> Facts:
    """Report, and return once all is shown."""
    trace, other_trace = uuid.uuid4().hex, uuid.uuid4().hex
    error, message, unhandled = _in_trace(dsn, trace, _three)
    (other_error,) = _in_trace(dsn, other_trace, _one_more)
    for trace_id, number in ((trace, 3), (other_trace, 1)):
        _wait_for(tracker, trace_id, number)
    return Facts(trace, error, message, unhandled, other_trace, other_error)


def _wait_for(tracker: Tracker, trace_id: str, number: int) -> None:
    def all_there() -> bool | None:
        return True if len(tracker.events_of_trace(trace_id)) == number else None

    shown = until(all_there, timeout_s=_SEEN_S).value
    assert shown, f"{tracker.traits.product} does not show what was sent to it"


def _three(scope: sentry_sdk.Scope) -> list[str]:
    scope.set_user(USER)
    scope.set_tag("endpoint", "/checkout")
    scope.set_context("order", {"number": 42, "currency": "EUR"})
    scope.set_extra("cart", ["sku-1"])
    sentry_sdk.add_breadcrumb(category="cart", message="added sku-1", level="info")
    sentry_sdk.add_breadcrumb(category="request", message="about to charge", level="warning")
    found = []
    found.append(_charge_and_report())
    # Messages have no request of their own here, and no exception.
    logging.getLogger("shop.basket").error("Basket %s is lost", 7)
    found.append(str(sentry_sdk.last_event_id()))
    try:
        REQUEST["sku-9"]
    except KeyError as error:
        event, hint = event_from_exception(
            error,
            client_options=scope.get_client().options,
            mechanism={"type": "wsgi", "handled": False},
        )
        found.append(str(sentry_sdk.capture_event(event, hint=hint)))
    return found


def _one_more(scope: sentry_sdk.Scope) -> list[str]:
    scope.set_user({"id": "8"})
    scope.set_tag("endpoint", "/checkout")
    return [_charge_and_report()]


def _charge_and_report() -> str:
    """By one function, because Sentry groups by the stack trace."""
    try:
        charge(21)
    except ValueError as error:
        return str(sentry_sdk.capture_exception(error))
    return "nothing"


def _in_trace(dsn: str, trace_id: str, work: Callable[[sentry_sdk.Scope], list[str]]) -> list[str]:
    """Run ``work`` inside a transaction of that trace, with an SDK of its own; flushed after."""
    sdk = sentry_sdk.Client(
        dsn=dsn,
        default_integrations=False,
        integrations=[LoggingIntegration()],
        environment="staging",
        release=RELEASE,
        server_name="shop-1",
        traces_sample_rate=1.0,
        in_app_include=["tests"],
        before_send=_with_request,
    )
    with sentry_sdk.isolation_scope() as isolation, sentry_sdk.new_scope() as scope:
        # It begins as a copy: what other tests of this process left in it is none of ours.
        isolation.clear()
        isolation.set_client(sdk)
        scope.set_client(sdk)
        transaction = sentry_sdk.continue_trace(
            {"sentry-trace": f"{trace_id}-{PARENT}-1"}, op="http.server", name="/checkout"
        )
        with sentry_sdk.start_transaction(transaction):
            found = work(isolation)
        sdk.flush(timeout=_FLUSH_S)
        sdk.close(timeout=_FLUSH_S)
    return found


def _with_request(event: Any, _hint: Any) -> Any:
    return {**event, "request": REQUEST}
