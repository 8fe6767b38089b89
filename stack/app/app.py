"""simple-app: the guide's Flask app, instrumented with Sentry's SDK and with OpenTelemetry.

Answers are JSON. Flags (``fail``) are on for ``1`` and ``true``. A parameter that cannot be meant
is answered with 400. Every 500 has exactly one Sentry event, whose id stands in the answer.
"""

from __future__ import annotations

import hashlib
import logging
import math
import os
import random
import re
import secrets
import time
from typing import Any, Final, NamedTuple

import sentry_sdk
from flask import Blueprint, Flask, Response, abort, current_app, jsonify, make_response, request
from opentelemetry import trace
from werkzeug.exceptions import HTTPException

from telemetry.request_hooks import identify, instrument
from telemetry.settings import LOG_LEVELS, Settings

MAX_SLOW_S: Final = 10.0
SETTINGS: Final = "SETTINGS"

logger = logging.getLogger("app")
requested_logger = logging.getLogger("app.log")
tracer = trace.get_tracer("simple-app")
routes = Blueprint("simple-app", __name__)


class PaymentError(Exception):
    """The payment provider refused."""


class DirectoryError(Exception):
    """The directory of users cannot be asked."""


class Credentials(NamedTuple):
    """What a login is about."""

    username: str
    password: str
    api_key: str | None


def create_app(settings: Settings) -> Flask:
    """The WSGI app; starts neither an SDK nor a thread, so it may be made before a fork."""
    app = Flask("app")
    app.config[SETTINGS] = settings
    instrument(app, settings)
    app.register_blueprint(routes)
    app.register_error_handler(HTTPException, answer_error)
    if settings.inventory_url is not None:
        from inventory import Inventory

        app.extensions["inventory"] = Inventory(settings.inventory_url)
    return app


def answer_error(error: HTTPException) -> tuple[Response, int]:
    """Any error as JSON; where Flask made it of an unhandled exception, with the event's id."""
    code = error.code or 500
    if code < 500:
        return jsonify(error=error.description), code
    return failure(error.name, sentry_sdk.last_event_id()), code


def failure(message: str, event_id: str | None) -> Response:
    return jsonify(error=message, event_id=event_id)


@routes.get("/")
def hello() -> Response:
    sentry_sdk.add_breadcrumb(category="request", message="Processing hello request", level="info")
    settings: Settings = current_app.config[SETTINGS]
    if draw(settings.random_seed) < settings.error_rate:
        raise Exception("Simulated error at / endpoint")  # noqa: TRY002 - the issue's title
    return jsonify(message="Hello from simple-app", service=settings.service_name)


@routes.get("/error")
def error() -> tuple[Response, int]:
    sentry_sdk.add_breadcrumb(category="request", message="Processing error request", level="info")
    try:
        raise ValueError("Intentional error for testing")  # noqa: TRY301 - to have a traceback
    except ValueError as error:
        event_id = capture(
            error,
            tags={"endpoint": "/error", "error_type": type(error).__name__},
            contexts={"request_info": {"endpoint": "/error", "method": request.method}},
        )
        return failure(str(error), event_id), 500


@routes.get("/sentry-test")
def sentry_test() -> Response:
    numerator, denominator = 1, 0
    return jsonify(quotient=numerator / denominator)


@routes.get("/health")
def health() -> Response:
    return jsonify(status="ok", service=current_app.config[SETTINGS].service_name)


@routes.route("/checkout", methods=["GET", "POST"])
def checkout() -> Response | tuple[Response, int]:
    """Pays ``amount`` in ``currency``; parameters from query, form or JSON.

    Also: fail, customer_tier, region, and user_id, user_email, user_name, which win over the
    headers X-User-Id, X-User-Email, X-User-Name.
    """
    order = parameters()
    amount = number(order, "amount", default=100.0, least=0.0, most=1_000_000.0)
    currency = str(order.get("currency", "USD"))
    if "user_id" in order:
        identify(
            user_id=str(order["user_id"]),
            email=str(order.get("user_email", "")),
            username=str(order.get("user_name", "")),
        )
    for tag in ("customer_tier", "region"):
        if tag in order:
            sentry_sdk.set_tag(tag, str(order[tag]))
    sentry_sdk.add_breadcrumb(
        category="user_action", message="User clicked checkout button", level="info"
    )
    sentry_sdk.add_breadcrumb(category="payment", message="Authorizing payment", level="info")
    try:
        process_payment(amount, currency, fail=flag(order, "fail"))
    except PaymentError as error:
        event_id = capture(
            error,
            tags={"feature": "payment"},
            contexts={"transaction": {"amount": amount, "currency": currency}},
        )
        return failure(str(error), event_id), 500
    return jsonify(status="paid", amount=amount, currency=currency)


@routes.post("/login")
def login() -> Response:
    """JSON or form: username, password, and whatever else; fail=1 fails with all of it at hand.

    See telemetry/redaction.py for which secrets of such a request only the app's filter removes.
    """
    submitted = parameters()
    username, password = submitted.get("username"), submitted.get("password")
    if not username or not password:
        abort(400, "username and password are needed")
    credentials = Credentials(str(username), str(password), request.headers.get("X-Api-Key"))
    user = authenticate(credentials, fail=flag(submitted, "fail"))
    response = make_response(jsonify(user=user))
    response.set_cookie("session", secrets.token_urlsafe(), httponly=True, samesite="Lax")
    return response


@routes.get("/log")
def log() -> Response:
    """``level`` and ``message``, both repeatable, are logged pair by pair, in their order."""
    levels = request.args.getlist("level") or ["info"]
    messages = request.args.getlist("message") or ["a log message"] * len(levels)
    if len(levels) != len(messages):
        abort(400, f"as many messages as levels are needed: {len(levels)} != {len(messages)}")
    for level in levels:
        if level.upper() not in LOG_LEVELS:
            abort(400, f"level: expected one of {', '.join(LOG_LEVELS).lower()}, found {level!r}")
    for level, message in zip(levels, messages, strict=True):
        requested_logger.log(LOG_LEVELS[level.upper()], message)
    return jsonify(logged=len(levels))


@routes.get("/slow")
def slow() -> Response:
    """Takes ``seconds`` (1 by default, at most 10)."""
    seconds = number(request.args, "seconds", default=1.0, least=0.0, most=MAX_SLOW_S)
    with (
        tracer.start_as_current_span("wait"),
        sentry_sdk.start_span(op="function", name="wait"),
    ):
        time.sleep(seconds)
    return jsonify(slept_s=seconds)


@routes.get("/chain")
def chain() -> Response | tuple[Response, int]:
    """Asks the inventory, and goes on without it where it fails (``fail=1`` makes it fail)."""
    inventory = current_app.extensions.get("inventory")
    if inventory is None:
        return jsonify(error="APP_INVENTORY_URL is not set"), 503
    from inventory import InventoryError

    try:
        stock = inventory.stock(fail=flag(request.args, "fail"))
    except InventoryError as error:
        logger.warning("inventory failed, answering without stock: %s", error)
        return jsonify(stock=None, degraded=True)
    return jsonify(stock=stock["stock"], degraded=False)


@routes.get("/stock")
def stock() -> Response:
    """The inventory's side of /chain."""
    if flag(request.args, "fail"):
        raise RuntimeError("Stock cannot be counted")
    return jsonify(stock=42)


def capture(error: Exception, *, tags: dict[str, str], contexts: dict[str, Any]) -> str | None:
    """Reports a handled error once to Sentry, as an event of the span, and as a log record.

    In this order: the SDK drops the second report of the same exception, and the first has to be
    the one with tags and contexts.
    """
    with sentry_sdk.new_scope() as scope:
        for tag, value in tags.items():
            scope.set_tag(tag, value)
        for name, context in contexts.items():
            scope.set_context(name, context)
        event_id = scope.capture_exception(error)
    trace.get_current_span().record_exception(error)
    logger.error(str(error), exc_info=error)
    return event_id


def process_payment(amount: float, currency: str, *, fail: bool) -> None:
    """Takes the money, as a transaction of its own within the request's trace."""
    # start_transaction(op=..., name=...) alone would begin a new trace.
    headers = {
        "sentry-trace": sentry_sdk.get_traceparent() or "",
        "baggage": sentry_sdk.get_baggage() or "",
    }
    transaction = sentry_sdk.continue_trace(headers, op="task", name="process_payment")
    with (
        tracer.start_as_current_span("process_payment") as span,
        sentry_sdk.start_transaction(transaction),
    ):
        span.set_attributes({"payment.amount": amount, "payment.currency": currency})
        with sentry_sdk.start_span(op="function", name="authorize"):
            if fail:
                raise PaymentError("Payment was refused")


def authenticate(credentials: Credentials, *, fail: bool) -> str:
    """The user's name. Accepts everyone: what matters here is what a failure would give away."""
    if fail:
        raise DirectoryError("Directory of users cannot be reached")
    return credentials.username


def draw(seed: str | None) -> float:
    """A number from 0 up to 1.

    With a seed it depends on the seed, the request's trace id and its number (header
    ``X-Request-Number``) alone, so that runs agree however they are distributed. A request without
    a number, or without a trace, cannot be repeated and is drawn at random, as all are without a
    seed.
    """
    trace_id = incoming_trace_id()
    request_number = request.headers.get("X-Request-Number")
    if seed is None or trace_id is None or request_number is None:
        return random.random()  # noqa: S311 - decides who sees a simulated error
    if not request_number.isdecimal():
        abort(400, f"X-Request-Number: expected a whole number, found {request_number!r}")
    digest = hashlib.sha256(f"{seed}:{trace_id}:{int(request_number)}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def incoming_trace_id() -> str | None:
    """The trace id that the client sent, to OpenTelemetry or to Sentry alone."""
    for header, pattern in (
        ("traceparent", r"[0-9a-f]{2}-([0-9a-f]{32})-"),
        ("sentry-trace", r"([0-9a-f]{32})-"),
    ):
        match = re.match(pattern, request.headers.get(header, ""))
        if match:
            return match.group(1)
    return None


def parameters() -> dict[str, Any]:
    """Query, form and a JSON object's members in one; the body wins."""
    merged: dict[str, Any] = {**request.args.to_dict(), **request.form.to_dict()}
    if request.is_json:
        body = request.get_json()
        if not isinstance(body, dict):
            abort(400, f"expected a JSON object, found {type(body).__name__}")
        merged |= body
    return merged


def flag(given: Any, name: str) -> bool:
    return str(given.get(name, "")).lower() in {"1", "true"}


def number(given: Any, name: str, *, default: float, least: float, most: float) -> float:
    """A parameter as a number within its bounds, or 400."""
    try:
        value = float(given.get(name, default))
    except (TypeError, ValueError):
        value = math.nan
    if not least <= value <= most:
        abort(400, f"{name}: expected a number from {least:g} to {most:g}, found {given[name]!r}")
    return value


app = create_app(Settings.from_environ(os.environ))
